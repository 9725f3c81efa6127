"""Bodies in msgpack, where they are switched on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgistar import App, Body, Include, Invalid, Query, Route, Struct
from asgistar.routing.options import HASHED_LIMIT

if TYPE_CHECKING:
    from framework.tests.conftest import Client, Connect

pack = msgspec.msgpack.encode
MSGPACK = {"content-type": "application/msgpack"}


class Note(Struct):
    title: str
    when: datetime | None = None
    data: bytes = b""


async def create(note: Note) -> str:
    return f"{note.title} {note.when} {len(note.data)}"


async def optional(note: Note | None = None) -> bool:
    return note is None


@pytest.fixture
def ask(client: Connect) -> Client:
    return client(
        [
            Route("/notes", "POST", create),
            Route("/optional", "POST", optional),
            Include("/json", [Route("/notes", "POST", create)], msgpack=False),
        ],
        msgpack=True,
        body_limit=1000,
    )


@pytest.mark.parametrize(
    "content_type", ["application/msgpack", "Application/X-Msgpack; a=b", "application/vnd.msgpack"]
)
async def test_a_body_may_be_msgpack(content_type: str, ask: Client) -> None:
    body = pack({"title": "a", "when": datetime(2026, 11, 22, tzinfo=UTC), "data": b"\0\1"})
    answer = await ask.post("/notes", body=body, headers={"content-type": content_type})
    assert answer.json == "a 2026-11-22 00:00:00+00:00 2"


async def test_a_body_may_be_json_all_the_same(ask: Client) -> None:
    assert (await ask.post("/notes", {"title": "a", "data": "AAE="})).json == "a None 2"
    assert (await ask.post("/notes", {"title": 1})).errors == [("body", "title", "type")]


async def test_it_is_taken_where_it_is_switched_on(ask: Client) -> None:
    answer = await ask.post("/json/notes", body=pack({"title": "a"}), headers=MSGPACK)
    assert (answer.status, answer.headers["accept"]) == (415, "application/json")
    answer = await ask.post("/notes", body=b"a", headers={"content-type": "text/plain"})
    assert (answer.status, answer.headers["accept"]) == (415, "application/json, application/msgpack")
    assert answer.json["detail"] == (
        "The body must be application/json or application/msgpack; it is text/plain."
    )
    assert (await ask.post("/notes", body=pack({"title": "a"}))).status == 415
    headers = {**MSGPACK, "content-encoding": "gzip"}
    assert (await ask.post("/notes", body=pack({"title": "a"}), headers=headers)).status == 415


async def test_all_that_is_wrong_is_told(ask: Client) -> None:
    answer = await ask.post("/notes", body=pack({"when": 1, "data": None}), headers=MSGPACK)
    assert answer.errors == [
        ("body", "title", "missing"),
        ("body", "when", "type"),
        ("body", "data", "type"),
    ]
    answer = await ask.post("/notes", body=pack({1: 2, b"title": "a"}), headers=MSGPACK)
    assert answer.status == 422


@pytest.mark.parametrize("body", [b"\xc1", b"\x81", pack({"title": "a"}) + b"a", b"\x91" * 900, b"\xa1\xff"])
async def test_what_is_not_msgpack_is_400(body: bytes, ask: Client) -> None:
    answer = await ask.post("/notes", body=body, headers=MSGPACK)
    assert answer.status == 400
    assert answer.json["detail"].startswith("The body is not msgpack that can be read: ")


async def test_a_body_is_missing_too_large_or_cut_off_as_in_json(ask: Client) -> None:
    assert (await ask.post("/notes", headers=MSGPACK)).json["detail"] == "The body is missing."
    assert (await ask.post("/optional", headers=MSGPACK)).json is True
    assert (await ask.post("/optional", body=pack({"title": "a"}), headers=MSGPACK)).json is False
    assert (await ask.post("/notes", body=bytes(1001), headers=MSGPACK)).status == 413
    assert (await ask.post("/notes", body=[b"\x81", None], headers=MSGPACK)).status == 0


class Page(pydantic.BaseModel):
    number: int = 1


class Loose(Struct):
    notes: list[dict]  # type: ignore[type-arg]


# --- keys that are arrays: their hashes aren't seeded -----------------------------------------------------


@pytest.mark.parametrize(
    "annotation", [Body[Any], Body[list[object]], Body[dict[Any, int]], Loose, Loose | None, Page]
)
async def test_a_body_of_anything_is_small_if_nothing_else_is_said(annotation: Any, client: Connect) -> None:
    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = annotation
    body = b"\xc1" + bytes(HASHED_LIMIT)
    for options, status in {"": 413, "msgpack": 400}.items():
        limit = {"body_limit": 100_000} if options else {}
        ask = client(Route("/", "POST", view, msgpack=True, **limit))  # type: ignore[arg-type]
        assert (await ask.post("/", body=body, headers=MSGPACK)).status == status
        assert (await ask.post("/", body=body[:-1], headers=MSGPACK)).status == 400
    json = client(Route("/", "POST", view))
    assert (await json.post("/", body=body, headers={"content-type": "application/json"})).status == 400
    typed = client(Route("/", "POST", create, msgpack=True))
    assert (await typed.post("/", body=body, headers=MSGPACK)).status == 400


def hostile() -> bytes:
    """A map whose keys are arrays with one hash, for a type that doesn't take it."""
    modulus = 2**61 - 1
    keys = b"".join(b"\x91" + pack(1 + number * modulus) + b"\xc0" for number in range(8))
    many = b"\xdf" + (8 * 1000).to_bytes(4, "big") + keys * 1000
    return b"\x82" + pack("title") + pack(1) + pack("more") + many


async def test_a_large_one_is_told_of_by_its_first_error_and_never_read_without_its_type(
    client: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    async def invalid(note: Note | Invalid) -> None:
        seen.append(note)

    async def paged(note: Note, number: int = 1) -> None: ...

    async def modelled(note: Note, page: Query[Page]) -> None: ...

    def decode(content: bytes) -> Any:
        raise AssertionError("read without its type")

    ask = client(
        Route("/", "POST", create),
        Route("/invalid", "POST", invalid),
        Route("/paged", "POST", paged),
        Route("/modelled", "POST", modelled),
        msgpack=True,
    )
    monkeypatch.setattr(msgspec.msgpack, "decode", decode)
    body = hostile()
    assert len(body) > HASHED_LIMIT
    answer = await ask.post("/", body=body, headers=MSGPACK)
    assert answer.errors == [("body", "title", "invalid")]
    assert (await ask.post("/paged", body=body, headers=MSGPACK)).errors == answer.errors
    answer = await ask.post("/paged?number=a", body=body, headers=MSGPACK)
    assert answer.errors == [("query", "number", "type")]
    answer = await ask.post("/modelled?number=a", body=body, headers=MSGPACK)
    assert answer.errors == [("query", "number", "type")]
    assert (await ask.post("/invalid", body=body, headers=MSGPACK)).status == 204
    assert (dict(seen[0].values), [each["path"] for each in seen[0].errors["title"]]) == ({}, [["title"]])
    for path in ("/", "/invalid"):
        answer = await ask.post(path, body=body.replace(b"\xa5title\x01", b"\xa5title\xc1"), headers=MSGPACK)
        assert answer.status == 400
        assert answer.json["detail"].startswith("The body is not msgpack that can be read: ")


@settings(deadline=None)
@given(st.binary(max_size=100), st.sampled_from([Body[Any], Note, Body[dict[int, str]]]))
async def test_whatever_comes_is_read_or_refused(body: bytes, annotation: Any) -> None:
    from framework.tests.conftest import Client

    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = annotation
    client = Client(App([Route("/", "POST", view)], msgpack=True))
    for sent in (body, b"\x81\xa5title" + body):
        assert (await client.post("/", body=sent, headers=MSGPACK)).status in (204, 400, 422)
