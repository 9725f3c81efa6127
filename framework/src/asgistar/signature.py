"""What the signature of a callable says: its parameters with their annotations, and what it returns.

Annotations written as text (`from __future__ import annotations`) are resolved here, also those with the
names of classes that are local to a function, as long as that function is running.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from types import FrameType, FunctionType
from typing import Any, Literal, NewType, TypeGuard, get_args, get_type_hints

from msgspec import Struct

from asgistar.errors import ConfigurationError
from asgistar.regex import regex

EMPTY: Any = inspect.Parameter.empty
"""No annotation, or no default."""


class Argument(Struct, frozen=True, gc=False):
    """A parameter of a callable.

    Attributes:
        annotation: its type, `EMPTY` if it has none.
        default: its default, `EMPTY` if it has none.
        keyword: it may be given by name.
    """

    name: str
    annotation: Any
    default: Any
    keyword: bool = True


class Signature(Struct, frozen=True, eq=False):
    """The signature of a callable.

    Attributes:
        returns: its return annotation, `EMPTY` if it has none.
        takes_any: it has a parameter `**rest`.
        takes_more: it has a parameter `*more`.
        called: what to call the callable in an error, if not by its name and place.
    """

    call: Callable[..., Any]
    arguments: Mapping[str, Argument]
    returns: Any
    takes_any: bool = False
    takes_more: bool = False
    called: str = ""

    @property
    def where(self) -> str:
        """What to call the callable in an error: "create() at app.py:12"."""
        return self.called or described(self.call)


def read(call: Callable[..., Any]) -> Signature:
    """The signature of `call`.

    Raises:
        ConfigurationError: an annotation can't be resolved, or there is no signature.
    """
    try:
        return _of_plain(call) if _is_plain(call) else _of_any(call)
    except NameError as error:
        raise ConfigurationError(
            f"An annotation of {described(call)} can't be resolved: {error}. Import or define the name at "
            "the level of the module, not only for type checkers."
        ) from error
    except (TypeError, ValueError, SyntaxError) as error:
        raise ConfigurationError(f"The signature of {described(call)} can't be read: {error}.") from error


def _is_plain(call: Callable[..., Any]) -> TypeGuard[FunctionType]:
    """Whether it is a function that nothing was done to: its code says all of its parameters."""
    return type(call) is FunctionType and not call.__dict__


def _hints(function: Any) -> Mapping[str, Any]:
    """The annotations of a function, resolved."""
    return get_type_hints(function, None, _locals_around(function), include_extras=True)


def _of_plain(function: FunctionType) -> Signature:
    # PERF: a fifth of what `inspect.signature` and `get_type_hints` take: a tenth of the start of an
    # application.
    hints: Mapping[str, Any] = function.__annotations__
    if not all(isinstance(each, type) for each in hints.values()):
        hints = _hints(function)
    code = function.__code__
    defaults = function.__defaults__ or ()
    of_keywords = function.__kwdefaults__ or {}
    positional = code.co_argcount
    required = positional - len(defaults)
    arguments = {}
    for index, name in enumerate(code.co_varnames[: positional + code.co_kwonlyargcount]):
        if index < required:
            default = EMPTY
        else:
            default = defaults[index - required] if index < positional else of_keywords.get(name, EMPTY)
        keyword = index >= code.co_posonlyargcount
        arguments[name] = Argument(name, hints.get(name, EMPTY), default, keyword)
    takes_any, takes_more = code.co_flags & CO_VARKEYWORDS, code.co_flags & CO_VARARGS
    return Signature(function, arguments, hints.get("return", EMPTY), bool(takes_any), bool(takes_more))


def _of_any(call: Callable[..., Any]) -> Signature:
    hints = _hints(_function(call))
    parameters = inspect.signature(call).parameters.values()
    arguments = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        arguments[parameter.name] = Argument(
            parameter.name,
            hints.get(parameter.name, EMPTY),
            parameter.default,
            parameter.kind is not parameter.POSITIONAL_ONLY,
        )
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    takes_more = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
    return Signature(call, arguments, hints.get("return", EMPTY), takes_any, takes_more)


def _locals_around(function: Any) -> Mapping[str, Any] | None:
    """The local names of the function in which a function was defined, as long as that is still running."""
    around, local, _ = getattr(function, "__qualname__", "").rpartition(".<locals>.")
    code: Any = getattr(function, "__code__", None)
    frame = sys._getframe(1) if local and code is not None else None
    while frame is not None and (
        frame.f_code.co_qualname != around or frame.f_code.co_filename != code.co_filename
    ):
        frame = frame.f_back
    # Not copied: to copy the locals of a comprehension ends Python 3.13.0 with a segmentation fault.
    return None if frame is None else frame.f_locals


def _function(call: Callable[..., Any]) -> Any:
    """The function behind a partial, an object that can be called, and decorators: it has the annotations."""
    if _is_plain(call):
        return call
    return inspect.unwrap(_outermost(call))


def _outermost(call: Callable[..., Any]) -> Any:
    """The function that is called first: that of a decorator, if there is one."""
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isroutine(call):
        return call
    owner, name = (call, "__init__") if isinstance(call, type) else (type(call), "__call__")
    return getattr(owner, name)


def is_async(call: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: a decorator may be `async def`, or what it is around."""
    if _is_plain(call):
        return bool(call.__code__.co_flags & CO_COROUTINE)
    return any(map(inspect.iscoroutinefunction, (_outermost(call), _function(call))))


def generates(call: Callable[..., Any]) -> Literal["", "async", "sync"]:
    """Whether calling it gives a generator, and of which kind."""
    if _is_plain(call) and not call.__code__.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
        return ""
    if inspect.iscoroutinefunction(_outermost(call)):
        return ""
    function = _function(call)
    if inspect.isasyncgenfunction(function):
        return "async"
    return "sync" if inspect.isgeneratorfunction(function) else ""


def described(call: Callable[..., Any]) -> str:
    """The name of `call` and the place of its definition: "create() at app.py:12"."""
    function = _function(call)
    name = getattr(function, "__qualname__", repr(call)).replace("<locals>.", "")
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{name}()"
    return f"{name}() at {place(code.co_filename, code.co_firstlineno)}"


_MODULES = regex(r"(?:\b[^\W\d]\w*\.|<locals>\.)+")


def named(annotation: Any) -> str:
    """What to call a type in an error: as it is written, but without modules."""
    if isinstance(annotation, type | NewType) and not get_args(annotation):
        return str(annotation.__name__)
    return _MODULES.sub("", str(annotation))


def place(file: str, line: int) -> str:
    """`file:line`, relative to the current folder where it is in it."""
    return f"{_relative(file, os.getcwd())}:{line}"


@functools.lru_cache(256)
def _relative(file: str, folder: str) -> str:
    try:
        inside = os.path.relpath(file, folder)
    except ValueError:  # another drive, on Windows
        inside = file
    return file if inside.startswith(os.pardir) else inside


def caller() -> FrameType:
    """The frame that called into this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "asgistar":
        frame = frame.f_back
    return frame
