"""What an application in debug mode tells of an error that nobody handled: a page, or a fuller problem; and
of what holds the event loop, so that all other requests wait.

Only `App(debug=True)` does; it shows source, so it is for the machine of who writes the application. What
looks like a secret is left out all the same: pages are photographed and pasted.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import linecache
import logging
import os
import re
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterable, Iterator
from html import escape
from types import FrameType
from typing import Any
from urllib.parse import unquote_plus

from asgistar.errors import InternalServerError
from asgistar.http.request import Headers, client_of
from asgistar.http.response import HTML, Reply
from asgistar.problems import Rendering
from asgistar.signature import place
from asgistar.types import Scope
from asgistar.url import URL

logger = logging.getLogger("asgistar")

HELD = 0.1
"""Seconds after which what holds the loop is told of."""

LINES = 5
"""So many lines of source are shown before and after the one that failed."""

CHAIN = 10
"""So many errors are shown that led to each other."""

FRAMES = 50
"""So many calls are shown of an error, from both ends."""

HIDDEN = "••••••"

_HERE = ' class="here"'

_LIBRARIES = (os.path.dirname(__file__) + os.sep, sysconfig.get_path("stdlib") + os.sep)

_SECRET = re.compile(r"auth|cookie|csrf|key|pass|pwd|secret|session|signature|token", re.IGNORECASE)

_PLANS = re.compile(r"<asgistar \d+: (.*)>")
"""The files that plans are compiled as, see `views.source`."""

_LOOPS = ("asyncio.base_events", "asyncio.events", "asyncio.runners")
"""The modules that call what runs in a loop; what has called them only waits for it."""


def reply_to(error: Exception, scope: Scope, rendering: Rendering) -> Reply:
    """The response to a request that an error ended, with all that helps to find out why."""
    headers = Headers(scope["headers"])
    if "text/html" in headers.get("accept", ""):
        page = _page(error, scope, headers)
        return HTML(page, 500, {"content-security-policy": _POLICY, "cache-control": "no-store"}).reply()
    problem = InternalServerError(_told(error), traceback=traceback.format_exception(error))
    return rendering.reply(problem, scope)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _chain(error: BaseException) -> Iterator[tuple[BaseException, str]]:
    """An error and those that it came of, each with what stands above it."""
    above = ""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and len(seen) < CHAIN:
        yield following, above
        seen.add(id(following))
        if following.__cause__ is not None:
            following, above = following.__cause__, "It was raised because of this one:"
        elif following.__suppress_context__:
            following = None
        else:
            following, above = following.__context__, "It was raised while this one was handled:"


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = list(traceback.extract_tb(error.__traceback__))
    return frames if len(frames) <= FRAMES else [*frames[: FRAMES // 2], *frames[-FRAMES // 2 :]]


# --- the page ---------------------------------------------------------------------------------------------


def _page(error: Exception, scope: Scope, headers: Headers) -> str:
    told = _told(error)
    method = scope.get("method", "WebSocket")
    url = URL.of(scope)
    shown = str(url).partition("?")[0]
    errors = "".join(_section(each, above) for each, above in _chain(error))
    query = [pair.partition("=")[::2] for pair in url.query.split("&") if pair]
    request = [
        ("Request", [("method", method), ("URL", shown), ("client", _client(scope))]),
        ("Query", [(unquote_plus(name), unquote_plus(value)) for name, value in query]),
        # The page before may have had secrets in its query, too.
        (
            "Headers",
            [
                (name, value.partition("?")[0] if name == "referer" else value)
                for name, value in headers.pairs()
            ],
        ),
    ]
    tables = "".join(_table(title, rows) for title, rows in request if rows)
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(told.splitlines()[0])}</title><style>{_STYLE}</style></head><body>"
        f"<header><p>{escape(method)} {escape(shown)}</p><h1>{escape(type(error).__name__)}</h1>"
        f"<pre>{escape(str(error))}</pre></header>"
        f"<main>{errors}<section><h2>The request</h2>{tables}</section>"
        "<section><h2>As text</h2>"
        f"<pre>{escape(''.join(traceback.format_exception(error)))}</pre></section></main>"
        "<footer>This page is shown because the application was made with <code>debug=True</code>. In "
        "production a client is told 500, and nothing else.</footer></body></html>\n"
    )


def _section(error: BaseException, above: str) -> str:
    frames = _frames(error)
    own = [index for index, frame in enumerate(frames) if _is_own(frame.filename)]
    # Where to look first: the last call that isn't of a library.
    first = own[-1] if own else len(frames) - 1
    listed = "".join(_frame(frame, index == first) for index, frame in enumerate(frames))
    head = f"<p>{escape(above)}</p><h2>{escape(_told(error))}</h2>" if above else "<h2>Where it happened</h2>"
    return f"<section>{head}{listed}</section>"


def _is_own(file: str) -> bool:
    """Whether a file is of the application: of no library, and not of Python."""
    return not file.startswith(("<", *_LIBRARIES)) and "site-packages" not in file


def _frame(frame: traceback.FrameSummary, is_open: bool) -> str:
    plan = _PLANS.fullmatch(frame.filename)
    where = f"the plan of {plan[1]}" if plan else place(frame.filename, frame.lineno or 0)
    lines = linecache.getlines(frame.filename)
    number = frame.lineno or 0
    # The plan of a view is short, and nowhere else to be read: it is shown in full.
    first = 1 if plan else max(1, number - LINES)
    last = len(lines) if plan else number + LINES
    source = "".join(
        f'<li value="{at}"{_HERE if at == number else ""}><code>{escape(lines[at - 1].rstrip())}</code></li>'
        for at in range(first, min(last, len(lines)) + 1)
    )
    kind = "plan" if plan else "own" if _is_own(frame.filename) else "library"
    return (
        f'<details class="{kind}"{" open" if is_open else ""}><summary><b>{escape(frame.name)}</b> '
        f"{escape(where)}</summary><ol>{source}</ol></details>"
    )


def _table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    made = "".join(
        f"<tr><th>{escape(name)}</th><td>{HIDDEN if _SECRET.search(name) else escape(str(value))}</td></tr>"
        for name, value in rows
    )
    return f"<h3>{escape(title)}</h3><table>{made}</table>"


def _client(scope: Scope) -> str:
    client = client_of(scope)
    return "unknown" if client is None else f"{client.host}:{client.port}"


_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --mark: #fff1c2; --soft: #5b6472; --red: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a404b; --mark: #4a3f16; --soft: #a3acba; --red: #ff8f85; }
}
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 66rem; padding: 1.5rem; }
header p, footer, summary { color: var(--soft); }
header p { margin: 0; overflow-wrap: anywhere; }
h1 { color: var(--red); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
pre, ol, summary b { font-family: ui-monospace, monospace; font-size: .875rem; }
pre { overflow-x: auto; white-space: pre-wrap; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; overflow: hidden; }
details.own, details.plan { border-left: .25rem solid var(--red); }
summary { cursor: pointer; overflow-wrap: anywhere; padding: .4rem .8rem; }
summary b { color: CanvasText; }
ol { border-top: 1px solid var(--line); margin: 0; overflow-x: auto; padding: .4rem 0 .4rem 4rem; }
ol code { white-space: pre; }
li::marker { color: var(--soft); }
li.here { background: var(--mark); }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; padding: .3rem .6rem .3rem 0;
  text-align: left; vertical-align: top; }
th { font-weight: 500; width: min(14rem, 35vw); }
footer { font-size: .875rem; margin-top: 3rem; }
"""

_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"


# --- the loop ---------------------------------------------------------------------------------------------


class Watch:
    """Tells of what holds the event loop: a part of the lifespan. A thread looks whether the loop turns."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to look."""
        loop, ident = asyncio.get_running_loop(), threading.get_ident()
        self._thread = threading.Thread(target=self._look, args=(loop, ident), daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        assert self._thread is not None
        self._thread.join()

    def _look(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        while not self._stopped.wait(HELD):
            turned = threading.Event()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # it is closed
                return
            if turned.wait(HELD):
                continue
            if self._stopped.is_set():  # who stops it holds the loop, until this has ended
                return
            if told := _holding(sys._current_frames().get(ident)):
                logger.warning("%s", told)
            while not turned.wait(HELD) and not self._stopped.is_set():
                pass  # it is told of once


def _holding(at: FrameType | None) -> str:
    """What holds the loop, told from its innermost call; empty if it is nothing of the application."""
    own: list[FrameType] = []
    while at is not None and _PLANS.fullmatch(at.f_code.co_filename) is None:
        if at.f_globals.get("__name__") in _LOOPS:
            at = None
            break
        if _is_own(at.f_code.co_filename):
            own.append(at)
        at = at.f_back
    if not own:
        return ""
    inner, outer = own[0], own[-1]
    code = outer.f_code
    told = f"{code.co_qualname.replace('<locals>.', '')}() at {place(code.co_filename, code.co_firstlineno)}"
    plan = None if at is None else _PLANS.fullmatch(at.f_code.co_filename)
    request = f", for {plan[1]}," if plan else ""
    return (
        f"{told}{request} holds the event loop: all other requests wait. It is at "
        f"{place(inner.f_code.co_filename, inner.f_lineno)}. Await what takes its time, or call it in a "
        "thread: a view that is `def` runs in one, a component with @component(thread=True)."
    )
