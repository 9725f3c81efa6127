"""Typed clients of an API, written out of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asgistar.client import python, typescript

LANGUAGES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "python": python.generate,
    "typescript": typescript.generate,
}
"""Language -> what writes a client in it."""


def generate(document: Mapping[str, Any], lang: str) -> str:
    """A typed client, as the source of one module.

    Args:
        document: the OpenAPI 3.1 document of the API.
        lang: the language, see `LANGUAGES`.

    Raises:
        DocumentError: the document can't be read.
        ValueError: there is no such language.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"{lang!r} is none of the languages: {', '.join(LANGUAGES)}.")
    return LANGUAGES[lang](document)
