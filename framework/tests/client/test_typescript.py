"""Typed clients in TypeScript, written out of a document: they compile with tsc, and speak to a server."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgistar.client import generate

if TYPE_CHECKING:
    from asgistar import App

pytestmark = pytest.mark.slow

STRICT = {
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "exactOptionalPropertyTypes": True,
    "noPropertyAccessFromIndexSignature": True,
    "noImplicitReturns": True,
    "noUnusedLocals": True,
    "erasableSyntaxOnly": True,
    "target": "es2022",
    "module": "esnext",
    "moduleResolution": "bundler",
    "lib": ["es2022", "dom", "dom.iterable"],
    "types": [],
}


Compiled = Callable[..., str]


@pytest.fixture
def compiled(npm: Callable[[str], list[str]], tmp_path: Path) -> Compiled:
    """`compiled(document, use="…")`: what the compiler says of the client and its use, into a folder."""
    tsc = npm("tsc")

    def compile(document: Any, use: str = "export {};") -> str:
        (tmp_path / "api.ts").write_text(generate(document, "typescript"))
        (tmp_path / "use.ts").write_text(use)
        files = ["api.ts", "use.ts"]
        (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "files": files}))
        (tmp_path / "package.json").write_text('{"type": "module"}')
        done = subprocess.run([*tsc, "-p", "."], cwd=tmp_path, capture_output=True, text=True)
        return done.stdout + done.stderr

    return compile


USE = """
import { Client, Problem, Socket, type Note, type NoteSent, type Stored } from "./api.js";

const process: { argv: string[] } = (globalThis as any).process;
const client = new Client(process.argv[2]!, { auth: { apiKey: "k" }, headers: { "x-other": "o" } });
const made: Stored = await client.notes.create({
  title: "Milk", tags: ["a"], madeAt: "2026-11-22T12:00:00Z", pet: { kind: "dog", name: "Rex" },
});
const pet: Note["pet"] = made.note.pet;
const found: Stored[] = await client.notes.listing({ q: "M", limit: 1 });
const all = await client.notes.listing();
let problem = {};
try {
  await client.notes.detail({ id: 2 });
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  problem = { status: error.status, title: error.title, detail: error.detail, errors: error.errors };
}
let invalid: unknown = null;
try {
  await client.notes.create({ title: "" });
} catch (error) {
  if (error instanceof Problem) invalid = error.errors[0]?.path;
}
let refused = "";
try {
  await client.seen({ path: "a/../b" });
} catch (error) {
  refused = (error as Error).message;
}
const removed: null = await client.notes.remove({ id: 1 });
const seen = await client.seen({
  path: "a/b c/ü?#", day: "2026-11-22", flag: true, order: "down", tags: ["x", "y&z"], "x-token": "t",
  session: "s",
});
const tree = await client.tree({ name: "a", children: [{ name: "b" }] });
const file = new File(["12345"], "note.txt", { type: "text/plain" });
const sent = await client.bodies.upload({ file, title: "ü" });
const form = await client.bodies.form({ title: "a&b" });
const raw = (await client.raw({ body: new Blob(["abc"]) })) as Blob;
const text: string = await client.text();
const lines: string[] = [];
for await (const line of client.lines({ number: 2 })) lines.push(line.title);
const events: unknown[] = [];
for await (const { data, event, id } of client.events({ start: 6 })) {
  events.push([data.title, event, id]);
  if (events.length === 2) break;
}
for await (const { data } of client.words()) events.push(data);
const feed: number[] = [];
for await (const { data } of client.feed()) {
  feed.push(data);
  if (data === 6) break;
}
const messages: unknown[] = [];
const echo: Socket<NoteSent, Note> = await client.live.echo();
echo.send({ title: "a" });
echo.send({ title: "b" });
for await (const { title, done } of echo) if (messages.push([title, done]) === 2) break;
const plain: Socket<string | ArrayBuffer, ArrayBuffer> = await client.live.plain();
plain.send("ü");
plain.send(new Uint8Array([1, 2]).buffer);
for await (const bytes of plain) if (messages.push([...new Uint8Array(bytes)]) === 4) break;
messages.push(await plain.closed);
const loose = await client.live.loose();
loose.send("a");
for await (const message of loose) {
  messages.push(message);
  messages.push((await loose.close(4001, "enough")).code);
}
for (const call of [
  () => client.live.chat({ room: "a" }),
  () => client.live.loose({ "x-token": "k" }),
]) {
  try {
    await call();
  } catch (error) {
    messages.push((error as Error).message);
  }
}
const once = new Client(process.argv[2]!, { reconnect: false });
try {
  for await (const { data } of once.feed()) feed.push(data);
} catch (error) {
  messages.push((error as Error).name);
}
const odd: unknown[] = [];
const [made2, mood, level] = await client.import_({
  class: "x", from: "2026-11-22", "a-b": 7, "a b": ["", "class"], mood: "it's \\"odd\\" \\\\ */",
  constructor: "k",
  "x-class": "class", level: 10, pet: { kind: "cat" }, map: { a: [1, null] },
});
odd.push([made2.class, made2["a-b"], made2["a b"], made2.mood, made2.constructor, made2.map, mood, level]);
odd.push([made2.price, made2["1st"], made2.pair[1], made2.pet]);
odd.push(await client.close({ day: null }), await client.close());
odd.push(await client.constructor_({
  moods: ["", "class"], files: [new Blob(["a"]), new File(["b"], "ü.txt")], day: "2026-11-22",
}));
for (const kind of ["cat", "dog", "none", "text"] as const) odd.push(await client.either({ kind }));
for await (const pet of client.pets()) odd.push(pet.kind === "cat" ? pet.lives : pet.name);
const key = await client.who.key();
const basic = await new Client(process.argv[2]!, { auth: { basic: ["ann", "ü"] } }).who.me();
const bearer = await new Client(process.argv[2]!, { auth: { bearer: "t" } }).who.me();
console.log(JSON.stringify({
  made, pet, found, all, problem, invalid, refused, removed, seen, tree, sent, form, text,
  raw: await raw.text(), lines, events, feed, messages, odd, key, basic, bearer,
}));
"""


def test_a_client_compiles_and_speaks_to_a_server(
    compiled: Compiled,
    npm: Callable[[str], list[str]],
    app: App,
    url: str,
    tmp_path: Path,
    left: threading.Event,
) -> None:
    assert compiled(app.openapi(), USE) == ""
    done = subprocess.run(
        [npm("tsc")[0], "use.js", url], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    note = {
        "title": "Milk", "done": False, "tags": ["a"], "madeAt": "2026-11-22T12:00:00Z",
        "pet": {"kind": "dog", "name": "Rex"},
    }  # fmt: skip
    assert said["made"] == {"id": 1, "note": note}
    assert said["found"] == said["all"] == [said["made"]]
    assert said["pet"] == note["pet"]
    assert said["problem"] == {
        "status": 404,
        "title": "Not Found",
        "detail": "There is no note 2.",
        "errors": [],
    }
    assert said["invalid"] == ["title"]
    assert said["refused"] == 'path can\'t be "a/../b" in a path.'
    assert said["removed"] is None
    assert said["seen"] == {
        "path": "a/b c/ü?#", "day": "2026-11-22", "flag": True, "order": "down", "tags": ["x", "y&z"],
        "token": "t", "session": "s",
    }  # fmt: skip
    assert said["tree"] == {"name": "a", "children": [{"name": "b", "children": []}]}
    assert said["sent"] == {"name": "note.txt", "type": "text/plain", "size": 5, "title": "ü"}
    assert said["form"] == {"title": "a&b", "number": 1}
    assert said["raw"] == "cba"
    assert said["text"] == "grün\u2028"
    assert said["lines"] == ["line 0\u2028", "line 1\u2028"]
    assert said["events"] == [["event 7", "note", "7"], ["event 8", "note", "8"], "a word", "7"]
    assert left.wait(10)
    assert said["feed"] == [1, 2, 3, 4, 5, 6, 1, 2]
    assert said["messages"] == [
        ["a", False], ["b", False], [0xC3, 0xBC], [2, 1], {"code": 1000, "reason": ""}, "a", 4001,
        "The WebSocket was not accepted.", "x-token can't be sent: a WebSocket has no headers of ours.",
        "TypeError",
    ]  # fmt: skip
    assert said["odd"] == [
        ["x", 7, ["", "class"], 'it\'s "odd" \\ */', "k", {"a": [1, None]}, "class", 10],
        ["1.50", True, "a", {"kind": "cat", "lives": 9}],
        {"day": None}, {}, ["", "class", "blob", "ü.txt", "2026-11-22"],
        {"kind": "cat", "lives": 9}, {"kind": "dog", "name": "Rex"}, None, "text", 7, "Rex",
    ]  # fmt: skip
    assert (said["key"], said["basic"], said["bearer"]) == ("k", "Basic YW5uOsO8", "Bearer t")


WRONG = """
import { Client } from "./api.js";
const client = new Client("http://example.com");
await client.notes.create({});
await client.notes.create({ title: 7 });
await client.notes.detail({ id: "a" });
await client.notes.nothing();
const made: string = await client.notes.create({ title: "a" });
export { made };
"""


def test_its_wrong_use_does_not_compile(compiled: Compiled, app: App) -> None:
    said = compiled(app.openapi(), WRONG)
    assert re.findall(r"^use\.ts\((\d+),", said, re.MULTILINE) == ["4", "5", "6", "7", "8"]


def test_whatever_is_in_a_document_it_is_typescript(compiled: Compiled, nasty: dict[str, Any]) -> None:
    use = """
import { Client, type Class, type ClassSent } from "./api.js";
const client = new Client();
export const cats = client.lists();
export const list: () => Promise<Class[]> = () => client.lists.list({ "self": 1, id_header: 7, id: 8 });
export const sent: ClassSent = { class: "a", pair: ["a", 1], "x-y": 7 };
export const deep = client.v1.deep.constructor_({ b: "x" });
"""
    assert compiled(nasty, use) == ""
