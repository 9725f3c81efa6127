"""Whether an application answers as its OpenAPI document says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from asgistar.client.document import (
    EVENTS,
    WEBSOCKET,
    Answer,
    Document,
    Operation,
    Schema,
    found_in,
    is_json,
    is_json_lines,
    media_type,
)
from asgistar.client.events import Events, JSONLines
from asgistar.extras import Extra
from asgistar.http.response import BODILESS

SHOWN = 10
"""How many errors of a body are told."""

BASE = "urn:document"


class Conformity:
    """Checks responses against an OpenAPI document.

    Args:
        document: the document.
        exempt: whether what a request is for is not in the document on purpose.

    Raises:
        MissingExtra: jsonschema isn't installed.
    """

    def __init__(
        self, document: Mapping[str, Any], exempt: Callable[[httpx.Request], bool] = lambda request: False
    ) -> None:
        self._validator = _validators(document)
        self._document = Document(document)
        self._exempt = exempt
        self._prefixes = {"", *(urlsplit(each).path.rstrip("/") for each in self._document.servers)}

    def check(self, response: httpx.Response, body: bool = True) -> None:
        """Check a response.

        Args:
            body: the body too; it has been read.

        Raises:
            AssertionError: it isn't as the document says; tells what of it, and where.
        """
        operations = self._asked(response)
        problems = [self._problems(operation, response, body) for operation in operations]
        if operations and all(problems):
            lines = "\n  ".join(problems[0])
            raise AssertionError(
                f"{_named(response)} isn't answered as the document says of {operations[0]}:\n  {lines}"
            )

    def check_item(self, response: httpx.Response, item: str | object) -> None:
        """Check an item of a stream: the data of an event, or the value of a line.

        Raises:
            AssertionError: it isn't as the document says.
        """
        for operation in self._asked(response):
            answer = operation.answer(response.status_code)
            media = media_type(response.headers.get("content-type", ""))
            key = answer and found_in(answer.items, media)
            if answer and key and (lines := self._of_item(answer.items[key], item)):
                raise AssertionError(
                    f"An item of {_named(response)} isn't as the document says of {operation}:\n  "
                    + "\n  ".join(lines)
                )

    def _asked(self, response: httpx.Response) -> list[Operation]:
        """The operations that a response may be of; none if there is nothing to be checked.

        Raises:
            AssertionError: there is an answer where the document has no operation.
        """
        request = response.request
        path = request.url.raw_path.partition(b"?")[0].decode()
        status = response.status_code
        at_path = [each for each in self._document.operations.values() if self._is_of(each, path)]
        if not at_path:
            if status in (404, 405) or response.is_redirect or self._exempt(request):
                return []
            raise AssertionError(
                f"{_named(response)} is answered with {status}, but the document has no such path."
            )
        methods = {each.method for each in at_path}
        method = "GET" if request.method == "HEAD" and "HEAD" not in methods else request.method
        asked = [each for each in at_path if each.method == method]
        if not asked and status != 405 and method != "OPTIONS":
            raise AssertionError(
                f"{_named(response)} is answered with {status}, but the document has only "
                f"{', '.join(sorted(methods - {WEBSOCKET}))} there."
            )
        return asked

    def _is_of(self, operation: Operation, path: str) -> bool:
        for prefix in self._prefixes:
            texts = operation.takes(path.removeprefix(prefix)) if path.startswith(prefix) else None
            if texts is None:
                continue
            schemas = {each.name: each.schema for each in operation.parameters if each.where == "path"}
            if all(
                any(self._valid(schemas[name], value) for value in _read(text))
                for name, text in texts.items()
            ):
                return True
        return False

    def _problems(self, operation: Operation, response: httpx.Response, body: bool) -> list[str]:
        answer = operation.answer(response.status_code)
        if answer is None:
            known = ", ".join(sorted(operation.answers)) or "none"
            text = response.text[:500] if body else ""
            return [f"The status {response.status_code} isn't documented, only {known} is. {text}".rstrip()]
        problems = [
            f"The header {name} is missing." for name in answer.headers if name not in response.headers
        ]
        empty = response.request.method == "HEAD" or response.status_code in BODILESS
        content_type = response.headers.get("content-type", "")
        if not answer.content:
            # A default of which nothing is said is whatever the view makes of it.
            said = answer is not operation.answers.get("default")
            if said and body and response.content and not empty:
                size = len(response.content)
                problems.append(f"There is a body of {size} bytes ({content_type}), and none is documented.")
            return problems
        if response.status_code in BODILESS:
            return problems
        media = media_type(content_type)
        key = found_in(answer.content, media)
        if key is None:
            given = f"is {media}" if media else "is missing"
            return [*problems, f"The media type {given}, but should be {' or '.join(answer.content)}."]
        if body and not empty:
            problems += self._of_body(answer, key, media, response.content)
        return problems

    def _of_body(self, answer: Answer, key: str, media: str, content: bytes) -> list[str]:
        if is_json(media):
            try:
                value = msgspec.json.decode(content)
            except msgspec.DecodeError as error:
                return [f"The body is no JSON: {error}"]
            return self._errors(answer.content[key], value)
        if key not in answer.items or not (media == EVENTS or is_json_lines(media)):
            return []
        parser = Events() if media == EVENTS else JSONLines()
        try:
            items = [*parser.feed(content), *parser.end()]
        except msgspec.DecodeError as error:
            return [f"A line is no JSON: {error}"]
        problems = []
        for index, item in enumerate(items):
            value = item.data if media == EVENTS else item
            problems += [f"item {index}: {line}" for line in self._of_item(answer.items[key], value)]
        return problems[:SHOWN]

    def _of_item(self, schema: Schema, item: object) -> list[str]:
        if not isinstance(item, str):
            return self._errors(schema, item)
        # The data of an event is JSON, or a text as it is.
        try:
            value = msgspec.json.decode(item)
        except msgspec.DecodeError:
            value = item
        errors = self._errors(schema, value)
        return self._errors(schema, item) and errors if errors else []

    def _valid(self, schema: Schema, value: object) -> bool:
        return not self._errors(schema, value)

    def _errors(self, schema: Schema, value: object) -> list[str]:
        if schema is True:
            return []
        errors = sorted(self._validator(schema).iter_errors(value), key=lambda error: error.json_path)
        lines = [f"{each.json_path}: {_short(each.message)}" for each in errors[:SHOWN]]
        return lines + ([f"and {len(errors) - SHOWN} more"] if len(errors) > SHOWN else [])


def _validators(document: Mapping[str, Any]) -> Callable[[Schema], Any]:
    """What validates with a schema of the document."""
    with Extra("testing", "The check of responses"):
        from jsonschema import Draft202012Validator, FormatChecker
        from referencing import Registry
        from referencing.jsonschema import DRAFT202012
    formats = FormatChecker()
    formats.checks("date-time", raises=ValueError)(
        lambda value: not isinstance(value, str) or bool(datetime.fromisoformat(value))
    )
    registry: Any = Registry().with_resource(BASE, DRAFT202012.create_resource(_rebased(document)))
    made: dict[int, Any] = {}

    def validator(schema: Schema) -> Any:
        if id(schema) not in made:  # the document keeps its schemas, and with them their ids
            made[id(schema)] = Draft202012Validator(
                _rebased(schema), registry=registry, format_checker=formats
            )
        return made[id(schema)]

    return validator


def _rebased(value: Any) -> Any:
    """A document whose references to itself say which document they mean."""
    if isinstance(value, Mapping):
        return {
            key: BASE + each
            if key == "$ref" and isinstance(each, str) and each.startswith("#")
            else _rebased(each)
            for key, each in value.items()
        }
    return [_rebased(each) for each in value] if isinstance(value, list | tuple) else value


def _read(text: str) -> list[object]:
    """What a text in a path may stand for."""
    read: list[object] = [text]
    for convert in (int, float):
        try:
            read.append(convert(text))
        except ValueError:
            pass
    if text in ("true", "false"):
        read.append(text == "true")
    return read


def _short(message: str) -> str:
    return message if len(message) <= 300 else message[:200] + " … " + message[-90:]


def _named(response: httpx.Response) -> str:
    return f"{response.request.method} {response.request.url.raw_path.decode()}"
