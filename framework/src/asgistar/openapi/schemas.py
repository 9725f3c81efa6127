"""JSON Schemas (2020-12) of types: what is accepted of a type, and what is sent of it.

A class has one schema for both ways, under its own name, in the components of the document. Where JSON Schema
has a keyword, it is used; what only msgspec knows, such as the grammar of a duration, is a pattern. Formats
are those of the OpenAPI registry.
"""

from __future__ import annotations

import inspect as introspection
import json
import re
from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import Any, Literal, cast

import msgspec
from msgspec import inspect

from asgistar import docstring
from asgistar.data import Codec, codec_of, fields, unwrapped
from asgistar.http.uploads import File
from asgistar.signature import named

Schema = dict[str, Any]

Mode = Literal["in", "out"]

REFERENCE = "#/components/schemas/"

_NAMED = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
    inspect.EnumType,
)

# RFC 3339 §5.6, as msgspec reads it: the offset may be there or not.
_DATE = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"

# What msgspec reads of ISO 8601: days, hours, minutes and seconds, and a sign, that the format has not.
_D, _H, _M = (f"[0-9]{{1,6}}{unit}" for unit in "DHM")
_S = r"[0-9]{1,6}(?:\.[0-9]{1,6})?S"
_CLOCK = f"T(?:{_H}(?:{_M})?(?:{_S})?|{_M}(?:{_S})?|{_S})"
_DURATION = f"^[+-]?P(?:{_D}(?:{_CLOCK})?|{_CLOCK})$"
_DECIMAL = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?$"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

_SIMPLE: dict[type[inspect.Type], Schema] = {
    inspect.AnyType: {},
    inspect.RawType: {},
    inspect.NoneType: {"type": "null"},
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.StrType: {"type": "string"},
    inspect.DateType: {"type": "string", "format": "date"},
    inspect.TimeDeltaType: {"type": "string", "pattern": _DURATION, "examples": ["P1DT2H30M"]},
    inspect.UUIDType: {"type": "string", "format": "uuid"},
    inspect.DecimalType: {"type": "string", "format": "decimal", "pattern": _DECIMAL},
}

_MOMENTS: dict[tuple[type[inspect.Type], bool | None], Schema] = {
    (inspect.DateTimeType, True): {"type": "string", "format": "date-time"},
    # An offset is optional. The format, which wants one, says what it is; and nothing is checked by it.
    (inspect.DateTimeType, None): {"type": "string", "format": "date-time"},
    (inspect.DateTimeType, False): {
        "type": "string",
        "format": "date-time-local",
        "pattern": f"^{_DATE}[Tt ]{_TIME}$",
    },
    (inspect.TimeType, True): {"type": "string", "format": "time"},
    (inspect.TimeType, None): {"type": "string", "pattern": f"^{_TIME}{_OFFSET}?$"},
    (inspect.TimeType, False): {"type": "string", "format": "time-local", "pattern": f"^{_TIME}$"},
}

_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}

_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}

# Keys of an object are texts: how the values of other types are written there.
_KEYS: dict[type[inspect.Type], Schema] = {
    inspect.IntType: {"pattern": "^-?(?:0|[1-9][0-9]*)$"},
    inspect.UUIDType: {"format": "uuid"},
    inspect.DateType: {"format": "date"},
    inspect.DateTimeType: {"format": "date-time"},
}


class Schemas:
    """The schemas of the types of an application.

    Attributes:
        components: name -> schema, of all classes so far; what else is asked for refers to them.
    """

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}
        self._coded_raw: dict[str, Schema] = {}

    def of(self, annotation: Any, mode: Mode = "in") -> Schema:
        """The schema of a type.

        Args:
            mode: as it comes, or as it goes; for types of codecs, that have two schemas.

        Raises:
            TypeError: it is no type of data.
        """
        codec = codec_of(annotation)
        return (
            self.of_info(inspect.type_info(annotation))
            if codec is None
            else self._coded(codec, annotation, mode)
        )

    def _coded(self, codec: Codec, annotation: Any, mode: Mode) -> Schema:
        """The schema of a type that has a codec. What it refers to is kept under its own names."""
        (schema,), found = codec.schemas([annotation], mode, REFERENCE + "{name}")
        names = {name: name for name in found}
        if any(self._coded_raw.get(name, found[name]) != found[name] for name in found):
            # As it goes it isn't as it comes: these, and those that refer to them, have another name.
            names = {name: f"{name}_{mode}" for name in found}
        for name, wanted in names.items():
            if wanted in self.components and wanted not in self._coded_raw:
                names[name] = self._free(wanted, "")
        text = json.dumps([schema, found])
        for name, other in names.items():
            text = text.replace(f'"{REFERENCE}{name}"', f'"{REFERENCE}{other}"')
        schema, renamed = json.loads(text)
        for name, other in names.items():
            self._coded_raw[other] = found[name]
            self.components[other] = renamed[name]
        return cast(Schema, schema)

    def properties(self, annotation: Any) -> dict[str, Schema]:
        """The schemas of the fields of an object type, by the names they have outside."""
        if codec_of(annotation) is not None:
            name = self.of(annotation)["$ref"].removeprefix(REFERENCE)
            return dict(self.components[name].get("properties", {}))
        documented = docstring.parsed(_own_docstring(annotation)).arguments
        return {each.encode_name: self._of_field(each, documented) for each in fields(annotation)}

    def _of_field(self, field: inspect.Field, documented: Mapping[str, str]) -> Schema:
        """The schema of a field, with what the docstring of its class says of it."""
        schema = self.of_info(field.type)
        if field.name in documented:
            schema.setdefault("description", documented[field.name])
        return {**schema, **_default_of_field(field)}

    def add(self, key: Any, wanted: str, schema: Schema) -> Schema:
        """A reference to `schema`, which is kept under the name that is wanted, or one like it."""
        if key not in self._names:
            self.components[self._named(key, wanted)] = schema
        return {"$ref": REFERENCE + self._names[key]}

    def _named(self, key: Any, wanted: str) -> str:
        """The name for a class: from now on it is taken."""
        name = self._names[key] = self._free(wanted, key.__module__)
        self.components[name] = {}
        return name

    def _free(self, wanted: str, module: str) -> str:
        """A name like the one that is wanted: with that of its module if another has it, or with a number."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", wanted).strip("_") or "Object"
        qualified = [f"{module}.{plain}"] if module else []
        candidates = chain([plain, *qualified], (f"{plain}_{number}" for number in count(2)))
        return next(each for each in candidates if each not in self.components)

    def of_info(self, info: inspect.Type) -> Schema:
        """The schema of what msgspec says of a type."""
        extra: Schema = {}
        while isinstance(info, inspect.Metadata):
            extra = {**(info.extra_json_schema or {}), **extra}
            info = info.type
        if not isinstance(info, _NAMED):
            return {**self._of_unnamed(info), **extra}
        cls: Any = info.cls
        if cls not in self._names:
            title = named(cls)
            name = self._named(cls, title)
            self.components[name] |= {"title": title, **self._of_class(info)}
        return {"$ref": REFERENCE + self._names[cls], **extra}

    def _of_unnamed(self, info: inspect.Type) -> Schema:
        if isinstance(info, inspect.UnionType):
            return self._of_union(info)
        if isinstance(info, inspect.LiteralType):
            return _of_values(info.values)
        if isinstance(info, inspect.TupleType):
            size = len(info.item_types)
            items = {"prefixItems": [self.of_info(each) for each in info.item_types]} if size else {}
            return {"type": "array", **items, "items": False, "minItems": size, "maxItems": size}
        if isinstance(info, inspect.CollectionType):
            return self._of_many(info)
        if isinstance(info, inspect.DictType):
            return self._of_dict(info)
        if isinstance(info, inspect.DateTimeType | inspect.TimeType):
            return dict(_MOMENTS[type(info), info.tz])
        if isinstance(info, inspect.BytesType | inspect.ByteArrayType | inspect.MemoryViewType):
            schema: Schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
            for name, bound in (("minLength", info.min_length), ("maxLength", info.max_length)):
                if bound is not None:
                    schema[name] = 4 * ((bound + 2) // 3)
            return schema
        if isinstance(info, inspect.CustomType) and issubclass(info.cls, File):
            return {"type": "string", "format": "binary"}
        return _limited(dict(_SIMPLE.get(type(info), {})), info)

    def _of_many(self, info: inspect.CollectionType) -> Schema:
        schema: Schema = {"type": "array"}
        if not isinstance(info.item_type, inspect.AnyType):
            schema["items"] = self.of_info(info.item_type)
        return _limited(schema, info)

    def _of_dict(self, info: inspect.DictType) -> Schema:
        schema: Schema = {"type": "object"}
        keys = self._of_keys(info.key_type)
        if keys:
            schema["propertyNames"] = keys
        if not isinstance(info.value_type, inspect.AnyType):
            schema["additionalProperties"] = self.of_info(info.value_type)
        return _limited(schema, info)

    def _of_keys(self, info: inspect.Type) -> Schema:
        """The schema of the keys of an object, without saying that they are texts."""
        info = unwrapped(info)
        if isinstance(info, inspect.LiteralType | inspect.EnumType):
            values = info.values if isinstance(info, inspect.LiteralType) else [e.value for e in info.cls]
            return {"enum": [str(value) for value in values]}
        if isinstance(info, inspect.StrType):
            return {name: value for name, value in self.of_info(info).items() if name != "type"}
        return dict(_KEYS.get(type(info), {}))

    def _of_union(self, info: inspect.UnionType) -> Schema:
        """Any of them; those that are told apart by a tag say so."""
        tagged = [each for member in info.types if (each := _tagged(member)) is not None]
        members = [self.of_info(member) for member in info.types]
        if len(tagged) < 2:
            return {"anyOf": members}
        mapping = {str(each.tag): self.of_info(each)["$ref"] for each in tagged}
        discriminator = {"propertyName": tagged[0].tag_field, "mapping": mapping}
        others = [self.of_info(member) for member in info.types if _tagged(member) is None]
        objects: Schema = {"anyOf": [self.of_info(each) for each in tagged], "discriminator": discriminator}
        return {"anyOf": [objects, *others]} if others else objects

    def _of_class(self, info: Any) -> Schema:
        """The schema of a class with a name."""
        schema: Schema = {}
        documented = docstring.parsed(_own_docstring(info.cls))
        if prose := "\n\n".join(filter(None, (documented.summary, documented.description))):
            schema["description"] = prose
        if isinstance(info, inspect.EnumType):
            return {**schema, **_of_values([each.value for each in info.cls])}
        properties: dict[str, Schema] = {}
        required: list[str] = []
        if getattr(info, "tag_field", None) is not None:
            properties[info.tag_field] = {"const": info.tag, **_typed([info.tag])}
            required.append(info.tag_field)
        for field in info.fields:
            properties[field.encode_name] = self._of_field(field, documented.arguments)
            if field.required:
                required.append(field.encode_name)
        if isinstance(info, inspect.NamedTupleType) or getattr(info, "array_like", False):
            schema |= {"type": "array", "prefixItems": list(properties.values()), "minItems": len(required)}
            if isinstance(info, inspect.NamedTupleType) or info.forbid_unknown_fields:
                schema |= {"items": False, "maxItems": len(properties)}
            return schema
        schema |= {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema


def _own_docstring(cls: Any) -> str:
    """The docstring that was written for a class: not one that a base class has, or a dataclass is given."""
    cls = getattr(cls, "__origin__", cls)
    text = introspection.cleandoc(cls.__dict__.get("__doc__") or "")
    made = text == "An enumeration." or text.startswith(f"{cls.__name__}(")
    return "" if made else text


def _tagged(info: inspect.Type) -> inspect.StructType | None:
    info = unwrapped(info)
    if isinstance(info, inspect.StructType) and info.tag_field is not None and not info.array_like:
        return info
    return None


def _default_of_field(field: inspect.Field) -> Schema:
    """The default of a field, as a schema has it; nothing if it can't be told."""
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory in (list, dict, set, tuple, frozenset):
        value = field.default_factory()
    return default_of(value)


def default_of(value: Any) -> Schema:
    """A default, as a schema has it; nothing if it can't be told."""
    if value is msgspec.NODEFAULT or value is msgspec.UNSET:
        return {}
    try:
        return {"default": msgspec.json.decode(msgspec.json.encode(value))}
    except (TypeError, ValueError):
        return {}


_JSON_TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}


def not_null(schema: Schema) -> Schema:
    """`schema` without null among its alternatives, for what comes as text."""
    members = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(members) == len(schema.get("anyOf", ())):
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**members[0], **rest} if len(members) == 1 else {"anyOf": members, **rest}


def _typed(values: Iterable[Any]) -> Schema:
    names = {_JSON_TYPES.get(type(value)) for value in values}
    only = names.pop() if len(names) == 1 else None
    return {} if only is None else {"type": only}


def _of_values(values: Iterable[Any]) -> Schema:
    """One of these."""
    listed = list(values)
    return {**_typed(listed), "enum": listed}


def _limited(schema: Schema, info: inspect.Type) -> Schema:
    """`schema` with the constraints that `Meta` put on the type."""
    for name, keyword in _LIMITS.items():
        bound = getattr(info, name, None)
        if bound is not None:
            schema[keyword] = bound
    what = _LENGTHS.get(schema.get("type", ""))
    for name in ("min", "max"):
        bound = getattr(info, f"{name}_length", None)
        if bound is not None and what is not None:
            schema[name + what] = bound
    return schema
