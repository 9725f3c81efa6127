"""An application that has something of everything, for a document that says it all."""

# ruff: noqa: B006, RUF012

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal, NamedTuple, TypedDict
from uuid import UUID, uuid4

from asgistar import (
    HTML,
    App,
    Body,
    Conflict,
    Cookie,
    Created,
    Events,
    File,
    Form,
    Header,
    Include,
    Info,
    Lines,
    Meta,
    NotFound,
    Patch,
    Redirect,
    Response,
    Route,
    Status,
    Struct,
    Text,
    Unauthorized,
    WebSocketRoute,
    component,
)
from asgistar.info import Contact, License, Server
from asgistar.security import ApiKey, Bearer
from asgistar.websocket import WebSocket

TOKEN = "let-me-in"


# --- what there is ----------------------------------------------------------------------------------------


class Color(Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Size(NamedTuple):
    """In millimetres."""

    width: int
    height: int = 0


class Origin(TypedDict, total=False):
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    town: str


class Percent(Struct, tag="percent"):
    percent: Annotated[int, Meta(ge=1, le=100)]


class Amount(Struct, tag="amount"):
    amount: Annotated[Decimal, Meta(description="In euros.")]


class Product(Struct, rename="camel", forbid_unknown_fields=True):
    """Something to buy.

    Attributes:
        name: what it is called.
        best_before: the last day on which it is good.
    """

    name: Annotated[str, Meta(min_length=1, max_length=50, examples=["Milk"])]
    price: Annotated[float, Meta(ge=0, le=1_000_000)]
    color: Color = Color.RED
    tags: Annotated[list[Annotated[str, Meta(max_length=20)]], Meta(max_length=5)] = []
    best_before: date | None = None
    since: Annotated[datetime, Meta(tz=True)] | None = None
    opens: time = time(9)
    lasts: timedelta = timedelta(days=1)
    size: Size = Size(1, 2)
    origin: Origin = {}
    stock: dict[str, Annotated[int, Meta(ge=0)]] = {}
    shelves: dict[UUID, bool] = {}
    picture: bytes = b""
    discount: Percent | Amount | None = None
    parts: list[Product] = []
    kind: Literal["food", "tool"] = "food"


class Stored(Struct, rename="camel"):
    """A product that is there."""

    id: UUID
    product: Product
    added: Annotated[datetime, Meta(tz=True)]


class Page(Struct):
    """Some of many."""

    items: list[Stored]
    total: int


class Where(Struct):
    """What is looked for.

    Attributes:
        q: part of the name.
        limit: so many at most.
    """

    q: str = ""
    color: Color | None = None
    tags: list[str] = []
    cheaper: Annotated[float, Meta(gt=0)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class OutOfStock(Conflict):
    """There is none left."""

    type = "https://example.com/problems/out-of-stock"
    title = "Out of Stock"


class User(Struct):
    name: str


class Store(dict[UUID, Stored]):
    """The products, no more than a hundred."""


KNOWN = UUID("0b5cf6d5-8a3c-4a54-9a3f-1f3f6d4c8a11")
"""A product that is always there."""


class LogIn(Struct):
    name: Annotated[str, Meta(min_length=1)]
    password: str
    remember: bool = False


class Said(Struct):
    text: str


class Heard(Struct):
    text: str
    by: str


# --- components -------------------------------------------------------------------------------------------


@component(scope="app")
def store() -> Store:
    return Store({KNOWN: Stored(KNOWN, Product("Milk", 1.5), datetime(2026, 1, 1, tzinfo=UTC))})


@component(security=[Bearer(format="JWT"), ApiKey(header="x-key")])
def user(authorization: Header[str] = "", x_key: Header[str] = "") -> User:
    """
    Raises:
        Unauthorized: without a token.
    """
    if authorization != f"Bearer {TOKEN}" and x_key != TOKEN:
        raise Unauthorized("Who are you?")
    return User("somebody")


@component
def stored(id: Annotated[UUID, Meta(examples=[str(KNOWN)])], store: Store) -> Stored:
    """
    Args:
        id: as it was given when the product was added.

    Raises:
        NotFound: there is no such product.
    """
    if id not in store:
        raise NotFound("There is no such product.")
    return store[id]


# --- views ------------------------------------------------------------------------------------------------


async def listing(where: Where, store: Store, x_trace: Header[int | None] = None) -> Page:
    """Look for products.

    They come in the order in which they were *added*.

    Args:
        x_trace: a number to be found in the logs.

    Returns:
        The first of them.
    """
    found = [each for each in store.values() if where.q in each.product.name]
    return Page(found[: where.limit], len(found))


async def add(product: Product, store: Store, user: User) -> Created[Stored]:
    """Add a product.

    Args:
        product: with all that is known of it.

    Raises:
        OutOfStock: it can't be had any more.
    """
    if product.kind == "tool" and not product.tags:
        raise OutOfStock("Tools need a tag.")
    while len(store) > 100:
        store.popitem()
    made = Stored(uuid4(), product, datetime.now(UTC))
    store[made.id] = made
    return made


async def detail(item: Stored) -> Stored:
    """One product."""
    return item


class Changes(Struct):
    name: str


async def change(item: Stored, changes: Patch[Changes], user: User) -> Stored:
    """Change a product."""
    return item


async def remove(id: UUID, store: Store, user: User) -> None:
    """Remove a product, if it is there."""
    if id == KNOWN or store.pop(id, None) is None:
        raise NotFound


async def log_in(form: Form[LogIn]) -> Redirect:
    """Log in."""
    return Redirect("/")


async def upload(name: Form[str], picture: File, more: list[File] = [], n: Form[int] = 1) -> dict[str, int]:
    """Send a picture.

    Args:
        picture: of any format.
    """
    size = 0
    async for chunk in picture:
        size += len(chunk)
    return {name: size}


async def echo(content: Body[bytes]) -> Response:
    return Response(content, content_type="application/octet-stream")


async def numbers(n: Annotated[int, Meta(ge=0, le=10)]) -> Lines[Said]:
    for number in range(n):
        yield Said(str(number))


async def events(last_event_id: Header[str] = "") -> Events[Said]:
    yield Said("one")


def page(lang: Cookie[Literal["de", "en"]] = "en") -> HTML:
    return HTML("<p>Hello")


def text(year: Annotated[int, Meta(ge=1900, le=2100)], color: Color, slug: str) -> Text:
    return Text("x")


def by_day(day: date, rest: str, ratio: float = 0.5) -> str:
    return rest


def teapot(hot: bool = False) -> Annotated[Response, Status(203)]:
    return Response("short and stout", 203)


def anything(flags: Sequence[int] = ()):  # type: ignore[no-untyped-def]
    return {"flags": flags}


def nothing() -> None: ...


async def chat(socket: WebSocket[Said, Heard], room: str, user: User) -> None:
    """Talk to others.

    Args:
        room: where.
    """
    async for message in socket:
        await socket.send(Heard(message.text, user.name))


ABOUT = Info(
    title="Shop",
    version="1.2",
    summary="Something of everything",
    description="First line.\n\nSecond paragraph.",
    terms_of_service="https://example.com/terms",
    contact=Contact(name="Somebody", url="https://example.com", email="somebody@example.com"),
    license=License(name="BSD", identifier="BSD-3-Clause"),
    servers=[Server(url="/", description="here")],
)


def shop(msgpack: bool = True) -> App:
    """The application.

    Args:
        msgpack: bodies and answers may be msgpack, too.
    """
    products = Include(
        "/products",
        [
            Route("/", {"GET": listing, "POST": add}),
            Route("/<uuid:id>/", {"GET": detail, "PATCH": change, "DELETE": remove}),
            Route("/picture", "PUT", upload),
        ],
        name="products",
        msgpack=msgpack,
    )
    return App(
        [
            products,
            Route("/login", "POST", log_in, name="log_in"),
            Route("/echo", "POST", echo, body_limit=100_000),
            Route("/numbers", "GET", numbers, tags=["streams"]),
            Route("/events", "GET", events, tags=["streams"]),
            Route("/page", "GET", page),
            Route("/text/<int:year>/<color>-<slug:slug>", "GET", text),
            Route("/days/<date:day>/<path:rest>", "GET", by_day),
            Route("/teapot", "GET", teapot, deprecated=True),
            Route("/anything", "GET", anything),
            Route("/nothing", "POST", nothing, raises=[Conflict]),
            Route("/hidden", "GET", nothing, documented=False),
            WebSocketRoute("/chat/<room>", chat),
        ],
        components=[store, user, stored],
        info=ABOUT,
    )
