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

/**
 * When a stream of events is asked for again: after it broke, and after its end if the server has said with
 * `retry:` when to come back.
 */
export interface Reconnect {
  /** How many in a row that bring nothing. */
  attempts: number;
  /** Milliseconds before the first one, unless the server says how many; it doubles with each. */
  delay: number;
  /** Milliseconds that the delay grows to. */
  longest: number;
}

/** What a client can be told. */
export interface Options {
  /** A WebSocket can't have headers: of these, only a key in its query goes along with it. */
  auth?: Auth;
  /** When events that break off are asked for again; false for never. */
  reconnect?: Partial<Reconnect> | false;
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

type Channel = { path: string; parts: Part[]; takesJSON: boolean; givesJSON: boolean };
type Asked = { url: string; headers: Headers; body: unknown };

const LONGEST = 16_000_000;
const RECONNECT: Reconnect = { attempts: 8, delay: 1000, longest: 30_000 };
const PASSING = [502, 503, 504];

/** A value as the text of a parameter. */
function text(value: unknown): string {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function joined(value: unknown, part: Part): string {
  if (part.json) return JSON.stringify(value);
  if (Array.isArray(value)) return value.map(text).join(part.delimiter ?? ",");
  return text(value);
}

/** What is known of a stream of events over all its connections. */
type Course = { id: string; retry: number | undefined; failed: number };

/** Refuse what isn't events, where there were some. */
function refuseOthers(response: Response): void {
  const media = (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
  if (response.status === 204 || media === "text/event-stream") return;
  void response.body?.cancel();
  throw new Error(`The server gave events before, and gives ${media || "something else"} now.`);
}

/** Wait so many milliseconds, unless it is aborted. */
function pause(milliseconds: number, signal: AbortSignal | null | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** A WebSocket whose messages are values. Iterated over, it gives what comes until it is closed. */
export class Socket<S, R> {
  /** The WebSocket itself. */
  readonly socket: WebSocket;
  /** Once it is closed: the code and the reason (RFC 6455 §7.4). */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Once it is open; an error if it was not accepted. */
  readonly opened: Promise<this>;
  private readonly takesJSON: boolean;
  private readonly messages: R[] = [];
  private failure: Error | undefined = undefined;
  private wake: () => void = () => undefined;

  constructor(url: string, takesJSON: boolean, givesJSON: boolean) {
    this.takesJSON = takesJSON;
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => {
      try {
        const text: string = data instanceof ArrayBuffer && givesJSON ? new TextDecoder().decode(data) : data;
        this.messages.push(givesJSON ? JSON.parse(text) : data);
      } catch (error) {
        this.failure = error as Error;
        this.socket.close(1000);
      }
      this.wake();
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.addEventListener("open", () => resolve(this));
      this.socket.addEventListener("close", () => reject(new Error("The WebSocket was not accepted.")));
    });
    this.closed = new Promise((resolve) => {
      this.socket.addEventListener("close", ({ code, reason }) => {
        // All other codes tell of something wrong (RFC 6455 §7.4).
        const isMeant = [1000, 1001, 1005].includes(code) || code >= 3000;
        if (!isMeant) this.failure ??= new Error(`The WebSocket was closed with ${code} ${reason}`.trim());
        this.wake();
        resolve({ code, reason });
      });
    });
  }

  /** Send a value; text and bytes as they are, unless JSON is what it takes. */
  send(value: S): void {
    const isRaw = typeof value === "string" || value instanceof ArrayBuffer || ArrayBuffer.isView(value);
    const asItIs = !this.takesJSON && (isRaw || value instanceof Blob);
    this.socket.send(asItIs ? (value as string | ArrayBuffer) : JSON.stringify(value));
  }

  /** Close it; the code is 1000, or of 3000 to 4999. */
  close(code = 1000, reason = ""): Promise<{ code: number; reason: string }> {
    this.socket.close(code, reason);
    return this.closed;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<R, void, undefined> {
    try {
      for (;;) {
        while (this.messages.length) yield this.messages.shift()!;
        if (this.failure) throw this.failure;
        if (this.socket.readyState === WebSocket.CLOSED) return;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      this.socket.close(1000);
    }
  }
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

  /** A request: where it goes, its headers, and what is its body. */
  private asked(call: { path: string; parts: Part[] }, given: Arguments): Asked {
    let path = call.path;
    const query = new URLSearchParams();
    const headers = new Headers(this.options.headers);
    const cookies: string[] = [];
    const members: Arguments = {};
    let body: unknown = undefined;
    for (const part of call.parts) {
      // `toString` would be there, even if nobody gave it.
      const value = Object.hasOwn(given, part.argument) ? given[part.argument] : undefined;
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
    const asked = query.toString();
    return { url: this.url.replace(/\/+$/, "") + path + (asked ? `?${asked}` : ""), headers, body };
  }

  async send(call: Call, given: Arguments, init: RequestInit): Promise<Response> {
    const { url, headers, body } = this.asked(call, given);
    const sent: RequestInit = { ...init, method: call.method };
    if (body !== undefined && call.body !== undefined) sent.body = this.encoded(call.body, body, headers);
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    sent.headers = headers;
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
    for await (const line of this.split(await this.send(call, given, init), /\r?\n/)) {
      if (line.trim()) yield JSON.parse(line) as T;
    }
  }

  async *events<T>(
    call: Call,
    given: Arguments,
    init: RequestInit,
    read: (data: string) => T,
  ): AsyncGenerator<ServerEvent<T>, void, undefined> {
    const { reconnect } = this.options;
    const { attempts, delay, longest } = { ...RECONNECT, ...(reconnect || {}) };
    const most = reconnect === false || call.method !== "GET" ? 0 : attempts;
    const course: Course = { id: "", retry: undefined, failed: 0 };
    let response = await this.send(call, given, init);
    for (;;) {
      let broken: unknown = undefined;
      try {
        yield* this.parsed(response, course, read);
        if (course.retry === undefined || response.status === 204) return;
      } catch (error) {
        if (!(error instanceof TypeError)) throw error; // it isn't the network
        broken = error;
      }
      for (let next: Response | undefined = undefined; next === undefined; ) {
        if (course.failed >= most) {
          if (broken !== undefined) throw broken;
          return;
        }
        const first = course.retry === undefined ? delay : Math.min(Math.max(course.retry, 100), 300_000);
        const wait = Math.min(first * 2 ** course.failed, Math.max(first, longest));
        course.failed += 1;
        await pause(wait * (1 + Math.random() / 4), init.signal);
        const headers = new Headers(init.headers);
        // Headers are made of bytes, and these are UTF-8.
        if (course.id) headers.set("last-event-id", String.fromCharCode(...new TextEncoder().encode(course.id)));
        try {
          next = response = await this.send(call, given, { ...init, headers });
          refuseOthers(next);
        } catch (error) {
          const passing = error instanceof Problem ? PASSING.includes(error.status) : error instanceof TypeError;
          if (!passing) throw error;
          broken = error;
        }
      }
    }
  }

  /** A WebSocket, once it is open. */
  connect<S, R>(channel: Channel, given: Arguments): Promise<Socket<S, R>> {
    for (const part of channel.parts) {
      if ((part.where === "header" || part.where === "cookie") && (given[part.argument] ?? null) !== null) {
        throw new TypeError(`${part.argument} can't be sent: a WebSocket has no headers of ours.`);
      }
    }
    const url = new URL(this.asked(channel, given).url, typeof location === "undefined" ? undefined : location.href);
    url.protocol = url.protocol.replace("http", "ws");
    return new Socket<S, R>(url.href, channel.takesJSON, channel.givesJSON).opened;
  }

  /** The events of one response. */
  private async *parsed<T>(
    response: Response,
    course: Course,
    read: (data: string) => T,
  ): AsyncGenerator<ServerEvent<T>, void, undefined> {
    let data: string[] = [];
    let event = "";
    let id = course.id;
    let retry: number | undefined = undefined;
    let size = 0;
    for await (const line of this.split(response, /\r\n|\n|\r/, true)) {
      course.failed = 0;
      if (line === "") {
        course.id = id;
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
      else if (name === "retry" && /^[0-9]+$/.test(value)) course.retry = retry = Number(value);
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
    response: Response,
    end: RegExp,
    complete = false,
  ): AsyncGenerator<string, void, undefined> {
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
