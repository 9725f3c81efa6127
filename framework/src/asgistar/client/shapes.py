"""Types out of JSON Schemas: what a generator writes down in its language.

A shape says what a value is made of. Limits of values are left out: they are the server's to check.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asgistar.client.document import (
    EVENTS,
    WEBSOCKET,
    Document,
    Operation,
    Schema,
    is_json,
    is_json_lines,
)

NOTHING_GIVEN = object()
"""The default of a member that has none."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A value of one of JSON's types; `any` is every value, `null` none, `file` one of a form, and `bytes` a
    message of a WebSocket.

    Attributes:
        type: `string integer number boolean null any file bytes`.
        format: of a string: `date-time`, `uuid`, `byte` …; empty if it is just text.
    """

    type: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A type that is defined elsewhere, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """Many of one type."""

    item: Shape


@dataclass(frozen=True, slots=True)
class TupleOf:
    """One of each type."""

    items: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """Values of one type, by text."""

    value: Shape


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value of one of some types."""

    members: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """One of these values."""

    values: tuple[Any, ...]


Shape = Plain | Named | ListOf | TupleOf | MapOf | OneOf | Values

ANY = Plain("any")
NULL = Plain("null")
FILE = Plain("file")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object.

    Attributes:
        name: its name in JSON.
        shape: what it is.
        required: it must be given.
        default: what stands for it otherwise; `NOTHING_GIVEN` if nothing does.
        description: what it is for.
    """

    name: str
    shape: Shape
    required: bool
    default: Any = NOTHING_GIVEN
    description: str = ""


@dataclass(frozen=True, slots=True)
class Object:
    """An object with a name.

    Attributes:
        name: what it is called.
        members: what is in it.
        description: what it is.
        tag: the name and the value of the member that tells it from others of a union; None if there is none.
    """

    name: str
    members: tuple[Member, ...]
    description: str = ""
    tag: tuple[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name for a shape."""

    name: str
    shape: Shape
    description: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What an operation gives.

    Attributes:
        shape: what comes back; None for nothing.
        stream: `events`, `lines` or `messages` (of a WebSocket) if it is a stream of them; empty if it isn't.
        takes: the messages that a WebSocket takes.
    """

    shape: Shape | None
    stream: str = ""
    takes: Shape | None = None


@dataclass(slots=True)
class Shapes:
    """The shapes of a document, and the types that they need.

    Args:
        document: the document.
        reserved: names that types can't have.

    Attributes:
        types: name -> type.
    """

    document: Document
    reserved: frozenset[str] = frozenset()
    types: dict[str, Object | Alias] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _tags: dict[str, tuple[str, str | int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.document.schemas:
            self._names[f"#/components/schemas/{name}"] = self._free(pascal(name))
        for schema in _walk(self.document.source):
            self._note_tags(schema)
        for name, schema in self.document.schemas.items():
            self._define(self._names[f"#/components/schemas/{name}"], schema)

    def of(self, schema: Schema, name: str) -> Shape:
        """The shape of a schema.

        Args:
            name: what to call it, if it is an object without a name of its own.
        """
        if not isinstance(schema, Mapping):
            return ANY
        if "$ref" in schema:
            reference = str(schema["$ref"])
            if reference in self._names:
                return Named(self._names[reference])
            self._names[reference] = self._free(pascal(reference.rpartition("/")[2]))
            self._define(self._names[reference], self.document.resolved(schema))
            return Named(self._names[reference])
        if "const" in schema:
            return _values((schema["const"],))
        if "enum" in schema:
            return _values(tuple(schema["enum"]))
        for key in ("anyOf", "oneOf"):
            if key in schema:
                members = [self.of(each, f"{name}{number}") for number, each in enumerate(schema[key], 1)]
                return one_of([*members, *([NULL] if schema.get("nullable") else [])])
        if "allOf" in schema:
            return self._all_of(schema, name)
        types = schema.get("type", "object" if "properties" in schema else "any")
        shapes = [
            self._of_type(each, schema, name) for each in (types if isinstance(types, list) else [types])
        ]
        return one_of([*shapes, *([NULL] if schema.get("nullable") else [])])

    def members(self, schema: Schema, name: str) -> tuple[Member, ...] | None:
        """The members of an object; None if it isn't said which there are, or it is no object."""
        resolved = self.document.resolved(schema)
        if not isinstance(resolved, Mapping):
            return None
        if isinstance(resolved.get("allOf"), list):
            resolved = self._merged(resolved)
        if "properties" not in resolved or "anyOf" in resolved or "oneOf" in resolved:
            return None
        required = set(resolved.get("required", ()))
        return tuple(
            Member(
                key,
                self.of(each, name + pascal(key)),
                key in required,
                each.get("default", NOTHING_GIVEN) if isinstance(each, Mapping) else NOTHING_GIVEN,
                str(each.get("description", "")) if isinstance(each, Mapping) else "",
            )
            for key, each in resolved["properties"].items()
        )

    def result(self, operation: Operation, name: str) -> Result:
        """What an operation gives where it goes well."""
        if operation.method == WEBSOCKET:
            return Result(
                self._messages(operation.sends, f"{name}Given"),
                "messages",
                self._messages(operation.receives, f"{name}Taken") if operation.receives else ANY,
            )
        shapes: list[Shape] = []
        nothing = not operation.answers
        good = [each for each in operation.answers if each.startswith("2")]
        for status, answer in operation.answers.items():
            if status not in (good or ["default"]):
                continue
            for media in answer.content:
                if media == EVENTS or is_json_lines(media):
                    item = answer.items.get(media)
                    shape = ANY if item is None else self.of(item, f"{name}Item")
                    return Result(shape, "events" if media == EVENTS else "lines")
            schemas = [schema for media, schema in answer.content.items() if is_json(media)]
            if schemas:
                shapes += [self.of(each, name) for each in schemas]
            elif answer.content:
                is_text = all(media.startswith("text/") for media in answer.content)
                shapes.append(Plain("string") if is_text else Plain("string", "binary"))
            elif status == "default":
                shapes.append(ANY)  # whatever it is
            else:
                nothing = True
        if nothing and shapes:
            shapes.append(NULL)
        return Result(one_of(shapes) if shapes else None)

    def _messages(self, content: Mapping[str, Schema], name: str) -> Shape:
        """The messages of one direction of a WebSocket."""
        values = [self.of(schema, name) for media, schema in content.items() if is_json(media)]
        if values:
            return one_of(values)
        texts = {media.startswith("text/") for media in content} or {True, False}
        return one_of([*([Plain("string")] * (True in texts)), *([Plain("bytes")] * (False in texts))])

    def needed(self, shapes: Iterable[Shape]) -> dict[str, Object | Alias]:
        """The types that are in some shapes, and in those again."""
        found: set[str] = set()
        pending = [name for shape in shapes for name in names_in(shape)]
        while pending:
            name = pending.pop()
            if name not in found:
                found.add(name)
                for shape in shapes_in(self.types[name]):
                    pending.extend(names_in(shape))
        return {name: each for name, each in self.types.items() if name in found}

    def aliases(self) -> list[Alias]:
        """The types that are none, each after those that it needs; what needs itself is anything."""
        pending = {each.name: each for each in self.types.values() if isinstance(each, Alias)}
        sorted_: list[Alias] = []

        def put(alias: Alias, chain: tuple[str, ...]) -> None:
            if alias.name not in pending:
                return
            for name in names_in(alias.shape):
                if name in chain:
                    alias = Alias(alias.name, ANY, alias.description)
                elif name in pending:
                    put(pending[name], (*chain, name))
            if pending.pop(alias.name, None):
                sorted_.append(alias)

        for alias in list(pending.values()):
            put(alias, (alias.name,))
        return sorted_

    def shape(self, shape: Shape) -> Shape:
        """A shape behind the names that stand for it, but for those of objects."""
        for _ in range(100):
            if not isinstance(shape, Named) or not isinstance(found := self.types.get(shape.name), Alias):
                return shape
            shape = found.shape
        return ANY

    def _define(self, name: str, schema: Schema) -> None:
        description = str(schema.get("description", "")) if isinstance(schema, Mapping) else ""
        # The name stands before what it stands for: it may be in there.
        self.types[name] = Alias(name, ANY, description)
        if isinstance(schema, Mapping) and "$ref" in schema:
            self.types[name] = Alias(name, self.of(schema, name), description)
            return
        members = self.members(schema, name)
        if members is None:
            self.types[name] = Alias(name, self.of(schema, name), description)
            return
        tag = self._tags.get(name)
        if tag is not None:
            members = tuple(each for each in members if each.name != tag[0])
        self.types[name] = Object(name, members, description, tag)

    def _of_type(self, type: str, schema: Mapping[str, Any], name: str) -> Shape:
        if type == "object":
            if "properties" in schema:
                name = self._free(name)
                self._names[f"the object {name}"] = name
                self._define(name, schema)
                return Named(name)
            others = schema.get("additionalProperties", True)
            return MapOf(self.of(others, f"{name}Value"))
        if type == "array":
            if "prefixItems" in schema:
                shapes = [
                    self.of(each, f"{name}{number}") for number, each in enumerate(schema["prefixItems"], 1)
                ]
                if schema.get("items") is False or schema.get("maxItems") == len(shapes):
                    return TupleOf(tuple(shapes))
                return ListOf(one_of([*shapes, self.of(schema.get("items", True), f"{name}Item")]))
            return ListOf(self.of(schema.get("items", True), f"{name}Item"))
        if type == "string":
            format = str(schema.get("format", ""))
            if format == "binary" or schema.get("contentMediaType") == "application/octet-stream":
                return FILE
            encoding = schema.get("contentEncoding")
            return Plain("string", "byte" if encoding in ("base64", "base64url") else format)
        return Plain(type) if type in ("integer", "number", "boolean", "null") else ANY

    def _all_of(self, schema: Mapping[str, Any], name: str) -> Shape:
        if len(schema["allOf"]) == 1 and "properties" not in schema:
            return self.of(schema["allOf"][0], name)
        merged = self._merged(schema)
        return self._of_type("object", merged, name) if "properties" in merged else ANY

    def _merged(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """An object that is all of some objects at once."""
        merged: dict[str, Any] = {"type": "object"}
        own = {key: each for key, each in schema.items() if key != "allOf"}
        for each in (*schema["allOf"], own):
            part = self.document.resolved(each)
            if isinstance(part, Mapping) and "allOf" in part:
                part = self._merged(part)
            if not isinstance(part, Mapping) or "properties" not in part:
                continue
            merged["properties"] = {**merged.get("properties", {}), **part["properties"]}
            merged["required"] = [*merged.get("required", ()), *part.get("required", ())]
            merged["description"] = part.get("description", merged.get("description", ""))
        return merged

    def _note_tags(self, schema: Mapping[str, Any]) -> None:
        """Note which objects of a union are told apart by a member, and by which value of it."""
        discriminator = schema.get("discriminator")
        if not isinstance(discriminator, Mapping):
            return
        key = str(discriminator.get("propertyName", ""))
        for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
            name = self._names.get(str(each.get("$ref"))) if isinstance(each, Mapping) else None
            properties = self.document.resolved(each).get("properties", {}) if name else {}
            of = properties.get(key)
            if name is None or not isinstance(of, Mapping):
                continue
            values = [of["const"]] if "const" in of else of.get("enum", [])
            if len(values) == 1 and isinstance(values[0], str | int):
                self._tags[name] = key, values[0]

    def _free(self, name: str) -> str:
        taken = self.reserved | set(self._names.values())
        free, number = name, 2
        while free in taken:
            free, number = f"{name}{number}", number + 1
        return free


def one_of(shapes: Iterable[Shape]) -> Shape:
    """A union: flat, without what is in it twice."""
    found: dict[Shape, None] = {}
    for shape in shapes:
        for each in shape.members if isinstance(shape, OneOf) else (shape,):
            found[each] = None
    if ANY in found or not found:
        return ANY
    if NULL in found:  # it reads best at the end
        del found[NULL]
        found[NULL] = None
    return OneOf(tuple(found)) if len(found) > 1 else next(iter(found))


def names_in(shape: Shape) -> Iterator[str]:
    """The names in a shape."""
    if isinstance(shape, Named):
        yield shape.name
    for each in inner(shape):
        yield from names_in(each)


def shapes_in(of: Object | Alias) -> tuple[Shape, ...]:
    """The shapes right inside of a type."""
    return tuple(each.shape for each in of.members) if isinstance(of, Object) else (of.shape,)


def inner(shape: Shape) -> tuple[Shape, ...]:
    """The shapes right inside of a shape."""
    if isinstance(shape, ListOf):
        return (shape.item,)
    if isinstance(shape, MapOf):
        return (shape.value,)
    if isinstance(shape, TupleOf):
        return shape.items
    return shape.members if isinstance(shape, OneOf) else ()


def pascal(name: str) -> str:
    """A name as classes have it: `notes:create` is `NotesCreate`."""
    words = [each[0].upper() + each[1:] for each in re.split(r"[\W_]+", name) if each]
    said = "".join(words) or "Type"
    return f"_{said}" if said[0].isdigit() else said


def _values(values: tuple[Any, ...]) -> Shape:
    if values == (None,):
        return NULL
    hashable = all(isinstance(each, str | int | float | bool | None) for each in values)
    return Values(values) if hashable and values else ANY


def _walk(value: Any) -> Iterator[Mapping[str, Any]]:
    """All objects in a document."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            yield each
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)
