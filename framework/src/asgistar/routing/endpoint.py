"""Endpoints: a table of routes made flat, each with its whole path, its converters and its names.

What a parameter without a converter takes is told by the annotation of the view; a converter that the
annotation contradicts is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from asgistar.data import alternatives
from asgistar.errors import ConfigurationError
from asgistar.routing.converters import Kind
from asgistar.routing.matcher import Match, matcher
from asgistar.routing.options import Options
from asgistar.routing.options import merged as merged_options
from asgistar.routing.pattern import Parameter, Parts, Slot, merged
from asgistar.routing.route import NO_DEFAULTS, Entry, Host, Include, Mount, Viewed
from asgistar.signature import EMPTY, Signature, named
from asgistar.types import View


class HostName:
    """The name of a host that a table of routes is for.

    Attributes:
        parts: of the name.
        slots: its parameters.
    """

    __slots__ = ("_match", "_name", "parts", "slots")

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.slots = tuple(part for part in parts if isinstance(part, Slot))
        self._match: Match | None = matcher(parts) if self.slots else None
        self._name = "".join(str(part) for part in parts)

    def match(self, host: str) -> tuple[str, ...] | None:
        """The texts of the parameters if `host`, the value of a Host field, is of this name."""
        name, colon, port = host.lower().rpartition(":")
        if not colon or not port.isdigit():  # also an IPv6 address, in brackets, without a port
            name = host.lower()
        name = name.removesuffix(".")
        if self._match is not None:
            return self._match(name)
        return () if name == self._name else None


class Endpoint(Struct, eq=False):
    """A route with all that stands around it.

    Attributes:
        order: its place in the table.
        entry: the route.
        path: the whole path, as it is written.
        parts: the whole path with its converters.
        host: the host that it is for; None for every host.
        name: its name with those of the Includes around it; empty if it has none.
        namespace: the names of the Includes around it, with a colon at the end.
        defaults: arguments that don't come from the request.
        options: of the route and of all that stands around it.
        views: method -> view; empty for a Mount, which takes every method.
        signatures: method -> signature of the view.
        slots: the parameters of host and path, in their order.
        handlers: method -> what the application made of the view.
        converts: from text to value, for each parameter; None if the value is the text.
    """

    order: int
    entry: Entry
    path: str
    parts: Parts
    host: HostName | None
    name: str
    namespace: str
    defaults: dict[str, object]
    options: Options
    views: Mapping[str, View]
    signatures: Mapping[str, Signature]
    slots: tuple[Slot, ...]
    handlers: dict[str, Any]
    converts: tuple[Callable[[str], Any] | None, ...]

    @property
    def mounted(self) -> bool:
        """Whether it is another application, with all that is below its path."""
        return isinstance(self.entry, Mount)

    def values(self, captured: tuple[str, ...], host: str) -> tuple[Any, ...] | None:
        """The values of the parameters; None if this endpoint doesn't take the request after all."""
        if self.host is not None:
            of_host = self.host.match(host)
            if of_host is None:
                return None
            captured = of_host + captured
        values = []
        try:
            for convert, text in zip(self.converts, captured, strict=False):
                values.append(text if convert is None else convert(text))
        except ValueError:
            return None
        return tuple(values)

    def arguments(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """The values by name, with the defaults; of two parameters of one name, the inner one counts."""
        named = {slot.name: value for slot, value in zip(self.slots, values, strict=False)}
        return named | self.defaults

    def __str__(self) -> str:
        """The line of the table, for errors; with the whole path, where that is more."""
        if self.path == self.entry.path:
            return str(self.entry)
        return f"{self.entry}, which is {self.path!r} in all,"


# --- from a table to endpoints --------------------------------------------------------------------------


class _Around(Struct, frozen=True):
    """What stands around a line of a table."""

    kinds: Mapping[str, Kind]
    path: str = ""
    written: tuple[str | Parameter, ...] = ()
    namespace: str = ""
    defaults: dict[str, object] = NO_DEFAULTS
    host: HostName | None = None
    options: Options = field(default_factory=Options)


def endpoints(
    routes: Iterable[Entry], kinds: Mapping[str, Kind], options: Options | None = None
) -> list[Endpoint]:
    """The endpoints of a table, in its order.

    Args:
        options: of all of them.

    Raises:
        ConfigurationError: a path can't be put together, a converter isn't known or contradicts a view.
    """
    found = list(_flat(routes, _Around(kinds, options=options or {})))
    for order, endpoint in enumerate(found):
        endpoint.order = order
    return found


def _flat(routes: Iterable[Entry], around: _Around) -> Iterator[Endpoint]:
    for entry in routes:
        if isinstance(entry, Host):
            if around.host is not None:
                raise ConfigurationError(f"{entry} stands in another Host. Write each host for itself.")
            inside = replace(
                around,
                host=_host(entry, around.kinds),
                namespace=_namespace(around, entry),
                options=merged_options(around.options, entry.options),
            )
            yield from _flat(entry.routes, inside)
        elif isinstance(entry, Include):
            yield from _flat(
                entry.routes,
                replace(
                    around,
                    path=_joined(around, entry),
                    written=around.written + entry.written,
                    namespace=_namespace(around, entry),
                    defaults={**around.defaults, **entry.defaults},
                    options=merged_options(around.options, entry.options),
                ),
            )
        else:
            yield _endpoint(entry, around)


def _namespace(around: _Around, entry: Entry) -> str:
    return f"{around.namespace}{entry.name}:" if entry.name else around.namespace


def _joined(around: _Around, entry: Entry) -> str:
    """The path of `entry` after that of the Includes around it; the slash between them stands there once."""
    path = around.path + entry.path
    if entry.path and around.path.endswith("/") and entry.path.startswith("/"):
        raise ConfigurationError(
            f"{entry} would have two slashes in a row, after {around.path!r} of its Include. Leave one out."
        )
    if entry.path and not around.path.endswith("/") and not entry.path.startswith("/"):
        after = f", or the {around.path!r} of its Include end with one" if around.path else ""
        raise ConfigurationError(f"{entry}: the path must begin with a slash{after}.")
    return path


def _endpoint(entry: Entry, around: _Around) -> Endpoint:
    path = _joined(around, entry)
    if not path and not isinstance(entry, Mount):
        raise ConfigurationError(f"{entry}: the path must begin with a slash. It is empty.")
    views: Mapping[str, View] = {}
    signatures: Mapping[str, Signature] = {}
    defaults = around.defaults
    if isinstance(entry, Viewed):
        views, signatures = entry.views, entry.signatures
        if entry.defaults:
            defaults = {**defaults, **entry.defaults}
    parts = _resolved(around.written + entry.written, entry, signatures, around.kinds, defaults)
    if isinstance(entry, Mount):
        for part in parts:
            if isinstance(part, Slot) and part.kind.crosses:
                raise ConfigurationError(
                    f"{entry}: where <{part.name}> ends and what is below the mount begins can't be told, "
                    f"for {part.kind.name!r} takes slashes too."
                )
    of_host = around.host.slots if around.host else ()
    slots = (*of_host, *(part for part in parts if isinstance(part, Slot)))
    return Endpoint(
        order=0,
        entry=entry,
        path=path,
        parts=parts,
        host=around.host,
        name=around.namespace + entry.name if entry.name else "",
        namespace=around.namespace,
        defaults=defaults,
        options=merged_options(around.options, entry.options),
        views=views,
        signatures=signatures,
        slots=slots,
        handlers=dict(views),
        converts=tuple(slot.kind.to_python for slot in slots),
    )


def _resolved(
    written: Iterable[str | Parameter],
    entry: Entry,
    signatures: Mapping[str, Signature],
    kinds: Mapping[str, Kind],
    defaults: Mapping[str, object],
) -> Parts:
    parts: list[str | Slot] = []
    for part in written:
        if isinstance(part, str):
            parts.append(part)
            continue
        wanted = {} if part.name in defaults else signatures
        annotated = {
            signature: signature.arguments[part.name].annotation
            for signature in wanted.values()
            if part.name in signature.arguments
        }
        if part.converter is None:
            kind = kinds[_inferred(part, entry, annotated)]
        else:
            kind = _known(part, entry, kinds)
            for signature, annotation in annotated.items():
                if not accepts(annotation, kind.type):
                    raise ConfigurationError(
                        f"{entry}: {part} gives {named(kind.type)}, but {signature.where} wants "
                        f"{named(annotation)} for {part.name}. Change one of them."
                    )
        parts.append(Slot(part.name, kind))
    return merged(parts)


def _known(part: Parameter, entry: Entry, kinds: Mapping[str, Kind]) -> Kind:
    kind = kinds.get(part.converter or "")
    if kind is None:
        raise ConfigurationError(
            f"{entry}: there is no converter {part.converter!r}. There are {', '.join(sorted(kinds))}."
        )
    return kind


def _host(entry: Host, kinds: Mapping[str, Kind]) -> HostName:
    """The name of a host; in it, a label takes the place of a segment."""
    parts: list[str | Slot] = []
    for part in entry.written:
        if isinstance(part, str):
            parts.append(part)
        elif part.converter in (None, "str"):
            parts.append(Slot(part.name, _LABEL))
        else:
            parts.append(Slot(part.name, _known(part, entry, kinds)))
    return HostName(tuple(parts))


class _Label:
    regex = r"[^.]+"
    type = str
    to_python = staticmethod(str)
    to_url = staticmethod(str)


_LABEL = Kind("str", _Label)


# --- annotations and converters -------------------------------------------------------------------------

_BY_TYPE = {int: "int", float: "float", UUID: "uuid", date: "date", datetime: "datetime"}


def _inferred(part: Parameter, entry: Entry, annotated: Mapping[Signature, Any]) -> str:
    """The name of the converter that the annotations of the views ask for."""
    names: dict[str, Signature] = {}
    for signature, annotation in annotated.items():
        members = [member for member in alternatives(annotation) if member is not type(None)]
        only = members[0] if len(members) == 1 else None
        names.setdefault(_BY_TYPE.get(only, "str") if isinstance(only, type) else "str", signature)
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise ConfigurationError(
            f"{entry}: {part} is {one} for {first.where} and {other} for {second.where}. Write the "
            f"converter, as in <{one}:{part.name}>, or two routes."
        )
    return next(iter(names), "str")


def accepts(annotation: Any, given: Any) -> bool:
    """Whether a value of the type `given` is one of `annotation`, or can be made one without guessing."""
    if given is None or annotation is given:
        return True
    return any(_accepts(member, given) for member in alternatives(annotation))


def _accepts(member: Any, given: type) -> bool:
    if member is EMPTY or member is Any or isinstance(member, TypeVar):
        return True
    if get_origin(member) is Literal:
        return any(isinstance(value, given) for value in get_args(member))
    member = get_origin(member) or member
    if not isinstance(member, type):
        return True
    if issubclass(member, Enum):
        return any(isinstance(each.value, given) for each in member)
    return issubclass(given, member) or (given is int and member is float)
