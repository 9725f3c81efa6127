"""From the arguments of a call to the parts of a request, as an operation of a document has them."""

from __future__ import annotations

import difflib
import mimetypes
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

import msgspec

from asgistar.client.document import Document, DocumentError, Operation, Parameter, Schema, is_json

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
BINARY = "application/octet-stream"
Upload = (
    bytes
    | Path
    | BinaryIO
    | tuple[str, bytes | str | Path | BinaryIO]
    | tuple[str, bytes | str | Path | BinaryIO, str]
)
"""A file: its content, its path, an open file; or its name and its content, and its media type."""

Content = bytes | str | Path | BinaryIO | Iterable[bytes] | AsyncIterable[bytes]
"""A body as it is."""

WHOLE = "body"
"""The argument that is the whole body."""

DELIMITERS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(slots=True)
class Asked:
    """The parts of a request.

    Attributes:
        method: in upper case.
        path: quoted.
        query: the arguments of the query.
        headers: of the request.
        cookies: of the request.
        content: the body: bytes, or something to be read; None if there is none.
        files: the parts of a multipart body, as httpx takes them.
        open: files that were opened for it, to be closed when it is sent.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    content: Any = None
    files: list[tuple[str, Any]] | None = None
    open: ExitStack = field(default_factory=ExitStack)

    @property
    def repeatable(self) -> bool:
        """It can be sent once more, and asks for nothing to be done."""
        return self.method == "GET" and self.content is None and self.files is None


def identifier(name: str) -> str:
    """A name of a request as Python can say it: `x-token` is `x_token`, `from` is `from_`."""
    said = re.sub(r"\W", "_", name)
    said = f"_{said}" if not said or said[0].isdigit() else said
    return f"{said}_" if iskeyword(said) else said


def arguments(document: Document, operation: Operation) -> tuple[dict[str, Parameter], dict[str, str]]:
    """What a call takes: parameters by what Python calls them, and in the same way members of the body."""
    parameters: dict[str, Parameter] = {}
    for each in operation.parameters:
        name = identifier(each.name)
        parameters[f"{name}_{each.where}" if name in parameters else name] = each
    members: dict[str, str] = {}
    if operation.body is not None:
        for schema in operation.body.content.values():
            for key in members_of(document, schema) or ():
                members.setdefault(identifier(key), key)
    return parameters, {name: key for name, key in members.items() if name not in parameters}


def members_of(document: Document, schema: Schema) -> dict[str, Schema] | None:
    """The members of an object by its schema, of all that it may be; None if they aren't said."""
    found: dict[str, Schema] = {}
    closed = False
    pending: list[Schema] = [schema]
    seen: set[int] = set()
    while pending:
        each = document.resolved(pending.pop())
        if not isinstance(each, Mapping) or id(each) in seen:
            continue
        seen.add(id(each))
        if "properties" in each:
            closed = True
            for key, of in each["properties"].items():
                found.setdefault(key, of)
        for key in ("allOf", "anyOf", "oneOf"):
            pending.extend(each.get(key, ()))
    return found if closed else None


def asking(
    document: Document, operation: Operation, given: Mapping[str, Any], body: Any = msgspec.UNSET
) -> Asked:
    """The request for a call.

    Args:
        given: the arguments: parameters where they belong, all others members of the body; `body` is the
            whole body, unless there is a parameter or a member of that name.
        body: the whole body, for callers who know it from the other arguments.

    Raises:
        TypeError: an argument is missing, or there is none of such a name.
        ValueError: an argument can't stand where it belongs.
    """
    parameters, members = arguments(document, operation)
    exact = {each.name: name for name, each in parameters.items()} | {
        key: name for name, key in members.items() if key not in parameters
    }
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    whole = body
    for name, value in given.items():
        said = name if name in parameters or name in members else exact.get(name, name)
        if said in parameters:
            values[said] = value
        elif said in members:
            others[members[said]] = value
        elif name == WHOLE and operation.body is not None:
            whole = value
        elif operation.body is not None and not members:
            others[name] = value
        else:
            raise _unknown(operation, name, [*parameters, *members])
    asked = Asked(operation.method, operation.path)
    missing = []
    for name, parameter in parameters.items():
        value = values.get(name, msgspec.UNSET)
        if value is None or value is msgspec.UNSET:
            missing += [name] if parameter.required else []
            continue
        _fill(asked, operation, parameter, value)
    if missing:
        raise TypeError(f"{operation.id} needs {', '.join(missing)}.")
    if others and whole is not msgspec.UNSET:
        raise TypeError(f"{operation.id} is given the whole body, and members of it: {', '.join(others)}.")
    if operation.body is not None:
        is_whole = whole is not msgspec.UNSET
        _put_body(asked, document, operation, whole if is_whole else others, is_whole or bool(others))
    return asked


def _unknown(operation: Operation, name: str, known: list[str]) -> TypeError:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known) or 'no arguments'}."
    return TypeError(f"{operation.id} has no argument {name!r}. {hint}")


# --- parameters -------------------------------------------------------------------------------------------


def _fill(asked: Asked, operation: Operation, parameter: Parameter, value: Any) -> None:
    value = msgspec.to_builtins(value)
    where = f"The argument {parameter.name} of {operation.id}"
    if parameter.json:
        value = msgspec.json.encode(value).decode()
    if parameter.where == "query":
        asked.query += _in_query(parameter, value)
        return
    text = _joined(parameter, value)
    if parameter.where == "path":
        segments = text.split("/") if parameter.greedy else [text]
        if not text or any(each in (".", "..") for each in segments):
            raise ValueError(f"{where} can't be {text!r} in a path.")
        quoted = quote(text, safe="/" if parameter.greedy else "")
        asked.path = asked.path.replace(f"{{{parameter.name}}}", quoted)
    elif re.search(r"[\r\n\0]", text):
        raise ValueError(f"{where} has an end of line in it, which can't stand in a {parameter.where}.")
    elif parameter.where == "cookie":
        asked.cookies[parameter.name] = text
    else:
        asked.headers[parameter.name] = text


def _in_query(parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    name = parameter.name
    if isinstance(value, dict) and parameter.style == "deepObject":
        return [(f"{name}[{key}]", _text(each)) for key, each in value.items() if each is not None]
    if parameter.explode and isinstance(value, dict):
        return [(str(key), _text(each)) for key, each in value.items() if each is not None]
    if parameter.explode and isinstance(value, list | tuple):
        return [(name, _text(each)) for each in value]
    return [(name, _joined(parameter, value))]


def _joined(parameter: Parameter, value: Any) -> str:
    delimiter = DELIMITERS.get(parameter.style)
    if delimiter is None:
        raise DocumentError(f"The style {parameter.style!r} of the parameter {parameter.name} isn't known.")
    if isinstance(value, dict):
        pairs = [(str(key), _text(each)) for key, each in value.items()]
        return delimiter.join(
            [f"{key}={each}" for key, each in pairs]
            if parameter.explode
            else [each for pair in pairs for each in pair]
        )
    return delimiter.join(map(_text, value)) if isinstance(value, list | tuple) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple):
        return msgspec.json.encode(value).decode()
    return "" if value is None else str(value)


# --- bodies -----------------------------------------------------------------------------------------------


def _put_body(asked: Asked, document: Document, operation: Operation, value: Any, given: bool) -> None:
    """Put the body into a request: of the type that is apt for it, of those that the operation takes."""
    body = operation.body
    assert body is not None
    is_members = isinstance(value, dict)
    if is_members and not value and not given:  # nothing at all was given
        schemas = body.content.values()
        if not body.required:
            return
        if not any(members_of(document, each) is not None for each in schemas):
            raise TypeError(f"{operation.id} needs a body: {WHOLE}=…")
    media = _chosen(body.content, value)
    if media == MULTIPART:
        asked.files = _parts(asked, document, body.content[media], value)
    elif media == FORM:
        asked.content = urlencode(_pairs(value)).encode()
        asked.headers["content-type"] = media
    elif is_json(media):
        asked.content = msgspec.json.encode(_set(value))
        asked.headers["content-type"] = media
    else:
        asked.content, guessed = _raw(asked, value)
        asked.headers["content-type"] = guessed if "*" in media else media


def _chosen(content: Mapping[str, Schema], value: Any) -> str:
    kinds = list(content)
    raw = [each for each in kinds if not is_json(each) and each not in (FORM, MULTIPART)]
    if raw and _is_raw(value):
        return raw[0]
    structured = [each for each in kinds if is_json(each)]
    if structured:
        return structured[0]
    if FORM in kinds and (MULTIPART not in kinds or not _has_files(value)):
        return FORM
    return MULTIPART if MULTIPART in kinds else kinds[0]


def _is_raw(value: Any) -> bool:
    if isinstance(value, str | dict | list | tuple):
        return False
    return _is_file(value) or isinstance(value, AsyncIterable | Iterable)


def _is_file(value: Any) -> bool:
    return isinstance(value, bytes | bytearray | memoryview | Path) or hasattr(value, "read")


def _has_files(value: Any) -> bool:
    return isinstance(value, Mapping) and any(
        _is_file(item) or (isinstance(item, tuple) and len(item) in (2, 3))
        for each in value.values()
        for item in (each if isinstance(each, list) else [each])
    )


def _set(value: Any) -> Any:
    return (
        {key: each for key, each in value.items() if each is not msgspec.UNSET}
        if isinstance(value, dict)
        else value
    )


def _pairs(value: Any) -> list[tuple[str, str]]:
    builtins = msgspec.to_builtins(_set(value))
    return [
        (key, _text(item))
        for key, each in builtins.items()
        for item in (each if isinstance(each, list | tuple) else [each])
        if item is not None
    ]


def _parts(asked: Asked, document: Document, schema: Schema, value: Any) -> list[tuple[str, Any]]:
    """The parts of a multipart body (RFC 7578)."""
    if not isinstance(value, Mapping):
        value = msgspec.to_builtins(value)
    known = members_of(document, schema) or {}
    parts: list[tuple[str, Any]] = []
    for key, each in _set(dict(value)).items():
        for item in each if isinstance(each, list) else [each]:
            if item is None:
                continue
            if _is_file(item) or isinstance(item, tuple) or _is_binary(document, known.get(key, True)):
                parts.append((key, _file(asked, item)))
            else:
                parts.append((key, (None, _text(msgspec.to_builtins(item)).encode())))
    return parts


def _is_binary(document: Document, schema: Schema) -> bool:
    schema = document.resolved(schema)
    if not isinstance(schema, Mapping):
        return False
    if schema.get("format") == "binary" or schema.get("contentMediaType") == BINARY:
        return True
    return any(
        _is_binary(document, each)
        for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), schema.get("items", False))
    )


def _file(asked: Asked, item: Any) -> tuple[Any, ...]:
    """A part with a file: name, content, type."""
    if isinstance(item, tuple):
        name, content, *more = item
        return (name, _opened(asked, content), *more)
    name = Path(str(getattr(item, "name", "upload"))).name
    return name, _opened(asked, item), mimetypes.guess_type(name)[0] or BINARY


def _opened(asked: Asked, content: Any) -> Any:
    if isinstance(content, Path):
        return asked.open.enter_context(content.open("rb"))
    if isinstance(content, str):
        return content.encode()
    return bytes(content) if isinstance(content, bytearray | memoryview) else content


def _raw(asked: Asked, value: Any) -> tuple[Any, str]:
    """The content of a body as it is, and a guess at its type."""
    guessed = mimetypes.guess_type(value.name)[0] if isinstance(value, Path) else None
    if isinstance(value, str):
        guessed = "text/plain; charset=utf-8"
    return _opened(asked, value), guessed or BINARY
