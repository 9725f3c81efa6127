// Elements. Text is always text here: nothing that comes from a document or an answer becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("a.quiet", {href, onclick}, child, "text")`. */
export function el(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "dataset") Object.assign(element.dataset, value);
    else if (key in element && !key.startsWith("aria") && !["list", "form", "type"].includes(key)) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const PATHS = {
  check: "M3.5 8.5l3 3 6-7",
  chevron: "M6 4l4 4-4 4",
  close: "M4 4l8 8M12 4l-8 8",
  copy: "M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z",
  link: "M6.5 9.5l3-3M7 4.5l1.5-1.5a2.8 2.8 0 014 4L11 8.5M9 11.5L7.5 13a2.8 2.8 0 01-4-4L5 7.5",
  lock: "M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 015 0v2.5",
  moon: "M13 9.5A5.5 5.5 0 016.5 3 5.5 5.5 0 1013 9.5z",
  plus: "M8 3.5v9M3.5 8h9",
  save: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
  search: "M7 12A5 5 0 107 2a5 5 0 000 10zM10.7 10.7L14 14",
  sun: "M8 11a3 3 0 100-6 3 3 0 000 6zM8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
  system: "M2.5 3.5h11v7h-11zM6 13.5h4M8 10.5v3",
};

/** A small picture beside a word. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

let counter = 0;
/** An id that no other element has. */
export const unique = (prefix) => `${prefix}-${(counter += 1)}`;

let announcer;
/** Say something to who can't see the page. */
export function announce(text) {
  announcer ??= document.body.appendChild(el("div.unseen", { role: "status" }));
  announcer.textContent = text;
}

/** A button that copies what `content` gives. */
export function copyButton(content, label = "Copy") {
  const button = el("button.plain.copy", { type: "button", "aria-label": label, title: label }, icon("copy"));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(content());
    } catch {
      byHand(content()); // without TLS there is no clipboard
    }
    button.replaceChildren(icon("check"));
    announce("Copied");
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  });
  return button;
}

function byHand(text) {
  const area = document.body.appendChild(el("textarea.unseen", { value: text }));
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Tabs (ARIA APG): `tabs("Language", [{id, label}], (id) => …, chosen)`; `show(id)` chooses one. */
export function tabs(label, all, choose, chosen = all[0].id) {
  const list = el("div.tabs", { role: "tablist", "aria-label": label });
  const buttons = all.map(({ id, label: text }) =>
    el("button.tab", { type: "button", role: "tab", dataset: { id }, onclick: () => show(id) }, text),
  );
  function show(id, focus = false) {
    if (choose(id) === false) return;
    for (const button of buttons) {
      const selected = button.dataset.id === id;
      button.setAttribute("aria-selected", String(selected));
      button.tabIndex = selected ? 0 : -1;
      if (selected && focus) button.focus();
    }
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = buttons.indexOf(document.activeElement);
    show(all[(at + step + all.length) % all.length].id, true);
  });
  list.append(...buttons);
  show(chosen);
  list.show = show;
  return list;
}

/** Something that opens and closes, made when it is first opened. */
export function disclosure(summary, make, open = false) {
  const details = el("details", {}, el("summary", {}, icon("chevron"), summary));
  const fill = () => {
    if (details.open && !details.filled) {
      details.filled = true;
      details.append(...[make()].flat());
    }
  };
  details.addEventListener("toggle", fill);
  details.open = open;
  fill();
  return details;
}
