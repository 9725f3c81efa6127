"""What is asked in each row, and what must come back: whoever answers anything else isn't measured."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import ROUTES

NOTE = {"title": "Milk and bread", "text": "and butter", "tags": ["home", "today"], "priority": 3}
WRONG = {"title": "", "text": "and butter", "tags": ["home", 5], "priority": 9}


@dataclass(frozen=True)
class Asked:
    """A request, the statuses that its answer may have, and a check of its body."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    statuses: tuple[int, ...] = (200,)
    check: Callable[[Any], bool] = bool

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those that a client would send."""
        fields = [(b"host", b"127.0.0.1:8000"), (b"user-agent", b"benchmark/1"), (b"accept", b"*/*")]
        if self.body:
            fields += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        return fields

    def wrong(self, status: int, body: bytes) -> str:
        """Why that isn't the answer; empty if it is."""
        if status not in self.statuses:
            return f"{self.method} {self.target} was answered with {status}: {body[:200]!r}"
        try:
            right = self.check(json.loads(body))
        except ValueError:
            right = False
        return "" if right else f"{self.method} {self.target} was answered with {body[:200]!r}"


def _body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


REQUESTS = {
    "constant": Asked("GET", "/", check=lambda answer: answer == {"hello": "world"}),
    "typed": Asked(
        "GET",
        "/archive/2026",
        "q=milk+and+bread&page=3",
        check=lambda answer: answer == {"year": 2026, "q": "milk and bread", "page": 3},
    ),
    "model": Asked(
        "POST", "/notes", body=_body(NOTE), statuses=(200, 201), check=lambda answer: answer == NOTE
    ),
    "list": Asked("GET", "/notes", check=lambda answer: answer == NOTES),
    "invalid": Asked("POST", "/notes", body=_body(WRONG), statuses=(400, 422)),
    "routes": Asked("GET", f"/things{ROUTES - 1}/7", check=lambda answer: answer == {"id": 7}),
}
