// --- what all calls have in common -------------------------------------------------------------------------

/** One thing that is wrong with a request. */
export interface ErrorItem {
  in: string;
  path: (string | number)[];
  code: string;
  message: string;
}

/** An answer with a status of 400 or above (RFC 9457). */
export class Problem extends Error {
  /** The status of the answer. */
  readonly status: number;
  /** A URI for the kind of problem. */
  readonly type: string;
  /** The kind of problem in words. */
  readonly title: string;
  /** What went wrong this time. */
  readonly detail: string;
  /** All that is wrong with the request. */
  readonly errors: ErrorItem[];
  /** The answer. */
  readonly response: Response;
  /** The whole problem document; empty if there is none. */
  readonly document: { [key: string]: unknown };

  constructor(response: Response, document: { [key: string]: unknown }, text: string) {
    const said = (key: string, otherwise: string) => (typeof document[key] === "string" ? document[key] : otherwise);
    const title = said("title", response.statusText || `Status ${response.status}`);
    const detail = said("detail", text);
    super(detail ? `${response.status} ${title}: ${detail}` : `${response.status} ${title}`);
    this.name = "Problem";
    this.status = response.status;
    this.type = said("type", "about:blank");
    this.title = title;
    this.detail = detail;
    this.errors = Array.isArray(document["errors"]) ? (document["errors"] as ErrorItem[]) : [];
    this.response = response;
    this.document = document;
  }
}

/** A server-sent event. */
export interface ServerEvent<T> {
  data: T;
  event: string;
  id: string;
  retry?: number;
}

/** How to authenticate. */
export interface Auth {
  bearer?: string;
  basic?: [username: string, password: string];
  apiKey?: string;
}

/** What a client can be told. */
export interface Options {
  auth?: Auth;
  /** Headers of all requests. */
  headers?: { [name: string]: string };
  /** What sends requests; `fetch` if it isn't given. */
  fetch?: (input: string, init: RequestInit) => Promise<Response>;
}

type Arguments = { [name: string]: unknown };
type Where = "path" | "query" | "header" | "cookie" | "member" | "body";
type Part = { argument: string; name: string; where: Where; delimiter?: string; deep?: true; slashes?: true; json?: true };
type Key = { name: string; where: string };
type Call = { method: string; path: string; parts: Part[]; body?: string };

const LONGEST = 16_000_000;

/** A value as the text of a parameter. */
function text(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function joined(value: unknown, part: Part): string {
  if (part.json) return JSON.stringify(value);
  if (Array.isArray(value)) return value.map(text).join(part.delimiter ?? ",");
  return text(value);
}

class Sender {
  readonly url: string;
  readonly options: Options;
  readonly key: Key | undefined;

  constructor(url: string, options: Options, key: Key | undefined) {
    this.url = url;
    this.options = options;
    this.key = key;
  }

  async send(call: Call, given: Arguments, init: RequestInit): Promise<Response> {
    let path = call.path;
    const query = new URLSearchParams();
    const headers = new Headers(this.options.headers);
    const cookies: string[] = [];
    const members: Arguments = {};
    let body: unknown = undefined;
    for (const part of call.parts) {
      const value = given[part.argument];
      if (value === undefined || (value === null && part.where !== "member" && part.where !== "body")) continue;
      if (part.where === "path") {
        path = path.replace(`{${part.name}}`, () => this.segment(joined(value, part), part));
      } else if (part.where === "query") {
        this.ask(query, value, part);
      } else if (part.where === "header") {
        headers.set(part.name, joined(value, part));
      } else if (part.where === "cookie") {
        cookies.push(`${part.name}=${joined(value, part)}`);
      } else if (part.where === "member") {
        members[part.name] = value;
      } else {
        body = value;
      }
    }
    if (call.parts.some((part) => part.where === "member")) body = members;
    this.authenticate(headers, query, cookies);
    if (cookies.length) headers.set("cookie", cookies.join("; "));
    const sent: RequestInit = { ...init, method: call.method };
    if (body !== undefined && call.body !== undefined) sent.body = this.encoded(call.body, body, headers);
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    sent.headers = headers;
    const asked = query.toString();
    const url = this.url.replace(/\/+$/, "") + path + (asked ? `?${asked}` : "");
    const response = await (this.options.fetch ?? fetch)(url, sent);
    if (response.status < 400) return response;
    const said = await response.text();
    let document: unknown = undefined;
    try {
      document = JSON.parse(said);
    } catch {
      // It is no problem document, then.
    }
    const known = typeof document === "object" && document !== null && !Array.isArray(document);
    throw new Problem(response, known ? (document as { [key: string]: unknown }) : {}, said.slice(0, 1000));
  }

  async value<T>(call: Call, given: Arguments, init: RequestInit): Promise<T> {
    const response = await this.send(call, given, init);
    const media = (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
    const isJSON = media === "application/json" || media.endsWith("+json");
    if (!isJSON && !media.startsWith("text/")) {
      const content = await response.blob();
      return (content.size ? content : null) as T;
    }
    const said = await response.text();
    return (!isJSON ? said : said === "" ? null : JSON.parse(said)) as T;
  }

  async *lines<T>(call: Call, given: Arguments, init: RequestInit): AsyncGenerator<T, void, undefined> {
    for await (const line of this.split(call, given, init, /\r?\n/)) {
      if (line.trim()) yield JSON.parse(line) as T;
    }
  }

  async *events<T>(
    call: Call,
    given: Arguments,
    init: RequestInit,
    read: (data: string) => T,
  ): AsyncGenerator<ServerEvent<T>, void, undefined> {
    let data: string[] = [];
    let event = "";
    let id = "";
    let retry: number | undefined = undefined;
    let size = 0;
    for await (const line of this.split(call, given, init, /\r\n|\n|\r/, true)) {
      if (line === "") {
        if (data.length) {
          const found: ServerEvent<T> = { data: read(data.join("\n")), event: event || "message", id };
          if (retry !== undefined) found.retry = retry;
          yield found;
        }
        [data, event, retry, size] = [[], "", undefined, 0];
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
      if (name === "data") {
        size += value.length;
        if (size > LONGEST) throw new Error("An event is too long.");
        data.push(value);
      } else if (name === "event") event = value;
      else if (name === "id" && !value.includes("\0")) id = value;
      else if (name === "retry" && /^[0-9]+$/.test(value)) retry = Number(value);
    }
  }

  /** A text, out of data that is a text: in JSON, or as it is. */
  static word(data: string): string {
    try {
      const value: unknown = JSON.parse(data);
      return typeof value === "string" ? value : data;
    } catch {
      return data;
    }
  }

  /** The lines of a stream. Left before its end, it is cancelled. */
  private async *split(
    call: Call,
    given: Arguments,
    init: RequestInit,
    end: RegExp,
    complete = false,
  ): AsyncGenerator<string, void, undefined> {
    const response = await this.send(call, given, init);
    if (response.body === null) return;
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
        // A CR at the end may be the first half of a line end.
        const held = !done && rest.endsWith("\r");
        const lines = (held ? rest.slice(0, -1) : rest).split(end);
        rest = (lines.pop() ?? "") + (held ? "\r" : "");
        yield* lines;
        if (rest.length > LONGEST) throw new Error("A line is too long.");
        if (done) break;
      }
      if (!complete && rest) yield rest;
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  private segment(value: string, part: Part): string {
    const segments = part.slashes ? value.split("/") : [value];
    if (value === "" || segments.some((each) => each === "." || each === "..")) {
      throw new TypeError(`${part.argument} can't be ${JSON.stringify(value)} in a path.`);
    }
    return segments.map(encodeURIComponent).join("/");
  }

  private ask(query: URLSearchParams, value: unknown, part: Part): void {
    if (part.json || part.delimiter !== undefined) {
      query.append(part.name, joined(value, part));
    } else if (Array.isArray(value)) {
      for (const each of value) query.append(part.name, text(each));
    } else if (typeof value === "object" && value !== null) {
      for (const [name, each] of Object.entries(value)) {
        if (each === undefined || each === null) continue;
        query.append(part.deep ? `${part.name}[${name}]` : name, text(each));
      }
    } else {
      query.append(part.name, text(value));
    }
  }

  private authenticate(headers: Headers, query: URLSearchParams, cookies: string[]): void {
    const { bearer, basic, apiKey } = this.options.auth ?? {};
    if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
    if (basic !== undefined) {
      const bytes = new TextEncoder().encode(`${basic[0]}:${basic[1]}`);
      headers.set("authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`);
    }
    if (apiKey === undefined) return;
    if (this.key === undefined) throw new TypeError("This API knows no key, or several.");
    if (this.key.where === "query") query.append(this.key.name, apiKey);
    else if (this.key.where === "cookie") cookies.push(`${this.key.name}=${apiKey}`);
    else headers.set(this.key.name, apiKey);
  }

  private encoded(media: string, body: unknown, headers: Headers): BodyInit {
    if (media === "multipart/form-data" || media === "application/x-www-form-urlencoded") {
      const form = media === "multipart/form-data" ? new FormData() : new URLSearchParams();
      for (const [name, value] of Object.entries(body as Arguments)) {
        for (const each of Array.isArray(value) ? value : [value]) {
          if (each === undefined || each === null) continue;
          if (each instanceof Blob && form instanceof FormData) form.append(name, each);
          else form.append(name, text(each));
        }
      }
      return form;
    }
    if (media === "application/json" || media.endsWith("+json")) {
      headers.set("content-type", media);
      return JSON.stringify(body);
    }
    if (!media.includes("*")) headers.set("content-type", media);
    return body as BodyInit;
  }
}
