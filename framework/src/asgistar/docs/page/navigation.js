// The side: all operations by their tags, and a search that leaves those that fit.

import { announce, el, icon } from "./dom.js";
import { plainText } from "./markdown.js";

/** How a method is written where there is little room. */
export const SHORT = { DELETE: "DEL", OPTIONS: "OPT", WEBSOCKET: "WS" };

export const badge = (operation) =>
  el("span.method", { dataset: { method: operation.method } }, SHORT[operation.method] ?? operation.method);

/** What an operation is called: its summary, or its id made readable. */
export function titleOf({ id, definition }) {
  if (definition.summary) return definition.summary;
  const words = id.split(":").at(-1).replace(/[_-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const addressOf = ({ id }) => `#${encodeURIComponent(id).replaceAll("%3A", ":").replaceAll("%2F", "/")}`;

/** The operations under their tags, in the order of the document's tags, then of their first operation. */
export function grouped(document, operations) {
  const groups = new Map((document.tags ?? []).map((tag) => [tag.name, { ...tag, operations: [] }]));
  for (const operation of operations) {
    const [tag = ""] = operation.definition.tags ?? [];
    if (!groups.has(tag)) groups.set(tag, { name: tag, operations: [] });
    groups.get(tag).operations.push(operation);
  }
  return [...groups.values()].filter((group) => group.operations.length);
}

/** How well an operation fits to what is searched for; 0: not at all. Every word must be found somewhere. */
export function score(entry, words) {
  let sum = 0;
  for (const word of words) {
    const found = entry.fields.findIndex((text) => text.includes(word));
    if (found < 0) return 0;
    const starts = entry.fields[found].split(/[\s/:_.{}-]+/).some((part) => part.startsWith(word));
    sum += (entry.fields.length - found) * 2 + (starts ? 3 : 0);
  }
  return sum;
}

export class Navigation {
  constructor(page, side) {
    this.page = page;
    this.side = side;
    this.entries = [...page.operations.values()].map((operation) => this.entry(operation));
    this.search = el("input", {
      type: "search", id: "search", placeholder: "Search", autocomplete: "off", spellcheck: false,
      "aria-label": "Search operations", "aria-keyshortcuts": "/", oninput: () => this.filter(),
    });
    this.groups = el("div.groups");
    this.none = el("p.soft.none", { hidden: true }, "Nothing fits.");
    side.append(
      el("a.brand", { href: "#" }, mark(), el("span", {}, page.title), page.document.info.version && el("span.version", {}, page.document.info.version)),
      el("div.search", {}, icon("search"), this.search, el("kbd", { "aria-hidden": "true" }, "/")),
      this.groups, this.none, this.foot());
    side.addEventListener("keydown", (event) => this.key(event));
    this.sort();
  }

  entry(operation) {
    const { id, path, method, definition } = operation;
    const title = titleOf(operation);
    const link = el("a.operation", { href: addressOf(operation), title: `${SHORT[method] ?? method} ${path}` },
      el("span.label", {}, title), badge(operation));
    if (definition.deprecated) link.classList.add("deprecated");
    const fields = [title, id, path, method, (definition.tags ?? []).join(" "), plainText(definition.description ?? "")];
    return { operation, link, item: el("li", {}, link), fields: fields.map((text) => text.toLowerCase()) };
  }

  foot() {
    const { credentials } = this.page;
    const theme = el("button.plain.theme", { type: "button", onclick: () => this.page.turnTheme() });
    this.page.onTheme((name) => {
      theme.replaceChildren(icon(name === "dark" ? "moon" : name === "light" ? "sun" : "system"));
      theme.setAttribute("aria-label", `Theme: ${name}`);
      theme.title = `Theme: ${name}`;
    });
    const auth = credentials.schemes.size > 0 && el("button.plain.auth-button", { type: "button", onclick: () => this.page.openAuth() });
    const tell = () => {
      const count = Object.keys(credentials.secrets).length;
      auth.replaceChildren(icon("lock"), count ? `Credentials · ${count}` : "Credentials");
    };
    if (auth) {
      tell();
      this.page.onCredentials(tell);
    }
    return el("div.side-foot", {}, auth || el("span"), theme);
  }

  /** In the order of the document, under their tags. */
  sort() {
    const byOperation = new Map(this.entries.map((entry) => [entry.operation, entry]));
    this.groups.replaceChildren(...grouped(this.page.document, this.page.operations.values()).map(({ name, operations }) =>
      el("section.group-nav", {}, name && el("h2", {}, name),
        el("ul", {}, ...operations.map((operation) => byOperation.get(operation).item)))));
    this.none.hidden = true;
  }

  filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) {
      this.sort();
      return;
    }
    const found = this.entries.map((entry) => [score(entry, words), entry]).filter(([points]) => points)
      .sort(([one], [other]) => other - one).map(([, entry]) => entry);
    this.groups.replaceChildren(el("section.group-nav", {}, el("ul", {}, ...found.map(({ item }) => item))));
    this.none.hidden = found.length > 0;
    announce(found.length === 1 ? "1 operation" : `${found.length} operations`);
  }

  /** Arrows go through the list; Enter in the search opens what fits best; Escape ends the search. */
  key(event) {
    const links = [...this.groups.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "ArrowDown" && (at >= 0 || event.target === this.search)) links[at + 1]?.focus();
    else if (event.key === "ArrowUp" && at >= 0) (links[at - 1] ?? this.search).focus();
    else if (event.key === "Enter" && event.target === this.search) links[0]?.click();
    else if (event.key === "Escape" && this.search.value) {
      this.search.value = "";
      this.filter();
      this.search.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Say which operation is shown. A search that didn't find it is over. */
  mark(operation) {
    if (operation && !this.entries.find((entry) => entry.operation === operation).item.isConnected) {
      this.search.value = "";
      this.sort();
    }
    for (const entry of this.entries) {
      const shown = entry.operation === operation;
      if (shown) entry.link.setAttribute("aria-current", "page");
      else entry.link.removeAttribute("aria-current");
      if (shown) entry.link.scrollIntoView({ block: "nearest" });
    }
  }
}

function mark() {
  return el("img.mark", { src: "icon.svg", alt: "", width: 20, height: 20 });
}
