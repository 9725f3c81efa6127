"""Who takes part, and in what: every framework and every row, in this one file."""

import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Framework:
    """One framework: its module in `applications`, what to install, and by what it validates."""

    name: str
    title: str
    requirements: tuple[str, ...]
    #: What `--import` imports.
    package: str
    validates: str
    is_ours: bool = False
    is_floor: bool = False

    def application(self, routes: int = 0) -> Application:
        """The application, with so many more routes."""
        module = importlib.import_module(f"benchmarks.frameworks.applications.with_{self.name}")
        made: Application = module.application(routes)
        return made


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of work.

    `target` and `floor_target` are ratios to the best peer and to the floor that we want to stay under,
    `fastapi_target` the one to FastAPI.
    """

    name: str
    title: str
    target: float | None = 1.0
    floor_target: float | None = None
    fastapi_target: float | None = None
    #: So many routes more than the others have.
    routes: int = 0


FRAMEWORKS = (
    Framework(
        name="floor",
        title="by hand (ASGI, msgspec)",
        requirements=("msgspec~=0.22.0",),
        package="msgspec",
        validates="msgspec",
        is_floor=True,
    ),
    Framework(
        name="asgistar",
        title="asgistar",
        requirements=(),
        package="asgistar",
        validates="msgspec",
        is_ours=True,
    ),
    Framework(
        name="falcon",
        title="Falcon",
        requirements=("falcon~=4.4",),
        package="falcon.asgi",
        validates="msgspec, by hand",
    ),
    Framework(
        name="blacksheep",
        title="BlackSheep",
        requirements=("blacksheep~=2.6", "pydantic~=2.14", "orjson~=3.13"),
        package="blacksheep",
        validates="pydantic",
    ),
    Framework(
        name="starlette",
        title="Starlette",
        requirements=("starlette~=1.10",),
        package="starlette.applications",
        validates="msgspec, by hand",
    ),
    Framework(
        name="litestar",
        title="Litestar",
        requirements=("litestar~=2.25",),
        package="litestar",
        validates="msgspec",
    ),
    Framework(
        name="sanic",
        title="Sanic",
        requirements=("sanic~=25.12",),
        package="sanic",
        validates="msgspec, by hand",
    ),
    Framework(
        name="fastapi",
        title="FastAPI",
        requirements=("fastapi~=0.165.0",),
        package="fastapi",
        validates="pydantic",
    ),
    Framework(
        name="ninja",
        title="django-ninja",
        requirements=("django~=5.2", "django-ninja~=1.7"),
        package="benchmarks.frameworks.applications.with_ninja",  # it wants settings first
        validates="pydantic",
    ),
)

ROUTES = 1000

ROWS = (
    Row(name="constant", title="GET, constant"),
    Row(name="typed", title="GET, typed path and query"),
    Row(name="model", title="POST, model", floor_target=3.5, fastapi_target=0.12),
    Row(name="list", title="GET, 100 objects"),
    Row(name="invalid", title="POST, three errors"),
    Row(name="routes", title="GET, last of 1,000 routes", routes=ROUTES),
)


def requirements() -> list[str]:
    """What pip needs beside our two packages; trustme is what the other benchmarks need."""
    return sorted({"trustme", "uvloop"}.union(*(framework.requirements for framework in FRAMEWORKS)))
