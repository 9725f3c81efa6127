// An operation to be read: what it is, what it takes, what it answers.

import { schemeLabel } from "./auth.js";
import { isJSON, itemSchema } from "./client.js";
import { reason } from "./answer.js";
import { copyButton, disclosure, el, icon } from "./dom.js";
import { code } from "./highlight.js";
import { markdown } from "./markdown.js";
import { addressOf, badge, titleOf } from "./navigation.js";
import { given, sample } from "./sample.js";
import { facts, head, schemaView } from "./schema.js";

const PLACES = [["path", "Path parameters"], ["query", "Query parameters"], ["header", "Headers"], ["cookie", "Cookies"]];

export function operationView(page, operation) {
  const { definition, path } = operation;
  const { document } = page;
  return el("article.read", { "aria-labelledby": "title" },
    el("p.eyebrow", {}, (definition.tags ?? []).join(" · ") || page.title),
    el("h1", { id: "title", tabIndex: -1 }, titleOf(operation),
      el("a.anchor", { href: addressOf(operation), "aria-label": "Link to this operation" }, icon("link"))),
    el("p.endpoint", {}, badge({ ...operation, method: operation.method }), el("code.path", {}, ...parts(path)),
      copyButton(() => path, "Copy the path"),
      el("button.plain.jump", { type: "button", onclick: () => globalThis.document.querySelector(".aside").scrollIntoView() }, "Try it")),
    definition.deprecated && el("p.banner", {}, "Deprecated: don't build anything new on it."),
    definition.description && el("div.prose", {}, ...markdown(definition.description)),
    security(page, operation),
    ...PLACES.map(([where, label]) => parameters(document, operation, where, label)),
    operation.body && body(document, operation.body),
    operation.method === "WEBSOCKET" ? messages(document, definition) : null,
    responses(document, operation));
}

/** A path with its parameters told apart, and places where a line may break. */
const parts = (path) => path.split(/(\{[^}]*\})/).flatMap((part) =>
  part.startsWith("{") ? [el("span.slot", {}, part)] : part.split(/(?<=\/)/).flatMap((each) => [each, el("wbr")]));

function security(page, { security: alternatives }) {
  if (!alternatives.length) return null;
  const schemes = page.credentials.schemes;
  const optional = alternatives.some((each) => !Object.keys(each).length);
  const said = alternatives.filter((each) => Object.keys(each).length).map((each) =>
    Object.entries(each).map(([name, scopes]) =>
      `${schemeLabel(schemes.get(name) ?? { type: name })}${scopes?.length ? ` for ${scopes.join(", ")}` : ""}`).join(" and "));
  return el("p.demand", {}, icon("lock"), el("span", {}, `${optional ? "Takes" : "Needs"} ${said.join(", or ")}.`));
}

function parameters(document, operation, where, label) {
  const found = operation.parameters.filter((each) => each.in === where);
  if (!found.length) return null;
  return el("section", {}, el("h2", {}, label), el("ul.members", {}, ...found.map((each) => {
    const schema = each.schema ?? Object.values(each.content ?? {})[0]?.schema ?? {};
    return el("li.member", {}, head(document, each.name, schema, { required: each.required, deprecated: each.deprecated }),
      ...facts(document, schema, each.description));
  })));
}

function body(document, { content = {}, description, required }) {
  return el("section", {}, el("h2", {}, "Body", required ? null : el("span.note", {}, "optional")),
    description && el("div.prose", {}, ...markdown(description)),
    ...media(document, content));
}

function media(document, content) {
  return Object.entries(content).map(([type, { schema }]) =>
    el("div.media", {}, el("p.media-type", {}, el("code", {}, type)), schema && schemaView(document, schema)));
}

function messages(document, { receives, sends, subprotocols }) {
  const part = (label, content, kind) => content
    && el(`section.${kind}`, {}, el("h2", {}, label), ...media(document, content.content ?? {}));
  return el("div", {},
    subprotocols?.length > 0 && el("p.facts.subprotocols", {}, "Subprotocols ", ...subprotocols.map((each) => el("code", {}, each))),
    part("Messages to the server", receives, "received"), part("Messages from the server", sends, "sent"));
}

function responses(document, operation) {
  const all = Object.entries(operation.responses).filter(([status]) => status !== "101");
  if (!all.length) return null;
  let opened = false;
  return el("section", {}, el("h2", {}, "Responses"), el("div.responses", {}, ...all.map(([status, response]) => {
    const open = !opened && status.startsWith("2") && Object.keys(response.content ?? {}).length > 0;
    opened ||= open;
    return disclosure(
      el("span.response-head", {}, el("span.code-status", { dataset: { kind: status[0] } }, status),
        el("span", {}, response.description || reason(Number(status)) || "")),
      () => responseView(document, operation, response), open);
  })));
}

function responseView(document, operation, { content = {}, headers = {} }) {
  const fields = Object.entries(headers);
  const shown = [
    fields.length > 0 && el("div.media", {}, el("p.media-type", {}, "Headers"), el("ul.members", {}, ...fields.map(([name, each]) =>
      el("li.member", {}, head(document, name, each.schema ?? {}, {}), ...facts(document, each.schema ?? {}, each.description))))),
    ...Object.entries(content).map(([type, each]) => mediaView(document, operation, type, each)),
  ].filter(Boolean);
  return shown.length ? shown : el("p.soft", {}, "No body.");
}

function mediaView(document, operation, type, each) {
  const item = itemSchema({ responses: { any: { content: { [type]: each } } } }, type);
  const schema = item ?? each.schema;
  const example = given(document, each) ?? (isJSON(type) || item ? sample(document, schema, { whole: true }) : undefined);
  return el("div.media", {},
    el("p.media-type", {}, el("code", {}, type), item && el("span.note", {}, /event/.test(type) ? "the data of each event" : "each line")),
    schema && Object.keys(schema).length > 0 && schemaView(document, schema),
    example !== undefined && disclosure("Example", () => el("div.with-copy", {},
      code(typeof example === "string" && !isJSON(type) ? example : JSON.stringify(example, null, 2), "json", "Example"),
      copyButton(() => (typeof example === "string" && !isJSON(type) ? example : JSON.stringify(example, null, 2)), "Copy the example"))));
}
