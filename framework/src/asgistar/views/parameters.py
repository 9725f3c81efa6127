"""Where the parameters of a view come from: markers, and the rules for parameters without one.

In this order: an explicit marker; a name in the path; what is given by its type; a file is of a form; a type
of many fields is the body, or the query where the method has no body; a simple type is an argument of the
query. What is none of these is an error when the application is made: it names the parameter, and the place
of the view.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Container, Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct

from asgistar.components import declared, made_as, provides_itself
from asgistar.data import (
    alternatives,
    codec_of,
    fields,
    is_limited,
    is_simple,
    own_class,
    type_info,
    why_no_data,
    wire_kind,
)
from asgistar.errors import ConfigurationError
from asgistar.http.uploads import File, holds_file
from asgistar.invalid import Invalid
from asgistar.markers import In, Where, unmarked
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.pattern import Parameter
from asgistar.routing.route import WEBSOCKET
from asgistar.signature import EMPTY, Argument, Signature, named
from asgistar.views.given import given
from asgistar.views.rejected import split
from asgistar.websocket import WebSocket

BODILESS_METHODS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", WEBSOCKET))


class Input(Struct, frozen=True):
    """A parameter of a view, and where it comes from.

    Attributes:
        argument: its name in the view.
        where: the part of the request; `defaults` or `component` if it isn't of the request, `given` if it is
            given by its type (see `views.given`).
        name: its name there.
        type: what it must be, without the marker.
        default: `EMPTY` if it must be given.
        exploded: it is an object of which each field is a parameter.
        keyword: it is given to the view by name.
        rejected: the view takes what isn't valid too, as an Invalid.
    """

    argument: str
    where: Where | Literal["defaults", "component", "given"]
    name: str
    type: Any
    default: Any
    exploded: bool = False
    keyword: bool = True
    rejected: bool = False


def inputs(
    endpoint: Endpoint, method: str, signature: Signature, provided: Container[str] = ()
) -> list[Input]:
    """Where each parameter of a view or of a component comes from, in their order.

    Args:
        provided: parameters that components provide.

    Raises:
        ConfigurationError: of a parameter it can't be told, or it can't be.
    """
    found = []
    for argument in signature.arguments.values():
        if argument.name in provided:
            if split(argument.annotation)[1]:
                raise _misplaced(argument, signature)
            found.append(
                Input(argument.name, "component", argument.name, Any, EMPTY, False, argument.keyword)
            )
        else:
            found.append(_input(endpoint, method, signature, argument))
    _check_names(found, signature)
    return found


def rest_of(
    found: list[Input], endpoint: Endpoint, signature: Signature, taken: Container[str]
) -> list[Input]:
    """What is left for the `**rest` of a view.

    Args:
        taken: the parameters of the path that its components take.

    Raises:
        ConfigurationError: a parameter of the path is taken by nobody.
    """
    names = {each.argument for each in found} | {each.name for each in found if each.where == "path"}
    rest = []
    for name in dict.fromkeys([*[slot.name for slot in endpoint.slots], *endpoint.defaults]):
        if name in names:
            continue
        if signature.takes_any:
            where: Any = "defaults" if name in endpoint.defaults else "path"
            rest.append(Input(name, where, name, Any, EMPTY))
        elif name in _own_names(endpoint) and name not in taken and not name.startswith("_"):
            raise ConfigurationError(
                f"{endpoint.entry} has a parameter {name}, but {signature.where} has none. Add it to the "
                f"view, or write <_{name}> if it is not for the view."
            )
    return rest


def check_bodies(found: Iterable[tuple[Input, Signature]]) -> None:
    """See that there is one body at most, or one form, for a view and its components.

    Raises:
        ConfigurationError: there are two, or both.
    """
    bodies: list[str] = []
    form: list[str] = []
    for each, signature in found:
        if each.where in ("body", "form"):
            (bodies if each.where == "body" else form).append(f"{each.argument} of {signature.where}")
    if bodies and form:
        raise ConfigurationError(
            f"The parameter {bodies[0]} would be the body, but {form[0]} is of a form, which is the body "
            "too. Make both of a form with Form[…], or neither."
        )
    if len(bodies) > 1:
        raise ConfigurationError(
            f"The parameters {' and '.join(bodies)} both would be the body. Make one type of them, or mark "
            "one of them with Query[…]."
        )


def _own_names(endpoint: Endpoint) -> set[str]:
    """The names of the parameters in the line of the table itself, not in an Include around it."""
    return {part.name for part in endpoint.entry.written if isinstance(part, Parameter)}


def _input(endpoint: Endpoint, method: str, signature: Signature, argument: Argument) -> Input:
    marker, asked = unmarked(argument.annotation, argument.name, signature)
    annotation, rejected = split(asked)

    def of(where: Any, name: str | None = None, exploded: bool = False) -> Input:
        taken = where == "body" or (exploded and where in ("form", "query"))
        if rejected and (not taken or annotation is bytes or is_stream(annotation)):
            raise _misplaced(argument, signature)
        return Input(
            argument.name,
            where,
            name or argument.name,
            annotation,
            argument.default,
            exploded,
            argument.keyword,
            rejected,
        )

    in_path = {slot.name: slot.kind.type for slot in endpoint.slots}
    if argument.name in endpoint.defaults and marker is None:
        return of("defaults")
    if marker is not None and marker.where == "path":
        if (marker.name or argument.name) not in in_path:
            raise _error(
                argument,
                signature,
                f"is to come from the path, but {endpoint.entry} has no parameter of that name",
            )
        _check_slot(annotation, in_path[marker.name or argument.name], argument, signature)
        return of("path", marker.name)
    if marker is None and argument.name in in_path:
        _check_slot(annotation, in_path[argument.name], argument, signature)
        return of("path")
    if marker is None and given(annotation) is not None:
        return of("given")
    if f"{{{argument.name}}}" in endpoint.path:
        raise _error(
            argument, signature, f"isn't in the path of {endpoint.entry}: write <{argument.name}> there"
        )
    if annotation is EMPTY:
        hint = f"write its type, as in `{argument.name}: int`"
        if argument.name == "self":
            hint = "give the method of an object, not that of a class"
        raise _error(argument, signature, f"has no annotation, and isn't in the path: {hint}")
    bodiless = method in BODILESS_METHODS
    info = type_info(annotation)
    is_file = info is not None and holds_file(info)
    if is_file and marker is None:
        marker = In("form")
    if marker is not None and marker.where == "form" and bodiless:
        hint = "Give the view to another method, such as POST" if is_file else "Write Query[…]"
        raise _error(
            argument, signature, f"would come from a form in the body, but {method} has none. {hint}"
        )
    if marker is not None and (
        (marker.where == "form" and is_file) or (marker.where == "body" and is_stream(annotation))
    ):
        return of(marker.where, marker.name)
    kind = wire_kind(annotation)
    if kind is None:
        if is_stream(annotation):
            hint = ". If it is the body as it comes, write Body[AsyncIterator[bytes]]"
        else:
            reason = why_no_data(annotation)
            hint = f". It is no data, for msgspec says: {reason}" if reason else _hint(annotation)
        raise _error(
            argument,
            signature,
            f"is {named(annotation)}: neither data that can come from a request, nor in the path, nor is "
            f"there a component for it{hint}",
        )
    if marker is None:
        if (forgotten := declared(annotation)) is not None:
            raise _error(
                argument,
                signature,
                f"is {named(annotation)}, which {forgotten} provides; but that isn't among the components of "
                "the application, so it would come from the client. Add it to App(components=[…]), or write "
                "Query[…] or Body[…]",
            )
        marker = In("query" if kind == "simple" or bodiless else "body")
        if bodiless and kind == "list":
            raise _error(
                argument,
                signature,
                f"is {named(annotation)}, which can only come from a body, and {method} has none. "
                "If it is to have one, write Body[…]",
            )
    if marker.where == "body":
        _check_body(annotation, argument, signature)
        return of("body")
    if kind == "list":
        hint = _without_none(annotation, marker.where, rejected)
        raise _error(
            argument, signature, f"is {named(asked)}, which can't come from the {marker.where}{hint}"
        )
    name = marker.name
    if marker.where == "header":
        name = (name or argument.name.replace("_", "-")).lower()
    if kind == "object":
        if argument.default is not EMPTY:
            raise _error(
                argument, signature, "has a default. Give defaults to the fields of its type instead"
            )
        _check_fields(annotation, argument, signature, marker.where)
    return of(marker.where, name, exploded=kind == "object")


def _hint(annotation: Any) -> str:
    """What to do about a type that comes from nowhere."""
    if (get_origin(annotation) or annotation) is WebSocket:
        return ". A view for WebSockets stands in a WebSocketRoute"
    if annotation is Invalid:
        return ". It stands beside the type that is wanted: write `Form[SignUp | Invalid]`, for example"
    if isinstance(annotation, type) and provides_itself(annotation):
        return f". Add it to App(components=[{made_as(annotation)}])"
    return ". Add one to App(components=[…]), or make it a Struct or a dataclass"


def _without_none(annotation: Any, where: str, rejected: bool) -> str:
    """What to do about a type with fields that may be None: in a form or a query, that can't be told."""
    others = [each for each in alternatives(annotation) if each is not type(None)]
    if len(others) != 1 or wire_kind(others[0]) != "object":
        return ""
    name = named(others[0])
    written = f"{where.capitalize()}[{name} | Invalid]" if rejected else f"{where.capitalize()}[{name}]"
    return (
        f". One that isn't there is one without fields: write {written}, without None, and give the fields "
        f"of {name} defaults"
    )


def _error(argument: Argument, signature: Signature, what: str) -> ConfigurationError:
    return ConfigurationError(f"The parameter {argument.name} of {signature.where} {what}.")


def _misplaced(argument: Argument, signature: Signature) -> ConfigurationError:
    return _error(
        argument,
        signature,
        "takes what is Invalid, but that is for a type with fields in a form, a body or the query. Write "
        "`Form[SignUp | Invalid]`, for example",
    )


def is_settled(annotation: Any, given: Any) -> bool:
    """Whether what a converter gives is what the annotation wants, with nothing left to check."""
    if annotation is EMPTY or given is None or type_info(given) is None:
        return True
    members = alternatives(annotation)
    same = any(
        member is Any or (isinstance(member, type) and issubclass(given, member)) for member in members
    )
    return same and not is_limited(annotation)


def _check_slot(annotation: Any, given: Any, argument: Argument, signature: Signature) -> None:
    """See that what a converter leaves open of a type can be checked.

    Args:
        given: the type of what the converter gives.
    """
    # PERF: most annotations are classes, and in those there is nothing to find.
    if isinstance(annotation, type) or is_settled(annotation, given):
        return
    if reason := why_no_data(annotation):
        raise _error(
            argument, signature, f"is {named(annotation)}, which is no data, for msgspec says: {reason}"
        )


def _check_fields(annotation: Any, argument: Argument, signature: Signature, where: str) -> None:
    for field in fields(annotation):
        data = is_simple(field.type)
        if where == "form":
            data = holds_file(field.type) or own_class(field.type) is None
        if not data:
            raise _error(
                argument,
                signature,
                f"is {named(annotation)}, but its field {field.name} can't come from the {where}",
            )


def _check_body(annotation: Any, argument: Argument, signature: Signature) -> None:
    info = type_info(annotation)
    own = own_class(info) if info is not None and codec_of(annotation) is None else None
    if own is not None:
        hint = ". Write Form[…]" if issubclass(own, File) else ""
        raise _error(
            argument,
            signature,
            f"is {named(annotation)}, but there is {named(own)} in it, which no JSON is{hint}",
        )


def is_stream(annotation: Any) -> bool:
    """Whether it is the type of a body as it comes: `AsyncIterator[bytes]`."""
    return get_origin(annotation) in (AsyncIterator, AsyncIterable) and get_args(annotation) == (bytes,)


def _check_names(found: list[Input], signature: Signature) -> None:
    taken: dict[tuple[str, str], str] = {}
    for each in found:
        if each.where in ("body", "defaults", "path", "component", "given"):
            continue
        for name in wire_names(each).values():
            other = taken.setdefault((each.where, name), each.argument)
            if other != each.argument:
                raise ConfigurationError(
                    f"The parameters {other} and {each.argument} of {signature.where} both are {name!r} in "
                    f"the {each.where}."
                )


def wire_names(each: Input) -> Mapping[str, str]:
    """The key of each value in the data that is converted -> its name in the request."""
    if not each.exploded:
        return {each.name: each.name}
    names = [field.encode_name for field in fields(each.type)]
    return {name: name.replace("_", "-").lower() if each.where == "header" else name for name in names}
