// A client for every API that describes itself with OpenAPI 3.1: one file, no dependencies.
//
//     import { Client, ProblemError } from "./client.js";
//
//     const client = new Client("/docs/openapi.json", { auth: { bearer: "…" } });
//     const note = await client.notes.create({ title: "Milk" });
//     for await (const event of await client.notes.changes()) console.log(event.data);
//
// What stands here is what a program needs. The docs page is made of it, too.

/** An answer that tells of a problem (RFC 9457); any answer with a status from 400 on. */
export class ProblemError extends Error {
  constructor(response, problem) {
    super(problem.detail || problem.title || `${response.status} ${response.statusText}`.trim());
    this.name = "ProblemError";
    this.response = response;
    this.status = response.status;
    this.problem = problem;
    this.title = problem.title ?? response.statusText;
    this.detail = problem.detail ?? "";
    /** What is wrong with which part of the request: [{in, path, code, message}]. */
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
  }
}

/**
 * The operations of a document, as functions: `client.notes.create({...})` is the operation `notes:create`.
 *
 * schema: the address of the document, or the document.
 * base: where the API is; without it, the first of the document's servers.
 * auth: credentials by the name of their security scheme: a token, a key, {username, password},
 *     or a function that gives (a promise of) one.
 * headers: sent with every request.
 * reconnect: when a stream of events that breaks off is asked for again: {attempts, delay, longest}, how many
 *     in a row that bring nothing, and milliseconds; false for never. The server is told the last event's id.
 */
export class Client {
  #schema;
  #base;
  #auth;
  #headers;
  #send;
  #reconnect;
  #loading = null;

  constructor(schema, { base, auth = {}, headers = {}, fetch, reconnect = {} } = {}) {
    this.#schema = schema;
    this.#base = base;
    this.#auth = auth;
    this.#headers = headers;
    this.#reconnect = reconnect;
    this.#send = fetch ?? ((...request) => globalThis.fetch(...request));
    // What has no private name here is no name of a namespace: `client.auth.login()` is an operation.
    return new Proxy(this, {
      get: (client, name) => {
        if (typeof name === "symbol" || name === "then") return undefined;
        if (!(name in client)) return namespace(client, name);
        return typeof client[name] === "function" ? client[name].bind(client) : client[name];
      },
    });
  }

  /** Base, document and operations; asked for once. */
  ready() {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null;
      throw error;
    });
    return this.#loading;
  }

  async #load() {
    const here = globalThis.document?.baseURI;
    const given = typeof this.#schema === "object";
    const address = given ? here : new URL(this.#schema, here).href;
    const document = given ? this.#schema : await decoded(await this.#send(address));
    const server = this.#base ?? filledIn(document.servers?.[0]) ?? "/";
    return { document, base: new URL(server, address).href, operations: operationsOf(document) };
  }

  async operation(id) {
    const { operations } = await this.ready();
    if (!operations.has(id)) throw new TypeError(`There is no operation ${JSON.stringify(id)}.`);
    return operations.get(id);
  }

  /**
   * Call an operation; what it answers: a value, text, a Blob, null, or an async iterator of lines or events.
   *
   * values: by name; what isn't a parameter is a member of the body; `body` is the whole body.
   * Throws a ProblemError from status 400 on, a TypeError if a name is unknown or missing.
   */
  async request(id, values = {}, options = {}) {
    const operation = await this.operation(id);
    if (operation.method === "WEBSOCKET") return this.connect(id, values, options);
    const response = await this.fetch(id, values, options);
    const reconnect = operation.method === "GET" && (options.reconnect ?? this.#reconnect);
    const again = async (headers) => {
      const next = await this.fetch(id, values, { ...options, headers: { ...options.headers, ...headers } });
      return next.ok ? next : decoded(next); // which throws
    };
    return decoded(response, operation, reconnect && { ...RECONNECT, ...reconnect, again, signal: options.signal });
  }

  /** Call an operation; its Response, as it is. */
  async fetch(id, values = {}, { signal, headers } = {}) {
    const operation = await this.operation(id);
    const { base, document } = await this.ready();
    const request = composed(operation, { ...sorted(operation, values), base });
    authenticate(request, operation, document, await credentials(this.#auth));
    for (const [name, value] of Object.entries({ ...this.#headers, ...headers })) request.headers.set(name, value);
    return this.#send(request.url.href, {
      method: request.method, headers: request.headers, body: request.body, signal, credentials: "same-origin",
    });
  }

  /** A WebSocket: `for await (const message of socket)`, `socket.send(value)`, `socket.close()`. */
  async connect(id, values = {}, { subprotocols } = {}) {
    const operation = await this.operation(id);
    const { base, document } = await this.ready();
    const request = composed(operation, { ...sorted(operation, values), base });
    authenticate(request, operation, document, await credentials(this.#auth));
    return new Socket(request.url, subprotocols ?? operation.definition.subprotocols ?? [], operation);
  }
}

/** `client.notes`, which is `client.notes.create` in the end. */
function namespace(client, id) {
  return new Proxy((values, options) => client.request(id, values, options), {
    get: (target, name) =>
      typeof name === "symbol" || name === "then" ? undefined : namespace(client, `${id}:${name}`),
  });
}

// --- the document -------------------------------------------------------------------------------------------

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query", "x-websocket"];

/** What a node stands for: `$ref` followed, within the document. Members beside the `$ref` count. */
export function resolved(document, node, depth = 0) {
  if (typeof node?.$ref !== "string" || !node.$ref.startsWith("#/") || depth > 32) return node ?? {};
  const { $ref, ...beside } = node;
  const names = $ref.slice(2).split("/");
  const found = names.reduce(
    (at, name) => at?.[decodeURIComponent(name).replaceAll("~1", "/").replaceAll("~0", "~")], document,
  );
  return { ...resolved(document, found, depth + 1), ...beside };
}

/** The operations of a document by id; one without an id is called by its method and path. */
export function operationsOf(document) {
  const operations = new Map();
  // x-paths: what OpenAPI can't have beside another of the same path; behind # stands which one it is.
  for (const [key, written] of Object.entries({ ...document.paths, ...document["x-paths"] })) {
    const item = resolved(document, written);
    const path = key.split("#")[0];
    for (const method of Object.keys(item).filter((name) => METHODS.includes(name))) {
      const definition = item[method];
      const parameters = new Map();
      for (const each of [...(item.parameters ?? []), ...(definition.parameters ?? [])]) {
        const parameter = resolved(document, each);
        parameters.set(`${parameter.in} ${parameter.name}`, parameter);
      }
      const verb = method === "x-websocket" ? "WEBSOCKET" : method.toUpperCase();
      const id = definition.operationId ?? `${verb} ${path}`;
      operations.set(id, {
        id, path, definition,
        method: verb,
        parameters: [...parameters.values()],
        body: definition.requestBody ? resolved(document, definition.requestBody) : null,
        responses: Object.fromEntries(
          Object.entries(definition.responses ?? {}).map(([status, each]) => [status, resolved(document, each)]),
        ),
        security: definition.security ?? document.security ?? [],
        server: filledIn((definition.servers ?? item.servers)?.[0]),
        document,
      });
    }
  }
  return operations;
}

/** The address of a server with the defaults of its variables. */
export function filledIn(server) {
  return server?.url?.replace(/\{([^}]+)\}/g, (whole, name) => server.variables?.[name]?.default ?? whole);
}

// --- a request ----------------------------------------------------------------------------------------------

const isFile = (value) => value instanceof Blob;
export const isJSON = (type) => /^application\/([^;]+\+)?json\b/i.test(type);

/** Flat values, sorted to where they belong: {parameters: {path: {…}, query: {…}, …}, body, type}. */
export function sorted(operation, values) {
  const rest = { ...values };
  const parameters = {};
  for (const { in: where, name, required } of operation.parameters) {
    const value = rest[name];
    if (value === undefined && required) throw new TypeError(`${operation.id} needs ${name}.`);
    if (value !== undefined) (parameters[where] ??= {})[name] = value;
  }
  for (const { name } of operation.parameters) delete rest[name];
  if (!operation.body) {
    const unknown = Object.keys(rest);
    if (unknown.length) throw new TypeError(`${operation.id} takes no ${unknown.join(", ")}.`);
    return { parameters };
  }
  let body;
  const ofBody = Object.values(operation.body.content ?? {}).some(
    (media) => resolved(operation.document, media.schema).properties?.body,
  );
  if (rest.body !== undefined && !ofBody) {
    body = rest.body;
    delete rest.body;
    const unknown = Object.keys(rest);
    if (unknown.length) throw new TypeError(`${operation.id} takes no ${unknown.join(", ")} beside the body.`);
  } else if (Object.keys(rest).length || operation.body.required) {
    body = rest;
  }
  return { parameters, body, type: typeFor(Object.keys(operation.body.content ?? {}), body) };
}

/** The media type for a body, of those that an operation takes. */
function typeFor(types, body) {
  const files = body && !isFile(body) && Object.values(body).flat().some(isFile);
  const wanted = isFile(body) ? (type) => !isJSON(type) && !/form/.test(type)
    : files ? (type) => type.startsWith("multipart/") : isJSON;
  return types.find(wanted) ?? types[0] ?? "application/json";
}

/** A request: {method, url, headers, body, cookies}. `cookies` are for who can send them; browsers can't. */
export function composed(operation, { base, parameters = {}, body, type }) {
  const headers = new Headers();
  const cookies = {};
  const query = [];
  let path = operation.path;
  for (const parameter of operation.parameters) {
    const value = parameters[parameter.in]?.[parameter.name];
    if (parameter.in === "path") {
      path = path.replace(`{${parameter.name}}`, segment(parameter, value));
    } else if (value !== undefined) {
      if (parameter.in === "query") query.push(...pairs(operation.document, parameter, value));
      else if (parameter.in === "header") headers.set(parameter.name, plain(value));
      else if (parameter.in === "cookie") cookies[parameter.name] = plain(value);
    }
  }
  const root = operation.server ? new URL(operation.server, base).href : base;
  const url = new URL(`${root.replace(/\/$/, "")}/${path.replace(/^\//, "")}`);
  url.search = query.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  const request = { method: operation.method, url, headers, body: undefined, cookies };
  if (operation.method === "WEBSOCKET") url.protocol = url.protocol.replace("http", "ws");
  else if (body !== undefined) write(request, type, body);
  return request;
}

const text = (value) => (value instanceof Date ? value.toISOString() : String(value));

/** A value in a single text: members with commas between them (`simple`). */
function plain(value) {
  if (Array.isArray(value)) return value.map(text).join(",");
  if (value === null || typeof value !== "object" || value instanceof Date) return text(value);
  return Object.entries(value).flat().map(text).join(",");
}

function segment(parameter, value) {
  const written = encodeURIComponent(plain(value ?? ""));
  const schema = parameter.schema ?? {};
  const safe = written === "." || written === ".." ? written.replaceAll(".", "%2E") : written;
  return schema.pattern === ".+" ? safe.replaceAll("%2F", "/") : safe;
}

/** The pairs of a query that a value is written as. */
function pairs(document, parameter, value) {
  const { name, style = "form", explode = style === "form" } = parameter;
  if (parameter.content) return [[name, JSON.stringify(value)]];
  if (Array.isArray(value)) return explode ? value.map((each) => [name, text(each)]) : [[name, plain(value)]];
  if (value === null || typeof value !== "object" || value instanceof Date) return [[name, text(value)]];
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  if (style === "deepObject") return members.map(([key, each]) => [`${name}[${key}]`, text(each)]);
  return explode ? members.flatMap(([key, each]) => [each].flat().map((one) => [key, text(one)])) : [[name, plain(value)]];
}

function write(request, type, body) {
  if (type.startsWith("multipart/")) {
    request.body = new FormData();
    for (const [name, value] of members(body)) {
      request.body.append(name, isFile(value) ? value : formText(value));
    }
    return; // fetch says the type: it knows the boundary
  }
  request.headers.set("content-type", isFile(body) && type.includes("*") ? body.type || "application/octet-stream" : type);
  if (type.startsWith("application/x-www-form-urlencoded")) {
    request.body = new URLSearchParams(members(body).map(([name, value]) => [name, formText(value)])).toString();
  } else if (isJSON(type)) {
    request.body = JSON.stringify(body);
  } else {
    request.body = typeof body === "object" && !isFile(body) && !ArrayBuffer.isView(body) && !(body instanceof ArrayBuffer)
      ? JSON.stringify(body) : body;
  }
}

/** The fields of a form: a list is several of one name. */
export function members(body) {
  return Object.entries(body ?? {})
    .flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
    .filter(([, value]) => value !== undefined && value !== null);
}

const formText = (value) =>
  typeof value === "object" && !(value instanceof Date) ? JSON.stringify(value) : text(value);

// --- credentials --------------------------------------------------------------------------------------------

async function credentials(auth) {
  const given = await Promise.all(
    Object.entries(auth).map(async ([name, value]) => [name, typeof value === "function" ? await value() : value]),
  );
  return Object.fromEntries(given.filter(([, value]) => value));
}

/** Let a request carry the credentials of the first alternative that all are given of; true if it does. */
export function authenticate(request, operation, document, given) {
  const alternative = operation.security.find(
    (each) => Object.keys(each).length && Object.keys(each).every((name) => given[name]),
  );
  for (const name of Object.keys(alternative ?? {})) {
    const scheme = resolved(document, document.components?.securitySchemes?.[name]);
    const secret = given[name];
    if (scheme.type === "apiKey") {
      if (scheme.in === "header") request.headers.set(scheme.name, secret);
      else if (scheme.in === "query") request.url.searchParams.append(scheme.name, secret);
      else request.cookies[scheme.name] = secret;
    } else if (scheme.scheme?.toLowerCase() === "basic") {
      const bytes = new TextEncoder().encode(`${secret.username}:${secret.password}`);
      request.headers.set("authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`);
    } else {
      request.headers.set("authorization", `Bearer ${secret}`);
    }
  }
  return alternative !== undefined;
}

// --- answers ------------------------------------------------------------------------------------------------

export const isEvents = (type) => /^text\/event-stream\b/i.test(type);
export const isLines = (type) => /^application\/(jsonl|x-ndjson|x-jsonlines|json-seq)\b/i.test(type);

/** What a response says. */
async function decoded(response, operation, reconnect) {
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok) {
    const problem = isJSON(type) ? await response.json().catch(() => ({})) : { detail: await response.text() };
    throw new ProblemError(response, problem ?? {});
  }
  if (isEvents(type)) {
    const parse = (data) => read(data, itemSchema(operation, type));
    return reconnect ? following(response, parse, reconnect) : events(response, parse);
  }
  if (isLines(type)) return lines(response);
  if (isJSON(type)) {
    const content = await response.text();
    return content ? JSON.parse(content) : null;
  }
  if (type.startsWith("text/")) return response.text();
  const blob = await response.blob();
  return blob.size || type ? blob : null;
}

/** The schema of one line or event of a stream; undefined if the document doesn't say. */
export function itemSchema(operation, type) {
  const kind = type.split(";")[0];
  const media = Object.values(operation?.responses ?? {}).map((response) => response.content?.[kind]).find(Boolean);
  return media?.["x-item-schema"] ?? media?.itemSchema;
}

/** The data of an event: JSON where the document says what it is, text otherwise. */
function read(data, schema) {
  if (!schema) return data;
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

async function* pieces(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } finally {
    await reader.cancel().catch(() => {}); // who leaves the loop leaves the stream
  }
}

/** The values of JSON lines. */
export async function* lines(response, parse = JSON.parse) {
  let rest = "";
  for await (const piece of pieces(response)) {
    const found = (rest + piece).split("\n");
    rest = found.pop();
    for (const line of found) if (line.trim()) yield parse(line.replace(/^\x1e/, ""));
  }
  if (rest.trim()) yield parse(rest.replace(/^\x1e/, ""));
}

/** When a stream of events is asked for again: see `Client`. */
const RECONNECT = { attempts: 8, delay: 1000, longest: 30_000 };

/** The statuses of a server that is away for a moment. */
const PASSING = [502, 503, 504];

/**
 * The events of a stream that is asked for again after it broke, and after its end if the server has said with
 * `retry:` when to come back (HTML §9.2.3).
 */
async function* following(response, parse, { attempts, delay, longest, again, signal }) {
  const course = { id: "", retry: undefined, failed: 0 };
  for (;;) {
    let broken = null;
    try {
      yield* events(response, parse, course);
      if (course.retry === undefined || response.status === 204) return;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it isn't the network
      broken = error;
    }
    for (response = null; !response; ) {
      if (course.failed >= attempts) {
        if (broken) throw broken;
        return;
      }
      const first = course.retry === undefined ? delay : Math.min(Math.max(course.retry, 100), 300_000);
      const wait = Math.min(first * 2 ** course.failed, Math.max(first, longest));
      course.failed += 1;
      await pause(wait * (1 + Math.random() / 4), signal);
      // A header is made of bytes, and these are UTF-8.
      const id = String.fromCharCode(...new TextEncoder().encode(course.id));
      try {
        response = await again(id ? { "last-event-id": id } : {});
        refuseOthers(response);
      } catch (error) {
        const passing = error instanceof ProblemError ? PASSING.includes(error.status) : error instanceof TypeError;
        if (!passing) throw error;
        broken = error;
      }
    }
  }
}

/** Refuse what isn't events, where there were some. */
function refuseOthers(response) {
  const media = (response.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
  if (response.status === 204 || media === "text/event-stream") return;
  response.body?.cancel();
  throw new Error(`The server gave events before, and gives ${media || "something else"} now.`);
}

/** Wait so many milliseconds, unless it is aborted. */
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Server-sent events (HTML §9.2.6): {event, data, id, retry}. `course` is of all responses of a stream. */
export async function* events(response, parse = (data) => data, course = { id: "" }) {
  let id = course.id;
  let event = { data: [] };
  for await (const line of eventLines(response)) {
    course.failed = 0;
    if (line === "") {
      course.id = id;
      const { event: name = "message", data, retry } = event;
      if (data.length) yield { event: name, data: parse(data.join("\n")), id, retry };
      event = { data: [] };
      continue;
    }
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "data") event.data.push(value);
    else if (name === "event" && value) event.event = value;
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d+$/.test(value)) course.retry = event.retry = Number(value);
  }
}

/** The whole lines of a stream of events: they end with CR LF, LF or CR. */
async function* eventLines(response) {
  let rest = "";
  for await (const piece of pieces(response)) {
    // A CR at the end may be the first half of CR LF.
    const found = (rest + piece).split(/\r\n|\n|\r(?!$)/);
    rest = found.pop();
    yield* found;
  }
  if (rest.endsWith("\r")) yield rest.slice(0, -1);
}

/** A WebSocket whose messages are values: JSON where the document says so, text and bytes otherwise. */
export class Socket {
  constructor(url, subprotocols, operation) {
    const sends = Object.keys(operation?.definition.sends?.content ?? {});
    this.parse = sends.length && !sends.some(isJSON) ? (data) => data : (data) => read(data, typeof data === "string");
    const receives = Object.keys(operation?.definition.receives?.content ?? {});
    const isRaw = (value) => typeof value === "string" || isFile(value) || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    this.write = receives.some(isJSON) ? JSON.stringify : (value) => (isRaw(value) ? value : JSON.stringify(value));
    this.socket = new WebSocket(url, subprotocols);
    this.socket.binaryType = "arraybuffer";
    this.messages = [];
    this.wake = () => {};
    this.opened = new Promise((resolve, reject) => {
      this.socket.addEventListener("open", () => resolve(this));
      this.socket.addEventListener("close", () => reject(new Error("The WebSocket was not accepted.")));
    });
    this.opened.catch(() => {}); // told to who sends, or iterates
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => {
        // All other codes tell of something wrong (RFC 6455 §7.4).
        const isMeant = [1000, 1001, 1005].includes(code) || code >= 3000;
        if (!isMeant) this.failure = new Error(`The WebSocket was closed with ${code} ${reason}`.trim());
        resolve({ code, reason });
      });
    });
    this.socket.addEventListener("message", ({ data }) => { this.messages.push(this.parse(data)); this.wake(); });
    this.closed.then(() => this.wake());
  }

  async send(value) {
    await this.opened;
    this.socket.send(this.write(value));
  }

  async close(code = 1000, reason = "") {
    this.socket.close(code, reason);
    return this.closed;
  }

  async *[Symbol.asyncIterator]() {
    await this.opened;
    try {
      for (;;) {
        while (this.messages.length) yield this.messages.shift();
        if (this.failure) throw this.failure;
        if (this.socket.readyState === WebSocket.CLOSED) return;
        await new Promise((resolve) => { this.wake = resolve; });
      }
    } finally {
      this.socket.close(1000);
    }
  }
}
