"""An application as most are written: everything at the level of a module."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import asgistar
from asgistar import App, Route, Struct, __version__

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


async def show(number: int) -> Number:
    return Number(number)


ROUTES = [Route("/<number>", "GET", show)]


class Number(Struct):
    """Defined after the route that speaks of it."""

    value: int


app = App(ROUTES)


def test_what_most_applications_do_without_is_imported_when_it_is_asked_for() -> None:
    source = "import sys, asgistar; print(*sys.modules); asgistar.Static; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    before, after = map(str.split, run.stdout.splitlines())
    costly = {"asgistar.static", "asgistar.http.files", "asgistar.environment", "asgistar.openapi"}
    costly |= {"email.utils", "mimetypes", "secrets", "tempfile", "http.cookies", "urllib.request", "httpx"}
    assert costly & set(before) == set()
    assert costly & set(after) >= {"asgistar.static", "asgistar.http.files"}


def test_every_public_name_is_there() -> None:
    for name in asgistar.__all__:
        assert getattr(asgistar, name) is getattr(asgistar, name)
    with pytest.raises(AttributeError, match="module 'asgistar' has no attribute 'Rout'"):
        getattr(asgistar, "Rout")  # noqa: B009


async def test_names_are_found_wherever_in_the_module_they_are_defined(client: Connect) -> None:
    assert (await client(ROUTES).get("/7")).json == {"value": 7}
    assert app.url_for("show", number=7) == "/7"


def test_there_is_a_version() -> None:
    assert __version__
