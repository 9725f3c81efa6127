"""An application as most are written: everything at the level of a module."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import asgistar
from asgistar import App, Route, Struct, __version__
from asgistar.regex import regex

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
    # What a measurement of coverage imports itself doesn't count.
    source = "import sys; there = set(sys.modules); import asgistar; print(*sys.modules.keys() - there); "
    source += "asgistar.Static; print(*sys.modules.keys() - there)"
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    before, after = map(str.split, run.stdout.splitlines())
    costly = {"asgistar.static", "asgistar.http.files", "asgistar.environment", "asgistar.openapi"}
    costly |= {"asgistar.commands", "asgistar.texts", "asgistar.docstring", "asgistar.security"}
    costly |= {"email.utils", "mimetypes", "secrets", "tempfile", "http.cookies", "urllib.request", "httpx"}
    costly |= {"argparse", "concurrent.futures.thread", "difflib", "pathlib"}
    assert costly & set(before) == set()
    assert costly & set(after) >= {"asgistar.static", "asgistar.http.files"}


def test_what_a_regular_expression_is_asked_is_found_once_and_no_other_is_compiled_for_it() -> None:
    pattern = regex("[0-9]+(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        _ = pattern.fullmatch
    number = regex(b"[A-Z]+", re.IGNORECASE)
    assert number.fullmatch(b"abc")
    assert number.fullmatch is number.fullmatch
    assert number.pattern == b"[A-Z]+"


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
