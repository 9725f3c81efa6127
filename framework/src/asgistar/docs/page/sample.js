// Examples: those of the document where it has some, made from the schema where it has none.

import { alternatives, isNullable, kindOf, plainSchema } from "./schema.js";
import { resolved } from "./client.js";

const FORMATS = {
  date: () => new Date().toISOString().slice(0, 10),
  "date-time": () => `${new Date().toISOString().slice(0, 16)}:00Z`,
  time: () => "12:30:00",
  duration: () => "PT1H30M",
  email: () => "ada@example.com",
  hostname: () => "example.com",
  ipv4: () => "192.0.2.1",
  ipv6: () => "2001:db8::1",
  uri: () => "https://example.com/",
  "uri-reference": () => "/path",
  uuid: () => "7c9e6679-7425-40de-944b-e07fc1f90ae7",
  password: () => "correct horse",
  byte: () => "aGVsbG8=",
  decimal: () => "9.99",
};

/** The example that a schema, parameter or media type has itself; undefined if it has none. */
export function given(document, written) {
  if (written?.example !== undefined) return written.example;
  if (Array.isArray(written?.examples)) return written.examples[0];
  const [named] = Object.values(written?.examples ?? {});
  return named === undefined ? undefined : resolved(document, named).value;
}

/**
 * A value of a schema.
 *
 * whole: with all members; otherwise with those that are required or have an example.
 */
export function sample(document, written, { whole = false, depth = 0 } = {}) {
  const schema = plainSchema(document, written);
  const own = given(document, schema);
  if (own !== undefined) return own;
  if (schema.default !== undefined && (whole || schema.default !== null)) return schema.default;
  const members = alternatives(document, written);
  if (!members.length) return null;
  const chosen = plainSchema(document, members[0]);
  if (members[0] !== written && given(document, chosen) !== undefined) return given(document, chosen);
  if (depth > 4 && isNullable(document, written)) return null;
  const deeper = { whole: whole && depth < 3, depth: depth + 1 };
  switch (kindOf(document, chosen)) {
    case "const": return chosen.const;
    case "enum": return chosen.enum[0];
    case "object": return object(document, chosen, deeper);
    case "array":
      if (chosen.prefixItems) return chosen.prefixItems.map((each) => sample(document, each, deeper));
      if (depth > 5 || (!whole && !chosen.minItems && !given(document, plainSchema(document, chosen.items)))) return [];
      return Array.from({ length: Math.max(1, Math.min(chosen.minItems ?? 1, 3)) }, () => sample(document, chosen.items, deeper));
    case "integer":
    case "number": return number(chosen);
    case "boolean": return true;
    case "string": return string(chosen);
    case "file": return undefined;
    default: return chosen.type === "object" ? {} : null;
  }
}

function object(document, schema, { whole, depth }) {
  const required = new Set(schema.required);
  const made = {};
  if (depth > 8) return made;
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    const wanted = required.has(name) || given(document, plainSchema(document, each)) !== undefined || whole;
    const value = wanted ? sample(document, each, { whole, depth }) : undefined;
    if (value !== undefined) made[name] = value;
  }
  if (whole && !schema.properties && typeof schema.additionalProperties === "object") {
    made.key = sample(document, schema.additionalProperties, { whole, depth });
  }
  return made;
}

function number(schema) {
  const step = schema.multipleOf ?? 1;
  const low = schema.minimum ?? (schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + step : undefined);
  const high = schema.maximum ?? (schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - step : undefined);
  const value = low !== undefined && low > 1 ? low : high !== undefined && high < 1 ? high : Math.max(1, low ?? 1);
  return Math.ceil(value / step) * step;
}

function string(schema) {
  const made = FORMATS[schema.format]?.() ?? "text";
  const long = made.padEnd(Math.min(schema.minLength ?? 0, 1000), made === "text" ? " text" : "x");
  return schema.maxLength === undefined ? long : long.slice(0, schema.maxLength);
}
