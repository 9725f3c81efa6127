"""The header fields of a response: several may have one name (RFC 9110 §5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Unpack

from asgistar.http.cookies import CookieAttributes, same_cookie, set_cookie
from asgistar.http.fields import TOKEN, Fields
from asgistar.regex import regex

_VALUE = regex(r"[\t\x20-\x7e\x80-\xff]*")


class ResponseHeaders(MutableMapping[str, str]):
    """The header fields of a response. Names are the same in any case.

    A view has those of a Response as `response.headers`. It can ask for its own as a parameter of this type,
    and so can components: they are then sent with what the view returns, whatever that is.

    `headers["vary"] = …` replaces all fields of that name, `headers.add("vary", …)` adds one.
    `headers["vary"]` are all of them with commas between (RFC 9110 §5.2), `get_list` has each for itself.

    Args:
        headers: those to begin with.

    Attributes:
        fields: as they are sent.

    Raises:
        ValueError: a name or a value that can't be one.
    """

    __slots__ = ("fields",)

    def __init__(self, headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None) -> None:
        self.fields: Fields = []
        if headers:
            for name, value in headers.items() if isinstance(headers, Mapping) else headers:
                self.add(name, value)

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __setitem__(self, name: str, value: str) -> None:
        field = _field(name, value)
        self._drop(field[0])
        self.fields.append(field)

    def __delitem__(self, name: str) -> None:
        if not self._drop(_key(name)):
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.decode("latin-1") for name, _ in self.fields))

    def __len__(self) -> int:
        return len({name for name, _ in self.fields})

    def __repr__(self) -> str:
        return f"ResponseHeaders({self.pairs()!r})"

    def get_list(self, name: str) -> list[str]:
        """All values of a name, in their order; none if there is none."""
        key = _key(name)
        return [value.decode("latin-1") for each, value in self.fields if each == key]

    def pairs(self) -> list[tuple[str, str]]:
        """All of them, in their order."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.fields]

    def add(self, name: str, value: str) -> None:
        """Add a field, beside those of the same name.

        Raises:
            ValueError: a name or a value that can't be one.
        """
        self.fields.append(_field(name, value))

    def set_cookie(self, name: str, value: str = "", **attributes: Unpack[CookieAttributes]) -> None:
        """Let the client keep a cookie. It takes the place of one of the same name, path and domain.

        If nothing else is said it is gone with the browser's session, is sent to every path of this host,
        over HTTPS only, not to scripts, and from other sites only where the user goes here.

        Args:
            attributes: see `CookieAttributes`.

        Raises:
            ValueError: a browser would refuse it, or read it otherwise; says why.
        """
        line = set_cookie(name, value, attributes)
        self.fields[:] = [
            field
            for field in self.fields
            if field[0] != b"set-cookie" or not same_cookie(field[1].decode("latin-1"), line)
        ]
        self.add("set-cookie", line)

    def delete_cookie(self, name: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Let the client forget a cookie.

        Args:
            attributes: path and domain must be those that it was set with.

        Raises:
            ValueError: there can be no such cookie.
        """
        attributes["max_age"] = 0
        attributes["expires"] = datetime.fromtimestamp(0, UTC)  # for clients older than Max-Age
        self.set_cookie(name, "", **attributes)

    def complete(self, *fields: tuple[bytes, bytes]) -> Fields:
        """Put those of `fields` in front that nobody has said otherwise. The list stays the same."""
        names = {name for name, _ in self.fields}
        self.fields[:0] = [field for field in fields if field[0] not in names]
        return self.fields

    def join(self, fields: Fields) -> Fields:
        """Put those of a Response in front; they count more, but cookies add up. The list stays the same."""
        names = {name for name, _ in fields} - {b"set-cookie"}
        self.fields[:] = [*fields, *(field for field in self.fields if field[0] not in names)]
        return self.fields

    def _drop(self, key: bytes) -> bool:
        before = len(self.fields)
        self.fields[:] = [field for field in self.fields if field[0] != key]
        return len(self.fields) < before


def _key(name: str) -> bytes:
    return name.lower().encode("latin-1", "replace")


def _field(name: str, value: str) -> tuple[bytes, bytes]:
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} can't be the name of a header.")
    if _VALUE.fullmatch(value) is None:
        raise ValueError(
            f"The header {name} can't have the value {value!r}: it is Latin-1 without line breaks."
        )
    return name.lower().encode("latin-1"), value.encode("latin-1")
