"""The plan of a view for WebSockets: as that of other views, but the view lives as long as its WebSocket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args, get_origin

import msgspec

from asgistar import signature as signatures
from asgistar.data import alternatives, codec_of, hashes_numbers, known_type, wire_kind
from asgistar.errors import ConfigurationError, ErrorItem
from asgistar.hooks import Outcome
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.options import HASHED_LIMIT, Options
from asgistar.signature import Argument, Signature, named
from asgistar.validation.errors import errors_of, told
from asgistar.views.asking import Asking
from asgistar.views.disclosure import classes_of
from asgistar.views.handler import Handler, raised, source_for
from asgistar.views.hooking import Hooked, hooks_of
from asgistar.views.making import Around, write_components, write_given
from asgistar.views.rejected import INVALID
from asgistar.views.returns import Returns, Way, checked_type
from asgistar.views.source import Source
from asgistar.views.unit import Unit, Units
from asgistar.websocket import Coding, Disconnected, Unreadable, WebSocket


class SocketPlan(Handler):
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
        run: runs it.

    Raises:
        ConfigurationError: it has no WebSocket, or a parameter can come from nowhere.
    """

    __slots__ = ("_source", "incoming", "outgoing")

    def __init__(self, endpoint: Endpoint, method: str, around: Around) -> None:
        view = endpoint.views[method]
        signature = endpoint.signatures[method]
        argument = _socket(signature)
        if not signatures.is_async(view):
            raise ConfigurationError(f"{signature.where} is a view for WebSockets: make it `async def`.")
        self.incoming, self.outgoing = _messages(argument)
        units = Units(endpoint, method, around.components)
        hooks = hooks_of(endpoint, units, around, ("on_request", "on_error"))
        of_hooks = len(units.all)
        units.add_view(signature, {argument.name: "socket"})
        for unit in units.all:
            for each in unit.inputs:
                if each.where in ("body", "form"):
                    raise ConfigurationError(
                        f"The parameter {each.argument} of {unit.signature.where} would be the body of a "
                        "request; a WebSocket has none. Mark it with Query[…], or receive it as a message."
                    )
        super().__init__(units.all, raised(endpoint, units.all))
        self._source = source_for(view, f"WEBSOCKET {endpoint.path}")
        coding = Coding(
            _decoder(self.incoming, signature, endpoint.options),
            _encoder(self.outgoing, signature),
            self.incoming is None,
        )

        source = self.source
        source.write("socket = WebSocket(scope, receive, send, coding)", WebSocket=WebSocket, coding=coding)
        source.write("try:")
        source.depth += 1
        made = write_given(source, endpoint, self.units, around)
        Asking(source, endpoint, self.units).write()
        if any("on_error" in hooked.methods for hooked in hooks):
            source.write("outcome = Outcome(scope, failed)", Outcome=Outcome, Disconnected=Disconnected)
        source.give(view=view)
        call = f"view({self.units[-1].arguments()})"
        call = f"await socket.watched({call})" if coding.silent else f"await {call}"
        self._write_hooked(hooks, self.units[of_hooks:], call, around)
        source.depth = 1
        source.write("except Exception as error:")
        source.write("await socket.fail(error, failed)", 1, failed=around.failed)
        source.write("else:")
        source.write("await socket.close()", 1)
        if "background" in made:
            source.write("await background.start()", 1)

    @property
    def source(self) -> Source:
        """What is run."""
        return self._source

    def _write_hooked(
        self, hooks: Sequence[Hooked], units: Sequence[Unit], call: str, around: Around
    ) -> None:
        """Write a call with its components, and hooks around it.

        There is no response for hooks to change. An error that a view or a component raises ends the
        WebSocket, after the hooks have been told of it.
        """
        source = self.source
        if not hooks:
            write_components(source, units, around)
            source.write(call)
            return
        hooked, depth = hooks[0], source.depth
        hooked.write_before(source, around)
        told = "on_error" in hooked.methods
        if told:
            source.write("try:")
            source.depth += 1
        within = source.depth
        self._write_hooked(hooks[1:], units, call, around)
        source.depth = within
        if told:
            source.depth -= 1
            source.write("except Exception as error:")
            source.write("outcome.error = error", 1)
            source.write("if outcome.unhandled and not isinstance(error, Disconnected):", 1)
            source.write("try:", 2)
            source.write(hooked.call("on_error"), 3)
            source.write("except Exception as another:", 2)
            source.write("outcome.contain(another)", 3)
            source.write("raise", 1)
        source.depth = depth


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


def _decoder(annotation: Any, signature: Signature, options: Options) -> Callable[[str | bytes], Any]:
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

    limit = options.get("body_limit", HASHED_LIMIT) if hashes_numbers(annotation) else 0

    def decoded(data: str | bytes) -> Any:
        if isinstance(data, bytes):
            raise Unreadable(1003, "Messages must be JSON, as text.")
        if limit and len(data) > limit:
            raise Unreadable(1009, f"Messages may have {limit} characters at most.")
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
    check = checked_type(signature, annotation)
    plain = () if check else classes_of(known_type(annotation))
    returned = Returns(Way.OBJECTS, annotation, 200, check, signature=signature, kinds=plain)
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
