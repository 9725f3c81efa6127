"""Users and other components, for the requests of one client or for all."""

from __future__ import annotations

from typing import Any

import pytest

from asgistar import App, ConfigurationError, Header, Route, Struct, Unauthorized, component
from asgistar.testing import AsyncClient, TestClient


class User:
    def __init__(self, name: str) -> None:
        self.name = name


class Admin(User):
    pass


class Clock(Struct):
    time: str


@component
async def user(authorization: Header[str | None] = None) -> User:
    if authorization is None:
        raise Unauthorized
    return User(authorization)


@component
def clock() -> Clock:
    return Clock("now")


async def me(user: User, clock: Clock) -> dict[str, str]:
    return {"name": user.name, "time": clock.time}


def application(provider: Any = user) -> App:
    return App([Route("/", "GET", me)], components=[provider, clock])


def test_a_client_of_a_user_is_that_user() -> None:
    with TestClient(application(), headers={"x-a": "b"}) as client:
        anna, bob = client.as_(User("anna")), client.as_(Admin("bob"))
        assert [anna.get("/").json()["name"], bob.get("/").json()["name"]] == ["anna", "bob"]
        assert client.get("/").status_code == 401
        assert anna.headers["x-a"] == "b"
        anna.cookies.set("a", "b")
        assert not bob.cookies


async def test_a_client_of_a_user_can_end_before_the_other() -> None:
    app = application()
    async with AsyncClient(app) as client:
        anna = client.as_(User("anna"))
        async with client.as_(User("bob"), User) as bob:
            assert (await anna.get("/")).json()["name"] == "anna"
            assert (await bob.get("/")).json()["name"] == "bob"
        assert (await anna.get("/")).json()["name"] == "anna"
        assert (await client.get("/")).status_code == 401
    async with AsyncClient(app) as client:
        assert (await client.get("/")).status_code == 401


def test_a_client_of_a_user_of_a_test_that_is_no_coroutine_can_end_before_the_other() -> None:
    with TestClient(application()) as client:
        with client.as_(User("anna")) as anna:
            assert anna.get("/").json()["name"] == "anna"
        assert client.get("/").status_code == 401


def test_the_component_of_a_user_may_provide_none() -> None:
    @component
    def nobody() -> User | None:
        return None

    async def view(user: User | None) -> str:
        return "nobody" if user is None else user.name

    with TestClient(App([Route("/", "GET", view)], components=[nobody])) as client:
        assert client.get("/").json() == "nobody"
        assert client.as_(User("anna")).get("/").json() == "anna"


def test_a_user_that_no_component_provides_is_an_error() -> None:
    @component
    def someone() -> User | Clock:
        return Clock("now")

    @component
    def anyone() -> User | str:
        return "x"

    with (
        TestClient(application()) as client,
        pytest.raises(ConfigurationError, match="No component provides int"),
    ):
        client.as_(7)
    app = App([], components=[someone, anyone])
    with (
        TestClient(app) as client,
        pytest.raises(ConfigurationError, match=r"User is provided by .*someone\(\).* and .*anyone"),
    ):
        client.as_(User("a"))


def test_other_components_are_put_in_their_place_for_a_while() -> None:
    with TestClient(application()) as client:
        anna = client.as_(User("anna"))
        with client.override({Clock: Clock("then")}):
            assert anna.get("/").json() == {"name": "anna", "time": "then"}
            with client.override({Clock: lambda: Clock("earlier"), User: User("all")}):
                assert anna.get("/").json() == {"name": "anna", "time": "earlier"}
                assert client.get("/").json() == {"name": "all", "time": "earlier"}
            assert anna.get("/").json()["time"] == "then"
            assert client.get("/").status_code == 401
        assert anna.get("/").json()["time"] == "now"


def test_an_override_that_can_not_be_leaves_all_as_it_was() -> None:
    async def needs(number: int) -> User:
        return User(str(number))

    with TestClient(application()) as client:
        with pytest.raises(ConfigurationError, match="no component for int"), client.override({int: 7}):
            raise AssertionError
        with client.override({User: needs}):
            assert client.get("/?number=7").json()["name"] == "7"
        assert client.get("/").status_code == 401


def test_only_an_app_has_users_and_overrides() -> None:
    async def raw(scope: Any, receive: Any, send: Any) -> None: ...

    with TestClient(raw) as client:
        for what in (lambda: client.as_(User("a")), lambda: client.override({})):
            with pytest.raises(TypeError, match="needs an asgistar App, and this is function"):
                what()
    with pytest.raises(RuntimeError, match="doesn't run"):
        TestClient(application()).as_(User("a"))
