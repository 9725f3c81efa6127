"""Every error at once: why data isn't of a type, value by value.

msgspec decodes and checks in one pass, and stops at the first error. Only when there is one, the data is
gone through again here, along what msgspec says of the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import ValidationError, inspect

from asgistar.data import codec_of
from asgistar.errors import ErrorItem
from asgistar.validation import checks
from asgistar.validation.checks import MAXIMUM, MESSAGE, Check, Checks, Enough, Found
from asgistar.validation.words import short, short_path


def errors_of(
    type: Any,
    data: Any,
    where: str,
    strict: bool = True,
    names: Mapping[str, str] | None = None,
    known: Exception | None = None,
) -> list[ErrorItem]:
    """The errors of `data` as a value of `type`; none if it is one.

    Args:
        data: what JSON is made of: dict, list, str, int, float, bool, None.
        where: the part of the request, for the errors.
        strict: texts aren't taken for numbers.
        names: the key of a value at the top -> its name in the request.
        known: what it was refused with; None if it isn't known whether it's wrong at all.
    """
    if codec := codec_of(type):
        return _renamed(codec.errors_of(type, data, where, strict), names or {})
    found = Found(where, strict, names or {})
    try:
        error = known if isinstance(known, ValidationError) else found.refusal(data, type)
        if error is None:
            return []
        try:
            _check_of(type).errors(data, found)
        except Enough:
            found.path.clear()
        if not found.items:
            # A rule that is code; or there was more to go through than we do.
            found.add_told(error)
    except RecursionError:
        # Data as deep as that, of a type that is in itself: one error has to do.
        return [{"in": where, "path": [], "code": "invalid", "message": "Is nested too deeply."}]
    return found.items


def _renamed(items: list[ErrorItem], names: Mapping[str, str]) -> list[ErrorItem]:
    """The errors that a codec has found, as we tell ours."""
    del items[MAXIMUM:]
    for item in items:
        path = item["path"]
        if path and isinstance(first := path[0], str):
            path = [names.get(first, first), *path[1:]]
        item["path"] = short_path(path)
        item["message"] = short(item["message"], MESSAGE)
    return items


def told(error: Exception, where: str) -> ErrorItem:
    """An error as msgspec tells it."""
    path, message, code = checks.told(error)
    return {"in": where, "path": short_path(path), "code": code, "message": message}


def unreadable(error: Exception) -> str:
    """Why data can't be decoded at all, to go on with after a colon."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return checks.told(error)[1]


def _check_of(type: Any) -> Check:
    try:
        return _kept_check(type)
    except TypeError:  # a type that isn't hashable
        return Checks().of(inspect.type_info(type))


@lru_cache(1024)
def _kept_check(type: Any) -> Check:
    """What finds the errors of values of a type: made when there is the first one."""
    return Checks().of(inspect.type_info(type))
