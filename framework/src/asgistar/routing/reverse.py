"""Addresses: from the name of a route and the values of its parameters to a URL reference (RFC 3986)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from asgistar.errors import ConfigurationError, NoReverseMatch
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.matcher import Match, matcher
from asgistar.routing.pattern import Slot
from asgistar.types import View
from asgistar.url import SAFE

QueryArguments = Mapping[str, Any] | Iterable[tuple[str, Any]]


class Addresses:
    """The names of a table of routes.

    Args:
        endpoints: of the table.

    Raises:
        ConfigurationError: a name is given to two paths.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        # A name that was given leads to endpoints of one path; that of a view perhaps to several.
        self._given: dict[str, list[Endpoint]] = {}
        self._of_views: dict[str, list[Endpoint]] = {}
        self._endpoints = list(endpoints)
        self._readers: dict[Endpoint, Match] = {}
        for endpoint in self._endpoints:
            if endpoint.name:
                named = self._given.setdefault(endpoint.name, [])
                if named and named[0].parts != endpoint.parts:
                    raise ConfigurationError(
                        f"{endpoint} has the name {endpoint.name!r}, and so has {named[0]}. Change one."
                    )
                named.append(endpoint)
            for view in endpoint.views.values():
                name = _name_of(view)
                if name is not None and not endpoint.name:
                    self._of_views.setdefault(endpoint.namespace + name, []).append(endpoint)

    def url_for(
        self,
        name: str | View,
        params: Mapping[str, Any],
        query: QueryArguments | None = None,
        fragment: str | None = None,
        root_path: str = "",
    ) -> str:
        """The address of the route `name`: a path, then query and fragment.

        Args:
            name: of the route, with those of its Includes: "articles:detail"; or its view.
            params: the values of the parameters of the path.
            query: arguments of the query; a list stands for several of one name, None for none.
            fragment: what follows the `#`.
            root_path: what stands before the paths of the application.

        Raises:
            NoReverseMatch: there is no such route, or not with these parameters.
        """
        reasons: list[str] = []
        for endpoint in self._named(name):
            path = self._path(endpoint, params, reasons)
            if path is not None:
                return _guarded(quote(root_path, SAFE) + path or "/") + _rest(query, fragment)
        raise NoReverseMatch(f"There is no address for {_called(name)}: {'; '.join(reasons)}.")

    def _named(self, name: str | View) -> list[Endpoint]:
        """The endpoints that `name` may mean, the last one first, as in Django."""
        if not isinstance(name, str):
            found = [each for each in self._endpoints for view in each.views.values() if view == name]
        elif name in self._given:
            found = self._given[name][:1]
        else:
            found = self._of_views.get(name, [])
        if not found:
            raise NoReverseMatch(f"There is no route {_called(name)}.{self._near(name)}")
        return found[::-1]

    def _near(self, name: str | View) -> str:
        last = str(name).rpartition(":")[2]
        for endpoint in self._endpoints:
            if endpoint.name and any(_name_of(view) == last for view in endpoint.views.values()):
                return f" The view {last}() is at the route {endpoint.name!r}."
        import difflib  # for errors only

        names = difflib.get_close_matches(str(name), [*self._given, *self._of_views], 3, 0.5)
        return f" There is {' and '.join(map(repr, names))}." if names else ""

    def _path(self, endpoint: Endpoint, params: Mapping[str, Any], reasons: list[str]) -> str | None:
        """The quoted path of `endpoint`; None, with a reason added, if these parameters have none."""
        slots = [part for part in endpoint.parts if isinstance(part, Slot)]
        wanted = {slot.name for slot in slots}
        # An argument that the views get anyway may be named, as in Django.
        same = {name for name, value in endpoint.defaults.items() if params.get(name, endpoint) == value}
        if wanted != params.keys() - (same - wanted):
            reasons.append(f"{endpoint.path!r} takes {_listed(wanted)}, given {_listed(params)}")
            return None
        texts = []
        for slot in slots:
            value = params[slot.name]
            try:
                text = slot.kind.to_url(value)
            except ValueError as error:
                reasons.append(f"the converter of {slot.name} refuses {value!r}: {error}")
                return None
            if slot.kind.fullmatch(text) is None:
                reasons.append(f"{text!r} is no {slot.kind.name} for {slot.name} in {endpoint.path!r}")
                return None
            texts.append(text)
        values = iter(texts)
        path = "".join(part if isinstance(part, str) else next(values) for part in endpoint.parts)
        if any(segment in (".", "..") for segment in path.split("/")):
            reasons.append(f"{path!r} has a segment of dots, which would be read as a way up")
            return None
        if slots:
            reader = self._readers.get(endpoint) or self._readers.setdefault(
                endpoint, matcher(endpoint.parts)
            )
            if reader(path) != tuple(texts):
                reasons.append(f"{path!r} would be read with other values")
                return None
        return quote(path, SAFE)


def _name_of(view: View) -> str | None:
    return getattr(view, "__name__", None)


def _called(name: str | View) -> str:
    return repr(name) if isinstance(name, str) else f"for the view {getattr(name, '__name__', name)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _guarded(path: str) -> str:
    """`path` so that it can't be read as the name of another host (RFC 3986 §4.2)."""
    return "/%2F" + path[2:] if path.startswith("//") else path


def _rest(query: QueryArguments | None, fragment: str | None) -> str:
    pairs = query.items() if isinstance(query, Mapping) else query or ()
    encoded = urlencode([(name, value) for name, value in pairs if value is not None], doseq=True)
    return (f"?{encoded}" if encoded else "") + (f"#{quote(fragment, SAFE + '?')}" if fragment else "")
