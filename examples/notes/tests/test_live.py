"""Live updates: what happens is told, once and in order, to those who may know."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar.testing import AsyncClient, WebSocketClosed, WebSocketDenied

Ids = list[tuple[int, int, str]]


@pytest.fixture
def live(notes: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, which looks for changes more often than it usually does."""
    module = sys.modules["notes.live"]
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    return module


async def write(client: AsyncClient, title: str = "news") -> int:
    """Write a note."""
    answer = await client.post("/notes/", json={"title": title})
    assert answer.status_code == 201, answer.text
    id: int = answer.json()["id"]
    return id


async def told(events: Any, number: int) -> Ids:
    """The next events: number of the change, of the note, kind."""
    found: Ids = []
    async with asyncio.timeout(20):
        async for event in events:
            change = json.loads(event.data)
            assert (event.id, event.event) == (str(change["id"]), change["kind"])
            found.append((change["id"], change["note_id"], change["kind"]))
            if len(found) == number:
                break
    return found


async def test_what_happens_to_a_note_is_told(live: Any, ada: AsyncClient) -> None:
    await write(ada, "before")
    async with ada.events("/changes/") as events:
        first = asyncio.create_task(told(events, 1))
        await asyncio.sleep(0)
        id = await listened(ada, first)
        await ada.patch(f"/notes/{id}/", json={"done": True})
        await ada.post(f"/notes/{id}/attachments/", files={"file": b"a"})
        await ada.delete(f"/notes/{id}/")
        rest = await told(events, 3)
    assert [(note, kind) for _, note, kind in rest[-3:]] == [
        (id, "changed"),
        (id, "changed"),
        (id, "deleted"),
    ]


async def listened(client: AsyncClient, first: asyncio.Task[Ids]) -> int:
    """Write notes until one was told: then the stream is listening."""
    while True:
        id = await write(client)
        try:
            [(_, note, kind)] = await asyncio.wait_for(asyncio.shield(first), 2)
        except TimeoutError:
            continue
        assert (note, kind) == (id, "created")
        return id


async def test_who_comes_again_goes_on_where_they_were(live: Any, ada: AsyncClient) -> None:
    ids = [await write(ada) for _ in range(5)]
    async with ada.events("/changes/", last_event_id="2") as events:
        assert await told(events, 3) == [(n + 1, ids[n], "created") for n in (2, 3, 4)]
        later = await write(ada)
        assert await told(events, 1) == [(6, later, "created")]


@pytest.mark.parametrize("last", ["999", "99999999999999999999", "x", "-1", "²"])
async def test_a_number_that_was_never_told_is_where_things_are_now(
    live: Any, ada: AsyncClient, last: str
) -> None:
    await write(ada)
    async with ada.events("/changes/", headers={"last-event-id": last.encode()}) as events:
        assert (await listened_again(ada, events))[0] > 1


async def listened_again(client: AsyncClient, events: Any) -> tuple[int, int, str]:
    first = asyncio.create_task(told(events, 1))
    await listened(client, first)
    return first.result()[0]


async def test_nobody_is_told_of_the_notes_of_others(live: Any, ada: AsyncClient, eve: AsyncClient) -> None:
    for _ in range(3):
        await write(ada)
    mine = await write(eve)
    async with eve.events("/changes/", last_event_id="0") as events:
        await write(ada)
        second = await write(eve)
        assert await told(events, 2) == [(1, mine, "created"), (2, second, "created")]


async def test_changes_at_the_same_time_are_all_told_in_the_order_of_their_numbers(
    live: Any, ada: AsyncClient
) -> None:
    async with ada.events("/changes/", last_event_id="0") as events:
        listening = asyncio.create_task(told(events, 30))
        ids = await asyncio.gather(*(write(ada, f"{n}") for n in range(30)))
        found = await listening
    assert [number for number, _, _ in found] == list(range(1, 31))
    assert {note for _, note, _ in found} == set(ids)


async def test_what_is_rolled_back_is_not_told(live: Any, ada: AsyncClient) -> None:
    first = await write(ada)
    assert (await ada.patch("/notes/1000/", json={"done": True})).status_code == 404
    second = await write(ada)
    async with ada.events("/changes/", last_event_id="0") as events:
        assert await told(events, 2) == [(1, first, "created"), (2, second, "created")]


async def test_so_many_changes_are_kept(
    live: Any, notes: Any, ada: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "KEPT", 3)
    monkeypatch.setattr(live, "BATCH", 2)
    ids = [await write(ada) for _ in range(7)]
    async with notes.app.scope() as scope:
        session = await scope.get(AsyncSession)
        assert await session.scalar(select(func.count()).select_from(live.ChangeRow)) == 3
    async with ada.events("/changes/", last_event_id="1") as events:
        assert await told(events, 3) == [(n + 1, ids[n], "created") for n in (4, 5, 6)]


async def test_a_stream_ends_so_that_its_token_is_shown_anew(
    live: Any, ada: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LASTS", 0.2)
    async with ada.events("/changes/") as events:
        assert [event async for event in events] == []
    assert (await ada.get("/changes/")).text == "retry: 2000\n\n"  # so that not only browsers come again
    async with ada.websocket("/live/") as socket:
        with pytest.raises(WebSocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == 1000


async def test_who_listens_survives_a_database_that_is_away_for_a_moment(
    live: Any, ada: AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with ada.events("/changes/", last_event_id="0") as events:
        await write(ada)
        await told(events, 1)
        failed = asyncio.Event()

        async def failing(*args: object) -> dict[int, int]:
            failed.set()
            raise ConnectionRefusedError

        with monkeypatch.context() as patched:
            patched.setattr(live.Feed, "_numbers", failing)
            await asyncio.wait_for(failed.wait(), 10)
        await write(ada)
        assert [number for number, _, _ in await told(events, 1)] == [2]
    assert "The changes can't be read" in caplog.text


# --- WebSocket ----------------------------------------------------------------------------------------------


async def test_a_websocket_tells_the_same(live: Any, ada: AsyncClient) -> None:
    first = await write(ada)
    async with ada.websocket("/live/", params={"after": 0}) as socket:
        change = await socket.receive_json()
        assert (change["id"], change["note_id"], change["kind"]) == (1, first, "created")
        second = await write(ada)
        change = await socket.receive_json()
        assert (change["id"], change["note_id"], change["kind"]) == (2, second, "created")


async def test_a_websocket_has_nothing_to_be_told(live: Any, ada: AsyncClient) -> None:
    async with ada.websocket("/live/") as socket:
        await socket.send("hello")
        with pytest.raises(WebSocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == 1003


async def test_a_websocket_is_for_those_who_are_known(live: Any, client: AsyncClient) -> None:
    with pytest.raises(WebSocketDenied) as denied:
        async with client.websocket("/live/"):
            pass
    assert denied.value.response.status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "http://testserver:8080", "null"])
async def test_a_page_of_others_cannot_listen_with_our_cookie(
    live: Any, ada: AsyncClient, client: AsyncClient, origin: str
) -> None:
    login = {"email": "ada@example.com", "password": "correct horse"}
    assert (await client.post("/login/", json=login)).status_code == 200
    with pytest.raises(WebSocketDenied) as denied:
        async with client.websocket("/live/", headers={"origin": origin}):
            pass
    assert denied.value.response.status_code == 401
    async with client.websocket("/live/", headers={"origin": "http://testserver"}):
        pass


@pytest.mark.parametrize("after", ["-1", "x", "2147483648"])
async def test_a_websocket_says_what_it_cannot_begin_with(live: Any, ada: AsyncClient, after: str) -> None:
    with pytest.raises(WebSocketDenied) as denied:
        async with ada.websocket("/live/", params={"after": after}):
            pass
    assert denied.value.response.status_code == 422
