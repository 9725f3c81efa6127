"""The plan of a view for WebSockets: as that of other views, but the view lives as long as its WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec

from asgistar import signature as signatures
from asgistar.data import alternatives, codec_of, wire_kind
from asgistar.errors import ConfigurationError, ErrorItem
from asgistar.http.response import Reply
from asgistar.routing.endpoint import Endpoint
from asgistar.signature import Argument, Signature, named
from asgistar.types import Receive, Scope, Send
from asgistar.views.asking import INVALID, Asking
from asgistar.views.making import Around, write_components, write_given
from asgistar.views.plan import ARGUMENTS, Run, raised
from asgistar.views.returns import Returns, Way, checked_type
from asgistar.views.source import Source
from asgistar.views.unit import Units
from asgistar.views.validation import errors_of, told
from asgistar.websocket import Coding, Unreadable, WebSocket


class SocketPlan:
    """The plan of a view for WebSockets.

    Args:
        endpoint: where the view stands.
        method: `WEBSOCKET`.
        around: the application's.

    Attributes:
        units: what is called, in its order; the last one is the view.
        incoming: the type of the messages that come; None if none do, `str | bytes` if they are taken as
            they come.
        outgoing: the type of the messages that are sent; likewise.
        raises: the problems that the route and its components say they raise.
        source: what is run.
        run: runs it.

    Raises:
        ConfigurationError: it has no WebSocket, or a parameter can come from nowhere.
    """

    __slots__ = ("incoming", "outgoing", "raises", "run", "source", "units")

    def __init__(self, endpoint: Endpoint, method: str, around: Around) -> None:
        view = endpoint.views[method]
        signature = endpoint.signatures[method]
        argument = _socket(signature)
        if not signatures.is_async(view):
            raise ConfigurationError(f"{signature.where} is a view for WebSockets: make it `async def`.")
        self.incoming, self.outgoing = _messages(argument)
        units = Units(endpoint, method, around.components)
        units.add_view(signature, {argument.name: "socket"})
        self.units = units.all
        for unit in self.units:
            for each in unit.inputs:
                if each.where in ("body", "form"):
                    raise ConfigurationError(
                        f"The parameter {each.argument} of {unit.signature.where} would be the body of a "
                        "request; a WebSocket has none. Mark it with Query[…], or receive it as a message."
                    )
        self.raises = raised(endpoint, self.units)
        self.run: Run = self._first_run
        coding = Coding(
            _decoder(self.incoming, signature), _encoder(self.outgoing, signature), self.incoming is None
        )

        name = str(getattr(view, "__name__", ""))
        name = f"plan_of_{name}" if name.isidentifier() else "plan"
        self.source = source = Source(name, ARGUMENTS, f"WEBSOCKET {endpoint.path}")
        source.write("socket = WebSocket(scope, receive, send, coding)", WebSocket=WebSocket, coding=coding)
        source.write("try:")
        source.depth += 1
        made = write_given(source, endpoint, self.units, around)
        Asking(source, endpoint, self.units).write()
        write_components(source, self.units, around)
        call = f"view({self.units[-1].arguments()})"
        source.write(f"await socket.watched({call})" if coding.silent else f"await {call}", view=view)
        source.depth = 1
        source.write("except Exception as error:")
        source.write("await socket.fail(error, failed)", 1, failed=around.failed)
        source.write("else:")
        source.write("await socket.close()", 1)
        if "background" in made:
            source.write("await background.start()", 1)

    async def _first_run(
        self, scope: Scope, receive: Receive, send: Send, values: tuple[Any, ...]
    ) -> Reply | None:
        return await self.compiled()(scope, receive, send, values)

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        self.run = self.source.compiled()
        return self.run

    @property
    def text(self) -> str:
        """The source."""
        return self.source.text


def _socket(signature: Signature) -> Argument:
    """The parameter that is the WebSocket."""
    found = [
        argument
        for argument in signature.arguments.values()
        if (get_origin(argument.annotation) or argument.annotation) is WebSocket
    ]
    if len(found) != 1:
        how_many = "no parameter that is" if not found else "several parameters that are"
        raise ConfigurationError(
            f"{signature.where} is a view for WebSockets, and has {how_many} the WebSocket. Add one, as in "
            "`socket: WebSocket[Said, Heard]`."
        )
    return found[0]


def _messages(argument: Argument) -> tuple[Any, Any]:
    """The types of the messages that come and go."""
    types = get_args(argument.annotation) or (str | bytes, str | bytes)
    incoming, outgoing = (None if each is type(None) else each for each in types)
    return incoming, outgoing


_AS_THEY_COME = ({str}, {bytes}, {str, bytes})


def _kinds(annotation: Any) -> set[Any] | None:
    """Of which kinds messages are that are taken as they come; None if they are of another type."""
    members = set(alternatives(annotation)) if annotation is not None else set()
    return members if members in _AS_THEY_COME else None


def _decoder(annotation: Any, signature: Signature) -> Callable[[str | bytes], Any]:
    """What makes messages of the frames that come."""
    kinds = _kinds(annotation)
    if annotation is None:
        return _refused
    if kinds is not None:

        def as_it_comes(data: str | bytes) -> str | bytes:
            if type(data) not in kinds:
                raise Unreadable(1003, f"Messages must be {'text' if str in kinds else 'binary'}.")
            return data

        return as_it_comes
    codec = codec_of(annotation)
    if codec is None:
        _check(annotation, signature)
    decode = msgspec.json.Decoder(annotation).decode if codec is None else codec.decoder(annotation)

    def decoded(data: str | bytes) -> Any:
        if isinstance(data, bytes):
            raise Unreadable(1003, "Messages must be JSON, as text.")
        try:
            return decode(data.encode())
        except (*INVALID, ValueError) as error:
            raise Unreadable(1007, _reason(annotation, data, error)) from None

    return decoded


def _refused(data: str | bytes) -> Any:
    raise Unreadable(1003, "No messages are taken here.")


def _reason(annotation: Any, data: str, error: Exception) -> str:
    """Why a message isn't of its type: the first of its errors."""
    try:
        value = msgspec.json.decode(data)
    except INVALID:
        return "The message is not JSON."
    codec = codec_of(annotation)
    find = errors_of if codec is None else codec.errors_of
    errors: list[ErrorItem] = find(annotation, value, "body", True)
    first = (errors or [told(error, "body")])[0]
    place = ".".join(map(str, first["path"]))
    return f"{place}: {first['message']}" if place else first["message"]


def _encoder(annotation: Any, signature: Signature) -> Callable[[Any], str | bytes]:
    """What makes frames of the messages that are sent."""
    kinds = _kinds(annotation)
    if kinds is not None or annotation is None:

        def as_it_is(message: Any) -> str | bytes:
            if type(message) not in (kinds or ()):
                wanted = " or ".join(sorted(kind.__name__ for kind in kinds or ())) or "nothing"
                raise TypeError(f"{signature.where} sends {wanted}, not {type(message).__name__}.")
            data: str | bytes = message
            return data

        return as_it_is
    returned = Returns(Way.OBJECTS, annotation, 200, checked_type(signature, annotation))
    return lambda message: returned.content(message).decode()


def _check(annotation: Any, signature: Signature) -> None:
    """See that a type can be a message.

    Raises:
        ConfigurationError: it can't.
    """
    if wire_kind(annotation) is None:
        raise ConfigurationError(
            f"The messages that come to {signature.where} are {named(annotation)}, which is no type of data. "
            "Make it a Struct or a dataclass."
        )
