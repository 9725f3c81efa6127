"""What the operations of a document share: schemas, the responses of problems, ways to authenticate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from asgistar import docstring
from asgistar import signature as signatures
from asgistar.errors import (
    ConfigurationError,
    MethodNotAllowed,
    Problem,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
    phrase,
)
from asgistar.openapi.schemas import Schemas
from asgistar.problems import ErrorRenderer, pages_of
from asgistar.security import Security

_HEADERS: Mapping[type[Problem], tuple[str, str, str]] = {
    Unauthorized: ("WWW-Authenticate", "What to authenticate with.", "string"),
    MethodNotAllowed: ("Allow", "The methods that there are.", "string"),
    UnsupportedMediaType: ("Accept", "The media types that are taken.", "string"),
    TooManyRequests: ("Retry-After", "Seconds after which to ask again.", "integer"),
}
"""The headers that a problem may have: name, meaning, type."""


class Shared:
    """What the operations of a document share.

    Args:
        errors: what errors look like.
        raises: what may be raised around each of them: by middleware.

    Attributes:
        schemas: of all types so far.
        rendered: what the method says it returns that makes errors.
    """

    def __init__(self, errors: ErrorRenderer, raises: Sequence[type[Problem]] = ()) -> None:
        self.schemas = Schemas()
        self.raises = raises
        self.rendered = signatures.read(errors.render).returns
        self._errors = errors
        self._pages = {media_type: {"schema": {"type": "string"}} for media_type in pages_of(errors)}
        self._responses: dict[str, dict[str, Any]] = {}
        self._names: dict[type[Problem], str] = {}
        self._security: dict[str, dict[str, Any]] = {}
        self._ways: dict[str, Security] = {}

    def components(self) -> dict[str, Any]:
        """The Components Object, without what is empty."""
        parts = {
            "schemas": dict(sorted(self.schemas.components.items())),
            "responses": dict(sorted(self._responses.items())),
            "securitySchemes": dict(sorted(self._security.items())),
        }
        return {name: part for name, part in parts.items() if part}

    # --- problems

    def problems(
        self, found: Mapping[type[Problem], str], beside: Mapping[str, dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """The responses of an operation that tell of problems: status -> response.

        Args:
            found: the problems; and what is said of them for this operation, if anything is.
            beside: the other responses of the operation. One of the same status, such as a form that is shown
                again, is the one or the other.
        """
        by_status: dict[int, list[type[Problem]]] = {}
        for problem in found:
            by_status.setdefault(problem.status, []).append(problem)
        responses = dict(beside or {})
        for status, problems in by_status.items():
            other = responses.get(str(status))
            if len(problems) == 1 and other is None:
                responses[str(status)] = self._response(problems[0], found[problems[0]])
                continue
            texts = dict.fromkeys(found[each] or _meaning(each) for each in problems)
            content = self._media([self._schema(each) for each in problems])
            made = {"description": "\n\n".join(texts), **_headers(problems), "content": content}
            responses[str(status)] = made if other is None else self._either(other, made)
        return dict(sorted(responses.items()))

    def _media(self, schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The content of a response that is one of several problems."""
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        return {self._errors.media_type: {"schema": schema}, **self._pages}

    def _either(self, one: dict[str, Any], problem: dict[str, Any]) -> dict[str, Any]:
        """The response of a view, or a problem of the same status."""
        content = {**problem["content"], **one.get("content", {})}
        media_type = self._errors.media_type
        if media_type in one.get("content", {}):
            schemas = [each["content"][media_type].get("schema", {}) for each in (one, problem)]
            content[media_type] = {"schema": {"anyOf": schemas}}
        headers = {**problem.get("headers", {}), **one.get("headers", {})}
        return {
            "description": f"{one['description']}\n\n{problem['description']}",
            **({"headers": headers} if headers else {}),
            "content": content,
        }

    def _response(self, problem: type[Problem], said: str) -> dict[str, Any]:
        """A reference to the response for a problem."""
        if problem not in self._names:
            schema = self._schema(problem)
            name = schema["$ref"].rpartition("/")[2]
            self._names[problem] = name
            self._responses[name] = {
                "description": _meaning(problem),
                **_headers([problem]),
                "content": self._media([schema]),
            }
        reference = {"$ref": f"#/components/responses/{self._names[problem]}"}
        return {**reference, "description": said} if said else reference

    def _schema(self, problem: type[Problem]) -> dict[str, Any]:
        return self.schemas.add(problem, problem.__name__, self._errors.schema(problem))

    # --- ways to authenticate

    def requirements(self, needed: Iterable[tuple[Iterable[Security], bool]]) -> list[dict[str, list[str]]]:
        """The Security Requirement Objects of an operation; none if anybody may call it.

        Args:
            needed: ways of which a client needs one; and whether it may do without. All must be met.

        Raises:
            ConfigurationError: two ways have one name, and aren't the same.
        """
        choices = []
        for ways, optional in needed:
            alternatives = [{each.name: self._scopes(each)} for each in ways]
            choices.append([*alternatives, {}] if optional else alternatives)
        found: list[dict[str, list[str]]] = []
        for combination in product(*choices):
            requirement: dict[str, list[str]] = {}
            for each in combination:
                for name, scopes in each.items():
                    requirement[name] = list(dict.fromkeys([*requirement.get(name, ()), *scopes]))
            if requirement not in found:
                found.append(requirement)
        return [] if found == [{}] else found

    def _scopes(self, security: Security) -> list[str]:
        """The scopes that are needed; on the way, the scheme is noted."""
        scheme = security.scheme()
        if self._security.setdefault(security.name, scheme) != scheme:
            both = f"{self._ways[security.name]} and {security}"
            raise ConfigurationError(
                f"Two ways to authenticate are called {security.name!r}: {both}. "
                "Give one of them another name=."
            )
        self._ways.setdefault(security.name, security)
        return list(security.scopes)


def _meaning(problem: type[Problem]) -> str:
    """What a problem means: the first paragraph of its docstring, or the phrase of its status."""
    text = docstring.parsed((problem.__dict__.get("__doc__") or "").strip()).summary
    text = text.removeprefix(f"{problem.status}: ").strip()
    return text[:1].upper() + text[1:] if text else problem.title or phrase(problem.status)


def _headers(problems: Iterable[type[Problem]]) -> dict[str, Any]:
    found = {
        name: {"description": meaning, "schema": {"type": type}}
        for base, (name, meaning, type) in _HEADERS.items()
        if any(issubclass(problem, base) for problem in problems)
    }
    return {"headers": found} if found else {}
