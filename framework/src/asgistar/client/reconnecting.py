"""When a stream of events that broke is taken up again (HTML Standard §9.2.3).

What comes next is decided here; the streams wait, and ask for it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from asgistar.client.document import EVENTS, is_json_lines, media_type
from asgistar.client.errors import Problem, problem
from asgistar.client.events import Events, JSONLines

PASSING = (502, 503, 504)
"""The statuses of a server that is away for a moment."""

QUIET = 60.0
"""How many seconds a stream may be silent, however short the timeout of the client is."""

BOUNDS = (0.1, 300)
"""How many seconds a server can ask to wait: no fewer and no more."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """When a stream of events is taken up again: after it broke, and after its end if the server has said
    with `retry:` when to come back. The server is told the id of the last event. Only what GET gives is asked
    for again; a server that has nothing more answers with 204.

    Attributes:
        attempts: how many in a row that bring nothing; 0 for none at all.
        delay: seconds before the first one, unless the server says so with `retry:`; it doubles with each,
            and a random part of up to a quarter is added.
        longest: seconds that the delay grows to.
    """

    attempts: int = 8
    delay: float = 1.0
    longest: float = 30.0


class Course:
    """A stream over all its connections: JSON lines, which have one, or events.

    Args:
        response: the first answer, which is such a stream.
        reconnect: when to ask for it again; None for never.
    """

    def __init__(self, response: httpx.Response, reconnect: Reconnect | None) -> None:
        found = parser(response)
        assert found is not None
        self._parser = found
        _be_patient(response)
        self._reconnect = reconnect
        self._failed = 0

    @property
    def headers(self) -> httpx.Headers:
        """What is said when it is asked for again."""
        last = self._parser.last_id if isinstance(self._parser, Events) else ""
        return httpx.Headers({"last-event-id": last} if last else {}, encoding="utf-8")

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """What a chunk completes."""
        self._failed = 0
        return self._parser.feed(chunk)

    def end(self) -> Iterator[Any]:
        """What the end of a connection completes."""
        return self._parser.end()

    def resumed(self, response: httpx.Response) -> None:
        """A further answer.

        Raises:
            Problem: it is an error; it has been read, then.
            httpx.RemoteProtocolError: it is no stream of events.
        """
        if response.status_code >= 400:
            raise problem(response)
        if response.status_code != 204 and not isinstance(parser(response), Events):
            said = f"{response.request.url} gave events before, and gives {response.status_code} now."
            raise httpx.RemoteProtocolError(said, request=response.request)
        assert isinstance(self._parser, Events)
        self._parser = Events(self._parser)
        _be_patient(response)

    def broken(self, error: httpx.TransportError | Problem) -> float:
        """How many seconds to wait after a connection broke, or couldn't be made.

        Raises:
            Exception: the error; it is over.
        """
        passing = not isinstance(error, Problem) or error.status in PASSING
        if not passing or (wait := self._wait()) is None:
            raise error
        return wait

    def ended(self, response: httpx.Response) -> float | None:
        """How many seconds to wait after a connection came to its end; None if it is over."""
        asked_back = isinstance(self._parser, Events) and self._parser.retry is not None
        return self._wait() if asked_back and response.status_code == 200 else None

    def _wait(self) -> float | None:
        policy = self._reconnect
        if policy is None or self._failed >= policy.attempts or not isinstance(self._parser, Events):
            return None
        retry = self._parser.retry
        first = policy.delay if retry is None else min(max(retry / 1000, BOUNDS[0]), BOUNDS[1])
        wait = min(first * 2.0 ** min(self._failed, 32), max(first, policy.longest))
        self._failed += 1
        return wait * random.uniform(1, 1.25)


def _be_patient(response: httpx.Response) -> None:
    """Wait longer for the pieces of a stream than for an answer."""
    timeout = response.request.extensions.get("timeout", {})
    if timeout.get("read") is not None:
        timeout["read"] = max(timeout["read"], QUIET)


def parser(response: httpx.Response) -> Events | JSONLines | None:
    """What takes a response apart that is a stream of events or lines; None if it is none."""
    media = media_type(response.headers.get("content-type", ""))
    if response.is_success and media == EVENTS:
        return Events()
    return JSONLines() if response.is_success and is_json_lines(media) else None
