"""What a plan makes of what its view returned: written as source."""

from __future__ import annotations

from collections.abc import Container, Sequence
from functools import partial

from asgistar import signature as signatures
from asgistar.data import codec_of
from asgistar.http.events import PING, event, line
from asgistar.http.negotiation import negotiated
from asgistar.http.response import JSON, Response, joined
from asgistar.http.streams import Ahead, Connected, send_stream
from asgistar.routing.options import Options
from asgistar.signature import EMPTY
from asgistar.threads import iterated
from asgistar.views.given import given
from asgistar.views.returns import STREAMED, Returns, Way
from asgistar.views.source import Source
from asgistar.views.unit import Unit

STREAM = {
    Way.LINES: ((b"content-type", b"application/jsonl"), (b"x-accel-buffering", b"no")),
    Way.EVENTS: (
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),  # nginx would wait for more of it
    ),
}
"""The header fields of streams."""


class Answering:
    """What a plan does around the call of its view, and after it.

    Args:
        units: what is called; the view is the last one.
        returns: what the view returns.
        options: of the route.
    """

    __slots__ = ("_asked", "_cancels", "_kind", "_msgpack", "_returns", "_source", "_streams")

    _source: Source

    def __init__(self, units: Sequence[Unit], returns: Returns, options: Options) -> None:
        self._returns = returns
        self._asked = {
            found.variable
            for unit in units
            for each in unit.inputs
            if each.where == "given" and (found := given(each.type)) is not None
        }
        view = units[-1].signature.call
        self._kind = signatures.generates(view) or ("coroutine" if signatures.is_async(view) else "function")
        self._streams = returns.way in STREAMED
        self._cancels = options.get("cancel", False) and self._kind == "coroutine"
        # What a codec encodes is JSON.
        self._msgpack = (
            options.get("msgpack", False)
            and returns.way in (Way.OBJECTS, Way.PLAIN)
            and codec_of(returns.type) is None
        )

    def listen(self, source: Source) -> None:
        """Before the request is read: let it be known when the client leaves."""
        if self._streams or self._cancels:
            source.write("receive = ahead = Ahead(receive)", Ahead=Ahead)

    def shared(self, made: Container[str], shared: Container[str]) -> list[str]:
        """What else the source of the view must be given, where hooks are around it."""
        found = [each for each in ("background", "response_headers") if each in made and each not in shared]
        return [*found, "ahead"] if self._streams or self._cancels else found

    def begin(self, source: Source) -> None:
        """Before components are made: see to what comes after the response, however that ends."""
        if self._streams and "background" in self._asked:
            source.write("try:")
            source.depth += 1

    def write(self, source: Source, arguments: str) -> None:
        """Call the view, and make a response of what it returned."""
        self._source = source
        source.give(reply=self._returns.reply, JSON=JSON, Response=Response)
        source.give(**{"to_json" if self._msgpack else "encode": self._returns.encode})
        self._call(arguments)
        if self._streams:
            self._answer_piecewise()
        else:
            self._answer()

    def end(self, source: Source) -> None:
        """After all: what `begin` saw to."""
        if self._streams and "background" in self._asked:
            source.depth = 1
            source.write("finally:")
            source.write("await background.start()", 1)

    def _call(self, arguments: str) -> None:
        write = self._source.write
        if self._kind == "coroutine" and self._cancels:
            write("async with Connected(ahead):", Connected=Connected)
            write(f"result = await view({arguments})", 1)
        elif self._kind == "coroutine":
            write(f"result = await view({arguments})")
        elif self._kind == "function":
            write(f"result = await in_thread(view{arguments and ', ' + arguments})")
        elif self._kind == "sync":
            write(f"result = iterated(in_thread, view({arguments}))", iterated=iterated)
        else:
            write(f"result = view({arguments})")

    def _answer(self) -> None:
        returns, source = self._returns, self._source
        if returns.way is Way.NOTHING:
            source.write("if result is not None:")
            self._return("reply(result)", 1)
            self._return_parts(f"{returns.status}", "", 'b""')
            return
        others, media = "reply(result)", "JSON"
        if self._msgpack:
            negotiate = 'encode, media = negotiated(scope["headers"], to_json)'
            source.write(negotiate, negotiated=negotiated)
            others, media = "reply(result, encode, media)", "*media"
        if returns.way is Way.RESPONSE or returns.type is EMPTY:
            self._return(others)
            return
        if returns.way is Way.PLAIN:
            if returns.kinds:
                source.write("if type(result) not in KINDS:", KINDS=frozenset(returns.kinds))
                self._return(others, 1)
            else:
                source.write("if isinstance(result, Response):")
                self._return("result.reply()", 1)
            source.write("try:")
            source.write("content = encode(result)", 1)
            source.write("except (TypeError, ValueError):")
            self._return(others, 1)  # it says whose result it is
        else:
            source.write("if not is_declared(result):", is_declared=returns.check)
            self._return(others, 1)
            source.write(f"content = encode({source.filled('result', returns.type)})")
        length = '(b"content-length", b"%d" % len(content))'
        self._return_parts(f"{returns.status}", f"{media}, {length}", "content")

    def _answer_piecewise(self) -> None:
        returns, write = self._returns, self._source.write
        if self._kind in ("coroutine", "function"):
            write("if isinstance(result, Response):")
            self._return("result.reply()", 1)
        written = {Way.LINES: line, Way.EVENTS: event}[returns.way]
        headers = "response_headers.complete(*HEADERS)" if "response_headers" in self._asked else "[*HEADERS]"
        ping = ", PING" if returns.way is Way.EVENTS else ""
        reply = f"result, written, {returns.status}, {headers}"
        write(
            f"return await send_stream({reply}, scope, ahead, send{ping})",
            send_stream=send_stream,
            written=partial(written, returns.content),
            HEADERS=STREAM[returns.way],
            PING=PING,
        )

    def _return(self, reply: str, deeper: int = 0) -> None:
        """Return the reply that an expression makes of the result."""
        if "response_headers" in self._asked:
            reply = f"joined(result, {reply}, response_headers)"
            self._source.give(joined=joined)
        if "background" in self._asked and not self._streams:
            reply = f"background.after(*{reply})"
        self._source.write(f"return {reply}", deeper)

    def _return_parts(self, status: str, fields: str, content: str) -> None:
        """Return a reply of which the parts are known."""
        headers = f"[{fields}]"
        if "response_headers" in self._asked:
            headers = f"response_headers.complete({fields})"
        reply = f"{status}, {headers}, {content}"
        if "background" in self._asked:
            reply = f"background.after({reply})"
        self._source.write(f"return {reply}")
