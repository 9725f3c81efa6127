"""`asgistar routes`: the table of an application, and the source that runs for a view."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from asgistar import signature as signatures
from asgistar.app import App
from asgistar.cli.loading import Application
from asgistar.cli.mistakes import Mistake, near
from asgistar.cli.parser import Parser
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.pattern import Slot
from asgistar.routing.route import WEBSOCKET, Mount


class Line(msgspec.Struct):
    """A line of the table: one method of one route.

    Attributes:
        method: in upper case; `WEBSOCKET`, or `*` for a mounted application.
        path: with the host before it, if it is for one.
        name: what `url_for` knows it as.
        view: the name of the function.
        place: its file and line.
    """

    method: str
    path: str
    name: str
    view: str
    place: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table, and what it was made of.

    Attributes:
        plan: what runs; None for a mounted application.
        ours: the view is one of asgistar itself, such as those of the docs page.
    """

    line: Line
    plan: Any
    ours: bool


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.add_argument("--all", action="store_true", help="show the routes of asgistar itself, too")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="write JSON")
    how.add_argument(
        "--source",
        metavar="NAME",
        help="show the source that runs for a route: its name, the name of its view, or its path",
    )


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Write the table, or the source."""
    app = application.app
    if options.source is not None:
        print(_source(app, options.source))
        return 0
    all_rows = list(rows(app))
    lines = [row.line for row in all_rows if options.all or not row.ours]
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(lines), indent=2).decode())
        return 0
    print(_table(lines) if lines else f"{application.target} has no routes.")
    if len(lines) < len(all_rows):
        print(f"{len(all_rows) - len(lines)} more are asgistar's own: asgistar routes --all")
    return 0


def rows(app: App) -> Iterator[Row]:
    """The table, line by line."""
    for endpoint in app.router.endpoints:
        path = f"{_host(endpoint)}{endpoint.path}"
        if isinstance(endpoint.entry, Mount):
            mounted = endpoint.entry.app
            name = getattr(mounted, "__qualname__", type(mounted).__qualname__)
            yield Row(Line("*", f"{path}/…", endpoint.name, name, endpoint.entry.place), None, False)
        for method, view in endpoint.views.items():
            where, _, place = signatures.described(view).partition("() at ")
            name = endpoint.name or endpoint.namespace + getattr(view, "__name__", "")
            shown = "WEBSOCKET" if method == WEBSOCKET else method
            line = Line(shown, path, name, where.removesuffix("()"), place)
            ours = str(getattr(view, "__module__", "")).startswith("asgistar.")
            yield Row(line, endpoint.handlers[method], ours)


def _host(endpoint: Endpoint) -> str:
    """The host that a route is for, as it stands before the path in an address."""
    if endpoint.host is None:
        return ""
    parts = (f"<{part.name}>" if isinstance(part, Slot) else part for part in endpoint.host.parts)
    return f"//{''.join(parts)}"


def _table(lines: Sequence[Line]) -> str:
    """The lines in columns, under their headings."""
    cells = [("METHOD", "PATH", "NAME", "VIEW")]
    cells += [(each.method, each.path, each.name, f"{each.view}  {each.place}".rstrip()) for each in lines]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]])
        for row in cells
    )


def _source(app: App, name: str) -> str:
    """The source of every view that is called so.

    Raises:
        Mistake: there is none.
    """
    names: dict[str, None] = {}
    found = []
    for row in rows(app):
        line = row.line
        if row.plan is None:
            continue
        own = [each for each in (line.name, line.view, line.path, f"{line.method} {line.path}") if each]
        names |= dict.fromkeys(own)
        if name in own:
            found.append(f"# {line.method} {line.path}: {line.view}() at {line.place}\n{row.plan.text}")
    if not found:
        hint = near(name, names) or "asgistar routes shows their names, views and paths."
        raise Mistake(f"There is no route {name}.", hint)
    return "\n\n".join(each.rstrip() for each in found)
