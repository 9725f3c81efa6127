"""Hooks of schemathesis: where applications are more lenient than their document, on purpose.

A document says what a client should send. These are taken too, and are no failures:

* A text that stands for a value may be `null` where None is a value, and `0` or `1` for a boolean: that is
  how msgspec reads texts.
* A form is made of texts, and whatever comes is one; any part may be a file.
* A Decimal may be a number; as a number it would lose digits in most clients, so the document says text.

And one where they are stricter: `65.0` is an integer for JSON Schema, and not for msgspec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is a failure."""
    if isinstance(failure, AcceptedNegativeData):
        texts = [each for part in (case.query, case.headers, case.cookies) for each in _leaves(part)]
        lenient = any(each in (None, "null", "0", "1", 0, 1) for each in texts)
        return not (lenient or case.media_type in FORMS or _number_for_decimal(case.body))
    if isinstance(failure, RejectedPositiveData):
        return not any(isinstance(each, float) and each.is_integer() for each in _leaves(case.body))
    return True


def _number_for_decimal(body: Any) -> bool:
    if isinstance(body, dict):
        number = isinstance(body.get("amount"), int | float) and not isinstance(body["amount"], bool)
        return number or any(map(_number_for_decimal, body.values()))
    return isinstance(body, list) and any(map(_number_for_decimal, body))


def _leaves(value: Any) -> Iterator[Any]:
    """What is in objects and arrays, down to the last one."""
    if not isinstance(value, Mapping | list):
        yield value
        return
    for each in value.values() if isinstance(value, Mapping) else value:
        yield from _leaves(each)
