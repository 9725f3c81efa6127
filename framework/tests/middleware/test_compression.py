"""Compressed responses, by RFC 9110 §8.4 and §12.5.3."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import brotli
import pytest
import zstandard

from asgistar import ConfigurationError
from asgistar.middleware import compression
from asgistar.middleware.compression import best

if TYPE_CHECKING:
    from pathlib import Path

    from framework.tests.middleware.conftest import Answer, Ask, Says

TEXT = b"All work and no play makes Jack a dull boy. " * 100

DECODERS: dict[str, Any] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
ALL = compression()


def decoded(answer: Answer) -> bytes:
    data: bytes = DECODERS[answer.headers["content-encoding"]](answer.body)
    return data


@pytest.mark.parametrize("coding", DECODERS)
async def test_a_body_is_compressed(ask: Ask, says: type[Says], coding: str) -> None:
    answer = await ask(ALL, says(TEXT), accept_encoding=coding)
    assert answer.headers["content-encoding"] == coding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert "content-length" not in answer.headers
    assert len(answer.body) < len(TEXT) / 10
    assert decoded(answer) == TEXT


@pytest.mark.parametrize("coding", DECODERS)
async def test_each_piece_can_be_read_when_it_comes(ask: Ask, says: type[Says], coding: str) -> None:
    app = says([b"data: one\n\n", b"data: two\n\n"], {"content-type": "text/event-stream"})
    answer = await ask(ALL, app, accept_encoding=coding)
    readers: dict[str, Any] = {
        "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    read = readers[coding]()
    assert [read(piece) for piece in answer.pieces[:2]] == [b"data: one\n\n", b"data: two\n\n"]
    assert decoded(answer) == b"data: one\n\ndata: two\n\n"


async def test_large_bodies_are_compressed_too(ask: Ask, says: type[Says]) -> None:
    answer = await ask(ALL, says(TEXT * 100), accept_encoding="gzip")
    assert decoded(answer) == TEXT * 100


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", None),
        ("identity", None),
        ("deflate", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, br, zstd", "zstd"),
        ("gzip, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *", "br"),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0.5, gzip;q=0.8", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("gzip;q=nan", None),
        ("gzip; q=0.3", "gzip"),
        ("gzip;q=7", "gzip"),
        (",;,=,gzip", "gzip"),
    ],
)
async def test_the_client_chooses(ask: Ask, says: type[Says], accepted: str, coding: str | None) -> None:
    answer = await ask(ALL, says(TEXT), accept_encoding=accepted)
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["vary"] == "Accept-Encoding"


def test_nothing_is_chosen_of_nothing() -> None:
    assert best(b"gzip", ()) is None


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"content-type": "image/png"}),
        (200, {}),
        (200, {"content-type": "text/plain", "content-encoding": "br"}),
        (200, {"content-type": "text/plain", "cache-control": "public, No-Transform"}),
        (206, {"content-type": "text/plain", "content-range": "bytes 0-4399/9000"}),
        (204, {"content-type": "text/plain"}),
        (304, {"content-type": "text/plain"}),
    ],
)
async def test_what_is_left_as_it_is(ask: Ask, says: type[Says], status: int, headers: Any) -> None:
    answer = await ask(ALL, says(TEXT, headers, status), accept_encoding="gzip")
    assert answer.body == TEXT
    assert answer.headers.get("content-encoding") == headers.get("content-encoding")
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "content_type",
    ["text/html; charset=utf-8", "application/json", "application/problem+json", "image/svg+xml", "TEXT/CSS"],
)
async def test_types_that_gain_by_it(ask: Ask, says: type[Says], content_type: str) -> None:
    answer = await ask(ALL, says(TEXT, {"content-type": content_type}), accept_encoding="gzip")
    assert decoded(answer) == TEXT


async def test_further_types(ask: Ask, says: type[Says]) -> None:
    app = says(TEXT, {"content-type": "application/x-own"})
    answer = await ask(compression(types=["application/x-own"]), app, accept_encoding="gzip")
    assert decoded(answer) == TEXT


async def test_a_short_body_stays_as_it_is(ask: Ask, says: type[Says]) -> None:
    answer = await ask(compression(minimum=10), says(b"9 letters"), accept_encoding="gzip")
    assert answer.headers["content-length"] == "9"
    assert answer.headers["vary"] == "Accept-Encoding"
    answer = await ask(compression(minimum=9), says(b"9 letters"), accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"


async def test_etags_are_weak_and_ranges_are_off(ask: Ask, says: type[Says]) -> None:
    headers = {"content-type": "text/plain", "etag": '"abc"', "accept-ranges": "bytes"}
    answer = await ask(ALL, says(TEXT, headers), accept_encoding="gzip")
    assert answer.headers["etag"] == 'W/"abc"'
    assert "accept-ranges" not in answer.headers
    answer = await ask(ALL, says(TEXT, {**headers, "etag": 'W/"abc"'}), accept_encoding="gzip")
    assert answer.headers["etag"] == 'W/"abc"'
    answer = await ask(ALL, says(TEXT, headers))
    assert answer.headers["etag"] == '"abc"'


async def test_head_says_what_get_says(ask: Ask, says: type[Says]) -> None:
    get = await ask(ALL, says(TEXT), accept_encoding="gzip")
    head = await ask(ALL, says(TEXT), "HEAD", accept_encoding="gzip")
    assert head.headers == get.headers
    assert head.body == b""
    short = await ask(ALL, says(b"short"), "HEAD", accept_encoding="gzip")
    assert short.headers["content-length"] == "5"


async def test_a_file_that_is_only_named(ask: Ask, says: type[Says], tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_bytes(TEXT * 200)
    answer = await ask(ALL, says(file=str(file)), accept_encoding="gzip")
    assert decoded(answer) == TEXT * 200
    file.write_bytes(b"short")
    answer = await ask(ALL, says(file=str(file)), accept_encoding="gzip")
    assert answer.body == b"short"
    headers = {"content-type": "text/plain", "content-length": "9999"}
    head = await ask(ALL, says(file=str(file), headers=headers), "HEAD", accept_encoding="gzip")
    assert (head.headers["content-encoding"], head.body) == ("gzip", b"")


async def test_a_file_of_another_type_goes_by_its_name(ask: Ask, says: type[Says], tmp_path: Path) -> None:
    answer = await ask(ALL, says(file="x", headers={"content-type": "image/png"}), accept_encoding="gzip")
    assert answer.pieces == []  # `pathsend` went through


async def test_the_application_does_not_send_past_it(ask: Ask) -> None:
    answer = await ask(ALL, accept_encoding="gzip")
    assert answer.scope["extensions"] == {"http.response.pathsend": {}}


async def test_websockets_pass(ask: Ask) -> None:
    assert (await ask(ALL, scope={"type": "websocket"})).scope["type"] == "websocket"


async def test_an_application_that_fails_after_its_start_has_sent_nothing(ask: Ask) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        raise LookupError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"gzip")]}
    with pytest.raises(LookupError):
        await ALL(app)(scope, None, send)  # type: ignore[arg-type]
    assert sent == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codings": ["deflate"]}, "there is no coding 'deflate'"),
        ({"codings": "gzip"}, "are lists"),
        ({"types": "text/x"}, "are lists"),
    ],
)
def test_mistakes_are_told_at_once(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        compression(**options)


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    with pytest.raises(ConfigurationError, match="The coding br needs brotli"):
        compression(codings=["br"])
    middleware = compression()
    assert [name for name, _ in middleware(None).codings] == ["zstd", "gzip"]  # type: ignore[arg-type, attr-defined]
