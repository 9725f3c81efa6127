"""Applications below a root path: routing and URLs are right, whether the proxy strips its prefix or not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, JsonResponse
from django.test.utils import override_settings
from django.urls import include, path, reverse
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Serve


def in_starlette(stack: ExitStack) -> ASGIApplication:
    """Starlette, with a route of its own and one below a mount."""

    def at(route: str) -> Callable[..., Any]:
        async def answer(request: Request) -> JSONResponse:
            name = request.path_params["name"]
            return JSONResponse([name, str(request.url), str(request.url_for(route, name="next"))])

        return answer

    shop = Mount("/shop", routes=[Route("/items/{name}", at("shop:item"), name="item")], name="shop")
    return Starlette(routes=[Route("/items/{name}", at("item"), name="item"), shop])


def in_fastapi(stack: ExitStack) -> ASGIApplication:
    """FastAPI, with a route of its own and one of an application mounted in it."""
    app, shop = FastAPI(), FastAPI()

    @app.get("/items/{name}", name="item")
    async def item(name: str, request: Request) -> list[str]:
        return [name, str(request.url), str(request.url_for("item", name="next"))]

    @shop.get("/items/{name}")
    async def shop_item(name: str, request: Request) -> list[str]:
        return [name, str(request.url), str(request.url_for("shop", path="/items/next"))]

    app.mount("/shop", shop, name="shop")
    return app


def in_django(stack: ExitStack) -> ASGIApplication:
    """Django, with a route of its own and one of an included list of routes."""
    if not settings.configured:
        settings.configure()
        django.setup()

    def at(route: str) -> Callable[..., Any]:
        async def answer(request: HttpRequest, name: str) -> JsonResponse:
            following = request.build_absolute_uri(reverse(route, args=["next"]))
            return JsonResponse([name, request.build_absolute_uri(), following], safe=False)

        return answer

    class Routes:
        urlpatterns = (
            path("items/<name>", at("item"), name="item"),
            path("shop/", include(([path("items/<name>", at("shop:item"), name="item")], "shop"))),
        )

    stack.enter_context(override_settings(ALLOWED_HOSTS=["example.com"], ROOT_URLCONF=Routes, MIDDLEWARE=[]))
    application: ASGIApplication = ASGIHandler()
    return application


@pytest.fixture(params=[in_starlette, in_fastapi, in_django], ids=["starlette", "fastapi", "django"])
def application(request: pytest.FixtureRequest) -> Iterator[ASGIApplication]:
    """One application in each framework: `[shop/]items/NAME` answers its name, its URL, and a link."""
    with ExitStack() as stack:
        yield request.param(stack)


@pytest.mark.parametrize(
    ("root_path", "stripped"),
    [("", ""), ("/api", "/api"), ("/api", ""), ("/api/v1", "/api/v1"), ("/api/v1", "")],
    ids=["no proxy", "stripping", "not stripping", "stripping more", "not stripping more"],
)
@pytest.mark.parametrize("below", ["", "/shop"], ids=["a route", "a mounted route"])
async def test_routes_and_urls_are_right_below_a_root_path(
    serve: Serve, application: ASGIApplication, below: str, root_path: str, stripped: str
) -> None:
    driver = await serve(application, root_path=root_path)
    public = f"{root_path}{below}/items"
    answer = await driver.request(path=f"{public}/one".removeprefix(stripped))
    assert answer.status == 200
    assert json.loads(answer.body) == [
        "one", f"http://example.com{public}/one", f"http://example.com{public}/next",
    ]  # fmt: skip


async def test_a_path_without_a_route_is_not_found(serve: Serve, application: ASGIApplication) -> None:
    driver = await serve(application, root_path="/api")
    for target in ("/api", "/items", "/api/items", "/apis/items/one", "/api/api/items/one"):
        assert (await driver.request(path=target)).status == 404
