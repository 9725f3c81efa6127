// An operation as something to do: the form, the code for what stands in it, and what comes back.

import { answerView } from "./answer.js";
import { openDialog, schemeLabel } from "./auth.js";
import { BodyEditor, Raw } from "./body.js";
import { authenticate, composed, isEvents, isJSON, isLines, resolved } from "./client.js";
import { socketConsole, streamConsole } from "./console.js";
import { announce, copyButton, el, icon, tabs } from "./dom.js";
import { field } from "./forms.js";
import { code } from "./highlight.js";
import { given, sample } from "./sample.js";
import { languagesFor } from "./snippets.js";

const PLACES = [["path", "Path"], ["query", "Query"], ["header", "Headers"], ["cookie", "Cookies"]];
const LANGUAGE = "asgistar-docs-language";

export class Tryout {
  constructor(page, operation) {
    Object.assign(this, { page, operation, running: null });
    this.fields = PLACES.flatMap(([where]) => operation.parameters
      .filter((each) => each.in === where).map((each) => ({ where, name: each.name, field: this.parameter(each) })));
    this.editor = operation.body && operation.method !== "WEBSOCKET"
      ? new BodyEditor(page.document, operation.body.content ?? {}, { required: Boolean(operation.body.required), changed: () => this.changed() })
      : null;
    this.answer = el("section.card.answer", { "aria-label": "Answer", tabIndex: -1, hidden: true });
    this.lock = el("p.auth-line");
    this.button = el("button.primary.send", { type: "submit" });
    this.snippet = el("div");
    this.form = this.makeForm();
    this.element = el("div.try", {}, this.codeCard(), this.form, this.answer);
    this.unsubscribe = page.onCredentials(() => this.changed());
    this.rest();
    this.changed();
  }

  /** Let go of everything that goes on. */
  leave() {
    this.unsubscribe();
    this.running?.();
  }

  parameter(parameter) {
    const { document } = this.page;
    const content = Object.values(parameter.content ?? {})[0];
    const schema = parameter.schema ?? content?.schema ?? {};
    const initial = given(document, parameter) ?? given(document, resolved(document, schema))
      ?? (parameter.required ? sample(document, schema) : undefined);
    return field({ document, changed: () => this.changed() }, schema, {
      name: parameter.name, required: Boolean(parameter.required), initial, param: true, deprecated: parameter.deprecated,
    });
  }

  makeForm() {
    const { operation } = this;
    const groups = PLACES.map(([where, label]) => [label, this.fields.filter((each) => each.where === where)])
      .filter(([, fields]) => fields.length)
      .map(([label, fields]) => el("section.try-group", {}, el("h3", {}, label), ...fields.map((each) => each.field.element)));
    const form = el("form.card.form", { noValidate: true, "aria-label": "Try it" },
      el("header.card-head", {}, el("h2", {}, operation.method === "WEBSOCKET" ? "Connect" : "Try it"), this.servers()),
      this.lock,
      ...groups,
      this.editor && el("section.try-group.body-group", {}, el("div.group-head", {}, el("h3", {}, "Body"), this.editor.select), this.editor.element),
      !groups.length && !this.editor && el("p.soft.nothing", {}, "Nothing to fill in."),
      el("footer.card-foot", {}, el("span.soft.hint", {}, el("kbd", {}, "Ctrl"), " ", el("kbd", {}, "Enter")), this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.send();
    });
    return form;
  }

  servers() {
    const { servers, base } = this.page;
    if (servers.length < 2 || this.operation.server) return null;
    const select = el("select.small", { "aria-label": "Server", onchange: () => { this.page.base = select.value; this.changed(); } },
      ...servers.map(({ url, description }) => el("option", { value: url, selected: url === base }, description ? `${description} · ${url}` : url)));
    return select;
  }

  codeCard() {
    let language = "curl";
    try {
      language = localStorage.getItem(LANGUAGE) ?? language;
    } catch {
      // nothing is kept
    }
    const all = languagesFor({ method: this.operation.method });
    const choose = (id) => {
      this.language = all.find((each) => each.id === id);
      try {
        localStorage.setItem(LANGUAGE, id);
      } catch {
        // nothing is kept
      }
      if (this.snippet.firstChild) this.changed();
    };
    const chosen = all.some((each) => each.id === language) ? language : all[0].id;
    const choice = tabs("Language", all, choose, chosen);
    return el("section.card.code-card", { "aria-label": "Code" },
      el("header.card-head", {}, choice, copyButton(() => this.snippet.textContent, "Copy the code")), this.snippet);
  }

  /** What stands in the form. */
  read() {
    const parameters = {};
    for (const { where, name, field: each } of this.fields) {
      const value = each.read();
      if (value !== undefined) (parameters[where] ??= {})[name] = value;
    }
    return { parameters, body: this.editor?.read(), type: this.editor?.type };
  }

  /** The request: for fetch, with its body written; `raw` is for code. */
  request() {
    const { body, type, parameters } = this.read();
    const request = composed(this.operation, {
      base: this.page.base, parameters, type, body: body instanceof Raw ? undefined : body,
    });
    if (body instanceof Raw) {
      request.body = body.text;
      request.headers.set("content-type", type);
    }
    authenticate(request, this.operation, this.page.document, this.page.credentials.secrets);
    request.protocols = this.operation.definition.subprotocols;
    const answers = Object.entries(this.operation.responses).filter(([status]) => status.startsWith("2"))
      .flatMap(([, response]) => Object.keys(response.content ?? {}));
    let said = body instanceof Raw ? body.text : this.editor?.complete(body);
    if (this.operation.method === "WEBSOCKET") {
      const [media, content] = Object.entries(this.operation.definition.receives?.content ?? {})[0] ?? [];
      const example = content && (given(this.page.document, content) ?? sample(this.page.document, content.schema));
      said = media && !isJSON(media) ? String(example ?? "hello") : example;
    }
    return { request, raw: { ...request, type: body instanceof Raw ? "text/plain" : type, body: said, answers } };
  }

  changed() {
    if (!this.lock) return; // the fields are being made
    this.showLock();
    try {
      const { raw } = this.request();
      const { language, write } = this.language;
      this.snippet.replaceChildren(code(write(raw), language, "Code of this request"));
    } catch (error) {
      this.snippet.replaceChildren(el("p.field-error", {}, error.message));
    }
  }

  showLock() {
    const { operation, page } = this;
    this.lock.hidden = !operation.security.length;
    if (this.lock.hidden) return;
    const names = [...new Set(operation.security.flatMap((each) => Object.keys(each)))];
    const schemes = page.credentials.schemes;
    // A page can't say which headers a WebSocket has.
    const sendable = (name) => operation.method !== "WEBSOCKET" || ["query", "cookie"].includes(schemes.get(name)?.in);
    const given = names.filter((name) => page.credentials.secrets[name] && sendable(name));
    const optional = operation.security.some((each) => !Object.keys(each).length);
    this.lock.dataset.state = given.length ? "given" : optional ? "optional" : "missing";
    const text = given.length ? `Sent with ${given.join(", ")}` : optional ? "Credentials are optional" : `Needs ${names.map((name) => schemeLabel(schemes.get(name) ?? { type: name })).join(" or ")}${names.some(sendable) ? "" : ", which a browser can't send here"}`;
    this.lock.replaceChildren(icon("lock"), el("span", {}, text),
      el("button.plain.inline", { type: "button", onclick: () => openDialog(page.credentials, names[0]) }, given.length ? "Change" : "Add credentials"));
  }

  // --- sending ----------------------------------------------------------------------------------------------

  rest() {
    this.running = null;
    this.button.textContent = this.operation.method === "WEBSOCKET" ? "Connect" : "Send";
    this.button.classList.remove("stop");
  }

  busy(stop, label) {
    this.running = stop;
    this.button.textContent = label;
    this.button.classList.add("stop");
  }

  async send() {
    if (this.running) {
      this.running();
      return;
    }
    this.clear();
    const missing = this.fields.find(({ where, field: each }) => where === "path" && [undefined, ""].includes(each.read()));
    if (missing) {
      missing.field.tell("The address needs this.");
      missing.field.focus();
      return;
    }
    let made;
    try {
      made = this.request();
    } catch (error) {
      this.show(failure("The request can't be made", error.message));
      return;
    }
    if (this.operation.method === "WEBSOCKET") this.connect(made.request, made.raw);
    else await this.fetch(made.request);
  }

  connect(request, raw) {
    const restore = setCookies(request);
    const view = socketConsole(this.page, this.operation, { ...request, protocols: raw.protocols }, { ended: () => { restore(); this.rest(); } });
    this.busy(view.stop, "Disconnect");
    this.show(view.element);
  }

  async fetch(request) {
    const controller = new AbortController();
    const started = performance.now();
    const restore = setCookies(request);
    this.busy(() => controller.abort(), "Cancel");
    let streaming = false;
    try {
      const response = await fetch(request.url, {
        method: request.method, headers: request.headers, body: request.body,
        signal: controller.signal, credentials: "same-origin", cache: "no-store",
      });
      const type = response.headers.get("content-type") ?? "";
      if (response.ok && (isEvents(type) || isLines(type))) {
        const view = streamConsole(response, started, { abort: () => controller.abort(), ended: () => this.rest() });
        streaming = true;
        this.busy(view.stop, "Stop");
        this.show(view.element);
        return;
      }
      const content = await response.blob();
      this.show(...await answerView(response, content, performance.now() - started));
      announce(`Answer ${response.status}`);
      if (response.status >= 400 && isJSON(type)) this.explain(await content.text());
    } catch (error) {
      if (error.name === "AbortError") this.show(el("p.soft.empty", {}, "Cancelled."));
      else this.show(failure("No answer", `The server can't be reached, or doesn't let this page ask it (CORS). ${error.message}`));
    } finally {
      restore();
      if (!streaming) this.rest();
    }
  }

  /** Put the errors of a problem to the fields that they are about. */
  explain(text) {
    let errors = [];
    try {
      errors = JSON.parse(text).errors ?? [];
    } catch {
      return;
    }
    if (!Array.isArray(errors)) return;
    let first;
    for (const { in: where, path = [], message } of errors.filter((each) => each && typeof each === "object")) {
      const about = where === "body" || where === "form" ? this.editor?.at(path)
        : this.fields.find((each) => each.where === where && each.name.toLowerCase() === String(path[0]).toLowerCase())?.field.at(path.slice(1));
      about?.tell(String(message ?? ""));
      first ??= about;
    }
    first?.focus();
  }

  clear() {
    for (const { field: each } of this.fields) each.clear();
    this.editor?.clear();
  }

  show(...content) {
    this.answer.hidden = false;
    this.answer.replaceChildren(el("h2.unseen", {}, "Answer"), ...content);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.answer.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }
}

const failure = (title, text) => el("div.failure", { role: "alert" }, el("p", {}, el("span.pill.bad", {}, title)), el("p.soft", {}, text));

/** Cookies that a request needs, for as long as it takes: a page can't send them otherwise. */
function setCookies({ cookies, url }) {
  const names = Object.keys(cookies);
  for (const name of names) document.cookie = `${name}=${cookies[name]}; path=${url.pathname}; samesite=strict`;
  return () => {
    for (const name of names) document.cookie = `${name}=; path=${url.pathname}; max-age=0; samesite=strict`;
  };
}
