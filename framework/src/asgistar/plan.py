"""The plan of a view: all that can be known of its requests before the first one comes, as Python source.

The source has a step for what the view asks for, and none for what it doesn't. It is written when the
application is made, so that every mistake is found then, and compiled when its first request comes, so that
an application of a thousand routes starts at once. Tracebacks show its lines.
"""

from __future__ import annotations

import itertools
import linecache
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from asgistar import signature as signatures
from asgistar.components import AppValues, Component, Components, named
from asgistar.defaults import filled, lacks_defaults
from asgistar.endpoint import Endpoint, alternatives
from asgistar.errors import (
    BadRequest,
    ConfigurationError,
    ErrorItem,
    NotFound,
    Problem,
    ValidationFailed,
)
from asgistar.http import JSON, Reply, Response
from asgistar.parameters import (
    Input,
    check_bodies,
    fields,
    inputs,
    is_limited,
    takes_many,
    type_info,
    wire_names,
    with_rest,
)
from asgistar.request import read_body, read_cookies, read_headers, read_json, read_query
from asgistar.returns import Way, encode, returns
from asgistar.signature import EMPTY, Signature
from asgistar.types import Receive, Scope
from asgistar.validation import errors_of, told

Run = Callable[[Scope, Receive, tuple[Any, ...]], Awaitable[Reply]]
"""Answers a request; the last argument is the values of the parameters of the path."""

InThread = Callable[..., Awaitable[Any]]
"""Calls a function, with keyword arguments, in a thread."""

INVALID = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding and converting raise for data that isn't what it should be."""

READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "query": read_query,
    "header": read_headers,
    "cookie": read_cookies,
}

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Group:
    """Values that are converted in one go.

    Attributes:
        where: the part of the request that they come from.
        type: what they are converted to.
        names: the key of each value -> its name in the request.
    """

    where: str
    type: Any
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Unit:
    """A function that a plan calls: the view, or a component.

    Attributes:
        name: what the source calls it; empty for the view.
        signature: its signature.
        inputs: where its parameters come from.
        component: the component; None for the view.
        given: parameter -> what stands for it in the call.
    """

    name: str
    signature: Signature
    inputs: list[Input]
    component: Component[..., Any] | None
    given: dict[str, str]

    def arguments(self) -> str:
        """The arguments of the call."""
        return ", ".join(
            f"{each.argument}={self.given[each.argument]}" if each.keyword else self.given[each.argument]
            for each in self.inputs
        )


class Plan:
    """The plan of a view for a method of an endpoint.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        in_thread: runs views that aren't `async def`.
        limit: the size that a body may have, in bytes; 0 is no limit.
        components: what the view may ask for.
        app_values: the values of the components that live as long as the application.

    Attributes:
        units: what is called, in its order: components, each after what it needs, then the view.
        returns: what the view returns.
        source: what is run.
        file: what tracebacks call it.
        run: runs it.

    Raises:
        ConfigurationError: a parameter can come from nowhere, or what is returned can't be sent.
    """

    __slots__ = ("_groups", "_lines", "_name", "_names", "file", "returns", "run", "source", "units")

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        in_thread: InThread,
        limit: int,
        components: Components,
        app_values: AppValues,
    ) -> None:
        view = endpoint.views[method]
        self.units = _units(endpoint, method, components)
        self.returns = returns(endpoint.signatures[method])
        self.file = f"<asgistar {next(_numbers)}: {method} {endpoint.path}>"
        self.run: Run = self._first_run
        self._groups: list[Group] = []
        self._names: dict[str, Any] = {"view": view, "in_thread": in_thread, "app_values": app_values}
        name = str(getattr(view, "__name__", ""))
        self._name = f"plan_of_{name}" if name.isidentifier() else "plan"
        self._lines = [f"async def {self._name}(scope, receive, values):"]
        self._write_inputs(endpoint, limit)
        depth = self._write_components()
        self._write_call(signatures.is_async(view), depth)
        self._write_reply(depth)
        if depth > 1:
            self._write("raise swallowed()", swallowed=_swallowed)
        self.source = "\n".join(self._lines) + "\n"

    async def _first_run(self, scope: Scope, receive: Receive, values: tuple[Any, ...]) -> Reply:
        """Compile the source, then run it; from then on `run` is what was compiled."""
        return await self.compiled()(scope, receive, values)

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        exec(compile(self.source, self.file, "exec"), self._names)
        linecache.cache[self.file] = (len(self.source), None, self.source.splitlines(True), self.file)
        self.run = self._names[self._name]
        return self.run

    # --- what is written ----------------------------------------------------------------------------------

    def _write(self, line: str, depth: int = 1, **names: Any) -> None:
        """Write a line; `names` are the objects that it speaks of."""
        self._lines.append("    " * depth + line)
        self._names.update(names)

    def _write_inputs(self, endpoint: Endpoint, limit: int) -> None:
        """Read the parts of the request that are asked for, then convert what is in them."""
        conversions = self._path(endpoint)
        for where in READERS:
            conversions += self._part(where)
        conversions += self._body(limit)
        if conversions:
            self._write("try:")
            for line in conversions:
                self._write(line, 2)
            self._write("except INVALID as error:", INVALID=INVALID)
            read = ", ".join(f"{group.where}={_VARIABLES[group.where]}" for group in _distinct(self._groups))
            self._write(f"raise explain(error, {read}) from None", 2, explain=self._explain)
        for unit in self.units:
            for each in unit.inputs:
                if each.where == "defaults":
                    unit.given[each.argument] = f"default_{each.argument}"
                    self._names[f"default_{each.argument}"] = endpoint.defaults[each.argument]

    def _path(self, endpoint: Endpoint) -> list[str]:
        """What comes from the path. What its converters leave open, such as constraints, is converted."""
        indexes = {slot.name: index for index, slot in enumerate(endpoint.slots)}
        items: dict[str, str] = {}
        lines = []
        for unit in self.units:
            unsettled = []
            for each in unit.inputs:
                if each.where == "path":
                    index = indexes[each.name]
                    unit.given[each.argument] = f"values[{index}]"
                    if not _settled(each.type, endpoint.slots[index].kind.type):
                        items[each.name] = f"values[{index}]"
                        unsettled.append(each)
            lines += self._scalars("path", unit, unsettled)
        if items:
            self._write(f"in_path = {{{', '.join(f'{name!r}: {value}' for name, value in items.items())}}}")
        return lines

    def _part(self, where: str) -> list[str]:
        """What comes from the query, from headers or from cookies."""
        wanted: dict[str | bytes, tuple[str, bool]] = {}
        strict = False
        lines = []
        for unit in self.units:
            asked = [each for each in unit.inputs if each.where == where]
            for each in asked:
                strict = self._want(each, where, wanted) or strict
            lines += self._scalars(where, unit, [each for each in asked if not each.exploded])
            for each in asked:
                if each.exploded:
                    variable = f"{unit.name}{each.argument}_"
                    unit.given[each.argument] = variable
                    self._groups.append(Group(where, each.type, wire_names(each)))
                    self._names |= {f"Type_{unit.name}{each.argument}": each.type, "convert": msgspec.convert}
                    made = f"convert(in_{where}, Type_{unit.name}{each.argument}, strict=False)"
                    lines.append(f"{variable} = {self._filled(made, each.type)}")
        if lines:
            self._names |= {f"read_{where}": READERS[where], f"WANTED_{where.upper()}": wanted}
            if where == "query":
                last = ", True" if strict else ""
                self._write('text = scope["query_string"]')
                self._write(f"in_query = read_query(text, WANTED_QUERY{last}) if text else {{}}")
            else:
                self._write(f'in_{where} = read_{where}(scope["headers"], WANTED_{where.upper()})')
        return lines

    def _want(self, each: Input, where: str, wanted: dict[str | bytes, tuple[str, bool]]) -> bool:
        """Note what is to be read for an input; whether it wants to know of what else there is."""
        if each.exploded:
            many = {field.encode_name: takes_many(field.type) for field in fields(each.type)}
        else:
            many = {each.name: takes_many(type_info(each.type))}
        for key, name in wire_names(each).items():
            wire = name if where == "query" else name.encode("latin-1")
            target = (key, many[key])
            if wanted.setdefault(wire, target) != target:
                places = " and ".join(unit.signature.where for unit in self.units if each in unit.inputs)
                raise ConfigurationError(
                    f"{name!r} in the {where} is asked for in two ways, by {places} and by another: as one "
                    "value and as several, or under two names of fields."
                )
        return each.exploded and getattr(type_info(each.type), "forbid_unknown_fields", False)

    def _scalars(self, where: str, unit: Unit, asked: Iterable[Input]) -> list[str]:
        """Single values: those of a part for one function are converted at once, as fields of a struct."""
        variable = f"{unit.name}{where}"
        struct_fields: list[Any] = []
        rename: dict[str, str] = {}
        for each in asked:
            unit.given[each.argument] = f"{variable}.{each.argument}"
            rename[each.argument] = each.name
            if each.default is EMPTY:
                struct_fields.append((each.argument, each.type))
            else:
                default = msgspec.field(default_factory=_constant(each.default))
                struct_fields.append((each.argument, each.type, default))
        if not struct_fields:
            return []
        name = variable.title()
        type = msgspec.defstruct(name, struct_fields, rename=rename, kw_only=True)
        self._groups.append(Group(where, type, {name: name for name in rename.values()}))
        self._names |= {"convert": msgspec.convert, name: type}
        return [f"{variable} = convert(in_{where}, {name}, strict=False)"]

    def _body(self, limit: int) -> list[str]:
        """What comes from the body."""
        for unit in self.units:
            for body in unit.inputs:
                if body.where == "body":
                    unit.given[body.argument] = "body"
                    return self._body_of(body, limit)
        return []

    def _body_of(self, body: Input, limit: int) -> list[str]:
        required = body.default is EMPTY
        self._names["default"] = body.default
        if body.type is bytes:
            self._write(f"body = await read_body(scope, receive, {limit})", read_body=read_body)
            if not required:
                self._write("body = body or default")
            return []
        self._write(f"content = await read_json(scope, receive, {limit}, {required})", read_json=read_json)
        self._groups.append(Group("body", body.type, {}))
        self._names["decode"] = msgspec.json.Decoder(body.type).decode
        made = self._filled("decode(content)", body.type)
        return [f"body = {made}" if required else f"body = {made} if content else default"]

    def _filled(self, made: str, type: Any) -> str:
        """The expression `made`, whose value is of `type`, with what msgspec may have left out of it."""
        info = type_info(type)
        if info is None or not lacks_defaults(info):
            return made
        self._names["filled"] = filled
        return f"filled({made})"

    def _write_components(self) -> int:
        """Make the values of components, each in the context of those before it.

        Returns how deep what follows is to be written.
        """
        depth = 1
        for unit in self.units:
            component = unit.component
            if component is None:
                continue
            variable = unit.name.removesuffix("_")
            if component.lifetime == "app":
                self._write(
                    f"{variable} = app_values[{variable}_key]", depth, **{f"{variable}_key": component}
                )
                continue
            self._names[f"provide_{variable}"] = component.entered()
            call = f"provide_{variable}({unit.arguments()})"
            if component.cleans_up:
                self._write(f"{'async ' if component.is_async else ''}with {call} as {variable}:", depth)
                depth += 1
            else:
                self._write(f"{variable} = {'await ' if component.is_async else ''}{call}", depth)
        return depth

    def _write_call(self, is_async: bool, depth: int) -> None:
        """Call the view."""
        arguments = self.units[-1].arguments()
        if is_async:
            self._write(f"result = await view({arguments})", depth)
        else:
            self._write(f"result = await in_thread(view{arguments and ', ' + arguments})", depth)

    def _write_reply(self, depth: int) -> None:
        """Make a response of what it returned."""
        way, type, status = self.returns.way, self.returns.type, self.returns.status
        self._names["reply"] = self.returns.reply
        if way is Way.NOTHING:
            self._write("if result is not None:", depth)
            self._write("return reply(result)", depth + 1)
            self._write(f'return {status}, [], b""', depth)
            return
        if way is Way.RESPONSE or type is EMPTY:
            self._write("return reply(result)", depth)
            return
        if way is Way.PLAIN:
            self._write("if isinstance(result, Response):", depth, Response=Response)
            self._write("return result.reply()", depth + 1)
        else:
            self._write("if not is_declared(result):", depth, is_declared=self.returns.check)
            self._write("return reply(result)", depth + 1)
        self._write(f"content = encode({self._filled('result', type)})", depth, encode=encode)
        line = f'return {status}, [JSON, (b"content-length", b"%d" % len(content))], content'
        self._write(line, depth, JSON=JSON)

    # --- what is told when a request is wrong -------------------------------------------------------------

    def _explain(self, error: Exception, **parts: Any) -> Problem:
        """The problem to answer a request with, of which a part isn't what it should be: all its errors."""
        content = parts.get("body")
        if content is not None:
            try:
                parts["body"] = msgspec.json.decode(content) if content else None
            except INVALID as malformed:
                return BadRequest(f"The body is not JSON that can be read: {malformed}.")
        found: list[ErrorItem] = []
        for group in self._groups:
            if group.where == "body" and not content:
                continue
            strict = group.where == "body"
            found += errors_of(group.type, parts[group.where], group.where, strict, group.names)
            if found and group.where == "path":
                return NotFound()
        return ValidationFailed(found or [told(error, "body")])


_VARIABLES = {
    "path": "in_path",
    "query": "in_query",
    "header": "in_header",
    "cookie": "in_cookie",
    "body": "content",
}


def _units(endpoint: Endpoint, method: str, components: Components) -> list[Unit]:
    """What is called for a request: components, each after what it needs, then the view."""
    units: list[Unit] = []
    variables: dict[Component[..., Any], str] = {}

    def add(signature: Signature, component: Component[..., Any] | None) -> None:
        needed = components.needed(signature)
        found: list[Input] = []
        if component is None or component.lifetime == "request":
            for each in needed.values():
                if each not in variables:
                    variables[each] = _variable(each, len(variables) + 1)
                    add(each.signature, each)
            found = inputs(endpoint, method, signature, needed)
        name = f"{variables[component]}_" if component else ""
        given = {argument: variables[each] for argument, each in needed.items() if each in variables}
        units.append(Unit(name, signature, found, component, given))

    signature = endpoint.signatures[method]
    add(signature, None)
    taken = {each.name for unit in units for each in unit.inputs if each.where == "path"}
    units[-1].inputs[:] = with_rest(units[-1].inputs, endpoint, signature, taken)
    check_bodies((each, unit.signature) for unit in units for each in unit.inputs)
    return units


def _variable(component: Component[..., Any], number: int) -> str:
    """What the source calls the value of a component."""
    name = re.sub(r"\W+", "_", named(component.key)).strip("_").lower()
    return f"{name}_{number}" if name.isidentifier() else f"component_{number}"


def _swallowed() -> Exception:
    return RuntimeError("A component took the error of the view for its own, and raised nothing.")


def _distinct(groups: Iterable[Group]) -> Iterable[Group]:
    return {group.where: group for group in groups}.values()


def _constant(value: Any) -> Callable[[], Any]:
    return lambda: value


def _settled(annotation: Any, given: Any) -> bool:
    """Whether what a converter gives is what the annotation wants, with nothing left to check."""
    if annotation is EMPTY or given is None or type_info(given) is None:
        return True
    members = alternatives(annotation)
    same = any(
        member is Any or (isinstance(member, type) and issubclass(given, member)) for member in members
    )
    return same and not is_limited(annotation)
