"""The router: which endpoint of a table takes a request. Data in, data out; it knows no request and no I/O.

A path without parameters is found in a dictionary. The others hang in a tree, a level for each segment, in
which endpoints with the same beginning share their way; so the work grows with the length of the path, not
with the length of the table. The order of the table is kept: of the endpoints that the tree finds, the first
in the table has the first word. If its converters or its host don't want the request, or it hasn't the
method, the next one is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asgistar.errors import ConfigurationError
from asgistar.routing import shadow
from asgistar.routing.converters import Converter, StrConverter, known_converters
from asgistar.routing.endpoint import Endpoint, endpoints
from asgistar.routing.matcher import Match, matcher
from asgistar.routing.options import Options
from asgistar.routing.pattern import Parts, Slot, segments
from asgistar.routing.reverse import Addresses
from asgistar.routing.route import WEBSOCKET, Entry

Found = tuple[int, Endpoint, tuple[str, ...]]
"""An endpoint whose pattern matches: its order, itself, the texts of its parameters."""


class Node:
    """A level of the tree: what can come after the segments that led here.

    Attributes:
        static: the text of the next segment -> the level below.
        dynamic: what takes the next segment, each with the level below: a parameter alone by its `fullmatch`,
            None for any text but the empty; or the matcher of several parts.
        ends: endpoints whose path ends here.
        tails: matchers of all the rest of the path, with their endpoints.
        mounts: applications that are mounted here.
    """

    __slots__ = ("_shapes", "dynamic", "ends", "mounts", "static", "tails")

    def __init__(self) -> None:
        # PERF: most levels have one of these only, and each route of a table has a level or two for itself.
        # With containers for all of them, that took three times as long.
        self.static: dict[str, Node] = _NONE
        self.dynamic: tuple[tuple[Callable[[str], object] | None, Match | None, Node], ...] = ()
        self.ends: tuple[Endpoint, ...] = ()
        self.tails: tuple[tuple[Match, list[Endpoint]], ...] = ()
        self.mounts: tuple[Endpoint, ...] = ()
        self._shapes: dict[object, Any] = _NONE

    def below(self, segment: Parts) -> Node:
        """The level below for `segment`, made if it isn't there."""
        alone = segment[0] if len(segment) == 1 else None
        text = alone if segment else ""
        if isinstance(text, str):
            if text not in self.static:
                self.static = self.static or {}
                self.static[text] = Node()
            return self.static[text]
        shape = _shape(segment)
        if shape not in self._shapes:
            self._shapes = self._shapes or {}
            self._shapes[shape] = node = Node()
            if isinstance(alone, Slot):
                whole = None if alone.kind.regex == StrConverter.regex else alone.kind.fullmatch
                self.dynamic += ((whole, None, node),)
            else:
                self.dynamic += ((None, matcher(segment), node),)
        below: Node = self._shapes[shape]
        return below

    def add_tail(self, tail: Parts, endpoint: Endpoint) -> None:
        """Let `endpoint` take what comes after this level, if it matches `tail`."""
        shape = ("tail", _shape(tail))
        if shape not in self._shapes:
            self._shapes = self._shapes or {}
            self._shapes[shape] = []
            self.tails += ((matcher(tail), self._shapes[shape]),)
        self._shapes[shape].append(endpoint)


_NONE: dict[Any, Any] = {}
"""What all levels share that have nothing of a kind; nothing is ever put into it."""


def _shape(parts: Parts) -> object:
    """What is the same for parts that match the same texts: literals, and the regexes of parameters."""
    if len(parts) == 1 and isinstance(parts[0], Slot):
        return parts[0].kind.regex
    return tuple(part if isinstance(part, str) else (part.kind.regex,) for part in parts)


class Router:
    """The endpoints of a table, ready to be found.

    Args:
        routes: the table.
        converters: further converters, for this table only.
        options: of all routes.

    Attributes:
        endpoints: in the order of the table.
        static: path -> method -> endpoint, for all that can be told by path and method alone.
        needs_host: some routes are for certain hosts only.
        addresses: makes the addresses that `url_for` gives.

    Raises:
        ConfigurationError: the table can't be what was meant: see the text.
    """

    def __init__(
        self,
        routes: Iterable[Entry],
        converters: Mapping[str, Converter | type[Converter]] | None = None,
        options: Options | None = None,
    ) -> None:
        self.endpoints = endpoints(routes, known_converters(converters), options)
        self.needs_host = any(endpoint.host is not None for endpoint in self.endpoints)
        self._root = Node()
        seen = shadow.Seen()
        for endpoint in self.endpoints:
            head, tail = segments(endpoint.parts)
            if hidden := seen.hidden(endpoint, head, tail):
                raise ConfigurationError(hidden)
            seen.add(endpoint, head, tail)
            self._insert(endpoint, head, tail)
        self.addresses = Addresses(self.endpoints)
        self.static = self._static()

    def _insert(self, endpoint: Endpoint, head: list[Parts], tail: Parts) -> None:
        node = self._root
        for segment in head if endpoint.path else ():
            node = node.below(segment)
        if endpoint.mounted:
            node.mounts += (endpoint,)
        elif tail:
            node.add_tail(tail, endpoint)
        else:
            node.ends += (endpoint,)

    def _static(self) -> dict[str, dict[str, Endpoint]]:
        """The table of what path and method decide alone.

        An endpoint that stands before may leave the path to this one only because of its host or its
        converters; that is for `match` to find out.
        """
        table: dict[str, dict[str, Endpoint]] = {}
        for path in {endpoint.path for endpoint in self.endpoints if not endpoint.slots and endpoint.views}:
            methods: dict[str, Endpoint | None] = {}
            mounted = False
            for _, endpoint, _ in self._find(path):
                mounted = mounted or endpoint.mounted
                certain = not endpoint.slots and endpoint.host is None and not mounted
                for method in endpoint.views:
                    methods.setdefault(method, endpoint if certain else None)
            methods.setdefault("HEAD", methods.get("GET"))
            table[path] = {method: endpoint for method, endpoint in methods.items() if endpoint is not None}
        return table

    def _find(self, path: str) -> list[Found]:
        """Every endpoint whose pattern matches `path`, in the order of the table."""
        texts = path.split("/")
        end = len(texts)
        found: list[Found] = []
        ways: list[tuple[Node, int, tuple[str, ...]]] = [(self._root, 1, ())]
        while ways:
            node, position, captured = ways.pop()
            if node.mounts:
                rest = "/".join(("", *texts[position:]))
                found += [(endpoint.order, endpoint, (*captured, rest)) for endpoint in node.mounts]
            if position == end:
                found += [(endpoint.order, endpoint, captured) for endpoint in node.ends]
                continue
            if node.tails:
                rest = "/".join(texts[position:])
                for match, of_tail in node.tails:
                    if (values := match(rest)) is not None:
                        found += [(endpoint.order, endpoint, captured + values) for endpoint in of_tail]
            text = texts[position]
            position += 1
            below = node.static.get(text)
            if below is not None:
                ways.append((below, position, captured))
            for whole, match_parts, below in node.dynamic:
                if match_parts is None:
                    # PERF: most parameters have a segment of their own; no Python function is called for it.
                    if text if whole is None else whole(text):
                        ways.append((below, position, (*captured, text)))
                elif (values := match_parts(text)) is not None:
                    ways.append((below, position, captured + values))
        if len(found) > 1:
            found.sort(key=_order)
        return found

    def match(self, method: str, path: str, host: str = "") -> tuple[Endpoint, tuple[Any, ...]] | None:
        """The endpoint for a request, and the values of its parameters in the order of its `slots`.

        For a Mount, one more value: the path below it, as it begins with its slash, or empty.

        Args:
            method: of the request, or `WEBSOCKET`.
            path: percent-decoded, below the root path.
            host: the value of the Host field, where the table needs it.
        """
        found = self._find(path)
        if method == "HEAD":
            for _, endpoint, captured in found:
                if "HEAD" in endpoint.views:
                    values = endpoint.values(captured, host)
                    if values is not None:
                        return endpoint, values
            method = "GET"
        for _, endpoint, captured in found:
            if method in endpoint.views:
                values = endpoint.values(captured, host)
                if values is not None:
                    return endpoint, values
            elif endpoint.mounted:
                values = endpoint.values(captured, host)
                if values is not None:
                    return endpoint, (*values, captured[-1])
        return None

    def allowed(self, path: str, host: str = "") -> list[str]:
        """The methods for `path`, whichever endpoints they belong to; none if there is nothing there."""
        methods: set[str] = set()
        for _, endpoint, captured in self._find(path):
            if not methods.issuperset(endpoint.views) and endpoint.values(captured, host) is not None:
                methods.update(endpoint.views)
        methods.discard(WEBSOCKET)
        if "GET" in methods:
            methods.add("HEAD")
        return sorted(methods | {"OPTIONS"}) if methods else []

    def redirected(self, method: str, path: str, host: str = "") -> str | None:
        """Where `path` leads with one slash more or less at its end, if that has an endpoint for the method.

        The answer is a relative reference (RFC 3986 §4.2) to be quoted: it holds whatever stands before the
        path, and leads to no other host and scheme.
        """
        other = path[:-1] if path.endswith("/") else path + "/"
        last = other.removesuffix("/").rpartition("/")[2]
        # An empty segment or one of dots would be read as something else by whoever follows.
        if last in ("", ".", "..") or self.match(method, other, host) is None:
            return None
        return f"./{last}/" if other.endswith("/") else f"../{last}"


def _order(found: Found) -> int:
    return found[0]
