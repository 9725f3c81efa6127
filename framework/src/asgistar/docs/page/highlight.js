// Code in colours: strings, numbers, words that mean something, comments. Spans of text, never markup.

import { el } from "./dom.js";

const COMMON = [
  ["string", /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/],
  ["number", /\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/],
];

const LANGUAGES = {
  json: [
    ["key", /"(?:[^"\\\n]|\\.)*"(?=\s*:)/],
    ["string", /"(?:[^"\\\n]|\\.)*"/],
    ["number", /-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/],
    ["word", /\b(?:true|false|null)\b/],
  ],
  shell: [
    ["string", /'[^']*'|"(?:[^"\\]|\\.)*"/],
    ["word", /(?<=^|\s)--?[A-Za-z][\w-]*/],
    ["key", /^(?:curl|https?|websocat)\b/],
  ],
  python: [
    ["comment", /#.*/],
    ...COMMON,
    ["word", /\b(?:import|from|as|with|for|in|async|await|def|if|print|None|True|False|open)\b/],
  ],
  javascript: [
    ["comment", /\/\/.*/],
    ...COMMON,
    ["word", /\b(?:import|from|const|let|for|of|await|async|new|if|throw|null|true|false|function)\b/],
  ],
};

const LIMIT = 200_000; // characters; beyond it, colours cost more than they tell

/** A text in a language, as nodes. */
export function highlighted(text, language) {
  const rules = LANGUAGES[language];
  if (!rules || text.length > LIMIT) return [text];
  const pattern = new RegExp(rules.map(([, each], index) => `(?<r${index}>${each.source})`).join("|"), "gm");
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > at) nodes.push(text.slice(at, match.index));
    const rule = rules.findIndex((_, index) => match.groups[`r${index}`] !== undefined);
    nodes.push(el(`span.t-${rules[rule][0]}`, {}, match[0]));
    at = match.index + match[0].length;
  }
  nodes.push(text.slice(at));
  return nodes;
}

/** A block of code that can be scrolled with the keyboard. */
export function code(text, language, label = "Code") {
  return el("pre.code", { tabIndex: 0, role: "region", "aria-label": label }, el("code", {}, ...highlighted(text, language)));
}
