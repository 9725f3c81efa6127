"""The notes on servers: the same answers on each of them, and the same news in each process."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from conftest import Serve, Served

PATIENCE = 30
ADA = {"email": "ada@example.com", "password": "correct horse"}
OWN_TO_THE_SERVER = {"connection", "date", "keep-alive", "server", "transfer-encoding"}
DIFFERENT_EACH_TIME = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "(id)"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z"), "(time)"),
    (re.compile(r'(?<="token":")[^"]+|(?<=notes_session=)[^;]+'), "(token)"),
]


class Conversation:
    """Asks a server, and keeps what it answers, without what is different each time."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.client = httpx.Client(base_url=served.url, timeout=PATIENCE, trust_env=False)
        self.answers: list[Any] = []

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask for something."""
        answer = self.client.request(method, path, **more)
        headers = sorted(
            (name, "(time)" if name in ("etag", "last-modified") else self.same(value))
            for name, value in answer.headers.multi_items()
            if name not in OWN_TO_THE_SERVER
        )
        body = answer.content if method == "HEAD" or b"\0" in answer.content else self.same(answer.text)
        # A time with fewer digits makes a shorter body.
        if "(time)" in body if isinstance(body, str) else False:
            headers = [header for header in headers if header[0] != "content-length"]
        self.answers.append((self.same(f"{method} {path}"), answer.status_code, headers, body))
        return answer

    def same(self, text: str) -> str:
        """A text without what is different each time."""
        for pattern, name in DIFFERENT_EACH_TIME:
            text = pattern.sub(name, text)
        return text

    def events(self, number: int, **headers: str) -> None:
        """Listen to events."""
        with self.client.stream("GET", "/changes/", headers=headers) as answer:
            lines = []
            for line in answer.iter_lines():
                lines.append(self.same(line))
                if lines.count("") == number:
                    break
        self.answers.append(("events", answer.status_code, answer.headers["content-type"], lines))

    def websocket(self, path: str, number: int, **headers: str) -> None:
        """Listen to a WebSocket."""
        url = self.served.url.replace("http", "ws") + path
        try:
            with websockets.sync.client.connect(url, proxy=None, additional_headers=headers) as socket:
                messages = [self.same(str(socket.recv(PATIENCE))) for _ in range(number)]
            self.answers.append(("websocket", path, messages))
        except InvalidStatus as error:
            self.answers.append(("websocket", path, error.response.status_code))


def conversation(served: Served) -> list[Any]:
    """What a server answers to all sorts of requests."""
    talk = Conversation(served)
    with talk.client:
        for path in (
            "/",
            "/static/style.css",
            "/static/none.css",
            "/static/%2e%2e/app.py",
            "/docs",
            "/docs/",
        ):
            talk.ask("GET", path)
        talk.ask("GET", "/docs/openapi.json")
        talk.ask("HEAD", "/")
        talk.ask("OPTIONS", "/notes/")
        talk.ask("PUT", "/notes/")
        talk.ask("POST", "/users/", json={**ADA, "name": "Ada"})
        talk.ask("POST", "/users/", json={**ADA, "name": "Ada"})
        talk.ask("POST", "/users/", json={"email": "x", "name": "\0", "password": "x", "other": 1})
        talk.ask("POST", "/users/", content=b"{", headers={"content-type": "application/json"})
        talk.ask("POST", "/users/", content=b"{}", headers={"content-type": "text/plain"})
        talk.ask("POST", "/login/", json={**ADA, "password": "wrong horse"})
        talk.ask("GET", "/me/")
        token = talk.ask("POST", "/login/", json=ADA).json()["token"]
        talk.ask("GET", "/me/")  # by the cookie
        talk.client.cookies.clear()
        shown = {"authorization": f"Bearer {token}"}
        talk.client.headers.update(shown)
        talk.ask("GET", "/me/")
        for n in range(3):
            talk.ask("POST", "/notes/", json={"title": f"Übung {n}", "tags": ["a", f"t{n}"]})
        talk.ask("POST", "/notes/", json={"title": "x", "text": "x" * 100_000})
        talk.ask("GET", "/notes/", params={"limit": 2, "q": "übung"})
        talk.ask("GET", "/notes/?q=%ff")
        talk.ask("GET", "/notes/?limit=0&before=x")
        talk.ask("GET", "/notes/%31/")
        talk.ask("GET", "/notes/99/")
        talk.ask("PATCH", "/notes/1/", json={"done": True})
        talk.ask("GET", "/notes/tags/")
        file = {"file": ("Bü.bin", bytes(range(256)) * 1000, "application/x-bytes")}
        id = talk.ask("POST", "/notes/1/attachments/", files=file).json()["id"]
        for headers in ({}, {"range": "bytes=10-19"}, {"range": "bytes=256000-"}, {"if-none-match": "*"}):
            talk.ask("GET", f"/attachments/{id}/", headers=headers)
        talk.ask("HEAD", f"/attachments/{id}/")
        talk.ask("DELETE", f"/attachments/{id}/")
        talk.ask("DELETE", "/notes/2/")
        talk.events(4, **{"last-event-id": "3"})
        talk.websocket("/live/?after=3", 4, **shown)
        talk.websocket("/live/?after=x", 0, **shown)
        talk.websocket("/live/", 0)
        talk.websocket("/nowhere/", 0, **shown)
        talk.ask("POST", "/logout/")
        talk.ask("GET", "/me/")
    return talk.answers


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_every_server_gives_the_same_answers(serve: Serve, request: pytest.FixtureRequest) -> None:
    fresh = request.getfixturevalue("fresh")
    first = conversation(serve("asgiworker"))
    assert len(first) > 40
    assert {answer[1] for answer in first} >= {
        200,
        201,
        204,
        206,
        304,
        400,
        401,
        404,
        405,
        409,
        415,
        416,
        422,
    }
    for other in ("uvicorn", "granian"):
        fresh()
        for ours, theirs in zip(first, conversation(serve(other)), strict=True):
            assert theirs == ours, f"{other} answers otherwise"


@pytest.fixture
def fresh(databases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`fresh()`: what is served from now on has a database and a folder of its own."""
    numbers = iter(range(100))

    def make() -> None:
        number = next(numbers)
        monkeypatch.setenv("NOTES_DATABASE_URL", databases.tables(f"fresh{number}-{tmp_path.name}"))
        monkeypatch.setenv("NOTES_ATTACHMENTS", str(tmp_path / f"fresh{number}"))

    return make


WHICH = '''
"""The notes; each response says which process it is from."""

import os

from app import app as notes


async def app(scope, receive, send):
    async def sending(message):
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-worker", str(os.getpid()).encode())]
        await send(message)

    await notes(scope, receive, sending)
'''


def test_a_change_in_one_process_is_told_by_all(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "which.py").write_text(WHICH)
    served = serve("gunicorn", "-w", "2", app="which:app", path=str(tmp_path))
    with ExitStack() as stack:

        def client() -> httpx.Client:
            """Another connection: one of the two takes it."""
            made = httpx.Client(base_url=served.url, timeout=PATIENCE, trust_env=False)
            return stack.enter_context(made)

        asking = client()
        asking.post("/users/", json={**ADA, "name": "Ada"})
        shown = {"authorization": f"Bearer {asking.post('/login/', json=ADA).json()['token']}"}
        asking.post("/notes/", json={"title": "first"}, headers=shown)

        listeners: dict[str, Any] = {}
        for _ in range(50):
            headers = {**shown, "last-event-id": "0"}
            answer = stack.enter_context(client().stream("GET", "/changes/", headers=headers))
            listeners.setdefault(answer.headers["x-worker"], answer.iter_lines())
            if len(listeners) == 2:
                break
        assert len(listeners) == 2, "one process took all connections"

        written = asking.post("/notes/", json={"title": "second"}, headers=shown)
        assert written.headers["x-worker"] in listeners
        for lines in listeners.values():
            changes = (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
            assert [next(changes)["note_id"], next(changes)["note_id"]] == [1, written.json()["id"]]
