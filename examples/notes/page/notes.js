// The page of the notes: what is shown is what the API says; changes come over server-sent events.

const $ = (selector, root = document) => root.querySelector(selector);
const state = { q: "", tag: null, next: null, events: null };

async function call(method, path, body) {
  const isForm = body instanceof FormData;
  const answer = await fetch(path, {
    method,
    headers: body && !isForm ? { "content-type": "application/json" } : {},
    body: isForm ? body : body && JSON.stringify(body),
  });
  const value = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) {
    if (answer.status === 401 && path !== "login/") showDoor();
    const wrong = value.errors?.map((each) => `${each.path.join(".")}: ${each.message}`).join(" ");
    throw new Error(wrong || value.detail || value.title);
  }
  return value;
}

function tell(message) {
  $("#message").textContent = message;
  $("#message").hidden = false;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => ($("#message").hidden = true), 4000);
}

const trying = (action) => (event) => {
  event?.preventDefault();
  return action(event).catch((error) => tell(error.message));
};

// --- the door ---------------------------------------------------------------------------------------------

function showDoor() {
  state.events?.close();
  $("#desk").hidden = $("#log-out").hidden = true;
  $("#name").textContent = "";
  $("#door").hidden = false;
}

async function showDesk() {
  const user = await call("GET", "me/");
  $("#name").textContent = user.name;
  $("#door").hidden = true;
  $("#desk").hidden = $("#log-out").hidden = false;
  await load();
  state.events?.close();
  state.events = new EventSource("changes/");
  for (const kind of ["created", "changed", "deleted"]) {
    state.events.addEventListener(kind, (event) => followed(kind, JSON.parse(event.data)));
  }
}

$("#sign-up").addEventListener("click", () => {
  const signing = $("#name-field").hidden;
  $("#name-field").hidden = !signing;
  $("#name-field input").required = signing;
  $("#log-in h2").textContent = $("#log-in button").textContent = signing ? "Sign up" : "Log in";
  $("#sign-up").textContent = signing ? "Log in instead" : "Sign up instead";
});

$("#log-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password, name } = Object.fromEntries(new FormData(event.target));
  const problem = $("#log-in .problem");
  problem.hidden = true;
  try {
    if (!$("#name-field").hidden) await call("POST", "users/", { email, password, name });
    await call("POST", "login/", { email, password });
    event.target.reset();
    await showDesk();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
});

$("#log-out").addEventListener("click", trying(async () => {
  await call("POST", "logout/");
  showDoor();
}));

// --- notes ------------------------------------------------------------------------------------------------

async function load() {
  const query = new URLSearchParams(state.q ? { q: state.q } : {});
  if (state.tag) query.set("tag", state.tag);
  const page = await call("GET", `notes/?${query}`);
  $("#notes").replaceChildren(...page.notes.map(shown));
  went(page);
  await loadTags();
}

async function loadTags() {
  const tags = await call("GET", "notes/tags/");
  $("#tags").replaceChildren(...tags.map((tag) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: tag });
    button.setAttribute("aria-pressed", String(tag === state.tag));
    button.addEventListener("click", trying(() => {
      state.tag = tag === state.tag ? null : tag;
      return load();
    }));
    return button;
  }));
}

function went(page) {
  state.next = page.next;
  $("#more").hidden = page.next === null;
}

$("#more").addEventListener("click", trying(async () => {
  const query = new URLSearchParams({ before: state.next, ...(state.q && { q: state.q }), ...(state.tag && { tag: state.tag }) });
  const page = await call("GET", `notes/?${query}`);
  $("#notes").append(...page.notes.map(shown));
  went(page);
}));

function shown(note) {
  const item = $("#note").content.firstElementChild.cloneNode(true);
  const path = `notes/${note.id}/`;
  item.id = `note-${note.id}`;
  fill(item, note);
  $(".done", item).addEventListener("change", trying((event) => call("PATCH", path, { done: event.target.checked })));
  $("textarea", item).addEventListener("change", trying((event) => call("PATCH", path, { text: event.target.value })));
  $(".delete", item).addEventListener("click", trying(() => call("DELETE", path)));
  $("[type=file]", item).addEventListener("change", trying(async (event) => {
    const form = new FormData();
    form.append("file", event.target.files[0]);
    event.target.value = "";
    await call("POST", `${path}attachments/`, form);
  }));
  return item;
}

function fill(item, note) {
  item.classList.toggle("is-done", note.done);
  $(".done", item).checked = note.done;
  $(".title", item).textContent = note.title;
  $(".tags", item).textContent = note.tags.map((tag) => `#${tag}`).join(" ");
  // What somebody is writing at this moment isn't taken from under their hands.
  if (document.activeElement !== $("textarea", item)) $("textarea", item).value = note.text;
  $(".attachments", item).replaceChildren(...note.attachments.map((attachment) => {
    const line = document.createElement("li");
    const link = Object.assign(document.createElement("a"), {
      href: `attachments/${attachment.id}/`,
      textContent: `${attachment.name} (${Math.ceil(attachment.size / 1000)} KB)`,
    });
    line.append(link);
    return line;
  }));
}

async function followed(kind, change) {
  const item = $(`#note-${change.note_id}`);
  if (kind === "deleted") return item?.remove();
  const note = await call("GET", `notes/${change.note_id}/`).catch(() => null);
  if (!note) return;
  if (item) fill(item, note);
  else if (kind === "created" && !state.q && !state.tag) $("#notes").prepend(shown(note));
  if (note.tags.length) await loadTags();
}

$("#write").addEventListener("submit", trying(async (event) => {
  const form = event.target;
  const tags = form.tags.value.toLowerCase().split(/[\s,#]+/).filter(Boolean);
  await call("POST", "notes/", { title: form.title.value, tags });
  form.reset();
  form.title.focus();
}));

$("#find").addEventListener("input", () => {
  clearTimeout(load.timer);
  load.timer = setTimeout(trying(() => {
    state.q = $("#find [name=q]").value;
    return load();
  }), 150);
});
$("#find").addEventListener("submit", (event) => event.preventDefault());

showDesk().catch(showDoor);
