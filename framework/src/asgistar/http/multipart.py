"""A body of the type multipart/form-data, taken apart: bytes in, events out (RFC 7578, RFC 2046 §5.1).

Lines end with CRLF, as the RFCs and all browsers have it. Names and file names are escaped as browsers do it
(HTML Standard §4.10.21.8).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from urllib.parse import unquote

from msgspec import Struct

from asgistar.errors import BadRequest
from asgistar.regex import regex

HEAD_LIMIT = 8192
"""The size that the head of a part may have, in bytes."""


class Part(Struct, frozen=True):
    """A part begins.

    Attributes:
        name: of the field.
        filename: the last part of its path; None if it is no file.
        content_type: what it says of its type; empty if it says nothing.
    """

    name: str
    filename: str | None
    content_type: str


class Mark(Enum):
    """Events that say no more than their name."""

    NEED_DATA = "there is nothing to tell until more of the body has come"
    PART_ENDS = "all of the part's content has been told"
    FORM_ENDS = "the last part has ended; what may follow is left unread"


Event = Part | bytes | Mark
"""What comes next; bytes are content of the part."""


class _State(Enum):
    PREAMBLE = "before the first delimiter"
    DELIMITED = "a delimiter was read, not yet what its line ends with"
    HEAD = "in the head of a part"
    CONTENT = "in the content of a part"
    END = "after the last delimiter"


class Multipart:
    """Takes a body apart.

    Args:
        boundary: what stands between its parts, from its Content-Type.
    """

    __slots__ = ("_at", "_data", "_delimiter", "_state")

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter may stand at the very beginning, without a line before it.
        self._data = b"\r\n"
        self._at = 0
        self._state = _State.PREAMBLE

    def feed(self, data: bytes) -> None:
        """Take more of the body."""
        rest = self._data[self._at :]
        self._data = rest + data if rest else data
        self._at = 0

    def end(self) -> None:
        """The body has ended.

        Raises:
            BadRequest: its last delimiter is missing.
        """
        if self._state is not _State.END:
            raise BadRequest("The form ends before its last delimiter.")

    def next_event(self) -> Event:
        """What comes next.

        Raises:
            BadRequest: it can't be read.
        """
        while True:
            if self._state is _State.CONTENT:
                return self._content()
            if self._state is _State.END:
                return Mark.FORM_ENDS
            if self._state is _State.HEAD:
                return self._head()
            if self._state is _State.PREAMBLE:
                found = self._data.find(self._delimiter, self._at)
                if found < 0:
                    self._at = max(self._at, len(self._data) - len(self._delimiter) + 1)
                    return Mark.NEED_DATA
                self._at = found + len(self._delimiter)
                self._state = _State.DELIMITED
            elif not self._line_of_delimiter():
                return Mark.NEED_DATA

    def _line_of_delimiter(self) -> bool:
        """Read what follows a delimiter: its line ends, or the form. False: that has not come yet."""
        if self._data.startswith(b"--", self._at):
            self._state = _State.END
            return True
        # RFC 2046 §5.1.1: there may be blanks behind a delimiter.
        end = self._data.find(b"\n", self._at)
        line = self._data[self._at : end + 1 if end >= 0 else None]
        if not (_LINE if end >= 0 else _PART_OF_LINE).fullmatch(line) or len(line) > HEAD_LIMIT:
            raise BadRequest("A delimiter of the form isn't alone in its line.")
        if end < 0:
            return False
        self._at = end - 1  # the head begins with the end of this line: it may be empty
        self._state = _State.HEAD
        return True

    def _head(self) -> Event:
        end = self._data.find(b"\r\n\r\n", self._at)
        if (end if end >= 0 else len(self._data)) - self._at > HEAD_LIMIT:
            raise BadRequest(f"The head of a part of the form has more than {HEAD_LIMIT} bytes.")
        if end < 0:
            return Mark.NEED_DATA
        head = self._data[self._at + 2 : end]
        self._at = end + 4
        self._state = _State.CONTENT
        return _part(head)

    def _content(self) -> Event:
        data, at = self._data, self._at
        found = data.find(self._delimiter, at)
        if found == at:
            self._at = at + len(self._delimiter)
            self._state = _State.DELIMITED
            return Mark.PART_ENDS
        if found < 0:
            # The delimiter may have begun in the last bytes; it begins with a CR.
            found = data.find(b"\r", max(at, len(data) - len(self._delimiter) + 1))
            while found >= 0 and not self._delimiter.startswith(data[found:]):
                found = data.find(b"\r", found + 1)
            if found < 0:
                found = len(data)
            if found == at:
                return Mark.NEED_DATA
        self._at = found
        return data[at:found]


_LINE = regex(rb"[ \t]*\r\n")
_PART_OF_LINE = regex(rb"-?|[ \t]*\r?")

# --- heads ------------------------------------------------------------------------------------------------

_NAME = regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER = regex(rb';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:\\"|[^"])*"|[^\s;"]*)[ \t]*(?=;|\Z)')
_ESCAPED = regex(r'\\"|%22|%0[AaDd]')
_UNESCAPED = {"%0a": "\n", "%0d": "\r"}


# PERF: the heads of a form's fields are the same in every request; a form of three is read in 28 µs, not 52.
@lru_cache(256)
def _part(head: bytes) -> Part:
    """The part with this head."""
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n") if head else ():
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name):
            raise BadRequest("A line in the head of a part of the form isn't `name: value`.")
        fields.setdefault(name.lower(), value.strip(b" \t"))
    # Nobody sends it but by mistake (RFC 7578 §4.7), and to take base64 for the content would be another.
    if fields.get(b"content-transfer-encoding", b"binary").lower() not in (b"7bit", b"8bit", b"binary"):
        raise BadRequest("A part of the form has a Content-Transfer-Encoding. Send its content as it is.")
    try:
        disposition = parameters(fields.get(b"content-disposition", b""), b"form-data")
        if disposition is None or b"name" not in disposition:
            raise BadRequest("A part of the form has no `Content-Disposition: form-data; name=…`.")
        filename = None
        if b"filename" in disposition:
            filename = _unescaped(disposition[b"filename"].decode())
        elif b"filename*" in disposition:
            filename = _extended(disposition[b"filename*"])
        name_of_field = _unescaped(disposition[b"name"].decode())
        content_type = fields.get(b"content-type", b"").decode("latin-1")
    except UnicodeDecodeError:
        raise BadRequest("A name in the head of a part of the form is not UTF-8.") from None
    if filename is not None:
        # Some clients send whole paths; nobody may be led into another folder by them (RFC 7578 §4.2).
        filename = filename.replace("\\", "/").rpartition("/")[2].replace("\0", "")
        filename = "" if filename in (".", "..") else filename
    return Part(name_of_field, filename, content_type)


def parameters(value: bytes, wanted: bytes) -> dict[bytes, bytes] | None:
    """The parameters of a header such as `form-data; name="a"`, by their names in lower case.

    Returns:
        None if the value isn't `wanted`, or its parameters can't be read.
    """
    kind, semicolon, rest = value.partition(b";")
    if kind.strip().lower() != wanted:
        return None
    found: dict[bytes, bytes] = {}
    at, rest = 0, semicolon + rest.rstrip(b" \t;")
    while at < len(rest):
        match = _PARAMETER.match(rest, at)
        if match is None:
            return None
        text = match[2]
        found.setdefault(match[1].lower(), text[1:-1] if text.startswith(b'"') else text)
        at = match.end()
    return found


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: _UNESCAPED.get(match[0].lower(), '"'), text)


def _extended(value: bytes) -> str:
    """A file name as RFC 8187 §3.2 has it. RFC 7578 §4.2 forbids it, some clients send it nevertheless."""
    charset, _, rest = value.decode("ascii").partition("'")
    if charset.lower() != "utf-8":
        raise BadRequest("A file name of the form is in another charset than UTF-8.")
    return unquote(rest.partition("'")[2], errors="strict")
