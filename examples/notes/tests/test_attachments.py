"""Attachments: files that come, are kept, and are given back, whatever they are called."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgistar.testing import AsyncClient


@pytest.fixture
async def note(ada: AsyncClient) -> dict[str, Any]:
    """A note of Ada's."""
    made: dict[str, Any] = (await ada.post("/notes/", json={"title": "with files"})).json()
    return made


@pytest.fixture
def folder(settings: dict[str, str]) -> Path:
    """Where the content is."""
    return Path(settings["NOTES_ATTACHMENTS"])


async def attach(
    client: AsyncClient,
    note: dict[str, Any],
    name: str = "a.txt",
    content: bytes = b"0123456789",
    type: str = "text/plain",
) -> dict[str, Any]:
    """Attach a file."""
    answer = await client.post(f"/notes/{note['id']}/attachments/", files={"file": (name, content, type)})
    assert answer.status_code == 201, answer.text
    attachment: dict[str, Any] = answer.json()
    return attachment


async def gone(folder: Path, id: str) -> None:
    """Wait until the content is gone, which it is after the response."""
    async with asyncio.timeout(10):
        while (folder / id).exists():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)


async def test_a_file_comes_back_as_it_was(ada: AsyncClient, note: dict[str, Any]) -> None:
    content = bytes(range(256)) * 8000
    attachment = await attach(ada, note, "Bücher.pdf", content, "application/pdf")
    assert attachment["name"] == "Bücher.pdf"
    assert attachment["size"] == len(content)
    assert (await ada.get(f"/notes/{note['id']}/")).json()["attachments"] == [attachment]
    answer = await ada.get(f"/attachments/{attachment['id']}/")
    assert answer.content == content
    assert answer.headers["content-type"] == "application/pdf"
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"B_cher.pdf\"; filename*=UTF-8''B%C3%BCcher.pdf"


async def test_a_part_of_a_file_can_be_had(ada: AsyncClient, note: dict[str, Any]) -> None:
    path = f"/attachments/{(await attach(ada, note))['id']}/"
    part = await ada.get(path, headers={"range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert part.headers["content-range"] == "bytes 2-4/10"
    assert (await ada.get(path, headers={"range": "bytes=-3"})).content == b"789"
    assert (await ada.get(path, headers={"range": "bytes=10-"})).status_code == 416
    same = {"range": "bytes=0-0", "if-range": part.headers["etag"]}
    assert (await ada.get(path, headers=same)).content == b"0"
    known = await ada.get(path, headers={"if-none-match": part.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await ada.head(path)
    assert (head.headers["content-length"], head.content) == ("10", b"")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        ("a\x00b\x1f\u202egpj.exe", "abgpj.exe"),
        ("<img src=x onerror=alert(1)>.png", "<img src=x onerror=alert(1)>.png"),
        ("é" * 300 + ".txt", "é" * 251 + ".txt"),
    ],
)
async def test_a_file_may_be_called_anything(
    ada: AsyncClient, note: dict[str, Any], folder: Path, name: str, kept: str
) -> None:
    attachment = (await sent(ada, note, f'filename="{name}"\r\nContent-Type: text/plain')).json()
    assert attachment["name"] == kept
    assert [file.name for file in folder.iterdir()] == [attachment["id"]]
    content = await ada.get(f"/attachments/{attachment['id']}/")
    assert content.headers["content-disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("type", ["text/html", "image/svg+xml", "no type", "text/" + "x" * 300, "é/é", ""])
async def test_what_a_file_says_of_its_type_makes_no_page_of_it(
    ada: AsyncClient, note: dict[str, Any], type: str
) -> None:
    attachment = (await sent(ada, note, f'filename="a"\r\nContent-Type: {type}')).json()
    content = await ada.get(f"/attachments/{attachment['id']}/")
    assert content.text == "<script>1</script>"
    assert content.headers["content-type"] in ("text/html", "image/svg+xml", "application/octet-stream")
    assert content.headers["content-disposition"] == 'attachment; filename="a"'
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert content.headers["cache-control"] == "private, no-cache"


async def sent(client: AsyncClient, note: dict[str, Any], fields: str) -> httpx.Response:
    """Attach a file as a client that keeps no rule does: nothing is quoted."""
    form = (
        f'--x\r\nContent-Disposition: form-data; name="file"; {fields}\r\n\r\n<script>1</script>\r\n--x--\r\n'
    )
    answer = await client.post(
        f"/notes/{note['id']}/attachments/",
        content=form.encode(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 201, answer.text
    return answer


async def test_what_is_too_large_is_not_kept(ada: AsyncClient, note: dict[str, Any], folder: Path) -> None:
    answer = await ada.post(f"/notes/{note['id']}/attachments/", files={"file": ("big", bytes(10_000_001))})
    assert answer.status_code == 413
    assert list(folder.iterdir()) == []
    assert (await ada.get(f"/notes/{note['id']}/")).json() == note


async def test_a_note_has_so_many_attachments_at_most(
    ada: AsyncClient, note: dict[str, Any], folder: Path
) -> None:
    for _ in range(19):
        await attach(ada, note)
    path = f"/notes/{note['id']}/attachments/"
    answers = await asyncio.gather(*(ada.post(path, files={"file": b"late"}) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len((await ada.get(f"/notes/{note['id']}/")).json()["attachments"]) == 20
    assert len(list(folder.iterdir())) == 20


async def test_an_attachment_can_be_thrown_away(ada: AsyncClient, note: dict[str, Any], folder: Path) -> None:
    first, second = await attach(ada, note), await attach(ada, note, "b.txt")
    path = f"/attachments/{first['id']}/"
    answers = await asyncio.gather(*(ada.delete(path) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404]
    await gone(folder, first["id"])
    assert (await ada.get(path)).status_code == 404
    after = (await ada.get(f"/notes/{note['id']}/")).json()
    assert after["attachments"] == [second]
    assert after["updated"] > note["updated"]


async def test_a_note_takes_its_attachments_with_it(
    ada: AsyncClient, note: dict[str, Any], folder: Path
) -> None:
    attachment = await attach(ada, note)
    assert (await ada.delete(f"/notes/{note['id']}/")).status_code == 204
    await gone(folder, attachment["id"])
    assert (await ada.get(f"/attachments/{attachment['id']}/")).status_code == 404


async def test_the_attachments_of_others_are_not_there(
    ada: AsyncClient, eve: AsyncClient, note: dict[str, Any]
) -> None:
    path = f"/attachments/{(await attach(ada, note))['id']}/"
    assert (await eve.get(path)).status_code == 404
    assert (await eve.delete(path)).status_code == 404
    assert (await ada.get(path)).content == b"0123456789"


@pytest.mark.parametrize(
    "id", ["1", "../../etc/passwd", "%2e%2e%2fapp.py", "00000000-0000-0000-0000-000000000000"]
)
async def test_what_is_no_attachment_is_not_there(ada: AsyncClient, id: str) -> None:
    assert (await ada.get(f"/attachments/{id}/")).status_code == 404


async def test_a_form_without_a_file_is_told_so(ada: AsyncClient, note: dict[str, Any], folder: Path) -> None:
    answer = await ada.post(f"/notes/{note['id']}/attachments/", files={"other": b"a"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == ["file"]
    assert list(folder.iterdir()) == []
