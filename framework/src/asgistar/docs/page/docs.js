// The page: the document is loaded, the columns are filled, and the address says what is shown.

import { Credentials, openDialog } from "./auth.js";
import { filledIn, operationsOf } from "./client.js";
import { announce, el } from "./dom.js";
import { Navigation, titleOf } from "./navigation.js";
import { operationView } from "./operation.js";
import { beginning, overview } from "./overview.js";
import { Tryout } from "./tryout.js";

const main = document.getElementById("main");
const side = document.getElementById("side");
const menu = document.getElementById("menu");
const THEMES = ["system", "light", "dark"];

class Page {
  constructor(definition, address) {
    this.document = definition;
    this.title = document.title;
    this.operations = operationsOf(definition);
    this.servers = (definition.servers?.length ? definition.servers : [{ url: "/" }])
      .map((server) => ({ ...server, url: new URL(filledIn(server), address).href }));
    this.base = this.servers[0].url;
    this.credentials = new Credentials(definition);
    this.themeListeners = new Set();
    this.tryout = null;
  }

  onCredentials(listener) {
    this.credentials.listeners.add(listener);
    return () => this.credentials.listeners.delete(listener);
  }

  openAuth() {
    openDialog(this.credentials);
  }

  onTheme(listener) {
    this.themeListeners.add(listener);
    listener(this.theme);
  }

  get theme() {
    return document.documentElement.dataset.theme ?? "system";
  }

  /** From the system's theme to light, to dark, and back. */
  turnTheme() {
    const next = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("asgistar-docs-theme", next);
    } catch {
      // until the page is left
    }
    for (const listener of this.themeListeners) listener(next);
    announce(`Theme: ${next}`);
  }

  /** Show what the address says. */
  show(navigation, focus = true) {
    let id = "";
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch {
      id = location.hash.slice(1);
    }
    if (id === "main") return; // the link that skips the navigation
    const operation = this.operations.get(id);
    this.tryout?.leave();
    this.tryout = operation ? new Tryout(this, operation) : null;
    const unknown = id && !operation;
    main.replaceChildren(
      operation ? operationView(this, operation) : unknown ? notFound(id) : overview(this),
      el("aside.aside", { "aria-label": operation ? "Try it" : "Begin" }, operation ? this.tryout.element : beginning(this)));
    document.title = operation ? `${titleOf(operation)} · ${this.title}` : this.title;
    navigation.mark(operation);
    closeMenu();
    announce(""); // what was said of another operation
    scrollTo(0, 0);
    if (focus) document.getElementById("title")?.focus({ preventScroll: true });
  }
}

const notFound = (id) => el("article.read", {}, el("h1", { id: "title", tabIndex: -1 }, "No such operation"),
  el("p", {}, "There is none called ", el("code", {}, id), ". ", el("a", { href: "#" }, "All operations")));

function closeMenu() {
  menu.setAttribute("aria-expanded", "false");
  side.classList.remove("open");
  main.inert = false;
}

function listen(page, navigation) {
  addEventListener("hashchange", () => page.show(navigation));
  menu.addEventListener("click", () => {
    const open = menu.getAttribute("aria-expanded") !== "true";
    menu.setAttribute("aria-expanded", String(open));
    side.classList.toggle("open", open);
    main.inert = open;
    if (open) navigation.search.focus();
  });
  side.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link?.hash === location.hash || (link && link.hash === "" && location.hash === "")) closeMenu();
  });
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !document.querySelector("dialog[open]")) {
      event.preventDefault();
      if (menu.offsetParent && menu.getAttribute("aria-expanded") !== "true") menu.click();
      navigation.search.focus();
      navigation.search.select();
    } else if (event.key === "Escape" && side.classList.contains("open")) {
      closeMenu();
      menu.focus();
    }
  });
}

try {
  const response = await fetch("openapi.json", { cache: "no-cache" });
  if (!response.ok) throw new Error(`openapi.json: ${response.status} ${response.statusText}`);
  const page = new Page(await response.json(), response.url);
  const navigation = new Navigation(page, side);
  listen(page, navigation);
  page.show(navigation, false);
  document.documentElement.dataset.ready = "";
} catch (error) {
  main.replaceChildren(el("p.loading", { role: "alert" }, `The documentation can't be shown. ${error.message}`));
  throw error;
}
