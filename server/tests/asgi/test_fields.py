"""Response fields are checked once and remembered, within bounds; secrets are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from asgiworker.asgi import fields
from asgiworker.asgi.errors import ApplicationError
from asgiworker.asgi.fields import FIELDS, Special, check_field


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """No test sees what another has left behind."""
    FIELDS.clear()
    yield
    FIELDS.clear()


def test_a_field_is_rendered_as_it_is_written() -> None:
    line, _, _ = check_field(b"Content-Type", b"text/plain")
    assert line == b"Content-Type: text/plain\r\n"


@pytest.mark.parametrize(
    ("name", "special"),
    [
        (b"Content-Length", Special.CONTENT_LENGTH),
        (b"transfer-encoding", Special.TRANSFER_ENCODING),
        (b"Connection", Special.CONNECTION),
        (b"keep-alive", Special.CONNECTION),
        (b"Date", Special.DATE),
        (b"SERVER", Special.SERVER),
        (b"content-type", None),
    ],
)
def test_the_fields_that_the_server_has_a_hand_in_are_known_in_any_case(
    name: bytes, special: Special | None
) -> None:
    _, found, _ = check_field(name, b"1")
    assert found is special


def test_a_content_length_is_read() -> None:
    _, _, length = check_field(b"content-length", b"0042")
    assert length == 42


@pytest.mark.parametrize(
    ("value", "closes"),
    [(b"close", True), (b"Close", True), (b"x-a, close", True), (b"keep-alive", False), (b"x-closed", False)],
)
def test_a_connection_says_whether_it_closes(value: bytes, closes: bool) -> None:
    _, _, says_close = check_field(b"connection", value)
    assert bool(says_close) is closes


def test_a_checked_field_is_remembered() -> None:
    field = check_field(b"x", b"y")
    assert FIELDS[b"x", b"y"] is field


def test_a_bad_field_is_not_remembered() -> None:
    with pytest.raises(ApplicationError):
        check_field(b"x", b"\n")
    assert FIELDS == {}


@pytest.mark.parametrize("name", [b"set-cookie", b"Set-Cookie", b"authorization", b"WWW-Authenticate"])
def test_a_secret_is_not_remembered(name: bytes) -> None:
    check_field(name, b"secret")
    assert FIELDS == {}


def test_a_long_value_is_not_remembered() -> None:
    check_field(b"x", bytes(b"y" * 10_000))
    assert FIELDS == {}


def test_a_long_name_is_not_remembered() -> None:
    check_field(b"x" * 10_000, b"y")
    assert FIELDS == {}


def test_the_memory_is_bounded() -> None:
    for number in range(10_000):
        check_field(b"etag", b"%d" % number)
    assert len(FIELDS) <= fields._FIELDS_BOUND
    assert FIELDS[b"etag", b"9999"][0] == b"etag: 9999\r\n"
