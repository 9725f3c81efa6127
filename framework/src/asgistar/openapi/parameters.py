"""The parameters of operations (OpenAPI 3.1, §4.8.12): in the path, in the query, in headers, in cookies.

A value that comes as text is never null, so null isn't among the alternatives of its schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from asgistar import docstring
from asgistar.data import fields
from asgistar.openapi.schemas import Schema, default_of, not_null
from asgistar.openapi.shared import Shared
from asgistar.routing.converters import BUILT_IN, Kind
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.pattern import Slot
from asgistar.security import ApiKey
from asgistar.signature import EMPTY
from asgistar.views.parameters import Input, wire_names
from asgistar.views.unit import Unit

PARTS = ("query", "header", "cookie")

# §4.8.12.1: a header parameter of these names is ignored; they are told by the body, the responses, security.
_TOLD_ELSEWHERE = frozenset(("accept", "content-type", "authorization"))

_CONVERTERS: dict[str, Schema] = {
    "str": {"type": "string", "pattern": "^[^/]+$"},
    "path": {"type": "string", "pattern": ".+"},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "int": {"type": "integer", "minimum": 0},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
}


def parameters(
    shared: Shared, endpoint: Endpoint, units: Sequence[Unit], names: Sequence[str]
) -> list[Schema]:
    """The Parameter Objects of an operation: those of the path, then the view's, then those of components."""
    found = _in_path(shared, endpoint, units, names)
    for unit in reversed(units):
        keys = {(way.cookie or way.query or way.header.lower()) for way in _keys(unit)}
        for each in unit.inputs:
            if each.where in PARTS:
                for made in _made(shared, each, unit):
                    key = (made["in"], made["name"])
                    told = made["in"] == "header" and made["name"].lower() in _TOLD_ELSEWHERE
                    if told or made["name"] in keys:
                        continue
                    if found.setdefault(key, made) is not made and made.get("required"):
                        found[key]["required"] = True
    return list(found.values())


def _keys(unit: Unit) -> Iterable[ApiKey]:
    """The keys that a component checks: they are told of under security."""
    ways = () if unit.component is None else unit.component.security
    return [way for way in ways if isinstance(way, ApiKey)]


# --- the path ---------------------------------------------------------------------------------------------


def _in_path(
    shared: Shared, endpoint: Endpoint, units: Sequence[Unit], names: Sequence[str]
) -> dict[tuple[str, str], Schema]:
    asked = {each.name: (each, unit) for unit in units for each in unit.inputs if each.where == "path"}
    slots = [part for part in endpoint.parts if isinstance(part, Slot)]
    found = {}
    for index, (slot, name) in enumerate(zip(slots, names, strict=True)):
        inner = all(other.name != slot.name for other in slots[index + 1 :])
        each, unit = asked.get(slot.name, (None, None)) if inner else (None, None)
        schema = _of_slot(shared, slot.kind, EMPTY if each is None else each.type)
        description = schema.pop("description", "")
        if each is not None and unit is not None:
            description = _said(unit, each.argument) or description
        made = {"name": name, "in": "path", "required": True, "description": description, "schema": schema}
        found["path", name] = made if description else _without(made, "description")
    return found


def _of_slot(shared: Shared, kind: Kind, annotation: Any) -> Schema:
    """The schema of a parameter of the path: what its converter takes, and what its annotation adds."""
    if BUILT_IN.get(kind.name) is not kind:
        return {"type": "string", "pattern": f"^(?:{kind.regex})$"}
    taken = dict(_CONVERTERS[kind.name])
    wanted = _of_text(shared, annotation) if annotation is not EMPTY else {}
    if "$ref" in wanted or "anyOf" in wanted:
        return wanted
    minimum = max(taken.get("minimum", 0), wanted.get("minimum", 0))
    return {**taken, **wanted, **({"minimum": minimum, "type": "integer"} if kind.name == "int" else {})}


# --- the query, headers, cookies --------------------------------------------------------------------------


def _made(shared: Shared, each: Input, unit: Unit) -> Iterable[Schema]:
    """The Parameter Objects of a parameter of a view: one, or one for each field of it."""
    if not each.exploded:
        schema = _of_text(shared, each.type)
        if each.default is not EMPTY and each.default is not None:
            schema |= default_of(each.default)
        yield _parameter(each.where, each.name, schema, each.default is EMPTY, _said(unit, each.argument))
        return
    names = wire_names(each)
    properties = shared.schemas.properties(each.type)
    for field in fields(each.type):
        schema = dict(not_null(properties[field.encode_name]))
        if schema.get("default", ...) is None:
            del schema["default"]
        yield _parameter(each.where, names[field.encode_name], schema, field.required, "")


def _parameter(where: str, name: str, schema: Schema, required: bool, said: str) -> Schema:
    description = schema.pop("description", "")
    made: Schema = {"name": name, "in": where}
    if said or description:
        made["description"] = said or description
    if required:
        made["required"] = True
        if schema.get("type") == "array":
            # None at all is none that was given.
            schema["minItems"] = max(1, schema.get("minItems", 0))
    return {**made, "schema": schema}


def _of_text(shared: Shared, annotation: Any) -> Schema:
    """The schema of a value that comes as text."""
    return not_null(shared.schemas.of(annotation))


def _said(unit: Unit, argument: str) -> str:
    """What the docstring of a function says of a parameter."""
    return docstring.read(unit.signature.call).arguments.get(argument, "")


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
