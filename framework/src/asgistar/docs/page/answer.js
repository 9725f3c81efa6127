// What came back: status, time, size, headers, and the body as one can read it.

import { isJSON } from "./client.js";
import { copyButton, el, icon, tabs } from "./dom.js";
import { code } from "./highlight.js";

const LIMIT = 500_000; // characters that are shown; all are there to be saved

export const size = (bytes) =>
  bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

export const duration = (milliseconds) =>
  milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(2)} s`;

const addresses = [];
/** An address for a picture or a file of the last answer; those of the one before are gone. */
function address(content) {
  addresses.push(URL.createObjectURL(content));
  return addresses.at(-1);
}

const kind = (status) => (status < 300 ? "good" : status < 400 ? "neutral" : "bad");

const REASONS = {
  200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content", 304: "Not Modified",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
  406: "Not Acceptable", 409: "Conflict", 410: "Gone", 412: "Precondition Failed", 413: "Content Too Large",
  415: "Unsupported Media Type", 422: "Unprocessable Content", 429: "Too Many Requests",
  500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
};
export const reason = (status) => REASONS[status] ?? "";

/** The line above an answer: status, time, size. */
export function statusLine(response, milliseconds, bytes) {
  return el("p.status", {},
    el(`span.pill.${kind(response.status)}`, {}, `${response.status} ${response.statusText || reason(response.status)}`.trim()),
    el("span.soft", {}, [duration(milliseconds), bytes === undefined ? "" : size(bytes)].filter(Boolean).join(" · ")));
}

/** A whole answer. */
export async function answerView(response, content, milliseconds) {
  for (const each of addresses.splice(0)) URL.revokeObjectURL(each);
  const shown = el("div");
  const headers = [...response.headers];
  const views = { body: await bodyView(response, content), headers: headersView(headers) };
  const choice = tabs("Answer", [{ id: "body", label: "Body" }, { id: "headers", label: `Headers ${headers.length}` }],
    (id) => shown.replaceChildren(views[id]));
  return [el("div.answer-head", {}, statusLine(response, milliseconds, content.size), choice), shown];
}

export const headersView = (headers) =>
  el("dl.headers", {}, ...headers.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

async function bodyView(response, content) {
  const type = response.headers.get("content-type") ?? "";
  if (!content.size) return el("p.soft.empty", {}, "No body.");
  return el("div.answer-body", {}, await readable(type, content), save(content, fileNameOf(response)));
}

async function readable(type, content) {
  if (/^image\/(png|jpeg|gif|webp|avif|svg\+xml|bmp)\b/.test(type)) return el("img", { src: address(content), alt: "The answer" });
  if (/^audio\//.test(type)) return el("audio", { src: address(content), controls: true });
  if (/^video\//.test(type)) return el("video", { src: address(content), controls: true });
  if (!isJSON(type) && !/^text\/|[/+](json|xml|javascript|yaml|jsonl|x-ndjson|x-www-form-urlencoded)\b/.test(type)) {
    return el("p.soft.empty", {}, `${size(content.size)} of ${type || "no type"}`);
  }
  let text = await content.text();
  const cut = text.length > LIMIT;
  let language = "";
  if (isJSON(type) && !cut) {
    try {
      text = pretty(text);
      language = "json";
    } catch {
      // shown as it came
    }
  }
  const shown = cut ? text.slice(0, LIMIT) : text;
  return el("div.with-copy", {}, code(shown, language, "Body of the answer"), copyButton(() => text, "Copy the body"),
    cut && el("p.soft", {}, `The first ${size(LIMIT)} are shown.`));
}

/** JSON with line breaks; numbers that JavaScript would round stay as they are. */
export function pretty(text) {
  JSON.parse(text);
  if (!/\d{16}/.test(text)) return JSON.stringify(JSON.parse(text), null, 2);
  const big = [];
  const kept = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]{15,}/g, (each) => (each[0] === '"' ? each : `"\u0000${big.push(each) - 1}\u0000"`));
  return JSON.stringify(JSON.parse(kept.replaceAll("\u0000", "\\u0000")), null, 2)
    .replace(/"\\u0000(\d+)\\u0000"/g, (_, index) => big[Number(index)]);
}

function save(content, fileName) {
  const link = el("a.save", { href: address(content), download: fileName || "answer" }, icon("save"), "Save");
  return el("p.save-line", {}, link);
}

/** The name that a response gives its file (RFC 6266). */
function fileNameOf(response) {
  const field = response.headers.get("content-disposition") ?? "";
  const extended = /filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(field);
  try {
    if (extended) return decodeURIComponent(extended[1]);
  } catch {
    // not quoted as it should be
  }
  return /filename\s*=\s*(?:"([^"]*)"|([^;\s]+))/i.exec(field)?.slice(1).find(Boolean) ?? "";
}
