"""What is read from a view: its annotations, however they are written and whatever the view is."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from asgistar import signature
from asgistar.errors import ConfigurationError
from asgistar.routing.route import Route
from asgistar.signature import EMPTY


def plain(a: int, b="x", /, *, c: str | None = None, **rest: Any) -> bool:  # type: ignore[no-untyped-def]
    return True


async def slow(a: int) -> None: ...


class Called:
    def __init__(self, a: str = "") -> None: ...

    async def __call__(self, b: int) -> str:
        return ""

    def method(self, c: float) -> None: ...


def test_parameters_have_annotations_and_defaults() -> None:
    read = signature.read(plain)
    assert {name: (each.annotation, each.default, each.keyword) for name, each in read.arguments.items()} == {
        "a": (int, EMPTY, False),
        "b": (EMPTY, "x", False),
        "c": (str | None, None, True),
    }
    assert read.returns is bool
    assert read.takes_any
    assert read.where.startswith("plain() at framework/tests/test_signature.py:")


@pytest.mark.parametrize(
    ("view", "names", "is_async"),
    [
        (plain, ["a", "b", "c"], False),
        (slow, ["a"], True),
        (Called(), ["b"], True),
        (Called().method, ["c"], False),
        (Called, ["a"], False),
        (functools.partial(slow), ["a"], True),
        (functools.partial(plain, 1), ["b", "c"], False),
        (functools.wraps(slow)(lambda *arguments: slow(*arguments)), ["a"], True),
    ],
)
def test_whatever_can_be_called_can_be_a_view(view: Any, names: list[str], is_async: bool) -> None:
    read = signature.read(view)
    assert list(read.arguments) == names
    assert all(argument.annotation is not EMPTY for name, argument in read.arguments.items() if name in "ac")
    assert signature.is_async(view) is is_async


def test_names_local_to_a_function_are_found_if_the_route_is_made_there() -> None:
    class Local: ...

    def view(it: Local) -> Local:
        return it

    (route,) = [Route("/", "GET", view) for _ in range(1)]
    assert route.signatures["GET"].arguments["it"].annotation is Local


def local_view(made: bool) -> Any:
    class Shadow: ...

    def view(it: Shadow) -> None: ...

    return Route("/", "GET", view) if made else view


class Shadow:
    """Has the name of a class that is local to a function."""


def test_names_of_a_function_that_has_ended_are_known_to_the_routes_made_in_it() -> None:
    annotation = local_view(made=True).signatures["GET"].arguments["it"].annotation
    assert annotation.__qualname__ == "local_view.<locals>.Shadow"
    # Here the name is found in the module, where it is something else.
    assert signature.read(local_view(made=False)).arguments["it"].annotation is Shadow


def wants_shadow(it: Shadow) -> None: ...


def test_names_of_a_view_of_the_module_are_not_those_of_where_it_is_used() -> None:
    def use() -> Any:
        class Shadow: ...

        return Shadow, signature.read(wants_shadow).arguments["it"].annotation

    local, annotation = use()
    assert annotation is Shadow
    assert annotation is not local


def test_names_that_are_nowhere_are_an_error_when_the_application_is_made() -> None:
    def view(it: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    route = Route("/", "GET", view)
    with pytest.raises(ConfigurationError, match="name 'Nowhere' is not defined"):
        _ = route.signatures


def test_a_builtin_without_a_signature_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"The signature of (type\.)?dict.* can't be read"):
        signature.read(dict)


def test_a_place_is_told_from_the_current_folder_if_it_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert signature.place("/elsewhere/app.py", 7) == "/elsewhere/app.py:7"

    def other_drive(path: str, start: str = "") -> str:
        raise ValueError("path is on mount 'D:'")

    monkeypatch.setattr("os.path.relpath", other_drive)
    assert signature.place("app.py", 7) == "app.py:7"
