"""What a plan reads of a body: of which types it may be, and how it becomes a value; written as source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import msgspec
from msgspec import Struct, inspect

from asgistar import signature as signatures
from asgistar.data import (
    codec_of,
    fields,
    hashes_numbers,
    hashes_numbers_in,
    is_simple,
    known_type,
    takes_many,
)
from asgistar.errors import ConfigurationError
from asgistar.http.forms import MULTIPART, URLENCODED, Field, Form
from asgistar.http.reading import MSGPACK, Stream, read_body, read_json, read_packed
from asgistar.http.uploads import Uploads, holds_file
from asgistar.routing.options import BODY_LIMIT, HASHED_LIMIT, Options
from asgistar.signature import EMPTY, Signature
from asgistar.views.defaults import can_change
from asgistar.views.lax import is_bool, reader
from asgistar.views.parameters import Input, is_stream
from asgistar.views.source import Source
from asgistar.views.unit import Unit


class Content(Struct, frozen=True):
    """What the body of a request may be.

    Attributes:
        media_types: the types that it may be of; ("*/*",) if it is taken as it is.
        required: a request without it is wrong.
    """

    media_types: tuple[str, ...]
    required: bool


# --- one value --------------------------------------------------------------------------------------------


def write_body(source: Source, body: Input, signature: Signature, options: Options) -> tuple[Content, str]:
    """Read a body that is one value.

    Returns:
        What it may be; and the expression that makes a value of the bytes `content`, empty if `body` is read
        as it is.
    """
    packs = options.get("msgpack", False)
    codec = codec_of(body.type)
    # What a codec makes of msgpack is decoded as Any before.
    hashes = hashes_numbers(body.type, packs) or (packs and codec is not None)
    limit = options.get("body_limit", HASHED_LIMIT if hashes else BODY_LIMIT)
    required = body.default is EMPTY
    source.give(default=body.default)
    default = "default"
    if can_change(body.default):
        default = "deepcopy(default)"
        source.give(deepcopy=deepcopy)
    if is_stream(body.type):
        if not signatures.is_async(signature.call):
            raise ConfigurationError(
                f"The parameter {body.argument} of {signature.where} is a stream, which is read with "
                "`async for`: make it `async def`, or ask for Body[bytes]."
            )
        source.write(f"body = Stream(scope, receive, {limit})", Stream=Stream)
        return Content(("*/*",), False), ""
    if body.type is bytes:
        source.write(f"body = await read_body(scope, receive, {limit})", read_body=read_body)
        if not required:
            source.write("body = body or default")
        return Content(("*/*",), False), ""
    arguments = f"scope, receive, {limit}, {required}"
    if packs:
        source.write(f"content, packed = await read_packed({arguments})", read_packed=read_packed)
        source.give(unpack=_unpacker(body.type))
    else:
        source.write(f"content = await read_json({arguments})", read_json=read_json)
    source.give(
        decode=codec.decoder(body.type) if codec is not None else msgspec.json.Decoder(body.type).decode
    )
    made = "(unpack if packed else decode)(content)" if packs else "decode(content)"
    made = source.filled(made, body.type)
    return (
        Content(("application/json", MSGPACK) if packs else ("application/json",), required),
        made if required else f"{made} if content else {default}",
    )


def _unpacker(type: Any) -> Callable[[bytes], Any]:
    """A function that makes a value of msgpack."""
    codec = codec_of(type)
    if codec is None:
        return msgspec.msgpack.Decoder(type).decode
    convert = codec.converter(type)
    return lambda content: convert(msgspec.msgpack.decode(content))


# --- forms ------------------------------------------------------------------------------------------------


def form_field(name: str, info: inspect.Type) -> Field:
    """How a field of a form is read that is to become a value of a type."""
    if holds_file(info):
        return Field(name, many=takes_many(info), file=True)
    many = takes_many(info) and is_simple(info)  # a list of objects is one text, of JSON
    return Field(name, many, last=is_bool(info), read=reader(info))


def write_form(
    source: Source, read: dict[str, Field], strict: bool, units: Iterable[Unit], options: Options
) -> Content:
    """Read a form: its values are then in `in_form`.

    Args:
        read: its fields.
        strict: other fields are read too, for who has something against them.
    """
    files = any(field.file for field in read.values())
    asking = [unit for unit in units if any(each.where == "form" for each in unit.inputs)]
    inputs = [each for unit in asking for each in unit.inputs if each.where == "form"]
    form = Form(
        read,
        options.get("body_limit", BODY_LIMIT),
        options["form_fields"],
        options["form_files"],
        _memory(inputs, options),
        strict,
        needs_file=any(map(_needs_file, inputs)),
        # A file is read while it comes by one who can wait for it; and nothing that is asked for may follow.
        streams=not strict and not any(field.many for field in read.values()) and all(map(_waits, asking)),
    )
    source.give(read_form=form.read)
    if files:
        source.write("with Uploads() as uploads:", Uploads=Uploads)
        source.depth += 1
    arguments = "scope, receive" + (", uploads" if files else "")
    if any(each.rejected for each in inputs):
        source.write("typed_form = {}")
        arguments += ", typed=typed_form"
    source.write(f"in_form = await read_form({arguments})")
    required = any(
        any(field.required for field in fields(each.type)) if each.exploded else each.default is EMPTY
        for each in inputs
    )
    return Content((MULTIPART,) if files else (URLENCODED, MULTIPART), required)


def _memory(inputs: Iterable[Input], options: Options) -> int:
    """The size that the texts of a form may have."""
    memory = options["form_memory"]
    infos = (
        info
        for each in inputs
        for info in (
            [field.type for field in fields(each.type)] if each.exploded else [known_type(each.type)]
        )
    )
    # How many numbers are fields of a form, is limited; how many are in the JSON of one field, isn't.
    if any(hashes_numbers_in(info) for info in infos if not is_simple(info) and not holds_file(info)):
        limit = options.get("body_limit", HASHED_LIMIT)
        return min(memory, limit) if limit else memory
    return memory


def _needs_file(each: Input) -> bool:
    """Whether there is no value of an input without a file."""
    if each.exploded:
        return any(field.required and holds_file(field.type) for field in fields(each.type))
    return each.default is EMPTY and holds_file(known_type(each.type))


def _waits(unit: Unit) -> bool:
    """Whether a function is on the loop, and can wait there."""
    if unit.component is not None:
        return unit.component.is_async
    return signatures.is_async(unit.signature.call)
