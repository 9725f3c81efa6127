"""Typed clients in Python, written out of a document: they pass mypy, and speak to a server."""

from __future__ import annotations

import datetime
import decimal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from asgistar.client import ApiKey, DocumentError, NotFound, UnprocessableContent, generate

if TYPE_CHECKING:
    from asgistar import App

pytestmark = pytest.mark.filterwarnings("error")

Written = Callable[[Any], ModuleType]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """`written(document)`: the module that is written for it."""
    made = []

    def write(document: Any) -> ModuleType:
        name = f"api_{tmp_path.name}_{len(made)}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(generate(document, "python"))
        made.append(name)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return __import__(name)

    return write


def checked(path: Path) -> str:
    """What mypy says of the modules in a folder."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={path / '.cache'}"]
    done = subprocess.run([*command, *map(str, path.glob("*.py"))], capture_output=True, text=True, cwd=path)
    return done.stdout + done.stderr


# --- what is written for the application ------------------------------------------------------------------


def test_a_typed_client_speaks_to_a_server(
    written: Written, url: str, app: App, left: threading.Event, tmp_path: Path
) -> None:
    api = written(app.openapi())
    now = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
    with api.Client(url) as client:
        made = client.notes.create(title="Milk", tags=["a"], madeAt=now, pet=api.Dog(name="Rex"))
        assert made == api.Stored(
            id=1,
            note=api.Note(title="Milk", done=False, tags=["a"], madeAt=now, pet=api.Dog(name="Rex")),
        )
        assert client.notes.listing(q="M", limit=1) == [made]
        assert client.notes.detail(id=1).note.madeAt == now
        with pytest.raises(NotFound, match="There is no note 2"):
            client.notes.detail(id=2)
        with pytest.raises(UnprocessableContent) as invalid:
            client.notes.create(title="")
        assert invalid.value.errors[0]["path"] == ["title"]
        assert client.notes.remove(id=1) is None
        seen = client.seen(
            path="a/b", day=now.date(), flag=True, order="down", tags=["x"], x_token="t", session="s"
        )
        assert seen == api.Seen(
            path="a/b", day=now.date(), flag=True, order="down", tags=["x"], token="t", session="s"
        )
        tree = api.Tree(name="a", children=[api.Tree(name="b")])
        assert client.tree(name="a", children=tree.children) == tree
        (tmp_path / "note.txt").write_bytes(b"123")
        assert client.bodies.upload(file=tmp_path / "note.txt", title="t").size == 3
        assert client.bodies.form(title="a")["title"] == "a"
        assert client.raw(body=b"abc") == b"cba"
        assert client.text() == "grün\u2028"
        with client.lines(number=1) as lines:
            assert next(lines) == api.Note(title="line 0\u2028", madeAt=None, pet=None)
        with client.events(start=1) as events:
            event = next(events)
            assert (event.data.title, event.event, event.id) == ("event 2", "note", "2")
        assert left.wait(10)
        assert [event.data for event in client.words()] == ["a word", "7"]
        with client.feed() as feed:
            assert [next(feed).data for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        with client.live.echo() as echo:
            echo.send(api.Note(title="a"))
            assert echo.receive(10) == api.Note(title="a", madeAt=None, pet=None)
    with api.Client(url, auth=ApiKey("k")) as client, client.live.chat(room="a", first=2) as chat:
        chat.send({"title": "a"})
        assert chat.receive(10).note.title == "a: a by k"
    client = api.Client(url)
    assert client.text()
    client.close()


def test_names_and_values_may_be_odd(written: Written, url: str, app: App) -> None:
    api = written(app.openapi())
    day = datetime.date(2026, 11, 22)
    with api.Client(url) as client:
        made, mood, level = client.import_(
            class_="x", from_=day, a_b=7, a_b_body=["", "class"], mood='it\'s "odd" \\ */', x_class="class",
            level=10, price=decimal.Decimal("9.99"), content=b"\1", pet=api.Cat(), map={"a": [1, None]},
        )  # fmt: skip
        assert (mood, level) == ("class", 10)
        assert made == api.Odd(
            class_="x", from_=day, a_b=7, a_b_=["", "class"], mood='it\'s "odd" \\ */', content=b"\1",
            price=decimal.Decimal("9.99"), pet=api.Cat(), map={"a": [1, None]}, pair=(1, "a"),
        )  # fmt: skip
        made, _, _ = client.import_(class_="x", from_=day, x_class="")
        assert (made.price, made.content, made._1st) == (decimal.Decimal("1.50"), b"\0\xff", True)
        assert client.close_(day=None) == {"day": None}
        assert client.close_() == {}
        files = [b"a", ("ü.txt", b"bc")]
        assert client.constructor(moods=["", "class"], files=files, day=day) == [
            "", "class", "upload", "ü.txt", "2026-11-22"
        ]  # fmt: skip
        kinds = ("cat", "dog", "none", "text")
        assert [client.either(kind=kind) for kind in kinds] == [api.Cat(), api.Dog(name="Rex"), None, "text"]
        assert list(client.pets()) == [api.Cat(lives=7), api.Dog(name="Rex")]


async def test_a_typed_client_is_async_too(written: Written, app: App) -> None:
    api = written(app.openapi())
    async with api.AsyncClient(app) as client:
        made = await client.notes.create(title="Milk")
        assert await client.notes.detail(id=1) == made
        async with await client.lines(number=1) as lines:
            assert [line.title async for line in lines] == ["line 0\u2028"]
        async with await client.events() as events:
            assert (await anext(events)).data.title == "event 1"
        assert await client.raw(body=b"abc") == b"cba"
        async with await client.live.echo() as echo:
            await echo.send(api.Note(title="a"))
            assert (await echo.receive(10)).title == "a"
        async with await client.live.plain() as plain:
            await plain.send(b"ab")
            assert await plain.receive(10) == b"ba"
    client = api.AsyncClient("http://127.0.0.1:1", auth=("a", "b"))
    await client.close()


USE = """
from __future__ import annotations
from typing import assert_type
from {name} import AsyncClient, Client, Note, Stored
from asgistar.client import ApiKey, AsyncSocket, Basic, Bearer, Reconnect, Socket
from asgistar.client.typed import Event

def use(client: Client) -> None:
    made = client.notes.create(title="a", pet=None)
    assert_type(made, Stored)
    assert_type(made.note.title, str)
    assert_type(client.notes.listing(), list[Stored])
    for event in client.events():
        assert_type(event, Event[Note])
        assert_type(event.data, Note)
    client.notes.remove(id=1)
    with client.live.chat(room="a") as chat:
        assert_type(chat, Socket[Note, Stored])
        chat.send(Note(title="a"))
        assert_type(chat.receive(), Stored)
        for message in chat:
            assert_type(message, Stored)
    assert_type(client.live.plain(), Socket[str | bytes, bytes])
    assert_type(client.live.loose(), Socket[str | bytes, str | bytes])
    Client("http://a", auth=Bearer("t"))
    Client("http://a", auth=Basic("a", "b"))
    Client("http://a", auth=[ApiKey("k"), Bearer("t")])
    Client("http://a", auth=ApiKey("k"), reconnect=Reconnect(attempts=1))

async def use_async(client: AsyncClient) -> None:
    assert_type(await client.notes.create(title="a"), Stored)
    async for line in await client.lines(number=1):
        assert_type(line, Note)
    async with await client.live.echo() as echo:
        assert_type(echo, AsyncSocket[Note, Note])
        async for note in echo:
            assert_type(note, Note)
"""

WRONG = """
from {name} import Client

def use(client: Client) -> None:
    client.notes.create()  # title is missing
    client.notes.create(title=7)
    client.notes.detail(id="a")
    client.notes.nothing()
    made: str = client.notes.create(title="a")
    client.live.echo().send(7)
"""


@pytest.mark.slow
def test_what_is_written_passes_type_checkers_and_so_does_its_right_use(
    written: Written, app: App, nasty: dict[str, Any], tmp_path: Path, pyright: Callable[[Path], list[str]]
) -> None:
    written(nasty)
    name = written(app.openapi()).__name__
    (tmp_path / "use.py").write_text(USE.format(name=name))
    assert "Success" in checked(tmp_path), checked(tmp_path)
    assert pyright(tmp_path) == []
    (tmp_path / "use.py").write_text(WRONG.format(name=name))
    assert "Found 6 errors in 1 file" in checked(tmp_path), checked(tmp_path)


# --- what is written for others ---------------------------------------------------------------------------


def test_whatever_is_in_a_document_it_is_python(written: Written, nasty: dict[str, Any]) -> None:
    api = written(nasty)
    assert api.SERVER == "https://example.com/v1"
    assert api.DOCUMENT["components"]["securitySchemes"]["k"]["name"] == "x-k"
    made = msgspec.json.decode(b'{"class": "a", "pair": ["b", 1], "on": null, "x-y": 8}', type=api.Class)
    assert (made.class_, made.x_y, made.list_, made.map, made.str_, made.old) == (
        "a", 8, [1], {}, msgspec.UNSET, None
    )  # fmt: skip
    assert msgspec.json.encode(made).startswith(b'{"class":"a","x-y":8,"list":[1]')
    assert made.datetime_ is msgspec.UNSET
    assert api._LISTS.type == api.Cat | api.Dog
    assert api._CLOSE.type == api.Plain
    assert isinstance(msgspec.json.decode(b'{"kind": "dog"}', type=api._LISTS.type), api.Dog)
    assert {"Client2", "ClassOwn", "ClassOwnA"} <= set(dir(api))
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'id_header'"):
        api.Client().lists.list()


def test_what_is_not_called_is_not_written(written: Written, nasty: dict[str, Any]) -> None:
    assert not hasattr(written(nasty), "Pet")


def test_a_document_that_can_not_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="'cobol' is none of the languages: python, typescript"):
        generate({"openapi": "3.1.0"}, "cobol")
    for wrong, said in (
        ({}, "no document of OpenAPI 3"),
        ({"openapi": "3.1.0", "paths": {"/": 7}}, "What stands at the path '/' is no object"),
        ({"openapi": "3.1.0", "paths": 7}, "member `paths` of the document is no object"),
        ({"openapi": "3.1.0", "paths": {"/": {"$ref": "other.json"}}}, "leads out of the document"),
        ({"openapi": "3.1.0", "paths": {"/": {"$ref": "#/x/y"}}}, "nothing at '#/x/y'"),
        ({"openapi": "3.1.0", "paths": {"/": {"$ref": "#/paths/~1"}}}, "leads nowhere but round"),
        (
            {"openapi": "3.1.0", "paths": {"/": {"get": {"parameters": [{"name": "a"}]}}}},
            "A parameter of GET / has no `name`",
        ),
    ):
        with pytest.raises(DocumentError, match=said):
            generate(wrong, "python")


def test_httpx_is_not_needed_to_write_a_client() -> None:
    script = (
        "import sys; sys.modules['httpx'] = None\n"
        "from asgistar.client import generate\n"
        "generate({'openapi': '3.1.0'}, 'python')\n"
        "for name in ('Client', 'NotFound'):\n"
        "    try: getattr(__import__('asgistar.client').client, name)\n"
        "    except ModuleNotFoundError as error: print(error)\n"
        "    else: print('there')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "asgistar.client needs httpx: pip install 'asgistar[client]'"
    assert not done.stderr


def test_there_is_nothing_else_in_the_module() -> None:
    import asgistar.client

    with pytest.raises(AttributeError, match="has no attribute 'Clinet'"):
        asgistar.client.Clinet  # noqa: B018
