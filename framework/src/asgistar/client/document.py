"""An OpenAPI 3 document, read for those who call what it describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
WEBSOCKET = "x-websocket"

EVENTS = "text/event-stream"
"""The media type of server-sent events."""

Schema = Mapping[str, Any] | bool
"""A JSON Schema; True takes everything."""


class DocumentError(ValueError):
    """A document isn't OpenAPI, or not what can be read of it; says what, and where."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: its name in the request.
        where: `path`, `query`, `header` or `cookie`.
        required: it must be given.
        schema: what it must be.
        style: how lists and objects are written (OpenAPI 3.1 §4.8.12.3).
        explode: each member is written by itself.
        description: what it is.
        json: it is written as JSON.
    """

    name: str
    where: str
    required: bool
    schema: Schema
    style: str
    explode: bool
    description: str = ""
    json: bool = False

    @property
    def greedy(self) -> bool:
        """It is a part of a path that may have slashes in it."""
        return isinstance(self.schema, Mapping) and self.schema.get("pattern") in (".+", "^.+$")


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request.

    Attributes:
        required: there must be one.
        content: media type -> what it must be.
        description: what it is.
    """

    required: bool
    content: Mapping[str, Schema]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of an operation.

    Attributes:
        description: when it is given.
        content: media type -> what the body is.
        items: media type -> what each item of a stream is.
        headers: the names of headers that are always there.
    """

    description: str
    content: Mapping[str, Schema]
    items: Mapping[str, Schema]
    headers: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Operation:
    """What can be asked for.

    Attributes:
        id: its name; colons stand between the levels.
        method: in upper case; `x-websocket` for a WebSocket.
        path: its path, with `{name}` for parameters.
        parameters: those of the path first.
        body: the body of its requests; None if there is none.
        answers: status, `2XX` or `default` -> response.
        summary: what it does, in a line.
        description: what it does.
        deprecated: it should not be used any more.
        security: the names of schemes that must be met; of the outer list one is enough.
        receives: what a WebSocket takes: media type -> schema.
        sends: what a WebSocket sends.
    """

    id: str
    method: str
    path: str
    parameters: list[Parameter]
    body: Body | None
    answers: dict[str, Answer]
    summary: str = ""
    description: str = ""
    deprecated: bool = False
    security: list[list[str]] = field(default_factory=list)
    receives: Mapping[str, Schema] = field(default_factory=dict)
    sends: Mapping[str, Schema] = field(default_factory=dict)
    _pattern: re.Pattern[str] | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """Its name as Python can say it, level by level: `("notes", "create")`."""
        levels = [re.sub(r"\W", "_", each) for each in re.split(r"[:./]", self.id) if each]
        return tuple(f"_{each}" if each[:1].isdigit() else each for each in levels)

    @property
    def line(self) -> str:
        """Its method and its path."""
        return f"{self.method.replace(WEBSOCKET, 'WebSocket')} {self.path}"

    def __str__(self) -> str:
        return f"{self.line} ({self.id})"

    def answer(self, status: int) -> Answer | None:
        """What the document says of a response with this status; None if it says nothing."""
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in self.answers:
                return self.answers[key]
        return None

    def takes(self, path: str) -> dict[str, str] | None:
        """The texts of the parameters in a quoted path; None if it isn't of this operation."""
        if self._pattern is None:
            self._pattern = self._compiled()
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        names = [each.name for each in self.parameters if each.where == "path"]
        return {
            name: unquote(found[f"p{index}"])
            for index, name in enumerate(names)
            if f"p{index}" in found.re.groupindex
        }

    def _compiled(self) -> re.Pattern[str]:
        known = {
            each.name: (index, each.greedy)
            for index, each in enumerate(each for each in self.parameters if each.where == "path")
        }
        source = ""
        for text, name in re.findall(r"([^{]*)(?:\{([^}]*)\})?", self.path):
            source += re.escape(text)
            if name:
                index, greedy = known.get(name, (None, False))
                pattern = ".+" if greedy else "[^/]+"
                group = f"?P<p{index}>" if index is not None and f"<p{index}>" not in source else "?:"
                source += f"({group}{pattern})"
        return re.compile(source)


class Document:
    """An OpenAPI document.

    Args:
        source: the document, as JSON is decoded.

    Attributes:
        source: the same.

    Raises:
        DocumentError: it is none of OpenAPI 3, or what it says can't be read.
    """

    def __init__(self, source: Any) -> None:
        if not isinstance(source, Mapping) or not str(source.get("openapi", "")).startswith("3."):
            raise DocumentError("This is no document of OpenAPI 3: it has no member `openapi: 3.…`.")
        self.source: Mapping[str, Any] = source

    @cached_property
    def operations(self) -> dict[str, Operation]:
        """Its operations, by their ids; one without an id is named for its method and path."""
        found: dict[str, Operation] = {}
        for operation in self._operations():
            number, name = 2, operation.id
            while operation.id in found:
                operation.id, number = f"{name}_{number}", number + 1
            found[operation.id] = operation
        return found

    @property
    def title(self) -> str:
        """What the API is called."""
        return str(self._of(self.source, "info").get("title", "API"))

    @property
    def version(self) -> str:
        """The version of the API."""
        return str(self._of(self.source, "info").get("version", ""))

    @property
    def servers(self) -> list[str]:
        """The URLs that the paths stand below of, as they are written."""
        servers = self.source.get("servers") or []
        return [str(each["url"]) for each in servers if isinstance(each, Mapping) and "url" in each]

    @property
    def schemas(self) -> Mapping[str, Any]:
        """The schemas that have names."""
        return self._of(self._of(self.source, "components"), "schemas")

    @property
    def schemes(self) -> Mapping[str, Any]:
        """How clients authenticate: name -> security scheme."""
        return self._of(self._of(self.source, "components"), "securitySchemes")

    def resolved(self, value: Any) -> Any:
        """What a reference refers to; anything else as it is.

        Raises:
            DocumentError: to nothing, to itself, or to another document.
        """
        for _ in range(100):
            if not isinstance(value, Mapping) or "$ref" not in value:
                return value
            value = self._referred(str(value["$ref"]))
        raise DocumentError(f"The reference {value['$ref']!r} leads nowhere but round.")

    def _referred(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise DocumentError(f"The reference {reference!r} leads out of the document.")
        value: Any = self.source
        for part in reference[2:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, TypeError, ValueError):
                raise DocumentError(f"There is nothing at {reference!r}.") from None
        return value

    def _operations(self) -> Iterator[Operation]:
        both = (*self._of(self.source, "paths").items(), *self._of(self.source, "x-paths").items())
        for key, item in both:
            path = str(key).partition("#")[0]
            item = self.resolved(item)
            if not isinstance(item, Mapping):
                raise DocumentError(f"What stands at the path {path!r} is no object.")
            for method in (*METHODS, WEBSOCKET):
                if method in item:
                    yield self._operation(path, method, item)

    def _operation(self, path: str, method: str, item: Mapping[str, Any]) -> Operation:
        of = item[method]
        name = method if method == WEBSOCKET else method.upper()
        parameters: dict[tuple[str, str], Parameter] = {}
        for each in (*item.get("parameters", ()), *of.get("parameters", ())):
            parameter = self._parameter(self.resolved(each), f"{name} {path}")
            parameters[parameter.where, parameter.name] = parameter
        order = {key: index for index, key in enumerate(re.findall(r"\{([^}]*)\}", path))}
        body = of.get("requestBody")
        security = of.get("security", self.source.get("security")) or []
        fallback = "_".join(re.findall(r"\w+", f"{method} {path}"))
        return Operation(
            id=str(of.get("operationId") or fallback),
            method=name,
            path=path,
            parameters=sorted(
                parameters.values(),
                key=lambda each: (
                    each.where != "path",
                    order.get(each.name, 0) if each.where == "path" else 0,
                ),
            ),
            body=None if body is None else self._body(self.resolved(body)),
            answers={
                str(key): self._answer(self.resolved(each)) for key, each in of.get("responses", {}).items()
            },
            summary=str(of.get("summary", "")),
            description=str(of.get("description", "")),
            deprecated=bool(of.get("deprecated", False)),
            security=[list(each) for each in security],
            receives=self._content(of.get("receives", {})),
            sends=self._content(of.get("sends", {})),
        )

    def _parameter(self, of: Mapping[str, Any], place: str) -> Parameter:
        try:
            name, where = of["name"], of["in"]
        except (KeyError, TypeError):
            raise DocumentError(f"A parameter of {place} has no `name`, or no `in`.") from None
        content = of.get("content", {})
        schema = of.get("schema", True)
        for media in content.values():
            schema = media.get("schema", True)
        style = of.get("style") or ("simple" if where in ("path", "header") else "form")
        return Parameter(
            name=str(name),
            where=str(where),
            required=bool(of.get("required", where == "path")),
            schema=schema,
            style=style,
            explode=bool(of.get("explode", style == "form")),
            description=str(of.get("description", "")),
            json=bool(content),
        )

    def _body(self, of: Mapping[str, Any]) -> Body:
        return Body(bool(of.get("required", False)), self._content(of), str(of.get("description", "")))

    def _answer(self, of: Mapping[str, Any]) -> Answer:
        items = {}
        for key, media in of.get("content", {}).items():
            for name in ("x-item-schema", "itemSchema"):
                if name in media:
                    items[key] = media[name]
        headers = {name: self.resolved(each) for name, each in of.get("headers", {}).items()}
        always = tuple(name for name, each in headers.items() if each.get("required"))
        return Answer(str(of.get("description", "")), self._content(of), items, always)

    def _content(self, of: Mapping[str, Any]) -> dict[str, Schema]:
        return {str(key): media.get("schema", True) for key, media in of.get("content", {}).items()}

    def _of(self, value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = value.get(key) or {}
        if not isinstance(found, Mapping):
            raise DocumentError(f"The member `{key}` of the document is no object.")
        return found


def media_type(content_type: str) -> str:
    """A media type without its parameters, in lower case (RFC 9110 §8.3.1)."""
    return content_type.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """Whether a media type is read as JSON (RFC 6839 §3.1)."""
    return media == "application/json" or media.endswith("+json")


def is_json_lines(media: str) -> bool:
    """Whether a media type has a JSON value in each line."""
    return media in (
        "application/jsonl",
        "application/x-ndjson",
        "application/ndjson",
        "application/x-jsonlines",
    )


def found_in(content: Mapping[str, Any], media: str) -> str | None:
    """The key of `content` that a media type is of: itself, or a range such as `image/*`."""
    for key in content:
        if media_type(key) == media:
            return key
    for key in content:
        ranged = media_type(key)
        if ranged == "*/*" or (ranged.endswith("/*") and media.startswith(ranged[:-1])):
            return key
    return None
