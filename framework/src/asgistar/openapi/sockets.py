"""WebSockets: OpenAPI has none, so they stand in an extension of the path item, `x-websocket`.

It has what an operation has, and in the place of the body the messages: `receives` are those that the server
takes, `sends` those that it sends. Each has a `content` as a body has. The responses are those to the opening
handshake (RFC 6455 §4.2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgistar import docstring
from asgistar.data import alternatives
from asgistar.openapi.operations import headed, needed, problems
from asgistar.openapi.parameters import parameters
from asgistar.openapi.schemas import Mode
from asgistar.openapi.shared import Shared
from asgistar.routing.endpoint import Endpoint
from asgistar.views.talking import SocketPlan

_FRAMES: dict[Any, tuple[str, dict[str, Any]]] = {
    str: ("text/plain", {"type": "string"}),
    bytes: ("application/octet-stream", {}),
}
"""Messages that are frames as they come: media type and schema."""


def socket(
    shared: Shared, endpoint: Endpoint, plan: SocketPlan, operation_id: str, names: Sequence[str]
) -> dict[str, Any]:
    """What a client must know of a WebSocket; the arguments are those of `operation`."""
    said = docstring.read(plan.units[-1].signature.call)
    made = headed(endpoint, operation_id, said)
    if found := parameters(shared, endpoint, plan.units, names):
        made["parameters"] = found
    if plan.incoming is not None:
        made["receives"] = {"content": _messages(shared, plan.incoming, "in")}
    if plan.outgoing is not None:
        made["sends"] = {"content": _messages(shared, plan.outgoing, "out")}
    told, others = problems(shared, endpoint, plan)
    made["responses"] = {
        "101": {"description": said.returns or "Switching Protocols"},
        **shared.problems(told, beside=others),
    }
    if security := shared.requirements(needed(plan.units)):
        made["security"] = security
    return made


def _messages(shared: Shared, type: Any, mode: Mode) -> dict[str, Any]:
    """The messages of one direction: media type -> Media Type Object."""
    members = alternatives(type)
    if all(member in _FRAMES for member in members):
        frames = [_FRAMES[member] for member in members]
        return {media: {"schema": schema} if schema else {} for media, schema in frames}
    schema = shared.schemas.of(type, mode)
    return {"application/json": {"schema": schema} if schema else {}}
