// Markdown, a small part of it, as elements: paragraphs, headings, lists, quotes, tables, code, emphasis, links.
// What it doesn't know stays text. HTML in it is text, too.

import { el } from "./dom.js";

/** The elements of a text; `level` is that of its first headings. */
export function markdown(source, level = 3) {
  const lines = dedented(String(source ?? "")).split("\n");
  return blocks(lines, level);
}

/** Its first paragraph, on one line, without marks: for lists and titles. */
export function plainText(source) {
  const first = dedented(String(source ?? "")).trim().split(/\n\s*\n/)[0] ?? "";
  return el("p", {}, ...inline(first.replace(/\s+/g, " "))).textContent;
}

function dedented(source) {
  const lines = source.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n");
  const depths = lines.slice(1).filter((line) => line.trim()).map((line) => line.search(/\S/));
  const depth = depths.length && lines[0].search(/\S/) <= 0 ? Math.min(...depths) : 0;
  return lines.map((line, index) => (index ? line.slice(Math.min(depth, Math.max(line.search(/\S/), 0))) : line)).join("\n");
}

const LIST = /^( {0,3})([-*+]|\d{1,9}[.)]) +(.*)$/;
const FENCE = /^ {0,3}(```+|~~~+) *([\w-]*)/;

function blocks(lines, level) {
  const found = [];
  let at = 0;
  const take = (while_) => {
    const taken = [];
    while (at < lines.length && while_(lines[at])) taken.push(lines[at++]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line);
    const heading = /^ {0,3}(#{1,6}) +(.*?) *#*$/.exec(line);
    if (!line.trim()) {
      at += 1;
    } else if (fence) {
      at += 1;
      const code = take((each) => !each.trim().startsWith(fence[1]));
      at += 1;
      found.push(pre(code.join("\n")));
    } else if (/^ {4}/.test(line)) {
      found.push(pre(take((each) => /^ {4}/.test(each) || !each.trim()).map((each) => each.slice(4)).join("\n").trimEnd()));
    } else if (heading) {
      at += 1;
      found.push(el(`h${Math.min(6, level + heading[1].length - 1)}`, {}, ...inline(heading[2])));
    } else if (/^ {0,3}([-*_])( *\1){2,} *$/.test(line)) {
      at += 1;
      found.push(el("hr"));
    } else if (/^ {0,3}> ?/.test(line)) {
      found.push(el("blockquote", {}, ...blocks(take((each) => /^ {0,3}>/.test(each)).map((each) => each.replace(/^ {0,3}> ?/, "")), level)));
    } else if (LIST.test(line)) {
      found.push(list(take((each) => LIST.test(each) || /^ {2,}\S/.test(each)), level));
    } else if (line.includes("|") && /^[ |:-]*-[ |:-]*$/.test(lines[at + 1] ?? "") && lines[at + 1].includes("|")) {
      found.push(table(take((each) => each.includes("|"))));
    } else {
      const text = take((each) => each.trim() && !starts(each));
      found.push(el("p", {}, ...inline((text.length ? text : [lines[at++]]).join("\n"))));
    }
  }
  return found;
}

/** Whether a block begins with this line, so that the paragraph before it ends. */
const starts = (line) => FENCE.test(line) || /^ {0,3}(#{1,6} |>)/.test(line) || LIST.test(line);

function list(lines, level) {
  const ordered = /^\s*\d/.test(lines[0]);
  const items = [];
  for (const line of lines) {
    const match = LIST.exec(line);
    if (match && (match[1].length < 2 || !items.length)) items.push([match[3]]);
    else items.at(-1).push(line.replace(/^ {2,4}/, ""));
  }
  return el(ordered ? "ol" : "ul", {}, ...items.map((item) => {
    const inside = blocks(item, level);
    return el("li", {}, ...(inside[0]?.tagName === "P" ? [...inside[0].childNodes, ...inside.slice(1)] : inside));
  }));
}

function table(lines) {
  const rows = lines.map((line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim()));
  return el("div.wide", { tabIndex: 0, role: "region", "aria-label": "Table" }, el("table", {},
    el("thead", {}, el("tr", {}, ...rows[0].map((cell) => el("th", { scope: "col" }, ...inline(cell))))),
    el("tbody", {}, ...rows.slice(2).map((row) => el("tr", {}, ...row.map((cell) => el("td", {}, ...inline(cell))))))));
}

const pre = (text) => el("pre", { tabIndex: 0 }, el("code", {}, text));

const INLINE = new RegExp([
  /(?<ticks>`+)(?<code>.+?)\k<ticks>/,
  /\\(?<escaped>[!-/:-@[-`{-~])/,
  /\*\*(?<strong>\S(?:.*?\S)?)\*\*/,
  /\*(?<em>[^\s*](?:[^*]*[^\s*])?)\*/,
  /(?<![\w])_(?<em2>[^\s_](?:[^_]*[^\s_])?)_(?![\w])/,
  /\[(?<label>[^\]]{1,500})\]\((?<href>[^\s()]{1,2000}(?:\([^\s()]*\))?)(?: +"[^"]*")?\)/,
  /<(?<auto>https?:\/\/[^\s<>]{1,2000})>/,
].map((each) => each.source).join("|"), "s");

function inline(source) {
  const found = [];
  let rest = source;
  for (;;) {
    const match = INLINE.exec(rest);
    if (!match) return [...found, rest].filter((each) => each !== "");
    if (match.index) found.push(rest.slice(0, match.index));
    const { code, escaped, strong, em, em2, label, href, auto } = match.groups;
    if (code !== undefined) found.push(el("code", {}, code.trim() || code));
    else if (escaped !== undefined) found.push(escaped);
    else if (strong !== undefined) found.push(el("strong", {}, ...inline(strong)));
    else if (em !== undefined || em2 !== undefined) found.push(el("em", {}, ...inline(em ?? em2)));
    else found.push(link(auto ?? href, auto === undefined ? inline(label) : [auto]));
    rest = rest.slice(match.index + match[0].length);
  }
}

/** A link, if it leads to a page; what it says, if not. */
function link(href, label) {
  let url;
  try {
    url = new URL(href, location.href);
  } catch {
    return el("span", {}, ...label);
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return el("span", {}, ...label);
  return el("a", { href: href.startsWith("#") ? href : url.href, rel: "noopener noreferrer" }, ...label);
}
