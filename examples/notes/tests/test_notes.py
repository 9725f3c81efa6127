"""Notes: what is written, changed, found and thrown away, and that others' aren't there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asgistar.testing import AsyncClient


async def write(client: AsyncClient, title: str = "Plan Lisbon", **more: Any) -> dict[str, Any]:
    """Write a note."""
    answer = await client.post("/notes/", json={"title": title, **more})
    assert answer.status_code == 201, answer.text
    note: dict[str, Any] = answer.json()
    return note


async def titles(client: AsyncClient, **params: Any) -> list[str]:
    """The titles of the notes that are found."""
    answer = await client.get("/notes/", params=params)
    assert answer.status_code == 200, answer.text
    return [note["title"] for note in answer.json()["notes"]]


async def test_a_note_is_written_read_and_thrown_away(ada: AsyncClient) -> None:
    note = await write(ada, text="by train", tags=["travel"])
    assert note["title"] == "Plan Lisbon"
    assert note["text"] == "by train"
    assert note["tags"] == ["travel"]
    assert note["done"] is False
    assert note["attachments"] == []
    assert note["created"].endswith("Z")
    path = f"/notes/{note['id']}/"
    assert (await ada.get(path)).json() == note
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.get(path)).status_code == 404
    assert (await ada.delete(path)).status_code == 404
    assert await titles(ada) == []


async def test_the_number_of_a_note_is_never_given_to_another(ada: AsyncClient) -> None:
    first = await write(ada)
    await ada.delete(f"/notes/{first['id']}/")
    assert (await write(ada))["id"] > first["id"]


async def test_what_is_not_said_stays_as_it_is(ada: AsyncClient) -> None:
    note = await write(ada, text="by train", tags=["travel"])
    path = f"/notes/{note['id']}/"
    for change in ({"done": True}, {"text": ""}, {"title": "Plan Porto"}, {"tags": ["home", "work"]}, {}):
        answer = await ada.patch(path, json=change)
        assert answer.status_code == 200
        changed = answer.json()
        assert changed["updated"] > note["updated"]
        assert {**changed, "updated": ""} == {**note, **change, "updated": ""}
        assert (await ada.get(path)).json() == changed
        note = changed


async def test_null_is_no_way_to_leave_something_out(ada: AsyncClient) -> None:
    note = await write(ada)
    answer = await ada.patch(f"/notes/{note['id']}/", json={"title": None, "tags": None})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [["title"], ["tags"]]


WRONG: list[tuple[dict[str, Any], list[Any]]] = [
    ({"title": ""}, ["title"]),
    ({"title": " "}, ["title"]),
    ({"title": "x" * 201}, ["title"]),
    ({"title": "a\x00b"}, ["title"]),
    ({"title": "a\nb"}, ["title"]),
    ({"title": "a\n"}, ["title"]),
    ({"title": 5}, ["title"]),
    ({"text": "a\x00b"}, ["text"]),
    ({"text": "x" * 100_001}, ["text"]),
    ({"tags": ["two words"]}, ["tags", 0]),
    ({"tags": ["ok", "-"]}, ["tags", 1]),
    ({"tags": ["work\n"]}, ["tags", 0]),
    ({"tags": ["Work"]}, ["tags", 0]),
    ({"tags": ["x" * 41]}, ["tags", 0]),
    ({"tags": ["x"] * 21}, ["tags"]),
    ({"tags": "work"}, ["tags"]),
    ({"owner_id": 2}, ["owner_id"]),
]


@pytest.mark.parametrize(("wrong", "path"), WRONG)
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_is_wrong_with_a_note_is_told_where_it_is(
    ada: AsyncClient, wrong: dict[str, Any], path: list[Any]
) -> None:
    note = await write(ada)
    for answer in (
        await ada.post("/notes/", json={"title": "fine", **wrong}),
        await ada.patch(f"/notes/{note['id']}/", json=wrong),
    ):
        assert answer.status_code == 422
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert (await ada.get(f"/notes/{note['id']}/")).json() == note


async def test_the_largest_note_can_be_kept(ada: AsyncClient) -> None:
    note = await write(
        ada, "\U0001f600" * 200, text="\U0001f600" * 100_000, tags=[f"{n:040}" for n in range(20)]
    )
    assert (await ada.get(f"/notes/{note['id']}/")).json() == note


async def test_what_is_larger_than_any_note_is_not_read(ada: AsyncClient) -> None:
    answer = await ada.post("/notes/", json={"title": "a", "text": "x" * 2_000_000})
    assert answer.status_code == 413


# --- others -------------------------------------------------------------------------------------------------


async def test_the_notes_of_others_are_not_there(ada: AsyncClient, eve: AsyncClient) -> None:
    note = await write(ada, tags=["secret"])
    path = f"/notes/{note['id']}/"
    missing = await eve.get(f"/notes/{note['id'] + 1000}/")
    for answer in (
        await eve.get(path),
        await eve.patch(path, json={"title": "Eve was here"}),
        await eve.delete(path),
        await eve.post(f"{path}attachments/", files={"file": ("a.txt", b"a")}),
    ):
        assert answer.status_code == missing.status_code == 404
        said = {**missing.json(), "detail": f"There is no note {note['id']}."}
        assert answer.json() == said
    assert await titles(eve) == await titles(eve, q="Lisbon") == await titles(eve, tag="secret") == []
    assert (await eve.get("/notes/tags/")).json() == []
    assert (await ada.get(path)).json() == note


@pytest.mark.parametrize("id", ["0", "2147483648", "99999999999999999999", "-1", "x", "1.5"])
async def test_a_number_that_no_note_can_have_is_no_error(ada: AsyncClient, id: str) -> None:
    assert (await ada.get(f"/notes/{id}/")).status_code == 404


# --- finding ------------------------------------------------------------------------------------------------


async def test_pages_follow_each_other_from_the_newest_to_the_oldest(ada: AsyncClient) -> None:
    for number in range(7):
        await write(ada, f"Note {number}")
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    pages = 0
    while True:
        page = (await ada.get("/notes/", params=params)).json()
        seen += [note["title"] for note in page["notes"]]
        pages += 1
        if page["next"] is None:
            break
        await write(ada, "Meanwhile")  # nothing moves
        params["before"] = page["next"]
    assert seen == [f"Note {number}" for number in reversed(range(7))]
    assert pages == 3


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 101},
        {"limit": "many"},
        {"before": 0},
        {"before": 2**31},
        {"done": "perhaps"},
        {"tag": "two words"},
        {"tag": ""},
        {"q": "x" * 201},
        {"q": "\x00"},
    ],
)
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_cannot_be_asked_for_is_told(ada: AsyncClient, params: dict[str, Any]) -> None:
    answer = await ada.get("/notes/", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == list(params)


async def test_a_search_takes_every_character_as_it_is(ada: AsyncClient) -> None:
    names = [
        "100 %",
        "100 euros",
        "snake_case",
        "snakeXcase",
        "back\\slash",
        "a/b",
        "it's",
        "ÜBER alles",
        "straße",
    ]
    for name in names:
        await write(ada, name)
    await write(ada, "elsewhere", text="hidden: 100% of_it")
    assert await titles(ada, q="%") == ["elsewhere", "100 %"]
    assert await titles(ada, q="_") == ["elsewhere", "snake_case"]
    assert await titles(ada, q="\\") == ["back\\slash"]
    assert await titles(ada, q="/") == ["a/b"]
    assert await titles(ada, q="'") == ["it's"]
    assert await titles(ada, q="100") == ["elsewhere", "100 euros", "100 %"]
    assert await titles(ada, q="SNAKE") == ["snakeXcase", "snake_case"]
    assert await titles(ada, q="über ALLES") == ["ÜBER alles"]
    assert await titles(ada, q="' OR 1=1 --") == []
    assert len(await titles(ada, q="")) == 10


async def test_notes_are_found_by_tag_and_by_being_done(ada: AsyncClient) -> None:
    await write(ada, "one", tags=["home", "later"])
    two = await write(ada, "two", tags=["home"])
    await write(ada, "three", tags=["homework"])
    await ada.patch(f"/notes/{two['id']}/", json={"done": True})
    assert await titles(ada, tag="home") == ["two", "one"]
    assert await titles(ada, tag="home", done=False) == ["one"]
    assert await titles(ada, done="true") == ["two"]
    assert await titles(ada, tag="hom") == []


async def test_a_tag_is_there_as_long_as_a_note_has_it(ada: AsyncClient, eve: AsyncClient) -> None:
    one = await write(ada, "one", tags=["b", "a", "b", "a-b", "ab"])
    two = await write(ada, "two", tags=["b"])
    await write(eve, "hers", tags=["z"])
    assert one["tags"] == ["a", "a-b", "ab", "b"]
    assert (await ada.get("/notes/tags/")).json() == ["a", "a-b", "ab", "b"]
    await ada.patch(f"/notes/{one['id']}/", json={"tags": ["c"]})
    assert (await ada.get("/notes/tags/")).json() == ["b", "c"]
    await ada.delete(f"/notes/{two['id']}/")
    assert (await ada.get("/notes/tags/")).json() == ["c"]


# --- at the same time ---------------------------------------------------------------------------------------


async def test_changes_at_the_same_time_do_not_get_in_each_others_way(ada: AsyncClient) -> None:
    note = await write(ada, tags=["a"])
    path = f"/notes/{note['id']}/"
    changes: list[dict[str, Any]] = [
        {"tags": [f"t{n}", "b"]} if n % 2 else {"text": f"{n}"} for n in range(12)
    ]
    answers = await asyncio.gather(
        *(ada.patch(path, json=change) for change in changes),
        *(write(ada, f"Note {n}", tags=["b"]) for n in range(8)),
    )
    assert [answer.status_code for answer in answers[:12]] == [200] * 12  # type: ignore[union-attr]
    after = (await ada.get(path)).json()
    assert {"tags": sorted(after["tags"])} in [{"tags": sorted(c["tags"])} for c in changes if "tags" in c]
    assert {"text": after["text"]} in changes
    assert len(await titles(ada, limit=100)) == 9


async def test_who_throws_away_what_is_being_thrown_away_comes_too_late(ada: AsyncClient) -> None:
    note = await write(ada)
    answers = await asyncio.gather(*(ada.delete(f"/notes/{note['id']}/") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
