"""Hooks: what is called before the views of an application or of some routes, after them, and when they fail.

    class Timing:
        def on_request(self) -> None:
            self.began = perf_counter()

        def on_response(self, response: Response) -> None:
            response.headers["server-timing"] = f"view;dur={1000 * (perf_counter() - self.began):.1f}"

    App(routes, hooks=[Timing])

They are called for WebSockets too, but for on_response: there is none.

A class is made anew for each request, so that its methods can keep things on `self`; any other object is
shared by all. The methods have parameters as views have: from the request, by type from components. Where
there is a response, it is a `Response`, and an error is an `Exception`.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, Never, NoReturn

from msgspec import Struct

from asgistar import signature as signatures
from asgistar.data import alternatives
from asgistar.errors import ConfigurationError, Problem, tell
from asgistar.http.reading import ClientDisconnected, meant
from asgistar.http.response import Reply, Response
from asgistar.http.streams import STARTED
from asgistar.signature import EMPTY, Argument, Signature, named
from asgistar.types import Message, Scope, Send

logger = logging.getLogger("asgistar")

METHODS = ("on_request", "on_response", "on_error")


class Hook(Struct, frozen=True):
    """A hook, looked at once.

    Attributes:
        name: what the source calls it.
        value: the class, or the object.
        of_each_request: it is a class, of which each request has an instance.
        signatures: of those methods that it has.
        waits: those of its methods that are `async def`; the others are called on the loop, and mustn't wait.
        raises: the problems that it says it raises.
    """

    name: str
    value: Any
    of_each_request: bool
    signatures: Mapping[str, Signature]
    waits: frozenset[str]
    raises: tuple[type[Problem], ...]


def hook(value: Any) -> Hook:
    """What there is to know of a hook.

    Raises:
        ConfigurationError: it has none of the methods of a hook, or one that can't be called.
    """
    of_each_request = isinstance(value, type)
    found = {}
    for method in METHODS:
        call = getattr(value, method, None)
        if call is None:
            continue
        if of_each_request and inspect.isfunction(inspect.getattr_static(value, method)):
            call = MethodType(call, value)  # its signature is that of the method of an instance
        found[method] = _read(value, method, call)
    name = getattr(value, "__name__", type(value).__name__)
    if not found:
        raise ConfigurationError(
            f"The hook {name} has no method that is called: on_request, on_response or on_error."
        )
    if of_each_request:
        _check_made(value)
    waits = frozenset(method for method, each in found.items() if signatures.is_async(each.call))
    raises = tuple(getattr(value, "raises", ()))
    return Hook(re.sub(r"\W", "_", name).lower(), value, of_each_request, found, waits, raises)


_NOTHING = (EMPTY, None, type(None), Never, NoReturn)
"""What methods of hooks say that they return."""


def _read(value: Any, method: str, call: Any) -> Signature:
    if not callable(call):
        raise ConfigurationError(f"{method} of the hook {value!r} is not a method.")
    signature = signatures.read(call)
    if signature.returns not in _NOTHING:
        raise ConfigurationError(
            f"{signature.where} returns {named(signature.returns)}, and nothing becomes of what a hook "
            "returns. Raise a problem to refuse a request; change the response in on_response."
        )
    return signature


def _check_made(value: type) -> None:
    try:
        inspect.signature(value).bind()
    except TypeError as error:
        raise ConfigurationError(
            f"The hook {value.__name__} is made for each request, without arguments: {error}. Give an object "
            "of it to share one."
        ) from None
    except ValueError:  # a class without a signature, of an extension
        pass


def provided(method: str, signature: Signature) -> dict[str, str]:
    """The parameters of a method that are the response or the error -> what stands for them in the source.

    Raises:
        ConfigurationError: there is none yet.
    """
    found = {}
    for argument in signature.arguments.values():
        what = _what(argument)
        if what is None:
            continue
        if method == "on_request":
            raise ConfigurationError(
                f"The parameter {argument.name} of {signature.where} is there after the view only. Ask for "
                "it in on_response or on_error."
            )
        if what == "response" and method == "on_error":
            raise ConfigurationError(
                f"The parameter {argument.name} of {signature.where} is a response; on_error has the error. "
                "Ask for the response in on_response, which is called for errors too."
            )
        found[argument.name] = f"outcome.{what}"
    return found


def _what(argument: Argument) -> str | None:
    for member in alternatives(argument.annotation):
        if isinstance(member, type) and issubclass(member, Response):
            return "response"
        if isinstance(member, type) and issubclass(member, BaseException):
            return "error"
    return None


# --- while a request is answered --------------------------------------------------------------------------


class Replied(Response):
    """A response that a view, or an error, has made, for hooks to change."""

    __slots__ = ("_made",)

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.status, self.headers.fields, self._made = reply
        self.content: Any = self._made

    def reply(self) -> Reply:
        """The response, with the length of what may have become of its content."""
        if isinstance(self.content, str):
            self.content = self.content.encode()
        if isinstance(self.content, bytes) and "content-length" in self.headers:
            self.headers["content-length"] = str(len(self.content))
        # What was made may have something with it that isn't to be lost: work in the background.
        instead = getattr(self._made, "instead", None)
        if instead is not None and self.content is not self._made:
            return self.status, self.headers.fields, instead(self.content)
        return self.status, self.headers.fields, self.content


class Outcome:
    """What has become of a request that hooks are called for.

    Args:
        scope: of the request.
        failed: makes the response of an error, and tells of it.

    Attributes:
        reply: the response of the view; None as long as there is none, or if it has sent it itself.
        error: what ended the request; None as long as nothing has.
        begun: the response is under way.
        returned: the view has returned, and no component has kept an error for itself.
    """

    __slots__ = ("_failed", "_response", "_scope", "begun", "error", "reply", "returned")

    def __init__(self, scope: Scope, failed: Callable[[Scope, Exception], Reply]) -> None:
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.begun = False
        self.returned = False
        self._scope = scope
        self._failed = failed
        self._response: Response | None = None

    @property
    def response(self) -> Response:
        """The response, for hooks to change. What they do once it has begun has no effect."""
        if self._response is None:
            self._response = Replied(self.reply or (200, [], b""))
        return self._response

    @property
    def unhandled(self) -> bool:
        """Whether an error has ended the request that isn't a response in itself."""
        return self.error is not None and not isinstance(self.error, Problem)

    def fail(self, error: Exception) -> None:
        """An error comes out of the view, of a component or of a hook; the same one may come several times.

        Raises:
            ClientDisconnected: that was it; there is nobody to answer.
        """
        error = meant(error)
        if isinstance(error, ClientDisconnected):
            raise error
        if error is self.error:
            return
        self.error = error
        self.begun = self.begun or STARTED in self._scope
        if not self.begun:
            self._response = None
            self.reply = self._failed(self._scope, error)

    def contain(self, error: Exception) -> None:
        """A hook has failed over an error: that is told, and changes nothing."""
        logger.error("A hook's on_error failed", exc_info=error)
        tell(self._scope, error)

    def pass_on(self) -> None:
        """Let components around a hook know of the error that it was called for."""
        if self.error is not None:
            raise self.error

    def sending(self, send: Send, respond: Callable[[], Any]) -> Send:
        """A `send` for a view that sends its response itself: hooks are called when it begins."""

        async def hooked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._response = Replied((message["status"], list(message["headers"]), b""))
                await respond()
                status, headers, _ = self._response.reply()
                message = {**message, "status": status, "headers": headers}
                self.begun = True
            await send(message)

        return hooked

    def end(self) -> Reply | None:
        """The response to send; None if it has been sent.

        Raises:
            Exception: what broke off a response that is under way.
        """
        if self.begun:
            self.pass_on()
            return None
        return self.reply if self._response is None else self._response.reply()
