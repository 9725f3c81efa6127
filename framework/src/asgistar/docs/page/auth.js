// Credentials: asked for in a dialog, kept in this tab until it is closed, sent with what needs them.

import { resolved } from "./client.js";
import { announce, el, icon, unique } from "./dom.js";
import { markdown } from "./markdown.js";

export class Credentials {
  constructor(document) {
    this.document = document;
    this.schemes = new Map(Object.entries(document.components?.securitySchemes ?? {})
      .map(([name, scheme]) => [name, resolved(document, scheme)]));
    this.key = `asgistar-docs-auth ${location.pathname}`;
    this.listeners = new Set();
    this.secrets = {};
    try {
      this.secrets = JSON.parse(sessionStorage.getItem(this.key) ?? "{}");
    } catch {
      // kept by nobody
    }
  }

  /** Remember what was given; an empty secret is forgotten. */
  set(name, secret) {
    const empty = typeof secret === "string" ? !secret : !secret?.username;
    if (empty) delete this.secrets[name];
    else this.secrets[name] = secret;
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.secrets));
    } catch {
      // kept in memory
    }
    for (const listener of this.listeners) listener();
  }

  /** Whether an operation's demands are met; true where there are none. */
  satisfy(operation) {
    return operation.security.length === 0
      || operation.security.some((each) => Object.keys(each).every((name) => this.secrets[name]));
  }
}

/** What a scheme is, in words. */
export function schemeLabel(scheme) {
  if (scheme.type === "apiKey") return `a key in the ${{ query: "query parameter", header: "header", cookie: "cookie" }[scheme.in]} ${scheme.name}`;
  if (scheme.type === "http" && scheme.scheme?.toLowerCase() === "basic") return "a name and a password";
  if (scheme.type === "http" && scheme.scheme?.toLowerCase() === "bearer") return `a bearer token${scheme.bearerFormat ? ` (${scheme.bearerFormat})` : ""}`;
  return { oauth2: "an access token of OAuth 2", openIdConnect: "an access token of OpenID Connect" }[scheme.type] ?? scheme.scheme ?? scheme.type;
}

/** Open the dialog; the first field of `focus`, a scheme, has the focus. */
export function openDialog(credentials, focus) {
  const dialog = el("dialog.auth", { "aria-labelledby": "auth-title" });
  const asked = [...credentials.schemes].map(([name, scheme]) => section(credentials, name, scheme));
  const form = el("form", {},
    el("header", {}, el("h2", { id: "auth-title" }, "Credentials"),
      el("button.plain", { type: "button", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    el("p.soft", {}, "They are kept in this tab until you close it, and go to this API only."),
    ...asked.map(({ element }) => element),
    el("footer", {},
      el("button.plain", { type: "button", onclick: () => { for (const each of asked) each.forget(); dialog.close(); announce("Credentials forgotten"); } }, "Forget all"),
      el("button.primary", { type: "submit" }, "Save")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    for (const each of asked) each.save();
    dialog.close();
    announce("Credentials saved");
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  (asked.find(({ name }) => name === focus) ?? asked[0])?.element.querySelector("input")?.focus();
}

function section(credentials, name, scheme) {
  const secret = credentials.secrets[name];
  const basic = scheme.type === "http" && scheme.scheme?.toLowerCase() === "basic";
  const input = (label, value, type) => {
    const id = unique("auth");
    const control = el("input", { id, type, value, autocomplete: "off", spellcheck: false });
    return { control, element: el("div.field", {}, el("label.field-label", { htmlFor: id }, label), control) };
  };
  const inputs = basic
    ? [input("Name", secret?.username ?? "", "text"), input("Password", secret?.password ?? "", "password")]
    : [input(scheme.type === "apiKey" ? "Key" : "Token", secret ?? "", "password")];
  const element = el("fieldset.scheme", {},
    el("legend", {}, el("code.name", {}, name), el("span.type", {}, schemeLabel(scheme))),
    scheme.description && el("div.prose.small", {}, ...markdown(scheme.description, 4)),
    ...inputs.map((each) => each.element));
  return {
    name, element,
    save: () => credentials.set(name, basic
      ? { username: inputs[0].control.value, password: inputs[1].control.value } : inputs[0].control.value.trim().replace(/^bearer +/i, "")),
    forget: () => credentials.set(name, ""),
  };
}
