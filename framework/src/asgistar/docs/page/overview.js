// The first page: what the API is, how to begin, and everything it can do.

import { schemeLabel } from "./auth.js";
import { copyButton, el } from "./dom.js";
import { code } from "./highlight.js";
import { markdown } from "./markdown.js";
import { addressOf, badge, grouped, titleOf } from "./navigation.js";

export function overview(page) {
  const { document, credentials } = page;
  const { info } = document;
  return el("article.read.overview", { "aria-labelledby": "title" },
    el("p.eyebrow", {}, `API${info.version ? ` · version ${info.version}` : ""}`),
    el("h1", { id: "title", tabIndex: -1 }, page.title),
    info.summary && el("p.lead", {}, info.summary),
    info.description && el("div.prose", {}, ...markdown(info.description, 2)),
    el("dl.facts-list", {},
      el("dt", {}, "Address"), el("dd", {}, el("code", {}, page.base)),
      credentials.schemes.size > 0 && [
        el("dt", {}, "Credentials"),
        el("dd", {}, [...new Set([...credentials.schemes.values()].map(schemeLabel))].join(", "), " ",
          el("button.plain.inline", { type: "button", onclick: () => page.openAuth() }, "Add")),
      ],
      contact(info), license(info),
      el("dt", {}, "OpenAPI"), el("dd", {}, el("a", { href: "openapi.json" }, "openapi.json"))),
    ...grouped(document, page.operations.values()).map(({ name, description, operations }) =>
      el("section", {}, el("h2", {}, name || "Operations"),
        description && el("div.prose", {}, ...markdown(description)),
        el("ul.index", {}, ...operations.map((operation) => el("li", {},
          el("a", { href: addressOf(operation) }, badge(operation),
            el("span.index-text", {}, el("span.index-title", {}, titleOf(operation)), el("code", {}, operation.path)))))))));
}

const contact = ({ contact: who }) => who && [el("dt", {}, "Contact"),
  el("dd", {}, who.email ? el("a", { href: `mailto:${who.email}` }, who.name ?? who.email) : safeLink(who.url, who.name))];

const license = ({ license: what }) => what && [el("dt", {}, "License"), el("dd", {}, safeLink(what.url, what.name))];

const safeLink = (url, text) => (/^https?:/.test(url ?? "") ? el("a", { href: url, rel: "noopener noreferrer" }, text ?? url) : text ?? "");

/** The right column of the first page: how a program begins. */
export function beginning(page) {
  const first = [...page.operations.values()].find((each) => each.method === "GET" && !each.parameters.some((one) => one.required))
    ?? [...page.operations.values()][0];
  const base = new URL(".", globalThis.document.baseURI).href;
  const name = (first?.id ?? "notes:list").split(":").join(".");
  const callable = /^[\w.]+$/.test(name) ? `client.${name}()` : `client.request(${JSON.stringify(first.id)})`;
  const javascript = `import { Client } from ${JSON.stringify(`${base}client.js`)};\n\nconst client = new Client(${JSON.stringify(`${base}openapi.json`)});\nconsole.log(await ${callable});`;
  const python = `from asgistar.client import Client\n\nwith Client(${JSON.stringify(`${base}openapi.json`)}) as client:\n    print(${callable})`;
  const card = (label, language, text) => el("section.card.code-card", { "aria-label": label },
    el("header.card-head", {}, el("h2", {}, label), copyButton(() => text, "Copy the code")), code(text, language, label));
  return el("div.try", {}, card("JavaScript", "javascript", javascript), card("Python", "python", python),
    el("p.soft.tip", {}, "Press ", el("kbd", {}, "/"), " to search. Every operation has a form to try it with."));
}
