"""client.js, the client for browsers, in a browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Page, Visit


@pytest.fixture
def run(visit: Visit, url: str) -> Any:
    """`run(body)`: what the body of an async function returns; it has `client`, `Client`, `ProblemError`."""
    page: Page = visit(url)

    def evaluate(body: str) -> Any:
        return page.evaluate(f"""(async () => {{
            const {{ Client, ProblemError }} = await import("./client.js");
            const client = new Client("openapi.json", {{ auth: {{ bearer: "secret" }} }});
            {body}
        }})()""")

    return evaluate


def test_an_operation_is_a_function(run: Any) -> None:
    assert run("return client.notes.create({ title: 'Tea' })")["title"] == "Tea"
    assert run("return client.request('notes:create', { title: 'Tea' })")["title"] == "Tea"
    assert run("return client.request('notes:create', { body: { title: 'Tea' } })")["title"] == "Tea"
    assert run("return client.notes.detail({ id: 1 })")["id"] == 1
    assert run("return (await client)  !== undefined")


def test_values_go_where_they_belong(run: Any) -> None:
    seen = run(
        """return client.notes.list({ q: "a&b", tag: ["x", "y"], done: false, "X-Request-Id": "1" })"""
    )
    assert seen["query"] == [["q", "a&b"], ["tag", "x"], ["tag", "y"], ["done", "false"]]
    assert seen["headers"]["x-request-id"] == "1"
    seen = run("return client.notes.update({ id: 7, title: 'x', due: new Date(0) })")
    assert (seen["path"], json.loads(seen["body"])) == (
        "/notes/7/",
        {"title": "x", "due": "1970-01-01T00:00:00.000Z"},
    )
    assert (
        run("return client.files.replace({ path: 'a/b c', body: new Blob(['x']) })")["raw"]
        == "/files/a/b%20c"
    )
    assert run("return client.login({ name: 'ä', password: '&' })")["body"] == "name=%C3%A4&password=%26"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("client.notes.detail()", "notes:detail needs id."),
        ("client.notes.detail({ id: 1, x: 2, y: 3 })", "notes:detail takes no x, y."),
        ("client.notes.create({ body: {}, x: 2 })", "notes:create takes no x beside the body."),
        ("client.notes.nothing()", 'There is no operation "notes:nothing".'),
    ],
)
def test_what_cannot_be_sent_is_said(run: Any, call: str, said: str) -> None:
    assert run(f"try {{ await {call} }} catch (error) {{ return [error.name, error.message] }}") == [
        "TypeError",
        said,
    ]


def test_problems_are_errors_with_a_type(run: Any) -> None:
    problem = run("""try { await client.notes.create({ title: "" }) } catch (error) {
        const { name, status, title, errors } = error;
        return [error instanceof ProblemError, error instanceof Error, name, status, title, errors]
    }""")
    assert problem[:5] == [True, True, "ProblemError", 422, "Unprocessable Content"]
    assert problem[5] == [{"in": "body", "path": ["title"], "code": "x", "message": "Must not be empty."}]
    assert (
        run("try { await client.notes.detail({ id: 7 }) } catch (error) { return error.message }")
        == "There is no such note."
    )


def test_credentials_are_sent_where_they_are_needed(run: Any) -> None:
    assert (
        run("""
        const basic = async () => ({ username: "ada", password: "hi:thére" });
        const other = new Client("openapi.json", { auth: { basic } });
        return other.notes.remove({ id: 1 })
    """)
        is None
    )
    assert run("""
        const keyed = new Client("openapi.json", { auth: { key: "k" }, headers: { "x-a": "1" } });
        const { headers } = await keyed.notes.update({ id: 1 }, { headers: { "x-b": "2" } });
        return [headers["x-key"], headers["x-a"], headers["x-b"], headers.authorization];
    """) == ["k", "1", "2", None]
    assert run("return (await client.notes.list()).headers.authorization") is None


def test_streams_are_iterated(run: Any) -> None:
    assert run("""
        const found = [];
        for await (const event of await client.live.events({ count: 2 })) found.push(event);
        return found;
    """) == [{"event": "change", "id": str(n), "data": {"id": n, "what": "created"}} for n in (1, 2)]
    assert (
        run("""
        for await (const event of await client.live.events({ count: 0 })) {
            if (event.data.id === 5) return event.id;
        }
    """)
        == "5"
    )
    assert run("""
        const found = [];
        for await (const note of await client.live.export()) found.push(note.id);
        return found;
    """) == [1, 2]


def test_events_that_break_off_are_taken_up_behind_the_last_one(run: Any) -> None:
    ids = """
        const found = [];
        for await (const { id } of await stream) found.push(id);
        return found;
    """
    again = "const other = new Client('openapi.json', { reconnect: { delay: 0 } });"
    assert run(f"{again} const stream = other.live.events({{ count: -5 }}); {ids}") == [*"12345"]
    for off in ("false", "{ attempts: 0 }"):
        assert run(f"""
            const found = [];
            try {{
                const stream = await client.live.events({{ count: -5 }}, {{ reconnect: {off} }});
                for await (const {{ id }} of stream) found.push(id);
            }} catch (error) {{ return [found.join(), error.name]; }}
        """) == ["1,2", "TypeError"]


def answering(*turns: str) -> str:
    """A client whose server answers with these responses, one after the other."""
    return f"""
        const headers = {{ "content-type": "text/event-stream" }};
        const broken = (text) => new Response(new ReadableStream({{
            start(controller) {{ controller.enqueue(new TextEncoder().encode(text)); }},
            pull(controller) {{ controller.error(new TypeError("network error")); }},
        }}), {{ headers }});
        const turns = [{", ".join(f"() => {turn}" for turn in turns)}];
        const asked = [];
        const schema = await (await fetch("openapi.json")).json();
        const other = new Client(schema, {{
            reconnect: {{ delay: 0, attempts: 3 }},
            fetch: (url, init) => {{
                asked.push(init.headers.get("last-event-id"));
                return Promise.resolve().then(turns.length > 1 ? turns.shift() : turns[0]);
            }},
        }});
        const found = [];
        let error = null;
        try {{
            for await (const {{ data }} of await other.live.events({{}}, {{ signal }})) found.push(data);
        }} catch (thrown) {{ error = thrown.message }}
        return [found, asked, error];
    """


NO_SIGNAL = "const signal = undefined;"


@pytest.mark.parametrize(
    ("turns", "found", "asked", "error"),
    [
        (  # an event that isn't whole is not there, and neither is its id
            ["broken('id: ü\\ndata: 1\\n\\nid: 2\\ndata: 2')", "new Response('data: 3\\n\\n', { headers })"],
            [1, 3],
            [None, "\xc3\xbc"],
            None,
        ),
        (
            [
                "new Response('retry: 1\\ndata: 1\\n\\n', { headers })",
                "Promise.reject(new TypeError('no network'))",
                "new Response('', { status: 503 })",
                "new Response(null, { status: 204, headers })",
            ],
            [1],
            [None] * 4,
            None,
        ),
        (["broken('data: 1\\n\\n')", "new Response('gone', { status: 410 })"], [1], [None] * 2, "gone"),
        (
            ["broken('data: 1\\n\\n')", "new Response('<p>', { headers: { 'content-type': 'text/html' } })"],
            [1],
            [None] * 2,
            "The server gave events before, and gives text/html now.",
        ),
        (["broken('data: 1\\n\\n')", "broken('')"], [1], [None] * 4, "network error"),
        (["new Response('data: 1\\n\\n', { headers })"], [1], [None], None),
    ],
)
def test_a_stream_is_asked_for_again_as_long_as_there_may_be_more(
    run: Any, turns: list[str], found: list[int], asked: list[Any], error: str | None
) -> None:
    assert run(NO_SIGNAL + answering(*turns)) == [found, asked, error]


def test_the_wait_for_the_next_attempt_can_be_aborted(run: Any) -> None:
    turns = ["new Response('retry: 300000\\ndata: 1\\n\\n', { headers })"]
    abort = "const signal = AbortSignal.timeout(300);"
    found, asked, error = run(abort + answering(*turns))
    assert (found, asked) == ([1], [None])
    assert "timed out" in error


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_event_stream_may_be_cut_anywhere(run: Any, cut: int) -> None:
    text = "\\ufeff: hi\\r\\nid: 1\\r\\nevent: a\\r\\ndata: ü\\r\\ndata:  b\\r\\n\\r\\n\\rdata\\n\\n"
    text += "data: c\\nretry: 5\\n\\nid: 2\\n\\ndata: lost"
    assert run(f"""
        const {{ events }} = await import("./client.js");
        const bytes = new TextEncoder().encode("{text}");
        const body = new ReadableStream({{ start(controller) {{
            for (let at = 0; at < bytes.length; at += {cut}) controller.enqueue(bytes.slice(at, at + {cut}));
            controller.close();
        }} }});
        const found = [];
        for await (const {{ event, data, id, retry }} of events(new Response(body))) {{
            found.push([event, data, id, retry ?? null]);
        }}
        return found;
    """) == [["a", "ü\n b", "1", None], ["message", "", "1", None], ["message", "c", "1", 5]]


def test_a_websocket_has_values(run: Any) -> None:
    assert run("""
        const socket = await client.live.chat({ room: "lobby" });
        await socket.send({ text: "one" });
        await socket.send({ text: "leave" });
        const found = [];
        for await (const message of socket) found.push(message);
        return [found, await socket.closed];
    """) == [[{"who": "server", "text": "one"}], {"code": 4000, "reason": "as you wish"}]
    assert (
        run("""
        const socket = await client.live.chat({ room: "closed" });
        try { await socket.send({ text: "one" }) } catch (error) { return error.message }
    """)
        == "The WebSocket was not accepted."
    )


def test_a_websocket_of_texts_has_texts_and_one_that_fails_is_an_error(run: Any) -> None:
    assert run("""
        const schema = await (await fetch("openapi.json")).json();
        const chat = Object.values(schema.paths).find((item) => item["x-websocket"])["x-websocket"];
        chat.receives = chat.sends = { content: { "text/plain": {} } };
        const socket = await new Client(schema).live.chat({ room: "lobby" });
        await socket.send('{"text": "one"}');
        for await (const message of socket) return message;
    """) == json.dumps({"who": "server", "text": "one"})
    assert (
        run("""
        const socket = await client.live.chat({ room: "lobby" });
        await socket.send({ text: "break" });
        try {
            for await (const message of socket) throw new Error(message);
        } catch (error) { return error.message }
    """)
        == "The WebSocket was closed with 1011"
    )


def test_files_go_up_and_come_down(run: Any) -> None:
    seen = run("""return client.files.upload({
        title: "x", cover: new File(["<c>"], "c.png", { type: "image/png" }),
        pages: [new Blob(["1"]), new Blob(["2"])],
    })""")
    assert seen["headers"]["content-type"].startswith("multipart/form-data; boundary=")
    assert 'name="cover"; filename="c.png"\r\nContent-Type: image/png\r\n\r\n<c>' in seen["body"]
    assert seen["body"].count('name="pages"') == 2
    assert run("return (await client.files.download({ path: 'x' })).size") == 256


def test_a_document_or_another_base_will_do(run: Any) -> None:
    assert (
        run("""
        const schema = await (await fetch("openapi.json")).json();
        const other = new Client(schema, { base: "/below/" });
        return (await other.notes.list()).path;
    """)
        == "/below/notes/"
    )
    assert (
        run("""
        const asked = [];
        const told = (url, options) => { asked.push(String(url)); return fetch(url, options); };
        const other = new Client("openapi.json", { fetch: told });
        await Promise.all([other.notes.list(), other.notes.list()]);
        return asked.filter((each) => each.endsWith("openapi.json")).length;
    """)
        == 1
    )


def test_a_document_that_could_not_be_read_is_asked_for_again(run: Any) -> None:
    assert run("""
        let working = false;
        const flaky = (...all) => working ? fetch(...all) : Promise.reject(new Error("no"));
        const other = new Client("openapi.json", { fetch: flaky });
        const first = await other.notes.list().catch((error) => error.message);
        working = true;
        return [first, (await other.notes.list()).path];
    """) == ["no", "/notes/"]
