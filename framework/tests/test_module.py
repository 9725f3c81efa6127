"""An application as most are written: everything at the level of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


async def test_names_are_found_wherever_in_the_module_they_are_defined(client: Connect) -> None:
    assert (await client(ROUTES).get("/7")).json == {"value": 7}
    assert app.url_for("show", number=7) == "/7"


def test_there_is_a_version() -> None:
    assert __version__
