// The first page: what the API is, how to begin, and everything it can do.

import { schemeLabel } from "./auth.js";
import { copyButton, el } from "./dom.js";
import { code } from "./highlight.js";
import { markdown } from "./markdown.js";
import { given, sample } from "./sample.js";
import { dict } from "./snippets.js";
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

const KEYWORDS = /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

/** A name as the client in Python has it. */
const identifier = (name) => name.replace(/\W/g, "_").replace(/^(?=\d)/, "_").replace(KEYWORDS, "$&_");

/** A value for a parameter or a body that is needed. */
const exampleOf = (document, each) =>
  given(document, each) ?? sample(document, each.schema ?? Object.values(each.content ?? {})[0]?.schema ?? {}) ?? "";

const safeLink = (url, text) => (/^https?:/.test(url ?? "") ? el("a", { href: url, rel: "noopener noreferrer" }, text ?? url) : text ?? "");

/** The right column of the first page: how a program begins. */
export function beginning(page) {
  const all = [...page.operations.values()].filter((each) => each.method !== "WEBSOCKET");
  const reading = all.filter((each) => each.method === "GET");
  const needed = (each) => each.parameters.filter((one) => one.required);
  const first = reading.find((each) => !needed(each).length) ?? reading[0] ?? all[0];
  const base = new URL(".", globalThis.document.baseURI).href;
  const name = (first?.id ?? "notes:list").split(":").join(".");
  const values = first ? needed(first).map((each) => [each.name, exampleOf(page.document, each)]) : [];
  const [media] = Object.values(first?.body?.content ?? {});
  if (first?.body?.required) values.push(["body", exampleOf(page.document, media)]);
  const written = values.map(([key, value]) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${JSON.stringify(value)}`);
  const named = values.map(([key, value]) => `${identifier(key)}=${dict(value)}`);
  const dotted = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/.test(name);
  const call = (given) => dotted ? `client.${name}(${given})` : `client.request(${[JSON.stringify(first.id), given].filter(Boolean).join(", ")})`;
  const [callJS, callPython] = [call(written.length ? `{ ${written.join(", ")} }` : ""), call(named.join(", "))];
  const javascript = `import { Client } from ${JSON.stringify(`${base}client.js`)};\n\nconst client = new Client(${JSON.stringify(`${base}openapi.json`)});\nconsole.log(await ${callJS});`;
  const python = `from asgistar.client import Client\n\nwith Client(${JSON.stringify(`${base}openapi.json`)}) as client:\n    print(${callPython})`;
  const card = (label, language, text) => el("section.card.code-card", { "aria-label": label },
    el("header.card-head", {}, el("h2", {}, label), copyButton(() => text, "Copy the code")), code(text, language, label));
  return el("div.try", {}, card("JavaScript", "javascript", javascript), card("Python", "python", python),
    el("p.soft.tip", {}, "Press ", el("kbd", {}, "/"), " to search. Every operation has a form to try it with."));
}
