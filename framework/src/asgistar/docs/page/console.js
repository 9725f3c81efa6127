// Consoles: what goes on for longer than one answer. Streams of events and lines, WebSockets.

import { events, isEvents, isJSON, lines } from "./client.js";
import { statusLine } from "./answer.js";
import { announce, el } from "./dom.js";
import { BodyEditor, Raw } from "./body.js";
import { code } from "./highlight.js";

const KEPT = 500; // entries; the oldest ones go

/** A list of what came and went, with the newest at the end. */
class Log {
  constructor(label) {
    this.count = 0;
    this.list = el("ol.log", { role: "log", "aria-label": label, tabIndex: 0 });
  }

  add(kind, head, text) {
    this.count += 1;
    const near = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 40;
    let shown = text;
    let language = "";
    try {
      shown = JSON.stringify(JSON.parse(text), null, text.length > 60 ? 2 : 0);
      language = "json";
    } catch {
      // not JSON: as it is
    }
    const time = new Date().toLocaleTimeString([], { hour12: false });
    this.list.append(el("li.entry", { dataset: { kind } },
      el("p.entry-head", {}, el("span.direction", {}, head), el("time.soft", {}, time)),
      text !== undefined && text !== "" && code(shown, language, "Message")));
    while (this.list.children.length > KEPT) this.list.firstChild.remove();
    if (near) this.list.scrollTop = this.list.scrollHeight;
  }
}

/** Show a response that is a stream until it ends, or until `stop` is called. */
export function streamConsole(response, started, { abort, ended }) {
  const log = new Log("Stream");
  const state = el("span.soft", { role: "status" }, "open");
  const type = response.headers.get("content-type") ?? "";
  const element = el("div.console", {}, el("div.answer-head", {}, statusLine(response, performance.now() - started), state), log.list);
  const tell = () => { state.textContent = `open · ${log.count}`; };
  const run = async () => {
    try {
      if (isEvents(type)) {
        for await (const { event, id, data } of events(response)) {
          log.add("in", [event, id && `id ${id}`].filter(Boolean).join(" · "), data);
          tell();
        }
      } else {
        for await (const value of lines(response, (text) => text)) {
          log.add("in", `line ${log.count + 1}`, value);
          tell();
        }
      }
      state.textContent = `ended · ${log.count}`;
    } catch (error) {
      state.textContent = error.name === "AbortError" ? `stopped · ${log.count}` : `broken: ${error.message}`;
    }
    announce(`The stream has ${state.textContent}`);
    ended();
  };
  run();
  return { element, stop: abort };
}

/** A WebSocket: what is said, and a place to say something. */
export function socketConsole(page, operation, request, { ended }) {
  const { document } = page;
  const log = new Log("Messages");
  const state = el("span.pill.neutral", { role: "status" }, "Connecting");
  const started = performance.now();
  let socket;
  const receives = operation.definition.receives?.content ?? { "text/plain": {} };
  const editor = new BodyEditor(document, receives, { changed: () => {} });
  const button = el("button.primary", { type: "submit", disabled: true }, "Send message");
  const composer = el("form.composer", { hidden: true }, el("h4", {}, "Message"), editor.element, button);
  composer.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = editor.read();
    const text = isJSON(editor.type) ? (value instanceof Raw ? value.text : JSON.stringify(value)) : value;
    if (text === undefined) return;
    socket.send(text);
    log.add("out", "↑ sent", text instanceof Blob ? `${text.size} bytes` : text);
  });
  composer.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) composer.requestSubmit();
  });
  try {
    socket = new WebSocket(request.url, request.protocols ?? []);
  } catch (error) {
    ended();
    return { element: el("p.field-error", {}, error.message), stop: () => {} };
  }
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    state.textContent = "Open";
    state.className = "pill good";
    button.disabled = false;
    composer.hidden = false;
    log.add("note", `open after ${Math.round(performance.now() - started)} ms${socket.protocol ? ` · ${socket.protocol}` : ""}`);
    composer.querySelector("input, textarea, select")?.focus({ preventScroll: true });
  });
  socket.addEventListener("message", async ({ data }) => {
    log.add("in", "↓ received", typeof data === "string" ? data : await data.text());
  });
  socket.addEventListener("close", ({ code: number, reason }) => {
    state.textContent = opened ? "Closed" : "Refused";
    state.className = `pill ${number === 1000 || number === 1001 ? "neutral" : "bad"}`;
    button.disabled = true;
    composer.hidden = true;
    log.add("note", opened ? `closed · ${number}${reason ? ` · ${reason}` : ""}` : "The server has not accepted the connection.");
    announce(`WebSocket ${state.textContent.toLowerCase()}`);
    ended();
  });
  const element = el("div.console", {}, el("div.answer-head", {}, el("p.status", {}, state)), log.list, composer);
  return { element, stop: () => socket.close(1000) };
}
