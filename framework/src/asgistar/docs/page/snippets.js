// A request as code: curl, HTTPie, Python (httpx), JavaScript (fetch). Ready to be pasted and run.

import { isEvents, isJSON, isLines, members } from "./client.js";

/**
 * The languages for a request.
 *
 * request: {method, url, headers: Headers, cookies, type, body, answers}: `answers` are the media types of
 *     what comes back if all is well; files in the body are File objects.
 */
export function languagesFor(request) {
  return request.method === "WEBSOCKET" ? SOCKETS : LANGUAGES;
}

const LANGUAGES = [
  { id: "curl", label: "curl", language: "shell", write: curl },
  { id: "python", label: "Python", language: "python", write: python },
  { id: "javascript", label: "JavaScript", language: "javascript", write: javascript },
  { id: "httpie", label: "HTTPie", language: "shell", write: httpie },
];

const SOCKETS = [
  { id: "javascript", label: "JavaScript", language: "javascript", write: javascriptSocket },
  { id: "python", label: "Python", language: "python", write: pythonSocket },
  { id: "curl", label: "websocat", language: "shell", write: websocat },
];

const isFile = (value) => value instanceof Blob;
const fileName = (file) => file.name || "file";
const isMultipart = ({ type, body }) => body !== undefined && type.startsWith("multipart/");
const isForm = ({ type, body }) => body !== undefined && type.startsWith("application/x-www-form-urlencoded");
const isStream = ({ answers }) => answers.some((type) => isEvents(type) || isLines(type));
const isDownload = ({ answers }) =>
  answers.length > 0 && answers.every((type) => !isJSON(type) && !type.startsWith("text/") && !isLines(type));
const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const legible = (value) => { const short = JSON.stringify(value); return short.length < 40 ? short : JSON.stringify(value, null, 2); };
const literal = (value) => JSON.stringify(value);

/** The fields of a request but those that the tool writes itself; cookies among them. */
function fields(request) {
  const found = [...request.headers].filter(([name]) => !(name === "content-type" && (isMultipart(request) || isForm(request))));
  const cookies = Object.entries(request.cookies).map(([name, value]) => `${name}=${value}`);
  return cookies.length ? [...found, ["cookie", cookies.join("; ")]] : found;
}

// --- shell --------------------------------------------------------------------------------------------------

const quoted = (text) => (/^[\w@%+:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
const joined = (...parts) => parts.filter(Boolean).join(" \\\n  ");

function curl(request) {
  const { method, url, body, type } = request;
  const plain = method === "GET" && body === undefined;
  const verb = plain ? "" : method === "HEAD" ? "-I " : method === "POST" && body !== undefined ? "" : `-X ${method} `;
  const parts = fields(request).map(([name, value]) => (value === "" ? `-H ${quoted(`${name};`)}` : `-H ${quoted(`${name}: ${value}`)}`));
  if (isMultipart(request)) {
    for (const [name, value] of members(body)) {
      parts.push(isFile(value) ? `-F ${quoted(`${name}=@"${fileName(value).replace(/["\\]/g, "\\$&")}"`)}` : `--form-string ${quoted(`${name}=${asText(value)}`)}`);
    }
  } else if (isForm(request)) {
    parts.push(...members(body).map(([name, value]) => `--data-urlencode ${quoted(`${encodeURIComponent(name)}=${asText(value)}`)}`));
    if (!members(body).length) parts.push("--data-raw ''");
  } else if (isFile(body)) {
    parts.push(`--data-binary ${quoted(`@${fileName(body)}`)}`);
  } else if (body !== undefined) {
    parts.push(`--data-raw ${quoted(isJSON(type) ? legible(body) : asText(body))}`);
  }
  if (isDownload(request)) parts.push("--output file");
  return joined(`curl ${isStream(request) ? "-N " : ""}${verb}${quoted(url.href)}`, ...parts);
}

function httpie(request) {
  const { method, url, body, type } = request;
  const flags = [isStream(request) && "--stream", isDownload(request) && "--download"];
  const items = fields(request).map(([name, value]) => quoted(value === "" ? `${name};` : item(name, ":", value)));
  const clean = (values) => values.every(([name, value]) => /^[A-Za-z][\w.-]*$/.test(name) && !/\\[:;=@]/.test(value));
  if (isMultipart(request)) {
    flags.push("--multipart");
    items.push(...members(body).map(([name, value]) => quoted(isFile(value) ? `${name}@${fileName(value)}` : item(name, "=", asText(value)))));
  } else if (isForm(request) && clean(members(body).map(([name, value]) => [name, asText(value)]))) {
    flags.push("--form");
    items.push(...members(body).map(([name, value]) => quoted(item(name, "=", asText(value)))));
  } else if (isForm(request)) {
    flags.push(`--raw ${quoted(new URLSearchParams(members(body).map(([name, value]) => [name, asText(value)])).toString())}`);
    items.push("content-type:application/x-www-form-urlencoded");
  } else if (isFile(body)) {
    items.push(quoted(`@${fileName(body)}`));
  } else if (body !== undefined && isJSON(type) && simple(body, clean)) {
    for (const [name, value] of Object.entries(body)) {
      items.push(quoted(typeof value === "string" ? item(name, "=", value) : `${name}:=${JSON.stringify(value)}`));
    }
  } else if (body !== undefined) {
    flags.push(`--raw ${quoted(isJSON(type) ? legible(body) : asText(body))}`);
  }
  const shown = items.filter((item) => !(item === "content-type:application/json" && body !== undefined));
  return joined(["http", ...flags, method, quoted(url.href)].filter(Boolean).join(" "), ...shown);
}

/** An item; what would make its separator another one is escaped. */
const item = (name, separator, value) => `${name}${separator}${/^[=@]/.test(value) ? "\\" : ""}${value}`;

/** Whether a body can be written as HTTPie's items. */
const simple = (body, clean) =>
  body !== null && typeof body === "object" && !Array.isArray(body) && Object.keys(body).length > 0
  && clean(Object.entries(body).map(([name, value]) => [name, typeof value === "string" ? value : ""]));

function websocat({ url, headers, cookies, protocols }) {
  const parts = fields({ headers, cookies, answers: [] }).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  return joined(`websocat ${quoted(url.href)}`, ...parts, protocols?.length && `--protocol ${quoted(protocols[0])}`);
}

// --- Python -------------------------------------------------------------------------------------------------

function python(request) {
  const { method, url, body, type } = request;
  const named = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].includes(method)
    && (body === undefined || ["POST", "PUT", "PATCH"].includes(method));
  const stream = isStream(request);
  const given = [literal(url.href.split(/[?#]/)[0])];
  const query = [...url.searchParams];
  const header = Object.fromEntries(fields(request).filter(([name]) => !(name === "content-type" && body !== undefined && type === "application/json")));
  if (query.length) {
    const twice = new Set(query.map(([name]) => name)).size < query.length;
    given.push(`params=${twice ? `[${query.map(([name, value]) => `(${literal(name)}, ${literal(value)})`).join(", ")}]` : dict(Object.fromEntries(query))}`);
  }
  if (Object.keys(header).length) given.push(`headers=${dict(header)}`);
  if (isMultipart(request)) {
    const parts = members(body).map(([name, value]) =>
      `(${literal(name)}, ${isFile(value) ? `open(${literal(fileName(value))}, "rb")` : `(None, ${literal(asText(value))})`})`);
    given.push(`files=[${lined(parts)}]`);
  } else if (isForm(request)) {
    const several = {};
    for (const [name, value] of members(body)) (several[name] ??= []).push(asText(value));
    given.push(`data=${dict(Object.fromEntries(Object.entries(several).map(([name, all]) => [name, all.length > 1 ? all : all[0]])))}`);
  } else if (isFile(body)) {
    given.push(`content=open(${literal(fileName(body))}, "rb")`);
  } else if (body !== undefined) {
    given.push(type === "application/json" ? `json=${dict(body)}` : `content=${literal(isJSON(type) ? JSON.stringify(body) : asText(body))}`);
  }
  if (stream) {
    const call = `httpx.stream(${[literal(method), ...given, "timeout=None"].map((each) => `\n    ${each.replaceAll("\n", "\n    ")},`).join("")}\n)`;
    return `import httpx\n\nwith ${call} as response:\n    response.raise_for_status()\n    for line in response.iter_lines():\n        print(line)`;
  }
  const call = named ? `httpx.${method.toLowerCase()}` : "httpx.request";
  const all = named ? given : [literal(method), ...given];
  const short = all.join(", ");
  const written = short.length < 60 && !short.includes("\n") ? short : all.map((each) => `\n    ${each.replaceAll("\n", "\n    ")},`).join("") + "\n";
  const shown = isDownload(request) ? 'with open("file", "wb") as file:\n    file.write(response.content)'
    : request.answers.some(isJSON) ? "print(response.json())" : request.answers.length ? "print(response.text)" : "print(response.status_code)";
  return `import httpx\n\nresponse = ${call}(${written})\nresponse.raise_for_status()\n${shown}`;
}

const lined = (parts) => (parts.length ? parts.map((each) => `\n    ${each},`).join("") + "\n" : "");

/** A value as Python writes it. A string of JSON is one of Python, too. */
export function dict(value, indent = "") {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return literal(value);
  const list = Array.isArray(value);
  const deeper = `${indent}    `;
  const parts = list ? value.map((each) => dict(each, deeper))
    : Object.entries(value).filter(([, each]) => each !== undefined).map(([name, each]) => `${literal(name)}: ${dict(each, deeper)}`);
  const [open, close] = list ? "[]" : "{}";
  const short = parts.join(", ");
  if (short.length < 48 && !short.includes("\n")) return `${open}${short}${close}`;
  return `${open}\n${parts.map((each) => `${deeper}${each},\n`).join("")}${indent}${close}`;
}

function pythonSocket({ url, headers, cookies, protocols, body }) {
  const more = [];
  const header = fields({ headers, cookies, answers: [] });
  if (header.length) more.push(`additional_headers=${dict(Object.fromEntries(header))}`);
  if (protocols?.length) more.push(`subprotocols=${dict(protocols)}`);
  const send = body === undefined ? "" : `    socket.send(${typeof body === "string" ? literal(body) : `json.dumps(${dict(body, "    ")})`})\n`;
  const json = send.includes("json.") ? "import json\n\n" : "";
  const given = [literal(url.href), ...more];
  const short = given.join(", ");
  const args = short.length < 56 ? short : `${given.map((each) => `\n    ${each},`).join("")}\n`;
  return `${json}from websockets.sync.client import connect\n\nwith connect(${args}) as socket:\n${send}    for message in socket:\n        print(message)`;
}

// --- JavaScript ---------------------------------------------------------------------------------------------

const script = (value, indent = "") => JSON.stringify(value, null, 2).replaceAll("\n", `\n${indent}`);

function javascript(request) {
  const { method, url, body, type } = request;
  const before = [];
  const given = [];
  const header = Object.fromEntries(request.headers);
  if (isMultipart(request) || isForm(request)) delete header["content-type"];
  if (method !== "GET") given.push(`method: ${literal(method)},`);
  if (Object.keys(header).length) given.push(`headers: ${script(header, "  ")},`);
  if (isMultipart(request)) {
    before.push("const form = new FormData();");
    for (const [name, value] of members(body)) {
      before.push(`form.append(${literal(name)}, ${isFile(value) ? "file" : literal(asText(value))});${isFile(value) ? ` // ${fileName(value)}, from an <input type="file">` : ""}`);
    }
    given.push("body: form,");
  } else if (isForm(request)) {
    given.push(`body: new URLSearchParams(${script(members(body).map(([name, value]) => [name, asText(value)]), "  ")}),`);
  } else if (isFile(body)) {
    given.push(`body: file, // ${fileName(body)}, from an <input type="file">`);
  } else if (body !== undefined) {
    given.push(`body: ${isJSON(type) ? `JSON.stringify(${script(body, "  ")})` : literal(asText(body))},`);
  }
  const options = given.length ? `, {\n  ${given.join("\n  ")}\n}` : "";
  const [first] = request.answers;
  const after = isStream(request) ? stream(request)
    : isDownload(request) ? "const file = await response.blob();"
      : request.answers.some(isJSON) ? "console.log(await response.json());" : first ? "console.log(await response.text());" : "";
  return [
    ...(isStream(request) ? [`import { ${isEvents(first) ? "events" : "lines"} } from ${literal(new URL("client.js", document.baseURI).href)};`, ""] : []),
    ...before,
    `const response = await fetch(${literal(url.href)}${options});`,
    "if (!response.ok) throw new Error(await response.text());",
    ...(after ? [after] : []),
  ].join("\n");
}

const stream = ({ answers }) => isEvents(answers[0])
  ? "for await (const event of events(response)) console.log(event.event, event.data);"
  : "for await (const value of lines(response)) console.log(value);";

function javascriptSocket({ url, protocols, body }) {
  const more = protocols?.length ? `, ${literal(protocols)}` : "";
  const send = body === undefined ? ""
    : `\nsocket.addEventListener("open", () => {\n  socket.send(${typeof body === "string" ? literal(body) : `JSON.stringify(${script(body, "  ")})`});\n});`;
  return `const socket = new WebSocket(${literal(url.href)}${more});${send}\nsocket.addEventListener("message", ({ data }) => {\n  console.log(data);\n});`;
}
