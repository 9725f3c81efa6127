"""The responses of operations when all is well (OpenAPI 3.1, §4.8.16): what a view returns.

OpenAPI 3.1 has no word for what one line of a stream is, or the data of one event: an extension of the Media
Type Object says it, `x-item-schema`. OpenAPI 3.2 calls it `itemSchema`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from asgistar.errors import NotFound, PreconditionFailed, Problem, RangeNotSatisfiable, phrase
from asgistar.http.files import FileResponse
from asgistar.http.reading import MSGPACK
from asgistar.http.response import BODILESS, HTML, Instead, Redirect, Response, Status, Text
from asgistar.openapi.bodies import ANYTHING
from asgistar.openapi.shared import Shared
from asgistar.routing.endpoint import Endpoint
from asgistar.signature import EMPTY
from asgistar.views.plan import Plan
from asgistar.views.returns import STREAMED, Returns, Way

Object = dict[str, Any]


def answers(
    shared: Shared, endpoint: Endpoint, plan: Plan, said: str, others: Object | None = None
) -> Object:
    """The responses that a view makes: status -> Response Object.

    Args:
        said: what the docstring says of it.
        others: the responses that are made around it.
    """
    returns = plan.returns
    found: Object = {}
    if returns.way is not Way.RESPONSE:
        content = _content(shared, endpoint, returns)
        found[str(returns.status)] = _response(said, returns.status, content)
    if _sends_files(endpoint, plan):
        # RFC 9110 §13, §14: for a client that has it already, or wants a part of it.
        found["206"] = _response("", 206, {ANYTHING: {}})
        found["304"] = _response("", 304, {})
    for cls, status in _declared(plan.units[-1].signature.returns):
        if cls not in returns.responses:
            continue
        _add(found, *_of_class(cls, status, said))
    for key, response in (others or {}).items():
        _add(found, key, response)
    return dict(sorted(found.items()))


def _add(found: Object, key: str, response: Object) -> None:
    """Add a response; one of the same status has another form then."""
    if key in found and "content" in response:
        found[key]["content"] = {**found[key].get("content", {}), **response["content"]}
    else:
        found.setdefault(key, response)


def around(shared: Shared, raised: Iterable[Any], said: Mapping[Any, str], refuses: bool) -> Object:
    """The responses that are made around a view: status -> Response Object.

    Args:
        raised: classes of Instead.
        said: what docstrings say of them.
        refuses: there are problems, which the renderer may answer with a response of its own status.
    """
    found: Object = {}
    for each in raised:
        for cls, status in _declared(_response_of(each)):
            _add(found, *_of_class(cls, status, said.get(each, "")))
    for cls, status in _declared(shared.rendered) if refuses else ():
        if isinstance(cls, type) and issubclass(cls, Response) and (status or issubclass(cls, Redirect)):
            _add(found, *_of_class(cls, status, ""))
    return found


def _response_of(instead: Any) -> Any:
    """The annotation of the response that a class of Instead answers with."""
    for each in (instead, *getattr(instead, "__orig_bases__", ())):
        if get_origin(each) is Instead:
            return get_args(each)[0]
    return Response


def problems_of_answers(endpoint: Endpoint, plan: Plan) -> Iterable[type[Problem]]:
    """The problems that come with what a view returns."""
    if any(issubclass(cls, FileResponse) for cls in plan.returns.responses):
        yield NotFound
    if _sends_files(endpoint, plan):
        yield from (PreconditionFailed, RangeNotSatisfiable)


def _sends_files(endpoint: Endpoint, plan: Plan) -> bool:
    """Whether the answer may be a file, to a request that can be conditional."""
    answers_get = endpoint.handlers.get("GET") is plan
    return answers_get and any(issubclass(cls, FileResponse) for cls in plan.returns.responses)


def _content(shared: Shared, endpoint: Endpoint, returns: Returns) -> Object:
    """The content of what is encoded: media type -> Media Type Object."""
    if returns.way is Way.NOTHING or returns.status in BODILESS or returns.media_type is None:
        return {}
    schema = {} if returns.type is EMPTY else shared.schemas.of(returns.type, "out")
    if returns.way in STREAMED:
        return {returns.media_type: {"x-item-schema": schema}}
    media = {"schema": schema} if schema else {}
    packed = {MSGPACK: dict(media)} if endpoint.options.get("msgpack") else {}
    return {returns.media_type: media, **packed}


def _response(said: str, status: int, content: Object) -> Object:
    return {"description": said or phrase(status), **({"content": content} if content else {})}


def _declared(annotation: Any, status: int | None = None) -> Iterator[tuple[Any, int | None]]:
    """What a view may return, one by one, with the status that is said of it: of all, or of one of them."""
    if get_origin(annotation) is Annotated:
        status = next((each.code for each in annotation.__metadata__ if isinstance(each, Status)), status)
        yield from _declared(annotation.__origin__, status)
    elif get_origin(annotation) in (Union, UnionType):
        for member in get_args(annotation):
            yield from _declared(member, status)
    else:
        yield annotation, status


def _of_class(cls: type[Response], status: int | None, said: str) -> tuple[str, Object]:
    """The status, as far as it is known, and the response that a class of them stands for."""
    if issubclass(cls, Redirect):
        status = status or 303
        location = {"description": "Where to go.", "required": True, "schema": {"type": "string"}}
        return str(status), {**_response(said, status, {}), "headers": {"Location": location}}
    media_type = (cls.content_type or "").partition(";")[0].strip()
    if issubclass(cls, FileResponse):
        media_type = media_type or ANYTHING
    if status is None and not media_type:
        return "default", {"description": said or "Whatever the view makes of it."}
    status = status or 200
    schema = {"type": "string"} if issubclass(cls, Text | HTML) or media_type.startswith("text/") else {}
    content = {media_type: {"schema": schema} if schema else {}} if media_type else {}
    return str(status), _response(said, status, content)
