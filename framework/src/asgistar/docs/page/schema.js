// JSON Schema 2020-12, as people read it: what a type is called, what it demands, which members it has.

import { resolved } from "./client.js";
import { disclosure, el } from "./dom.js";
import { markdown } from "./markdown.js";

/** A schema that is easy to work with: $ref followed, allOf merged, `null` told apart from the other types. */
export function plainSchema(document, written) {
  if (written === true || written === undefined || written === null) return {};
  let schema = resolved(document, written);
  if (Array.isArray(schema.allOf)) {
    const { allOf, ...own } = schema;
    const all = allOf.map((each) => plainSchema(document, each));
    schema = Object.assign({}, ...all, own, {
      properties: Object.assign({}, ...all.map((each) => each.properties), own.properties),
      required: [...new Set([...all, own].flatMap((each) => each.required ?? []))],
    });
    if (!Object.keys(schema.properties).length) delete schema.properties;
  }
  return schema;
}

/** The last part of a $ref, or the title. */
export function nameOf(written) {
  const name = written?.$ref?.split("/").at(-1);
  return name ? decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~") : written?.title;
}

const isNull = (schema) => schema.type === "null" || schema.const === null;

/** The alternatives of a schema but null, each as it is written: one if it is no union. */
export function alternatives(document, written) {
  const schema = plainSchema(document, written);
  const members = schema.oneOf ?? schema.anyOf;
  if (members) return members.filter((each) => !isNull(plainSchema(document, each)));
  if (Array.isArray(schema.type)) {
    return schema.type.filter((type) => type !== "null").map((type) => ({ ...schema, type }));
  }
  return isNull(schema) ? [] : [written];
}

export function isNullable(document, written) {
  const schema = plainSchema(document, written);
  if (Array.isArray(schema.type)) return schema.type.includes("null");
  return (schema.oneOf ?? schema.anyOf ?? [schema]).some((each) => isNull(plainSchema(document, each)))
    || (schema.enum?.includes(null) ?? false);
}

/** The kind of a schema that is no union; what can't be told is "any". */
export function kindOf(document, written) {
  const schema = plainSchema(document, written);
  if (schema.const !== undefined) return "const";
  if (schema.enum) return "enum";
  if (isBinary(schema)) return "file";
  if (typeof schema.type === "string") return schema.type === "object" && !schema.properties && !schema.additionalProperties ? "any" : schema.type;
  if (schema.properties) return "object";
  if (schema.items || schema.prefixItems) return "array";
  return "any";
}

export const isBinary = (schema) =>
  schema.format === "binary"
  || (schema.contentMediaType !== undefined && schema.contentEncoding === undefined && !/^text\/|json/.test(schema.contentMediaType));

/** What the type is called: "list of Note", "string · date", "Cat or Dog, or null". */
export function typeLabel(document, written, depth = 0) {
  if (depth > 6) return "…";
  const name = nameOf(written);
  const members = alternatives(document, written);
  const or = isNullable(document, written) ? " or null" : "";
  if (members.length > 1) {
    if (written.$ref && name) return name + or;
    return members.map((each) => typeLabel(document, each, depth + 1)).join(" or ") + or;
  }
  if (!members.length) return "null";
  const schema = plainSchema(document, members[0]);
  const kind = kindOf(document, schema);
  if (kind === "array") {
    const items = schema.prefixItems
      ? schema.prefixItems.map((each) => typeLabel(document, each, depth + 1)).join(", ")
      : schema.items ? typeLabel(document, schema.items, depth + 1) : "anything";
    return `list of ${items}${or}`;
  }
  const named = nameOf(members[0]) ?? (kind === "object" || kind === "enum" ? name : undefined);
  if (kind === "object") {
    if (named) return named + or;
    return (schema.properties ? "object" : `map of ${typeLabel(document, schema.additionalProperties, depth + 1)}`) + or;
  }
  if (kind === "const") return JSON.stringify(schema.const) + or;
  if (kind === "enum") return (named && named !== schema.title ? named : schema.type ?? typeof schema.enum[0]) + or;
  if (kind === "file") return `file${or}`;
  if (kind === "any") return `${schema.type === "object" ? "object" : "anything"}${or}`;
  return (schema.format ? `${schema.type} · ${schema.format}` : schema.type) + or;
}

/** A number as one reads it: 2,147,483,647. */
const legible = (number) => (Math.abs(number) < 10_000 ? String(number) : number.toLocaleString("en", { maximumFractionDigits: 20 }));

/** What a value must be beside its type, in short phrases. */
export function constraints(schema) {
  const found = [];
  const say = (name, phrase) => schema[name] !== undefined && found.push(phrase(schema[name]));
  const span = (low, high, unit) => {
    const [from, to] = [schema[low], schema[high]].map((each) => each?.toLocaleString("en"));
    const counted = (number) => `${number} ${number === "1" ? unit.replace(/s$/, "") : unit}`;
    if (from !== undefined && from === to) found.push(counted(from));
    else if (from !== undefined && to !== undefined) found.push(`${from} to ${counted(to)}`);
    else if (from !== undefined && from !== "0") found.push(`at least ${counted(from)}`);
    else if (to !== undefined) found.push(`at most ${counted(to)}`);
  };
  if (schema.minimum !== undefined && schema.maximum !== undefined) {
    found.push(`${legible(schema.minimum)} to ${legible(schema.maximum)}`);
  } else {
    say("minimum", (value) => `at least ${legible(value)}`);
    say("maximum", (value) => `at most ${legible(value)}`);
  }
  say("exclusiveMinimum", (value) => `more than ${value}`);
  say("exclusiveMaximum", (value) => `less than ${value}`);
  say("multipleOf", (value) => `a multiple of ${value}`);
  span("minLength", "maxLength", "characters");
  span("minItems", "maxItems", "items");
  span("minProperties", "maxProperties", "members");
  say("uniqueItems", (value) => (value ? "no two the same" : ""));
  // What every path parameter is, and what nobody reads, goes without saying.
  say("pattern", (value) => (/^\^?(\.|\[\^\/\])\+\$?$/.test(value) || value.length > 80 ? "" : `matches ${value}`));
  return found.filter(Boolean);
}

/** What stands under the name of a parameter or a member: choices, constraints, default, description. */
export function facts(document, written, description) {
  const [member] = alternatives(document, written);
  const schema = { ...plainSchema(document, member), ...plainSchema(document, written) };
  const inner = schema.type === "array" ? plainSchema(document, schema.items) : {};
  const choices = schema.enum ?? plainSchema(document, member).enum ?? inner.enum;
  const told = [...constraints({ ...plainSchema(document, member), ...schema }), ...constraints(inner).map((each) => `each ${each}`)];
  const text = description ?? schema.description;
  const empty = ["", null, undefined].includes(schema.default) || /^(\[\]|\{\})$/.test(JSON.stringify(schema.default));
  const preset = !empty; // that what is left out is empty goes without saying
  return [
    text && el("div.prose.small", {}, ...markdown(text, 5)),
    choices && el("p.facts", {}, "One of ", ...choices.flatMap((each, index) => [index ? " " : "", el("code", {}, shown(each))])),
    (told.length > 0 || preset) && el("p.facts", {}, ...told.flatMap((each, index) => [index ? " · " : "", worded(each)]), told.length > 0 && preset && " · ",
      preset && ["Default ", el("code", {}, shown(schema.default))]),
  ];
}

/** A constraint; what isn't words is code. */
const worded = (said) => {
  const [, words, pattern] = /^(.*matches )(.*)$/s.exec(said) ?? [null, said];
  return [words, pattern && el("code", {}, pattern)];
};

const shown = (value) => (typeof value === "string" ? value || '""' : JSON.stringify(value));

/** The members of a schema as a list; what is deeper opens on demand, so that recursion has no end to reach. */
export function schemaView(document, written, { open = 1 } = {}) {
  const members = alternatives(document, written);
  if (members.length > 1) {
    return el("div.variants", {}, ...members.map((each) => {
      const label = typeLabel(document, each);
      return hasMembers(document, each)
        ? disclosure(el("span.type", {}, label), () => schemaView(document, each, { open: open - 1 }), false)
        : el("p.type", {}, label);
    }));
  }
  const schema = plainSchema(document, members[0] ?? {});
  if (kindOf(document, schema) === "array") {
    const items = schema.prefixItems ? { oneOf: schema.prefixItems } : schema.items;
    return el("div", {}, ...facts(document, schema), schemaView(document, items, { open }));
  }
  if (!hasMembers(document, schema)) return el("div", {}, el("p.type", {}, typeLabel(document, written)), ...facts(document, schema));
  const required = new Set(schema.required);
  const rows = Object.entries(schema.properties ?? {}).map(([name, each]) =>
    row(document, name, each, required.has(name), open));
  if (schema.additionalProperties && typeof schema.additionalProperties === "object") {
    rows.push(row(document, "any name", schema.additionalProperties, false, open));
  }
  return el("ul.members", {}, ...rows);
}

function row(document, name, written, required, open) {
  const inside = within(document, written);
  return el("li.member", {},
    head(document, name, written, { required }),
    ...facts(document, written),
    inside && disclosure("Members", () => schemaView(document, inside, { open: open - 1 }), false));
}

/** The line of a parameter or a member: name, type, what is special about it. */
export function head(document, name, written, { required, deprecated } = {}) {
  const schema = plainSchema(document, written);
  return el("p.member-head", {},
    el("code.name", {}, name),
    el("span.type", {}, typeLabel(document, written)),
    required && el("span.required", {}, "required"),
    (deprecated ?? schema.deprecated) && el("span.warning", {}, "deprecated"),
    schema.readOnly && el("span.note", {}, "read only"),
    schema.writeOnly && el("span.note", {}, "write only"));
}

/** What has members within a value: itself, or what a list is of. */
function within(document, written) {
  const members = alternatives(document, written);
  if (members.length > 1) return members.some((each) => hasMembers(document, each)) ? written : null;
  const schema = plainSchema(document, members[0]);
  if (kindOf(document, schema) === "array") return schema.items ? within(document, schema.items) : null;
  return hasMembers(document, schema) ? members[0] : null;
}

export function hasMembers(document, written) {
  const schema = plainSchema(document, written);
  return kindOf(document, schema) === "object"
    && Boolean(schema.properties || within(document, schema.additionalProperties === true ? {} : schema.additionalProperties));
}
