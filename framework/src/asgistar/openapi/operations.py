"""Operations (OpenAPI 3.1, §4.8.10): a view, for one method of one path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

from asgistar import docstring
from asgistar.data import alternatives
from asgistar.docstring import Docstring
from asgistar.errors import (
    BadRequest,
    ContentTooLarge,
    Forbidden,
    NotFound,
    Problem,
    Unauthorized,
    UnsupportedMediaType,
    ValidationFailed,
)
from asgistar.http.response import Instead
from asgistar.openapi.answers import answers, around, problems_of_answers
from asgistar.openapi.bodies import ANYTHING, request_body
from asgistar.openapi.parameters import parameters
from asgistar.openapi.shared import Shared
from asgistar.routing.endpoint import Endpoint, HostName
from asgistar.routing.pattern import Slot
from asgistar.signature import EMPTY
from asgistar.views.parameters import Input, is_stream
from asgistar.views.plan import Plan
from asgistar.views.talking import SocketPlan
from asgistar.views.unit import Unit

Object = dict[str, Any]


def operation(
    shared: Shared, endpoint: Endpoint, plan: Plan, operation_id: str, names: Sequence[str]
) -> Object:
    """The Operation Object of a view.

    Args:
        operation_id: what it is called.
        names: what the parameters of the path are called.
    """
    said = docstring.read(plan.units[-1].signature.call)
    made = headed(endpoint, operation_id, said)
    if found := parameters(shared, endpoint, plan.units, names):
        made["parameters"] = found
    if (body := request_body(shared, plan)) is not None:
        made["requestBody"] = body
    told, others = problems(shared, endpoint, plan)
    made["responses"] = shared.problems(told, beside=answers(shared, endpoint, plan, said.returns, others))
    if security := shared.requirements(needed(plan.units)):
        made["security"] = security
    return made


def headed(endpoint: Endpoint, operation_id: str, said: Docstring) -> Object:
    """What stands at the head of an operation: its name, what it is, where it belongs."""
    words = operation_id.rpartition(":")[2].replace("_", " ")
    made: Object = {
        "operationId": operation_id,
        "summary": said.summary.removesuffix(".") or words[:1].upper() + words[1:],
    }
    if said.description:
        made["description"] = said.description
    if tags := list(dict.fromkeys(endpoint.options.get("tags", ()))) or [endpoint.namespace.rstrip(":")]:
        made["tags"] = [tag for tag in tags if tag]
    if not made["tags"]:
        del made["tags"]
    if endpoint.options.get("deprecated", False):
        made["deprecated"] = True
    if endpoint.host is not None:
        made["servers"] = [_server(endpoint.host)]
    return made


def _server(host: HostName) -> Object:
    """The Server Object of a host, by whatever scheme it is reached."""
    url = "".join(part if isinstance(part, str) else f"{{{part.name}}}" for part in host.parts)
    names = [part.name for part in host.parts if isinstance(part, Slot)]
    variables = {name: {"default": name} for name in names}
    return {"url": f"//{url}", **({"variables": variables} if variables else {})}


# --- what can go wrong ------------------------------------------------------------------------------------


def problems(
    shared: Shared, endpoint: Endpoint, plan: Plan | SocketPlan
) -> tuple[dict[type[Problem], str], Object]:
    """The problems that an operation may answer with, and what docstrings say of them; other responses.

    Those that come of themselves, with the parameters and the body; those that are declared by options,
    components, hooks and middleware; those that the docstrings of view and components have under "Raises:".
    """
    found: dict[type[Problem], str] = dict.fromkeys(_automatic(endpoint, plan), "")
    found |= dict.fromkeys([*plan.raises, *shared.raises], "")
    for unit in plan.units:
        if unit.component is not None and unit.component.security:
            found |= dict.fromkeys((Unauthorized, Forbidden), "")
        found |= _in_docstring(unit)
    instead = [each for each in found if issubclass(get_origin(each) or each, Instead)]
    told = {each: said for each, said in found.items() if each not in instead}
    return told, around(shared, instead, found, bool(told))


def _automatic(endpoint: Endpoint, plan: Plan | SocketPlan) -> Iterable[type[Problem]]:
    inputs = [each for unit in plan.units for each in unit.inputs]
    if any(isinstance(part, Slot) for part in endpoint.parts):
        yield NotFound
    if any(each.where == "query" for each in inputs):
        yield BadRequest
    content = plan.content if isinstance(plan, Plan) else None
    if content is not None:
        if endpoint.options.get("body_limit", True):
            yield ContentTooLarge
        if ANYTHING not in content.media_types:
            yield from (BadRequest, UnsupportedMediaType)
    if isinstance(plan, Plan):
        yield from problems_of_answers(endpoint, plan)
    checked = [each for each in inputs if each.where in ("query", "header", "cookie", "form", "body")]
    if any(not _takes_anything(each) for each in checked):
        yield ValidationFailed


def _takes_anything(each: Input) -> bool:
    """Whether no value at all is wrong for a parameter, or the view answers that itself."""
    if each.rejected:
        return True
    if each.where == "body":
        return each.type is bytes or is_stream(each.type)
    return each.default is not EMPTY and each.type in (str, str | None)


def _in_docstring(unit: Unit) -> Mapping[type[Problem], str]:
    """The problems that the docstring of a function names, as far as its module knows them."""
    known = getattr(unit.signature.call, "__globals__", {})
    found: dict[type[Problem], str] = {}
    for name, text in docstring.read(unit.signature.call).raises.items():
        problem = known.get(name)
        if isinstance(problem, type) and issubclass(problem, Problem):
            found[problem] = text[:1].upper() + text[1:]
    return found


# --- who may call it --------------------------------------------------------------------------------------


def needed(units: Iterable[Unit]) -> Iterable[tuple[Iterable[Any], bool]]:
    """How a client must authenticate for each component; and whether that can do without."""
    for unit in units:
        component = unit.component
        if component is not None and component.security:
            yield component.security, type(None) in alternatives(component.key)
