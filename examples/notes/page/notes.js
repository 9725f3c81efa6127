// The page of the notes. What it shows is what the API says; when something changes, it asks anew.
// Texts of people are only ever set as textContent and value: nothing in them is markup.

const $ = (selector, root = document) => root.querySelector(selector);
const LARGEST = 9_900_000; // bytes of a file
const PAGE = 20;

const state = { q: "", tag: "", done: "", next: null, events: null, asked: 0 };

// --- the API ------------------------------------------------------------------------------------------------

async function call(method, path, body) {
  const isForm = body instanceof FormData;
  const answer = await fetch(path, {
    method,
    headers: body && !isForm ? { "content-type": "application/json" } : {},
    body: isForm ? body : body && JSON.stringify(body),
  });
  const value = (answer.headers.get("content-type") ?? "").includes("json") ? await answer.json() : null;
  if (answer.ok) return value;
  if (answer.status === 401 && path !== "login/") showDoor();
  const wrong = value?.errors?.map((each) => `${each.path.join(" ")}: ${each.message}`).join(" ");
  throw new Error(wrong || value?.detail || value?.title || answer.statusText);
}

function tell(message) {
  $("#message").textContent = message;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => ($("#message").textContent = ""), 6000);
}

// What goes wrong in `action` is told.
const trying = (action) => (event) => Promise.resolve(action(event)).catch((error) => tell(error.message));

function later(action, milliseconds) {
  let timer = null;
  const run = () => {
    clearTimeout(timer);
    timer = null;
    return action();
  };
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
  return Object.assign(start, { now: () => timer && run(), waits: () => timer !== null });
}

// --- the door -----------------------------------------------------------------------------------------------

function showDoor() {
  state.events?.close();
  state.events = null;
  $("#notes").replaceChildren();
  $("#desk").hidden = $("#log-out").hidden = $("#live").hidden = true;
  $("#name").textContent = "";
  $("#door").hidden = false;
  ask(false);
}

async function showDesk() {
  const user = await call("GET", "me/");
  $("#name").textContent = user.name;
  $("#door").hidden = true;
  $("#desk").hidden = $("#log-out").hidden = false;
  $("#write [name=title]").focus();
  listen();
  await load();
}

const signingUp = () => !$("#name-field").hidden;

// The form is one for both: to sign up, or to log in.
function ask(up) {
  const form = $("#log-in");
  $("#name-field").hidden = !up;
  form.elements.name.required = up;
  form.elements.password.autocomplete = up ? "new-password" : "current-password";
  $("h2", form).textContent = up ? "Nice to meet you" : "Welcome back";
  $(".lead", form).textContent = up ? "Sign up for notes of your own." : "Log in to your notes.";
  $(".go", form).textContent = up ? "Sign up" : "Log in";
  $(".other span", form).textContent = up ? "Been here before?" : "No account yet?";
  $("#sign-up").textContent = up ? "Log in" : "Sign up";
  $(".problem", form).hidden = true;
  form.elements[up ? "name" : "email"].focus();
}

$("#sign-up").addEventListener("click", () => ask(!signingUp()));

$("#log-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const { email, password, name } = Object.fromEntries(new FormData(form));
  const problem = $(".problem", form);
  problem.hidden = true;
  $(".go", form).disabled = true;
  try {
    if (signingUp()) await call("POST", "users/", { email, password, name });
    await call("POST", "login/", { email, password });
    form.reset();
    await showDesk();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  $(".go", form).disabled = false;
});

$("#log-out").addEventListener("click", trying(async () => {
  await call("POST", "logout/");
  showDoor();
}));

// --- news ---------------------------------------------------------------------------------------------------

function listen() {
  state.events?.close();
  const events = (state.events = new EventSource("changes/"));
  for (const kind of ["created", "changed", "deleted"]) events.addEventListener(kind, reload);
  events.addEventListener("open", () => {
    live(true);
    reload(); // for what happened while nobody listened
  });
  events.addEventListener("error", () => {
    live(false);
    // The browser comes again by itself, but not after an answer that is no stream: ask who we are.
    if (events.readyState === EventSource.CLOSED) listenAgain(events);
  });
}

function listenAgain(events) {
  setTimeout(() => {
    if (events === state.events) call("GET", "me/").then(listen, () => listenAgain(events));
  }, 3000);
}

function live(is) {
  $("#live").hidden = false;
  $("#live").classList.toggle("lost", !is);
  $("#live .said").textContent = is ? "Live" : "Connecting";
}

// --- the list -----------------------------------------------------------------------------------------------

function query(more = {}) {
  const { q, tag, done } = state;
  const given = Object.entries({ q, tag, done, ...more }).filter(([, value]) => value !== "");
  return `notes/?${new URLSearchParams(given)}`;
}

// As many notes as are shown, and the tags. Of several that run, only the last one counts.
async function load() {
  const asked = ++state.asked;
  const shown = Math.max(PAGE, $("#notes").children.length);
  const notes = [];
  let next = "";
  do {
    const page = await call("GET", query({ before: next, limit: Math.min(100, shown - notes.length) }));
    notes.push(...page.notes);
    next = page.next;
  } while (next !== null && notes.length < shown);
  const tags = await call("GET", "notes/tags/");
  if (asked !== state.asked || $("#desk").hidden) return;
  show(notes);
  went(next);
  showTags(tags);
}

const reload = later(trying(load), 80);

function show(notes) {
  const list = $("#notes");
  const wanted = new Set(notes.map((note) => `note-${note.id}`));
  for (const item of [...list.children]) if (!wanted.has(item.id)) item.remove();
  // Nothing is moved that stands where it should, so that nobody is pulled away from what they write.
  notes.forEach((note, index) => {
    const item = document.getElementById(`note-${note.id}`) ?? made(note);
    fill(item, note);
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
}

function went(next) {
  state.next = next;
  $("#more").hidden = next === null;
  const none = $("#notes").children.length === 0;
  $("#empty").hidden = !none;
  $("#empty").textContent = state.q || state.tag || state.done ? "Nothing found." : "Nothing here yet. Write your first note above.";
}

$("#more").addEventListener("click", trying(async () => {
  const page = await call("GET", query({ before: state.next }));
  const first = page.notes.map((note) => $("#notes").appendChild(fill(made(note), note)))[0];
  went(page.next);
  if (first) $("summary", first).focus();
}));

function showTags(tags) {
  if (state.tag && !tags.includes(state.tag)) tags = [...tags, state.tag].sort();
  const focused = document.activeElement?.closest("#tags") && document.activeElement.textContent;
  $("#tags").replaceChildren(...tags.map((tag) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: tag });
    button.setAttribute("aria-pressed", String(tag === state.tag));
    button.addEventListener("click", trying(() => {
      state.tag = tag === state.tag ? "" : tag;
      return load();
    }));
    return button;
  }));
  if (focused) [...$("#tags").children].find((button) => button.textContent === focused)?.focus();
}

// --- one note -----------------------------------------------------------------------------------------------

const split = (tags) => tags.toLowerCase().split(/[\s,#]+/).filter(Boolean);

const FIELDS = {
  ".edit-title": { of: (note) => note.title, change: (text) => ({ title: text }) },
  ".edit-text": { of: (note) => note.text, change: (text) => ({ text }) },
  ".edit-tags": { of: (note) => note.tags.join(" "), change: (text) => ({ tags: split(text) }) },
};

function made(note) {
  const item = $("#note").content.firstElementChild.cloneNode(true);
  const path = `notes/${note.id}/`;
  item.id = `note-${note.id}`;
  for (const [selector, field] of Object.entries(FIELDS)) {
    const input = $(selector, item);
    input.saving = later(trying(async () => {
      if (!input.reportValidity()) return;
      const answer = await call("PATCH", path, field.change(input.value));
      input.saved = field.of(answer);
      said(item, "Saved");
    }), 700);
    input.addEventListener("input", () => {
      said(item, "");
      input.saving();
    });
    input.addEventListener("change", () => input.saving.now());
  }
  $(".done", item).addEventListener("change", trying((event) => call("PATCH", path, { done: event.target.checked })));
  $(".delete", item).addEventListener("click", trying((event) => remove(event.target, path)));
  $("[type=file]", item).addEventListener("change", trying((event) => attach(item, path, event.target)));
  item.addEventListener("dragover", (event) => {
    event.preventDefault();
    item.classList.add("dropping");
  });
  item.addEventListener("dragleave", () => item.classList.remove("dropping"));
  item.addEventListener("drop", trying((event) => {
    event.preventDefault();
    item.classList.remove("dropping");
    return attach(item, path, event.dataTransfer);
  }));
  return item;
}

function said(item, text) {
  $(".saved", item).textContent = text;
}

// Asks once more, in the button itself.
async function remove(button, path) {
  if (button.classList.contains("sure")) return call("DELETE", path);
  button.classList.add("sure");
  button.textContent = "Delete for good?";
  setTimeout(() => {
    button.classList.remove("sure");
    button.textContent = "Delete";
  }, 4000);
}

async function attach(item, path, from) {
  const files = [...from.files];
  for (const file of files) {
    if (file.size > LARGEST) throw new Error(`${file.name} is too large: a file may have 10 MB.`);
    said(item, `Sending ${file.name} …`);
    const form = new FormData();
    form.append("file", file);
    await call("POST", `${path}attachments/`, form).finally(() => said(item, ""));
  }
  if (from instanceof HTMLInputElement) from.value = "";
}

function fill(item, note) {
  item.classList.toggle("is-done", note.done);
  $(".done", item).checked = note.done;
  $(".done", item).setAttribute("aria-label", `Done: ${note.title}`);
  $(".title", item).textContent = note.title;
  $(".begin", item).textContent = note.text.slice(0, 200).replace(/\s+/g, " ").trim();
  const files = note.attachments.length;
  $(".about", item).replaceChildren(
    ...note.tags.map((tag) => span("tag", `#${tag}`)),
    ...(files ? [span("files", files === 1 ? "1 file" : `${files} files`)] : []),
  );
  for (const [selector, field] of Object.entries(FIELDS)) {
    const input = $(selector, item);
    // What somebody is writing at this moment isn't taken from under their hands.
    const untouched = input.saved === undefined || input.value === input.saved;
    if (untouched || (document.activeElement !== input && !input.saving.waits())) input.value = field.of(note);
    input.saved = field.of(note);
  }
  $(".attachments", item).replaceChildren(...note.attachments.map(attachment));
  return item;
}

function span(name, text) {
  return Object.assign(document.createElement("span"), { className: name, textContent: text });
}

function inWords(size) {
  if (size < 1e3) return `${size} B`;
  return size < 1e6 ? `${Math.round(size / 1e3)} KB` : `${(size / 1e6).toFixed(1)} MB`;
}

function attachment({ id, name, size }) {
  const line = document.createElement("li");
  const link = Object.assign(document.createElement("a"), { href: `attachments/${id}/`, textContent: name });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Remove" });
  button.setAttribute("aria-label", `Remove ${name}`);
  button.addEventListener("click", trying(() => call("DELETE", `attachments/${id}/`)));
  line.append(link, span("size", inWords(size)), button);
  return line;
}

// --- writing and finding ------------------------------------------------------------------------------------

$("#write").addEventListener("submit", (event) => {
  event.preventDefault();
  const { title, tags } = event.target.elements;
  trying(async () => {
    await call("POST", "notes/", { title: title.value, tags: split(tags.value) });
    event.target.reset();
    title.focus();
    await load();
  })();
});

const find = $("#find");
const finding = later(trying(() => {
  state.q = find.elements.q.value;
  state.done = find.elements.done.value;
  return load();
}), 150);
find.addEventListener("input", finding);
find.addEventListener("submit", (event) => {
  event.preventDefault();
  finding.now();
});

// --- the keyboard -------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if ($("#desk").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  const item = target.closest?.(".note");
  const writes = target.matches("textarea, input:not([type=checkbox], [type=radio], [type=file])");
  if (key === "Escape") {
    if (item && $("details", item).open) {
      for (const selector of Object.keys(FIELDS)) $(selector, item).saving.now();
      $("details", item).open = false;
      $("summary", item).focus();
    } else if (target === find.elements.q && target.value) {
      target.value = "";
      finding();
    } else if (writes) target.blur();
    else return;
  } else if (writes) return;
  else if (key === "n") $("#write [name=title]").focus();
  else if (key === "/") find.elements.q.select();
  else if (key === "ArrowDown" || key === "ArrowUp") {
    if (target.matches("[type=radio]")) return;
    const step = key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling";
    const next = item ? item[step] : $("#notes").firstElementChild;
    if (!next) return;
    $("summary", next).focus();
  } else if (key === "x" && item) $(".done", item).click();
  else return;
  event.preventDefault();
});

// A note that is opened is there to be written in; one that is closed is saved.
$("#notes").addEventListener("toggle", (event) => {
  if (event.target.open) $(".edit-text", event.target).focus();
}, true);

showDesk().catch(showDoor);
