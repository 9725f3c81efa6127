"""The bodies of requests (OpenAPI 3.1, §4.8.13): JSON, forms with files, and whatever is taken as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asgistar import docstring
from asgistar.data import fields, is_simple
from asgistar.http.uploads import holds_file
from asgistar.openapi.schemas import Schema, default_of, not_null
from asgistar.openapi.shared import Shared
from asgistar.signature import EMPTY
from asgistar.views.parameters import Input, wire_names
from asgistar.views.plan import Plan
from asgistar.views.unit import Unit

ANYTHING = "*/*"
JSON = "application/json"


def request_body(shared: Shared, plan: Plan) -> dict[str, Any] | None:
    """The Request Body Object of an operation; None if it has no body."""
    content = plan.content
    if content is None:
        return None
    whole = [(each, unit) for unit in plan.units for each in unit.inputs if each.where == "body"]
    form = [(each, unit) for unit in plan.units for each in unit.inputs if each.where == "form"]
    made: dict[str, Any] = {}
    schema: Schema = {}
    for each, unit in whole:
        if said := docstring.read(unit.signature.call).arguments.get(each.argument):
            made["description"] = said
        if ANYTHING not in content.media_types:
            schema = shared.schemas.of(each.type, "in")
    if form:
        schema = _form(shared, form)
    media_type = {"schema": schema} if schema else {}
    if encoding := {name: {"contentType": JSON} for name in _as_json(form)}:
        media_type["encoding"] = encoding
    made["content"] = {media: dict(media_type) for media in content.media_types}
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


def _as_json(asked: Iterable[tuple[Input, Unit]]) -> Iterable[str]:
    """The fields of a form that are JSON in it: what isn't simple, but for files."""
    for each, _ in asked:
        if each.exploded:
            names = wire_names(each)
            for field in fields(each.type):
                if not is_simple(field.type) and not holds_file(field.type):
                    yield names[field.encode_name]


def _fields(shared: Shared, each: Input, unit: Unit) -> Iterable[tuple[str, Schema, bool]]:
    """The fields of a form that a parameter stands for: name, schema, and whether it is required."""
    if each.exploded:
        names = wire_names(each)
        properties = shared.schemas.properties(each.type)
        for field in fields(each.type):
            yield names[field.encode_name], not_null(properties[field.encode_name]), field.required
        return
    schema = not_null(shared.schemas.of(each.type, "in"))
    if said := docstring.read(unit.signature.call).arguments.get(each.argument):
        schema = {**schema, "description": said}
    if each.default is not EMPTY and each.default is not None:
        schema = {**schema, **default_of(each.default)}
    yield each.name, schema, each.default is EMPTY
