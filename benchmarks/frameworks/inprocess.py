"""One framework without a server: the application is called as a server would call it, and timed.

    python -m benchmarks.frameworks.inprocess NAME SECONDS

It prints a line of JSON: row -> CPU microseconds per request, the least of several turns. One message goes
in, and those that come out are thrown away. What the loop around it takes is in the figures of all.
"""

import asyncio
import json
import sys
import time
from typing import Any

from benchmarks.frameworks.peers import FRAMEWORKS, ROWS, Application, Message
from benchmarks.frameworks.requests import REQUESTS, Asked

TURNS = 5


class Lifespan:
    """The lifespan of an application: it is entered before the first request, and left after the last."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def __aenter__(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._task = asyncio.ensure_future(self._app(scope, self._to_app.get, self._from_app.put))
        await self._tell("lifespan.startup")

    async def __aexit__(self, *_: object) -> None:
        await self._tell("lifespan.shutdown")
        self._task.cancel()

    async def _tell(self, what: str) -> None:
        """Tell it, and wait for its answer; many have none, and raise or return."""
        if self._task.done():
            return
        self._to_app.put_nowait({"type": what})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
        answer.cancel()


def scope_of(asked: Asked) -> dict[str, Any]:
    """The scope that a server would make of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "query_string": asked.query.encode(),
        "root_path": "",
        "headers": asked.headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }


class Body:
    """What a server has for an application to receive: the whole body, then nothing, as the client stays."""

    def __init__(self, asked: Asked) -> None:
        self._message = {"type": "http.request", "body": asked.body, "more_body": False}
        self._left = asyncio.Event()
        self.received = False

    async def receive(self) -> Message:
        if self.received:
            await self._left.wait()
        self.received = True
        return dict(self._message)


async def answer(app: Application, asked: Asked) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await app({**scope_of(asked), "state": {}, "extensions": {}}, Body(asked).receive, send)
    return messages[0]["status"], b"".join(each.get("body", b"") for each in messages[1:])


async def timed(app: Application, asked: Asked, seconds: float) -> float:
    """CPU microseconds per request: the least of several turns."""
    template = scope_of(asked)
    body = Body(asked)
    receive = body.receive

    async def send(message: Message) -> None:
        pass

    async def turn(count: int) -> float:
        began = time.process_time()
        for _ in range(count):
            body.received = False
            await app({**template, "state": {}, "extensions": {}}, receive, send)
        return time.process_time() - began

    count = 20
    while (took := await turn(count)) < 0.02:
        count *= 2
    count = max(1, int(count * seconds / TURNS / took))
    return min([await turn(count) for _ in range(TURNS)]) / count * 1e6


async def measured(name: str, seconds: float) -> dict[str, float]:
    """Each row of a framework."""
    framework = next(each for each in FRAMEWORKS if each.name == name)
    found = {}
    for routes in sorted({row.routes for row in ROWS}):
        app = framework.application(routes)
        async with Lifespan(app):
            for row in ROWS:
                if row.routes == routes:
                    asked = REQUESTS[row.name]
                    if wrong := asked.wrong(*await answer(app, asked)):
                        raise SystemExit(f"{framework.title}: {wrong}")
                    found[row.name] = await timed(app, asked, seconds)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measured(sys.argv[1], float(sys.argv[2])))))
