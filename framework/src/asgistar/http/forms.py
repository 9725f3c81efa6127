"""Reading a form: application/x-www-form-urlencoded (URL Standard §5.1) or multipart/form-data (RFC 7578)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from asgistar.errors import BadRequest, ContentTooLarge, UnsupportedMediaType
from asgistar.http.multipart import Event, Mark, Multipart, Part, parameters
from asgistar.http.reading import Stream, identity
from asgistar.http.uploads import File, Uploads
from asgistar.regex import regex
from asgistar.types import Receive, Scope

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

ABSENT: Any = object()
"""What stands for a text that says that there is no value."""

_BOUNDARY = regex(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")  # RFC 2046 §5.1.1


class Field(Struct, frozen=True):
    """A field that is asked for.

    Attributes:
        key: what it is called in the data.
        many: there may be several of its name.
        file: it is a file.
        last: of several of its name the last one counts.
        read: makes a value of its text, or `ABSENT`; None: the text is the value.
    """

    key: str
    many: bool = False
    file: bool = False
    last: bool = False
    read: Callable[[str], Any] | None = None


class Form(Struct, frozen=True):
    """What is read of a form.

    Attributes:
        fields: name -> field; others are left out.
        body_limit: the size of the body, in bytes; 0 is no limit.
        most_fields: how many fields there may be, asked for or not.
        most_files: how many files.
        memory: the size of all fields that aren't files, in bytes.
        strict: fields that aren't asked for are put in too, for those who have something against them.
        needs_file: it isn't complete without a file.
        streams: the last file may be read while it comes.
    """

    fields: Mapping[str, Field]
    body_limit: int
    most_fields: int
    most_files: int
    memory: int
    strict: bool = False
    needs_file: bool = False
    streams: bool = False

    async def read(
        self,
        scope: Scope,
        receive: Receive,
        uploads: Uploads | None = None,
        typed: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The values of the fields: key -> text, file, or list of them.

        Args:
            uploads: holds the files; without it, there are none to be read.
            typed: is given the texts of the fields as they came.

        Raises:
            UnsupportedMediaType: it is no form; or it needs a file, and isn't multipart/form-data.
            BadRequest: it can't be read.
            ContentTooLarge: there is more of it than we take.
            ClientDisconnected: the client left before its end.
        """
        content_type = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-encoding":
                identity(value)
        body = Stream(scope, receive, self.body_limit)
        found = _Found(self, typed)
        media_type = content_type.partition(b";")[0].strip().lower()
        if media_type == MULTIPART.encode():
            await self._read_multipart(body, content_type, found, uploads)
        elif media_type == URLENCODED.encode() and not self.needs_file:
            await self._read_urlencoded(body, found)
        elif content_type or await anext(body, b""):
            what = f"it is {content_type.decode('latin-1')}" if content_type else "it must say so"
            taken = MULTIPART if self.needs_file else f"{URLENCODED} or {MULTIPART}"
            raise UnsupportedMediaType(
                f"The body must be {taken}; {what}.", headers={"accept": taken.replace(" or", ",")}
            )
        return found.values

    async def _read_urlencoded(self, body: Stream, found: _Found) -> None:
        chunks = []
        size = 0
        async for chunk in body:
            chunks.append(chunk)
            size += len(chunk)
            found.check_memory(size)
        content = b"".join(chunks)
        if content.count(b"&") >= self.most_fields:
            found.check_number(sum(map(bool, content.split(b"&"))), files=0)
        for pair in content.split(b"&"):
            if pair:
                name, _, value = pair.replace(b"+", b" ").partition(b"=")
                found.add(_text(unquote_to_bytes(name)), unquote_to_bytes(value))

    async def _read_multipart(
        self, body: Stream, content_type: bytes, found: _Found, uploads: Uploads | None
    ) -> None:
        boundary = (parameters(content_type, MULTIPART.encode()) or {}).get(b"boundary", b"")
        if not _BOUNDARY.fullmatch(boundary):
            raise BadRequest("The Content-Type of the form has no boundary that can be read.")
        parts = _Parts(body, boundary)
        fields = files = size = 0
        while (part := await parts.next_part()) is not None:
            if part.filename is None:
                fields += 1
            else:
                files += 1
            found.check_number(fields, files)
            field = self.fields.get(part.name)
            if field is not None and field.file:
                assert uploads is not None
                if part.filename and self.streams and found.lacks_only(field):
                    found.put(part.name, field, File(part.filename, part.content_type, parts.content()))
                    return
                file = await uploads.put_aside(part.filename or "", part.content_type, parts.content())
                # What is sent for a file that nobody has chosen is no file: it has no name, and is empty.
                if file.size or part.filename:
                    found.put(part.name, field, file)
            elif field is not None or (self.strict and part.filename is None):
                content = bytearray()
                async for chunk in parts.content():
                    content += chunk
                    found.check_memory(size + len(content))
                size += len(content)
                found.add(part.name, bytes(content))
            elif self.strict:
                found.add(part.name, b"")


class _Found:
    """What was found in a form so far.

    Attributes:
        values: key -> value.
    """

    __slots__ = ("_form", "_typed", "values")

    def __init__(self, form: Form, typed: dict[str, Any] | None) -> None:
        self._form = form
        self._typed = typed
        self.values: dict[str, Any] = {}

    def add(self, name: str, content: bytes) -> None:
        """Take a field that is no file."""
        field = self._form.fields.get(name)
        if field is None:
            if self._form.strict:
                self.values.setdefault(name, _text(content))
            return
        text = _text(content)
        if self._typed is not None:
            if field.many:
                self._typed.setdefault(field.key, []).append(text)
            else:
                self._typed[field.key] = text
        if field.file and not text:
            return  # in a form that isn't multipart/form-data: nobody has chosen one
        value = text if field.read is None else field.read(text)
        if value is not ABSENT:
            self.put(name, field, value)

    def put(self, name: str, field: Field, value: Any) -> None:
        """Take a value of a field."""
        if field.many:
            self.values.setdefault(field.key, []).append(value)
        elif self.has(field) and not field.last:
            raise BadRequest(f"The field {name!r} of the form is there twice.")
        else:
            self.values[field.key] = value

    def has(self, field: Field) -> bool:
        """Whether there is a value of the field already."""
        return field.key in self.values

    def lacks_only(self, field: Field) -> bool:
        """Whether all other fields that are asked for are there."""
        return not self.has(field) and len(self.values) == len(self._form.fields) - 1

    def check_number(self, fields: int, files: int) -> None:
        """See that there aren't more of them than we take."""
        if fields > self._form.most_fields:
            raise ContentTooLarge(f"The form may have {self._form.most_fields} fields at most.")
        if files > self._form.most_files:
            raise ContentTooLarge(f"The form may have {self._form.most_files} files at most.")

    def check_memory(self, size: int) -> None:
        """See that the fields aren't larger than we take."""
        if size > self._form.memory:
            raise ContentTooLarge(f"The fields of the form may have {self._form.memory} bytes at most.")


class _Parts:
    """The parts of a body, one after the other."""

    __slots__ = ("_body", "_multipart")

    def __init__(self, body: Stream, boundary: bytes) -> None:
        self._body = body
        self._multipart = Multipart(boundary)

    async def next_part(self) -> Part | None:
        """The next part; what is left of the one before is read away. None: there is none any more."""
        while True:
            event = await self.next_event()
            if isinstance(event, Part):
                return event
            if event is Mark.FORM_ENDS:
                return None

    def content(self) -> _Content:
        """The content of the part."""
        return _Content(self)

    async def next_event(self) -> Event:
        """What comes next; never `NEED_DATA`."""
        while (event := self._multipart.next_event()) is Mark.NEED_DATA:
            chunk = await anext(self._body, b"")
            if chunk:
                self._multipart.feed(chunk)
            else:
                self._multipart.end()
        return event


class _Content:
    """The content of a part, in chunks."""

    __slots__ = ("_ended", "_parts")

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._ended:
            event = await self._parts.next_event()
            if isinstance(event, bytes):
                return event
            self._ended = True
        raise StopAsyncIteration


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise BadRequest("The form is not UTF-8.") from None
