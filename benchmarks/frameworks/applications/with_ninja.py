"""django-ninja, on Django's ASGI handler, without any middleware."""

from typing import Annotated, Any, cast

import django
from django.conf import settings
from django.http import HttpRequest

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application

settings.configure(
    ALLOWED_HOSTS=["*"], MIDDLEWARE=[], INSTALLED_APPS=[], ROOT_URLCONF=__name__, SECRET_KEY="benchmark"
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI, Schema  # noqa: E402
from pydantic import Field  # noqa: E402


class Note(Schema):
    title: Annotated[str, Field(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []  # noqa: RUF012
    priority: Annotated[int, Field(ge=0, le=5)] = 0


class Archive(Schema):
    year: int
    q: str
    page: int


class Thing(Schema):
    id: int


THERE = [Note.model_validate(note) for note in NOTES]

urlpatterns: list[Any] = []


async def hello(request: HttpRequest) -> dict[str, str]:
    return {"hello": "world"}


async def archive(request: HttpRequest, year: int, q: str = "", page: int = 1) -> Archive:
    return Archive(year=year, q=q, page=page)


async def create(request: HttpRequest, note: Note) -> Any:
    return 201, note


async def listing(request: HttpRequest) -> list[Note]:
    return THERE


async def thing(request: HttpRequest, id: int) -> Thing:
    return Thing(id=id)


def application(routes: int = 0) -> Application:
    """The application."""
    api = NinjaAPI(docs_url=None, openapi_url=None)
    api.get("/", response=dict[str, str])(hello)
    api.get("/archive/{int:year}", response=Archive)(archive)
    api.get("/notes", response=list[Note])(listing)
    api.post("/notes", response={201: Note})(create)
    for number in range(routes):
        api.get(f"/things{number}/{{int:id}}", response=Thing)(thing)
    urlpatterns[:] = [path("", api.urls)]
    return cast(Application, get_asgi_application())
