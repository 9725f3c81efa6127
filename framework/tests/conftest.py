"""What the tests share: the question where a path leads, and a client that calls an application."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

import asgiworker
from asgistar import App
from asgistar.http import URL
from asgistar.routing.route import Entry, Route
from asgistar.routing.router import Router

HERE = Path(__file__).parent
ELSEWHERE = ("browser", "cli", "client", "docs", "docs_pages", "openapi")
"""What sees no difference between one Python and another, or takes long: browsers, other programs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is the framework itself on every Python."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).parts[0] not in ELSEWHERE:
            item.add_marker("every_python")


Resolve = Callable[..., tuple[str, dict[str, Any]] | None]


@pytest.fixture
def resolve() -> Resolve:
    """`resolve(routes, path)`: the name of the route that takes the path, and the arguments of its view."""

    def ask(
        routes: Iterable[Entry] | Router, path: str, method: str = "GET", host: str = ""
    ) -> tuple[str, dict[str, Any]] | None:
        router = routes if isinstance(routes, Router) else Router(routes)
        found = router.match(method, path, host)
        if found is None:
            return None
        endpoint, values = found
        return endpoint.name or endpoint.path, endpoint.arguments(values)

    return ask


def view(**arguments: Any) -> None:
    """A view that takes every argument."""


def get(path: str, name: str = "", **options: Any) -> Route:
    """A route of this path for GET."""
    return Route(path, "GET", view, name=name, **options)


@pytest.fixture(name="get")
def _get() -> Callable[..., Route]:
    """`get(path, name)`: a route to a view that takes every argument."""
    return get


# --- a client -------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """A response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, decoded; it must say that it is JSON, and how long it is."""
        assert self.headers["content-type"] in ("application/json", "application/problem+json")
        assert self.headers["content-length"] == str(len(self.body))
        return json.loads(self.body)

    @property
    def errors(self) -> list[tuple[Any, ...]]:
        """What is told to be wrong: where, path, code."""
        return [(each["in"], *each["path"], each["code"]) for each in self.json["errors"]]


Target = Callable[..., Any]


class Client:
    """Calls an application as a server would, with one request at a time."""

    def __init__(self, app: Target) -> None:
        self.app = app

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        json: Any = None,
        body: bytes | list[bytes | None] = b"",
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        **scope: Any,
    ) -> Answer:
        """The answer to a request. A list as the body comes in these parts; None in it: the client leaves."""
        path, _, query = target.partition("?")
        fields = list(headers.items() if isinstance(headers, dict) else headers or [])
        if json is not None:
            body = _dumped(json)
            fields.append(("content-type", "application/json"))
        parts = body if isinstance(body, list) else [body]
        messages = [
            {"type": "http.disconnect"}
            if part is None
            else {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        answer = Answer()
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                assert len(answer.headers) == len(message["headers"])
            else:
                answer.body += message["body"]

        full = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            "client": ("127.0.0.1", 1234),
            "server": ("127.0.0.1", 80),
            "state": {},
            "extensions": {},
        }
        await self.app({**full, **scope}, receive, send)
        assert sent in ([], ["http.response.start", "http.response.body"])
        return answer

    async def get(self, target: str, **options: Any) -> Answer:
        """The answer to a GET request."""
        return await self("GET", target, **options)

    async def post(self, target: str, json: Any = None, **options: Any) -> Answer:
        """The answer to a POST request."""
        return await self("POST", target, json=json, **options)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


Connect = Callable[..., Client]


@pytest.fixture(name="client")
def _client() -> Connect:
    """`client(Route(…), …)` or `client([…], slashes="redirect")`: a client of such an application."""

    def make(*routes: Any, **options: Any) -> Client:
        return Client(App(routes[0] if isinstance(routes[0], list) else routes, **options))

    return make


# --- the wire ---------------------------------------------------------------------------------------------


class Wire:
    """Asks with bytes, and reads them."""

    def __init__(self, server: Any) -> None:
        self.server = server

    async def open(self, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which this has been sent."""
        url = URL(self.server.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(sent)
        return reader, writer

    async def __call__(self, line: str, body: bytes = b"", **fields: str) -> tuple[int, str, bytes]:
        """Status, head and body of the answer, and that nothing follows."""
        head = [f"{line} HTTP/1.1", "host: example.com", "connection: close"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        if body:
            head.append(f"content-length: {len(body)}")
        reader, writer = await self.open("\r\n".join([*head, "", ""]).encode("latin-1") + body)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        first, _, rest = answer.partition(b"\r\n\r\n")
        return int(first.split()[1]), first.decode("latin-1"), rest


Served = Callable[..., AbstractAsyncContextManager[Wire]]


@pytest.fixture
def served() -> Served:
    """`async with served(Route(…), …) as ask`: such an application on a server, to be asked with bytes."""

    @asynccontextmanager
    async def serve(*routes: Any, cancel_on_disconnect: bool = False, **options: Any) -> AsyncIterator[Wire]:
        async with asgiworker.running(
            App(routes, **options),
            lifespan="on",
            graceful_timeout=1,
            cancel_on_disconnect=cancel_on_disconnect,
            date_header=False,
            server_header=False,
        ) as server:
            yield Wire(server)

    return serve


# --- programs that run on Node ----------------------------------------------------------------------------

NPM = {"tsc": "typescript@5.9.3", "pyright": "pyright@1.1.414"}
"""Program -> the package of npm that it comes with."""


def _command(name: str) -> str | None:
    """Where a program is: beside this Python, where the wheel of Node puts it, or anywhere."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


Installed = Callable[[str], list[str]]


@pytest.fixture(scope="session")
def npm(request: pytest.FixtureRequest) -> Installed:
    """`npm("tsc")`: the command for a program of `NPM`; what is installed is kept in the cache of pytest."""
    cache = request.config.cache
    assert cache is not None

    def installed(name: str) -> list[str]:
        package = NPM[name]
        node, manager = _command("node"), _command("npm")
        if node is None or manager is None:
            pytest.skip(f"There is no Node here to run {name} on: pip install -r framework/tests/node.txt")
        folder = cache.mkdir("npm") / package
        if not folder.exists():
            own = folder.with_name(f"{folder.name}.{os.getpid()}")
            command = [manager, "install", "--no-audit", "--no-fund", "--prefix", str(own), package]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                pytest.skip(f"npm didn't install {package} within 120 s.")
            if done.returncode:
                pytest.skip(f"npm can't install {package}: {done.stderr[-300:]}")
            try:
                own.rename(folder)
            except OSError:  # another process was faster
                shutil.rmtree(own)
        return [node, str(folder / "node_modules" / ".bin" / name)]

    return installed


Pyright = Callable[[Path], list[str]]


@pytest.fixture
def pyright(npm: Installed) -> Pyright:
    """`pyright(folder)`: what pyright says of the modules in a folder, in its strict mode."""
    command = npm("pyright")

    def look(folder: Path) -> list[str]:
        settings = {
            "typeCheckingMode": "strict",
            "pythonVersion": "3.11",
            # A line that is marked as wrong must be wrong.
            "reportUnnecessaryTypeIgnoreComment": "error",
        }
        (folder / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
        modules = list(folder.glob("*.py"))
        asked = [*command, "--project", str(folder), "--pythonpath", sys.executable, "--outputjson"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=300)
        report = json.loads(done.stdout)
        assert report["summary"]["filesAnalyzed"] == len(modules)
        return [
            f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each.get('rule')}: "
            f"{each['message']}"
            for each in report["generalDiagnostics"]
        ]

    return look
