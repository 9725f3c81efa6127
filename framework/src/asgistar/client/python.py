"""A typed client in Python: structs for what is sent and answered, a method for each operation.

The module stands on `asgistar.client.typed`, and passes `mypy --strict`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asgistar.client.calling import identifier
from asgistar.client.calls import Argument, Call, Group
from asgistar.client.shapes import (
    ANY,
    NOTHING_GIVEN,
    NULL,
    Alias,
    ListOf,
    MapOf,
    Member,
    Named,
    Object,
    OneOf,
    Plain,
    Shape,
    TupleOf,
    Values,
)
from asgistar.client.writing import Writer

PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "any": "typing.Any",
    "file": "api.Upload",
    "content": "api.Content",
    "bytes": "bytes",
}

FORMATS = {
    "date-time": "datetime.datetime",
    "date": "datetime.date",
    "time": "datetime.time",
    "duration": "datetime.timedelta",
    "uuid": "uuid.UUID",
    "decimal": "decimal.Decimal",
    "byte": "bytes",
    "binary": "bytes",
}

OCCUPIED = frozenset((
    "str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "builtins", "typing", "datetime", "uuid",
    "decimal", "msgspec", "api", "property",
))  # fmt: skip
"""Names that stand in annotations: a member that is called so would take their place."""

RESERVED = frozenset(("Client", "AsyncClient", "DOCUMENT", "SERVER"))

HEAD = '''"""{title}

Written by `asgistar client --lang python`. Don't change it: write it anew.
"""

from __future__ import annotations

{imports}
from collections.abc import Mapping
from types import TracebackType
{msgspec}
from asgistar.client import typed as api
from asgistar.types import ASGIApplication

__all__ = {names!r}

DOCUMENT: dict[str, typing.Any] = {document!r}
'''

CLIENT = '''
class {prefix}Client:
    """{title}

    Args:
        target: the URL of the API, or the application itself.
        auth: `api.Bearer(token)`, `api.Basic(username, password)` or `api.ApiKey(key)`, of `asgistar.client`;
            or a list of several.
        headers: of all requests.
        timeout: seconds to wait for the server.
        reconnect: when events that break off are asked for again; None for never.
    """

    def __init__(
        self,
        target: str | ASGIApplication{default},
        *,
        auth: api.Auth | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10,
        reconnect: api.Reconnect | None = api.Reconnect(),
    ) -> None:
        self._client = api.{prefix}Sender(target, DOCUMENT, auth, headers, timeout, reconnect)
{groups}
    {async_}def close(self) -> None:
        """Close what is open."""
        {await_}self._client.close()

    {async_}def __{a}enter__(self) -> typing.Self:
        {await_}self._client.__{a}enter__()
        return self

    {async_}def __{a}exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        {await_}self._client.__{a}exit__(exc_type, exc_value, traceback)
'''

OWN = frozenset(("close", "_client"))
"""Names that the client itself has."""

VERBS = {"events": "stream", "lines": "stream", "messages": "connect"}
"""What a call gives -> the method of a sender that asks for it."""


def generate(source: Mapping[str, Any]) -> str:
    """The source of the module.

    Args:
        source: the OpenAPI document.

    Raises:
        DocumentError: it can't be read.
    """
    return PythonWriter(source).text()


class PythonWriter(Writer):
    """Writes the module."""

    reserved = RESERVED

    def __init__(self, source: Mapping[str, Any]) -> None:
        super().__init__(source)
        used = {*self._shapes.types, *RESERVED}
        self._classes: dict[tuple[str, ...], str] = {}
        for group in self._root.all():
            name = f"{group.name}Operations"
            while name in used or f"Async{name}" in used:
                name += "_"
            used |= {name, f"Async{name}"}
            self._classes[group.levels] = name

    def lines(self) -> Iterator[str]:
        """The lines of the module."""
        body = list(self._body())
        used = set(re.findall(r"\b(builtins|datetime|decimal|msgspec|typing|uuid)\.", "\n".join(body)))
        schemes = {"securitySchemes": dict(self._document.schemes)} if self._document.schemes else {}
        names = sorted(["AsyncClient", "Client", *self._types])
        pruned = {"openapi": "3.1.0", "components": schemes}
        yield HEAD.format(
            title=text(self._title),
            imports="\n".join(f"import {name}" for name in sorted(used - {"msgspec"})),
            msgspec="\nimport msgspec\n" if "msgspec" in used else "",
            names=names,
            document=pruned,
        )
        yield from body

    def _body(self) -> Iterator[str]:
        """The lines below the head."""
        for each in self._types.values():
            if isinstance(each, Object):
                yield from self._struct(each)
        for alias in self._shapes.aliases():
            if alias.name in self._types:
                yield from self._alias(alias)
        if self._server:
            yield f"\nSERVER = {self._server!r}"
        for group in self._root.all():
            for call in group.calls:
                yield from self._constant(call)
        for is_async in (False, True):
            for group in self._root.all():
                yield from self._group(group, is_async)

    # --- types ------------------------------------------------------------------------------------------

    def type(self, shape: Shape, builtin: str = "") -> str:
        """A shape as an annotation.

        Args:
            builtin: what stands before the names of Python's own types.
        """
        if isinstance(shape, Plain):
            name = FORMATS.get(shape.format, "str") if shape.type == "string" else PLAIN[shape.type]
            return name if "." in name or name == "None" else builtin + name
        if isinstance(shape, Named):
            return shape.name
        if isinstance(shape, ListOf):
            return f"{builtin}list[{self.type(shape.item, builtin)}]"
        if isinstance(shape, TupleOf):
            return f"{builtin}tuple[{', '.join(self.type(each, builtin) for each in shape.items) or '()'}]"
        if isinstance(shape, MapOf):
            return f"{builtin}dict[{builtin}str, {self.type(shape.value, builtin)}]"
        if isinstance(shape, Values):
            return self._values(shape, builtin)
        return self._union(shape, builtin)

    def _values(self, shape: Values, builtin: str) -> str:
        if all(isinstance(each, str | int | None) and not isinstance(each, bool) for each in shape.values):
            return f"typing.Literal[{', '.join(map(repr, shape.values))}]"
        names = dict.fromkeys(
            "None" if each is None else builtin + type(each).__name__ for each in shape.values
        )
        return " | ".join(names)

    def _union(self, shape: OneOf, builtin: str) -> str:
        """A union that msgspec can decode: what can't be told apart in JSON is one."""
        kinds: dict[str, list[Shape]] = {}
        pending = list(shape.members)
        while pending:
            each = pending.pop(0)
            behind = self._shapes.shape(each)
            if isinstance(behind, OneOf):
                pending[:0] = behind.members
            elif behind == ANY:
                return "typing.Any"
            else:
                kinds.setdefault(_kind(behind), []).append(each)
        written = []
        for kind, members in kinds.items():
            if len(set(members)) == 1:
                written.append(self.type(members[0], builtin))
            elif kind == "string":
                written.append(f"{builtin}str")
            elif kind == "integer":
                written.append(f"{builtin}int")
            elif kind == "array":
                written.append(f"{builtin}list[typing.Any]")
            elif kind == "object" and self._tagged(members):
                written += [self.type(each, builtin) for each in dict.fromkeys(members)]
            else:
                return "typing.Any"
        none = self.type(NULL)
        return " | ".join([*(each for each in written if each != none), *([none] if none in written else [])])

    def _tagged(self, members: Iterable[Shape]) -> bool:
        """Whether objects can be told apart."""
        tags = []
        for each in members:
            shape = self._shapes.shape(each)
            found = self._shapes.types.get(shape.name) if isinstance(shape, Named) else None
            tags.append(found.tag if isinstance(found, Object) else None)
        known = [each for each in tags if each is not None]
        return len(known) == len(tags) == len(set(known)) and len({name for name, _ in known}) == 1

    def _struct(self, of: Object) -> Iterator[str]:
        names: dict[str, str] = {}
        for each in of.members:
            said = _member_name(each.name)
            while said in names.values():
                said += "_"
            names[each.name] = said
        renamed = {said: name for name, said in names.items() if said != name}
        options = ["kw_only=True"]
        if of.tag is not None:
            options.append(f"tag_field={of.tag[0]!r}, tag={of.tag[1]!r}")
        if renamed:
            options.append(f"rename={renamed!r}")
        yield f"\n\nclass {of.name}(msgspec.Struct, {', '.join(options)}):"
        described = [(names[each.name], each.description) for each in of.members if each.description]
        if of.description or described:
            yield from docstring(of.description or f"{of.name}.", "Attributes", described)
        for each in of.members:
            annotation, default = self._member(each)
            yield f"    {names[each.name]}: {annotation}{default}"
        if not of.members and not of.description:
            yield "    pass"

    def _member(self, member: Member) -> tuple[str, str]:
        annotation = self.type(member.shape)
        if member.required:
            return annotation, ""
        default = member.default
        if default is not NOTHING_GIVEN and fits(default, self._shapes.shape(member.shape)):
            if isinstance(default, list | dict):
                return annotation, f" = msgspec.field(default_factory=lambda: {default!r})"
            return annotation, f" = {default!r}"
        return f"{annotation} | msgspec.UnsetType", " = msgspec.UNSET"

    def _alias(self, alias: Alias) -> Iterator[str]:
        yield f"\n{alias.name}: typing.TypeAlias = {self._said(alias.shape)}"
        if alias.description:
            yield f'"""{text(alias.description)}"""'

    def _said(self, shape: Shape) -> str:
        """A type in an expression."""
        said = self.type(shape)
        return "typing.Optional[typing.Any]" if said == "None" else said

    # --- calls ------------------------------------------------------------------------------------------

    def _constant(self, call: Call) -> Iterator[str]:
        of = call.operation
        given = self._given(call)
        is_socket = call.result.stream == "messages"
        yield f"\n_{call.constant}: api.Call[{given}] = api.{'socket' if is_socket else 'call'}("
        yield f"    {of.id!r},"
        if not is_socket:
            yield f"    {of.method!r},"
        yield f"    {of.path!r},"
        for each in call.arguments:
            if each.parameter is not None:
                yield f"    api.parameter({', '.join(_parameter(each))}),"
        yield f"    type={given},"
        for name, content in (("takes", of.receives), ("gives", of.sends)):
            if content:
                yield f"    {name}=({', '.join(map(repr, content))},),"
        if call.media:
            assert of.body is not None
            yield f"    body=({', '.join(map(repr, call.media))},),"
            yield f"    required={of.body.required},"
        yield ")"

    def _given(self, call: Call) -> str:
        """What a call gives, or each item of its stream."""
        if call.result.shape is None:
            return "None"
        said = self.type(call.result.shape)
        return f"api.Event[{said}]" if call.result.stream == "events" else said

    def _group(self, group: Group, is_async: bool) -> Iterator[str]:
        prefix = "Async" if is_async else ""
        words = {"prefix": prefix, "a": "a" if is_async else "", "async_": "", "await_": ""}
        if is_async:
            words |= {"async_": "async ", "await_": "await "}
        inner = "\n".join(
            f"        self.{_attribute(name, group)} = {prefix}{self._classes[each.levels]}(self._client)"
            for name, each in group.groups.items()
        )
        if group.levels:
            yield f"\n\nclass {prefix}{self._classes[group.levels]}:"
            yield f'    """What is in `{text(".".join(group.levels))}`."""\n'
            yield f"    def __init__(self, client: api.{prefix}Sender) -> None:"
            yield "        self._client = client"
            if inner:
                yield inner
        else:
            yield "\n" + CLIENT.format(
                title=text(self._title),
                default=" = SERVER" if self._server else "",
                groups=f"{inner}\n" if inner else "",
                **words,
            ).rstrip("\n")
        shadowed = {call.name for call in group.calls} | set(group.groups)
        builtin = "builtins." if shadowed & OCCUPIED else ""
        for call in group.calls:
            yield from self._method(call, group, is_async, builtin)

    def _method(self, call: Call, group: Group, is_async: bool, builtin: str) -> Iterator[str]:
        prefix, word = ("Async", "async ") if is_async else ("", "")
        shape = call.result.shape
        given = "None" if shape is None else self.type(shape, builtin)
        if call.result.takes is not None:
            given = f"api.{prefix}Socket[{self.type(call.result.takes, builtin)}, {given}]"
        elif call.result.stream:
            item = f"api.Event[{given}]" if call.result.stream == "events" else given
            given = f"api.{prefix}Stream[{item}]"
        name = _attribute(call.name, group) if call.name else "__call__"
        yield ""
        if call.arguments:
            yield f"    {word}def {name}("
            yield "        self,"
            yield "        *,"
            for each in call.arguments:
                yield f"        {each.name}: {self._argument(each, builtin)},"
            yield f"    ) -> {given}:"
        else:
            yield f"    {word}def {name}(self) -> {given}:"
        of = call.operation
        described = [(each.name, each.description) for each in call.arguments if each.description]
        said = "\n\n".join(filter(None, (of.summary, of.description))) or of.line
        yield from docstring(said + ("\n\nDeprecated." if of.deprecated else ""), "Args", described, 8)
        asked = [f"_{call.constant}", _dict(each for each in call.arguments if each.parameter is not None)]
        if call.has_members:
            asked.append(_dict(each for each in call.arguments if each.where == "member"))
        asked += [each.name for each in call.arguments if each.where == "body"]
        verb = VERBS.get(call.result.stream, "ask")
        yield f"        return {'await ' if is_async else ''}self._client.{verb}({', '.join(asked)})"

    def _argument(self, argument: Argument, builtin: str) -> str:
        said = self.type(argument.shape, builtin)
        if argument.required:
            return said
        if argument.parameter is not None:
            return f"{said}{'' if _has_none(said) else ' | None'} = None"
        return f"{said} | msgspec.UnsetType = msgspec.UNSET"


def _has_none(said: str) -> bool:
    return said == "typing.Any" or said.split(" | ")[-1] == "None"


def _dict(arguments: Iterable[Argument]) -> str:
    return "{" + ", ".join(f"{each.key!r}: {each.name}" for each in arguments) + "}"


def _attribute(name: str, group: Group) -> str:
    """What a call or a group is called where it stands."""
    return f"{name}_" if (not group.levels and name in OWN) or name == "_client" else name


def _parameter(argument: Argument) -> Iterator[str]:
    parameter = argument.parameter
    assert parameter is not None
    yield repr(parameter.name)
    yield repr(parameter.where)
    if parameter.required:
        yield "required=True"
    if parameter.style != "form":
        yield f"style={parameter.style!r}"
    if not parameter.explode:
        yield "explode=False"
    if parameter.greedy:
        yield "greedy=True"
    if parameter.json:
        yield "json=True"


def _member_name(name: str) -> str:
    said = identifier(name)
    return f"{said}_" if said in OCCUPIED or said.startswith("__") else said


def _kind(shape: Shape) -> str:
    """What a value is in JSON, as far as a decoder can tell it from others."""
    if isinstance(shape, Named | MapOf):
        return "object"
    if isinstance(shape, ListOf | TupleOf):
        return "array"
    if isinstance(shape, Values):
        kinds = {"integer" if isinstance(each, int) else "string" for each in shape.values}
        return kinds.pop() if len(kinds) == 1 else "mixed"
    assert isinstance(shape, Plain)
    return shape.type


def fits(value: object, shape: Shape) -> bool:
    """Whether a default is a value of a shape that Python writes as JSON does."""
    if isinstance(shape, OneOf):
        return any(fits(value, each) for each in shape.members)
    if isinstance(shape, Values):
        return value in shape.values
    if isinstance(shape, ListOf):
        return isinstance(value, list) and all(fits(each, shape.item) for each in value)
    if isinstance(shape, MapOf):
        return isinstance(value, dict) and all(fits(each, shape.value) for each in value.values())
    if not isinstance(shape, Plain) or shape.format in FORMATS:
        return False
    wanted: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "null": type(None),
        "any": object,
    }
    found = isinstance(value, wanted.get(shape.type, ()))
    return found and (not isinstance(value, bool) or shape.type in ("boolean", "any"))


def text(said: str) -> str:
    """A text for a docstring, whatever is in it."""
    said = said.strip().replace("\\", "\\\\").replace('"""', "'''")
    said = re.sub(r"[^\S\n]|[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]", " ", said)
    return f"{said}." if said.endswith('"') else said


def docstring(said: str, title: str, described: list[tuple[str, str]], indent: int = 4) -> Iterator[str]:
    """The lines of a docstring with a section of names."""
    space = " " * indent
    lines = text(said).split("\n")
    if described:
        lines += ["", f"{title}:"]
        lines += [f"    {name}: {' '.join(text(about).split())}" for name, about in described]
    if len(lines) == 1:
        yield f'{space}"""{lines[0]}"""'
        return
    yield f'{space}"""{lines[0]}'
    yield from (f"{space}{line}".rstrip() for line in lines[1:])
    yield f'{space}"""'
