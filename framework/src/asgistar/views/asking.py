"""What a plan reads of a request: written as source, and told as errors when it isn't what it should be.

The values of a part of the request are read in one go, and converted in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET, Struct, inspect

from asgistar.data import (
    codec_of,
    fields,
    known_type,
    minds_unknown,
    takes_many,
)
from asgistar.errors import BadRequest, ConfigurationError, ErrorItem, NotFound, Problem, ValidationFailed
from asgistar.http.reading import MSGPACK, read_cookies, read_headers, read_query
from asgistar.routing.endpoint import Endpoint
from asgistar.signature import EMPTY
from asgistar.validation.errors import errors_of, told
from asgistar.views.bodies import Content, form_field, write_body, write_form
from asgistar.views.defaults import can_change
from asgistar.views.lax import finite, is_fraction
from asgistar.views.parameters import Input, is_settled, wire_names
from asgistar.views.rejected import INVALID, Rejected, decoded
from asgistar.views.source import Source
from asgistar.views.unit import Unit

READERS: dict[str, Callable[..., dict[str, Any]]] = {
    "query": read_query,
    "header": read_headers,
    "cookie": read_cookies,
}


class Group(Struct, frozen=True):
    """Values that are converted in one go.

    Attributes:
        where: the part of the request that they come from.
        type: what they are converted to.
        names: the key of each value -> its name in the request.
    """

    where: str
    type: Any
    names: Mapping[str, str]


class Asking:
    """What is read of a request for the functions of a plan.

    Args:
        source: where it is written.
        endpoint: whose requests.
        units: the functions.

    Attributes:
        groups: what is converted.
        content: what the body may be; None if it isn't read.
    """

    __slots__ = ("_filled", "_give", "_source", "_write", "content", "endpoint", "groups", "units")

    def __init__(self, source: Source, endpoint: Endpoint, units: list[Unit]) -> None:
        self._source = source
        self._write = source.write
        self._give = source.give
        self._filled = source.filled
        self.endpoint = endpoint
        self.units = units
        self.groups: list[Group] = []
        self.content: Content | None = None

    def write(self) -> None:
        """Read the parts of the request that are asked for, then convert what is in them."""
        conversions = self._path()
        for where in READERS:
            conversions += self._part(where)
        conversions += self._form()
        conversions += self._body()
        if not self.groups:  # nothing that could go wrong, or an Invalid is made of it
            for line in conversions:
                self._write(line)
        else:
            codecs = [codec for group in self.groups if (codec := codec_of(group.type)) is not None]
            invalid = dict.fromkeys(error for codec in codecs for error in codec.invalid)
            self._write("try:")
            for line in conversions:
                self._write(line, 1)
            self._write("except INVALID as error:", INVALID=(*INVALID, *invalid))
            read = ", ".join(f"{group.where}={_VARIABLES[group.where]}" for group in _distinct(self.groups))
            if self.content is not None and MSGPACK in self.content.media_types:
                read += ", packed=packed"
            self._write(f"raise explain(error, {read}) from None", 1, explain=self.explain)
        for unit in self.units:
            for each in unit.inputs:
                if each.where == "defaults":
                    unit.given[each.argument] = f"default_{each.argument}"
                    self._give(**{f"default_{each.argument}": self.endpoint.defaults[each.argument]})

    def _path(self) -> list[str]:
        """What comes from the path. What its converters leave open, such as constraints, is converted."""
        indexes = {slot.name: index for index, slot in enumerate(self.endpoint.slots)}
        items: dict[str, str] = {}
        lines = []
        for unit in self.units:
            unsettled = []
            for each in unit.inputs:
                if each.where == "path":
                    index = indexes[each.name]
                    unit.given[each.argument] = f"values[{index}]"
                    if not is_settled(each.type, self.endpoint.slots[index].kind.type):
                        items[each.name] = f"values[{index}]"
                        unsettled.append(each)
            lines += self._scalars("path", unit, unsettled)
        if items:
            self._write(f"in_path = {{{', '.join(f'{name!r}: {value}' for name, value in items.items())}}}")
        return lines

    def _part(self, where: str) -> list[str]:
        """What comes from the query, from headers or from cookies."""
        wanted: dict[str | bytes, tuple[str, bool]] = {}
        lines, strict = self._asked(where, wanted)
        if lines:
            self._give(**{f"read_{where}": READERS[where], f"WANTED_{where.upper()}": wanted})
            if where == "query":
                last = ", True" if strict else ""
                self._write('text = scope["query_string"]')
                self._write(f"in_query = read_query(text, WANTED_QUERY{last}) if text else {{}}")
            else:
                self._write(f'in_{where} = read_{where}(scope["headers"], WANTED_{where.upper()})')
            if any(each.rejected for unit in self.units for each in unit.inputs if each.where == where):
                self._write(f"typed_{where} = dict(in_{where})")
            self._write_finite(where)
        return lines

    def _write_finite(self, where: str) -> None:
        """Let "nan" and "inf" be no numbers, where numbers are asked for."""
        floats = [
            key
            for unit in self.units
            for each in unit.inputs
            if each.where == where
            for key, info in _types(each).items()
            if is_fraction(info)
        ]
        if floats:
            variable = f"FLOATS_{where.upper()}"
            self._write(f"finite(in_{where}, {variable})", finite=finite, **{variable: floats})

    def _form(self) -> list[str]:
        """What comes from a form."""
        wanted: dict[str | bytes, Any] = {}
        lines, strict = self._asked("form", wanted)
        if lines:
            options = self.endpoint.options
            read = {str(name): field for name, field in wanted.items()}
            self.content = write_form(self._source, read, strict, self.units, options)
            self._write_finite("form")
        return lines

    def _asked(self, where: str, wanted: dict[str | bytes, Any]) -> tuple[list[str], bool]:
        """What is asked for of a part of the request.

        Returns:
            The conversions, and whether someone wants to know of what else there is.
        """
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
                    made = self._converted(where, unit.name + each.argument, each.type)
                    if each.rejected:
                        call = f"fields(error, in_{where}, typed_{where})"
                        lines += self._attempt(variable, made, each, call)
                        continue
                    self.groups.append(Group(where, each.type, wire_names(each)))
                    lines.append(f"{variable} = {made}")
        return lines, strict

    def _attempt(self, variable: str, made: str, each: Input, call: str) -> list[str]:
        """The conversion of what may become an Invalid instead.

        Args:
            call: the call of Rejected that makes that.
        """
        rejected = Rejected(each.type, each.where, wire_names(each))
        self._give(**{f"rejected_{variable}": rejected, f"INVALID_{variable}": rejected.errors})
        return [
            "try:",
            f"    {variable} = {made}",
            f"except INVALID_{variable} as error:",
            f"    {variable} = rejected_{variable}.{call}",
        ]

    def _converted(self, where: str, name: str, type: Any) -> str:
        """The expression that makes an object of the values of a part of the request."""
        codec = codec_of(type)
        if codec is not None:
            self._give(**{f"convert_{name}": codec.converter(type)})
            return f"convert_{name}(in_{where})"
        self._give(**{f"Type_{name}": type, "convert": msgspec.convert})
        return self._filled(f"convert(in_{where}, Type_{name}, strict=False)", type)

    def _want(self, each: Input, where: str, wanted: dict[str | bytes, Any]) -> bool:
        """Note what is to be read for an input; whether it wants to know of what else there is."""
        infos = _types(each)
        for key, name in wire_names(each).items():
            wire = name if where in ("query", "form") else name.encode("latin-1")
            target = form_field(key, infos[key]) if where == "form" else (key, takes_many(infos[key]))
            if wanted.setdefault(wire, target) != target:
                places = " and ".join(unit.signature.where for unit in self.units if each in unit.inputs)
                raise ConfigurationError(
                    f"{name!r} in the {where} is asked for in two ways, by {places} and by another: as one "
                    "value and as several, or under two names of fields."
                )
        return each.exploded and minds_unknown(each.type)

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
        self.groups.append(Group(where, type, {name: name for name in rename.values()}))
        self._give(**{"convert": msgspec.convert, name: type})
        return [f"{variable} = convert(in_{where}, {name}, strict=False)"]

    def _body(self) -> list[str]:
        """What comes from the body."""
        for unit in self.units:
            for body in unit.inputs:
                if body.where == "body":
                    unit.given[body.argument] = "body"
                    options = self.endpoint.options
                    self.content, made = write_body(self._source, body, unit.signature, options)
                    if body.rejected:
                        packed = ", packed" if MSGPACK in self.content.media_types else ""
                        return self._attempt("body", made, body, f"body(error, content{packed})")
                    if made:
                        self.groups.append(Group("body", body.type, {}))
                    return [f"body = {made}"] if made else []
        return []

    def explain(self, error: Exception, packed: bool = False, **parts: Any) -> Problem:
        """The problem to answer a request with, of which a part isn't what it should be: all its errors.

        Args:
            packed: the body is msgpack.
            parts: what was read of the request.
        """
        content = parts.get("body")
        if content is not None:
            try:
                (type,) = (group.type for group in self.groups if group.where == "body")
                parts["body"] = decoded(content, packed, type, error)
            except BadRequest as malformed:
                return malformed
        found: list[ErrorItem] = []
        known = error if len(self.groups) == 1 else None
        for group in self.groups:
            if group.where == "body" and (not content or parts["body"] is UNSET):
                continue
            strict = group.where == "body"
            found += errors_of(group.type, parts[group.where], group.where, strict, group.names, known)
            if found and group.where == "path":
                return NotFound()
        return ValidationFailed(found or [told(error, "body")])


_VARIABLES = {
    "path": "in_path",
    "query": "in_query",
    "header": "in_header",
    "cookie": "in_cookie",
    "form": "in_form",
    "body": "content",
}


def _distinct(groups: Iterable[Group]) -> Iterable[Group]:
    return {group.where: group for group in groups}.values()


def _types(each: Input) -> dict[str, inspect.Type]:
    """The key of each value in the data that is converted -> its type."""
    if each.exploded:
        return {field.encode_name: field.type for field in fields(each.type)}
    return {each.name: known_type(each.type)}


def _constant(value: Any) -> Callable[[], Any]:
    return partial(deepcopy, value) if can_change(value) else lambda: value
