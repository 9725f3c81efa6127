"""The bodies of requests (OpenAPI 3.1, §4.8.13): JSON, forms with files, and whatever is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asgistar import docstring
from asgistar.data import fields
from asgistar.openapi.schemas import Schema, default_of
from asgistar.openapi.shared import Shared
from asgistar.signature import EMPTY
from asgistar.views.parameters import Input, wire_names
from asgistar.views.plan import Plan
from asgistar.views.unit import Unit

ANYTHING = "*/*"


def request_body(shared: Shared, plan: Plan) -> dict[str, Any] | None:
    """The Request Body Object of an operation; None if it has no body."""
    content = plan.content
    if content is None:
        return None
    whole = [(each, unit) for unit in plan.units for each in unit.inputs if each.where == "body"]
    fields = [(each, unit) for unit in plan.units for each in unit.inputs if each.where == "form"]
    made: dict[str, Any] = {}
    schema: Schema = {}
    for each, unit in whole:
        if said := docstring.read(unit.signature.call).arguments.get(each.argument):
            made["description"] = said
        if ANYTHING not in content.media_types:
            schema = shared.schemas.of(each.type, "in")
    if fields:
        schema = _form(shared, fields)
    made["content"] = {media: {"schema": schema} if schema else {} for media in content.media_types}
    if content.required:
        made["required"] = True
    return made


def _form(shared: Shared, asked: list[tuple[Input, Unit]]) -> Schema:
    """The schema of a form: an object with a property for each field."""
    if len(asked) == 1 and asked[0][0].exploded:
        return shared.schemas.of(asked[0][0].type, "in")
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for each, unit in asked:
        for name, schema, is_required in _fields(shared, each, unit):
            properties[name] = schema
            if is_required:
                required.append(name)
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _fields(shared: Shared, each: Input, unit: Unit) -> Iterable[tuple[str, Schema, bool]]:
    """The fields of a form that a parameter stands for: name, schema, and whether it is required."""
    if each.exploded:
        names = wire_names(each)
        for field in fields(each.type):
            yield names[field.encode_name], shared.schemas.of_info(field.type), field.required
        return
    schema = shared.schemas.of(each.type, "in")
    if said := docstring.read(unit.signature.call).arguments.get(each.argument):
        schema = {**schema, "description": said}
    if each.default is not EMPTY and each.default is not None:
        schema = {**schema, **default_of(each.default)}
    yield each.name, schema, each.default is EMPTY
