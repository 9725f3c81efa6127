"""Models of pydantic as types of data: an adapter, for applications that have some already.

A type in which a model of pydantic stands is pydantic's as a whole: it decodes, checks and encodes it. Models
can stand where a Struct can: in bodies, in queries, forms, headers and cookies, and in what a view returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import inspect

from asgistar.data import alternatives, is_simple, own_class, type_info
from asgistar.errors import ErrorItem
from asgistar.extras import Extra

with Extra("pydantic", "asgistar.pydantic"):
    from pydantic import BaseModel, TypeAdapter, ValidationError
    from pydantic.fields import FieldInfo

_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown",
    "enum": "choice",
    "literal_error": "choice",
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
    "multiple_of": "multiple_of",
    "string_too_short": "min_length",
    "string_too_long": "max_length",
    "string_pattern_mismatch": "pattern",
    "too_short": "min_length",
    "too_long": "max_length",
    "union_tag_invalid": "choice",
    "union_tag_not_found": "missing",
    "value_error": "invalid",
    "assertion_error": "invalid",
}
"""What pydantic calls an error -> what we do; what ends in `_type` or `_parsing` is `type`."""

_MESSAGES = {"missing": "Is missing.", "unknown": "Is not known."}


@lru_cache(1024)
def adapter(annotation: Any) -> TypeAdapter[Any]:
    """The adapter of a type; made when it is first needed, which may take its time."""
    return TypeAdapter(annotation)


class Pydantic:
    """The codec, see `asgistar.data.Codec`."""

    invalid: tuple[type[Exception], ...] = (ValidationError,)

    def kind(self, annotation: Any) -> Literal["object", "list"]:
        """Whether a type has fields: a model has."""
        return "object" if _model(annotation) is not None else "list"

    def fields(self, annotation: Any) -> Sequence[inspect.Field]:
        """The fields of a model."""
        model = _model(annotation)
        assert model is not None
        return [
            inspect.Field(
                name=name,
                encode_name=_alias(field) or name,
                type=_info(field.annotation),
                required=field.is_required(),
            )
            for name, field in model.model_fields.items()
        ]

    def minds_unknown(self, annotation: Any) -> bool:
        """Whether a model forbids or keeps what it doesn't know."""
        model = _model(annotation)
        return model is not None and model.model_config.get("extra") in ("forbid", "allow")

    def decoder(self, annotation: Any) -> Callable[[bytes], Any]:
        """A function that makes a value of JSON."""
        return adapter(annotation).validate_json

    def converter(self, annotation: Any) -> Callable[[Any], Any]:
        """A function that makes a value of dicts, lists and texts."""
        return adapter(annotation).validate_python

    def encoder(self, annotation: Any) -> Callable[[Any], bytes]:
        """A function that makes JSON of what is declared; of another object a model is made first."""
        made = adapter(annotation)

        def encode(value: Any) -> bytes:
            return made.dump_json(made.validate_python(value, from_attributes=True), by_alias=True)

        return encode

    def errors_of(self, annotation: Any, data: Any, where: str, strict: bool) -> list[ErrorItem]:
        """The errors of data, with our codes where we have one."""
        made = adapter(annotation)
        try:
            if strict:
                made.validate_json(msgspec.json.encode(data))
            else:
                made.validate_python(data)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            return [_item(each["type"], each["loc"], each["msg"], where) for each in found]
        return []

    def schemas(
        self, annotations: Sequence[Any], mode: Literal["in", "out"], ref_template: str
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The JSON Schemas of types, and those that they refer to by name."""
        kind: Literal["validation", "serialization"] = "validation" if mode == "in" else "serialization"
        made, shared = TypeAdapter.json_schemas(
            [(index, kind, adapter(each)) for index, each in enumerate(annotations)],
            ref_template=ref_template.replace("{name}", "{model}"),
        )
        schemas = [made[index, kind] for index in range(len(annotations))]
        return schemas, shared.get("$defs", {})


CODEC = Pydantic()


def _model(annotation: Any) -> type[BaseModel] | None:
    (first, *others) = alternatives(annotation)
    if not others and isinstance(first, type) and issubclass(first, BaseModel):
        return first
    return None


def _alias(field: FieldInfo) -> str | None:
    """What a field is called where it comes from."""
    return field.validation_alias if isinstance(field.validation_alias, str) else field.alias


def _info(annotation: Any) -> inspect.Type:
    """What msgspec would say of the type of a field; anything at all, where it knows it not."""
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, list | set | frozenset | tuple):
        return inspect.ListType(_info(get_args(annotation)[0]))
    info = type_info(annotation)
    if info is None or (own_class(info) is not None and not is_simple(info)):
        return inspect.AnyType()
    return info


def _item(kind: str, place: tuple[int | str, ...], message: str, where: str) -> ErrorItem:
    code = _CODES.get(kind)
    if code is None:
        code = "type" if kind.endswith(("_type", "_parsing", "_parse")) else kind
    said = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = _MESSAGES.get(code) or said.rstrip(".") + "."
    return {"in": where, "path": list(place), "code": code, "message": text}
