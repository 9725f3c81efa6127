"""The page about the document says what is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from asgistar import App, Route
from asgistar.openapi import encoded

PAGE = Path(__file__).resolve().parents[3] / "docs" / "asgistar" / "openapi.md"


def examples() -> dict[str, Any]:
    """The names of all examples on the page, which are run one after the other."""
    names: dict[str, Any] = {"__name__": "notes"}
    for source in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(source, str(PAGE), "exec", dont_inherit=True), names)
    return names


def test_the_examples_work() -> None:
    names = examples()
    document = names["document"]
    OpenAPIV31SpecValidator(document).validate()
    assert document["info"] == {"title": "Notes", "version": "1.0"}
    listing, create = document["paths"]["/notes/"].values()
    assert (create["operationId"], create["tags"]) == ("notes:create", ["notes"])
    assert (listing["summary"], listing["description"]) == ("All notes", "The oldest one comes first.")
    assert [each["description"] for each in listing["parameters"]] == [
        "a word in the title.",
        "so many at most.",
    ]
    detail = document["paths"]["/notes/{id}/"]["get"]
    assert detail["responses"]["404"]["description"] == "There is no such note."
    assert document["components"]["schemas"]["Note"]["properties"]["title"] == {
        "type": "string",
        "minLength": 1,
        "examples": ["Buy milk"],
        "description": "what it is about.",
    }


def test_the_examples_of_problems_and_of_security_work() -> None:
    names = examples()

    def view(user: Any) -> None: ...

    view.__annotations__["user"] = names["User"]
    app = App([Route("/", "POST", view, raises=[names["OutOfStock"]])], components=[names["user"]])
    operation = app.openapi()["paths"]["/"]["post"]
    assert operation["security"] == [{"bearer": []}, {"key": []}]
    assert list(operation["responses"]) == ["204", "401", "403", "409"]
    assert b"https://example.com/problems/out-of-stock" in encoded(app)
