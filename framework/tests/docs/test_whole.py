"""From views to the page: an application of ours, with its own document, in the browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from asgistar import (
    App,
    Created,
    Events,
    File,
    Form,
    Header,
    Include,
    Meta,
    Mount,
    NotFound,
    Route,
    Struct,
    Unauthorized,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.docs import docs
from asgistar.info import Info
from asgistar.security import Bearer

if TYPE_CHECKING:
    from conftest import Page, Visit

READY = "document.documentElement?.dataset.ready === '' && document.querySelector('.send')"


class Place(Struct):
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class Note(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=20, examples=["Milk"])]
    done: bool = False
    tags: list[str] = []  # noqa: RUF012  # msgspec gives each its own
    place: Place | None = None


class Said(Struct):
    text: str


class User(Struct):
    name: str


@component(security=Bearer())
def user(authorization: Header[str] = "") -> User:
    if authorization != "Bearer secret":
        raise Unauthorized("Who are you?")
    return User("ada")


async def create(note: Note, user: User) -> Created[Note]:
    """Write a note.

    It belongs to *whom* the token is for.
    """
    return note


async def detail(id: int) -> Note:
    """Read a note.

    Args:
        id: its number.
    """
    if id > 9:
        raise NotFound(f"There is no note {id}.")
    return Note(f"note {id}")


async def changes(count: int = 2) -> Events[Note]:
    """Follow what changes."""
    for number in range(count):
        yield Note(f"note {number}")
        await asyncio.sleep(0)


async def upload(title: Form[str], cover: File) -> dict[str, int]:
    """Upload a cover."""
    return {title: len(await cover.read())}


async def chat(socket: WebSocket[Said, Said]) -> None:
    """Talk."""
    async for said in socket:
        await socket.send(Said(said.text.upper()))


def made() -> App:
    """The application."""
    return App(
        [
            Include(
                "/notes",
                [
                    Route("/", "POST", create, name="create"),
                    Route("/<int:id>/", "GET", detail, name="detail"),
                    Route("/changes", "GET", changes, name="changes"),
                    Route("/upload", "POST", upload, name="upload"),
                    WebSocketRoute("/chat", chat, name="chat"),
                ],
                name="notes",
            ),
            docs("/docs"),
        ],
        components=[user],
        info=Info(title="Notes", version="1"),
    )


@pytest.fixture(params=["at the root", "below a mount"])
def address(request: pytest.FixtureRequest, served: Callable[[Any], Any]) -> Iterator[str]:
    """The address of its docs, where it stands alone, and where it is mounted."""
    below = request.param == "below a mount"
    with served(App([Mount("/api", made())]) if below else made()) as url:
        yield f"{url}/api/docs/" if below else f"{url}/docs/"


def go(page: Page, operation: str) -> None:
    page.evaluate(f"location.hash = {operation!r}")
    current = "document.querySelector('[aria-current=page]')"
    page.waits_for(f"{READY} && {current}?.hash === '#{operation}'")


def value(page: Page) -> Any:
    """The JSON of the answer."""
    page.waits_for("document.querySelector('.answer .code')")
    return json.loads(page.evaluate("document.querySelector('.answer .code').textContent"))


def test_an_application_is_tried_from_its_docs(visit: Visit, address: str) -> None:
    page = visit(address)
    page.waits_for("document.documentElement?.dataset.ready === ''")
    go(page, "notes:create")
    assert page.evaluate("document.querySelector('h1').innerText") == "Write a note"
    assert page.evaluate("document.querySelector('.prose em').innerText") == "whom"
    page.evaluate("document.querySelector('.send').click()")
    assert value(page)["status"] == 401
    page.evaluate("document.querySelector('.auth-line button').click()")
    page.types("secret")
    page.presses("Enter")
    page.waits_for("document.querySelector('.auth-line').dataset.state === 'given'")
    page.evaluate("document.querySelector('[aria-label=\"Add place\"]').click()")
    page.evaluate("document.activeElement.select()")
    page.types("91")
    page.evaluate("document.querySelector('.send').click()")
    page.waits_for("document.querySelector('[aria-invalid]')")
    assert page.evaluate("document.activeElement.value") == "91"
    page.types("0")
    page.evaluate("document.activeElement.select()")
    page.types("9")
    page.evaluate("document.querySelector('.send').click()")
    page.waits_for("document.querySelector('.answer .pill.good')")
    assert value(page)["place"]["latitude"] == 9
    go(page, "notes:detail")
    page.evaluate("document.querySelector('.send').click()")
    assert value(page)["title"] == "note 1"


def test_its_streams_and_websockets_have_consoles(visit: Visit, address: str) -> None:
    page = visit(address)
    page.waits_for("document.documentElement?.dataset.ready === ''")
    go(page, "notes:changes")
    page.evaluate("document.querySelector('.send').click()")
    page.waits_for("document.querySelector('.answer').innerText.includes('ended · 2')")
    go(page, "notes:chat")
    page.evaluate("document.querySelector('.send').click()")
    page.waits_for("document.querySelector('.composer')?.checkVisibility()")
    page.evaluate("document.querySelector('.composer .primary').click()")
    page.waits_for("document.querySelectorAll('.entry[data-kind=in]').length === 1")
    assert json.loads(page.evaluate("document.querySelector('[data-kind=in] pre').textContent")) == {
        "text": "TEXT"
    }


def test_its_client_knows_its_operations(visit: Visit, address: str) -> None:
    page = visit(address)
    assert page.evaluate("""(async () => {
        const { Client } = await import("./client.js");
        const client = new Client("openapi.json", { auth: { bearer: "secret" } });
        const note = await client.notes.create({ title: "Tea", done: true });
        const uploaded = await client.notes.upload({ title: "x", cover: new Blob(["12345"]) });
        const found = [];
        for await (const { data } of await client.notes.changes()) found.push(data.title);
        const socket = await client.notes.chat();
        await socket.send({ text: "hi" });
        for await (const { text } of socket) { found.push(text); break; }
        const missing = await client.notes.detail({ id: 10 }).catch((error) => error.message);
        return [note, uploaded, found, missing];
    })()""") == [
        {"title": "Tea", "done": True, "tags": [], "place": None},
        {"x": 5},
        ["note 0", "note 1", "HI"],
        "There is no note 10.",
    ]
