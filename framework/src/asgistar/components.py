"""Components: what views and other components are given by type, and where it comes from.

A component is a function that provides a value of a type; a generator function provides it, and cleans up
when it isn't needed any more. The type is the key: whoever has a parameter of that type gets the value. In a
request each is made once, however many ask for it; those of the application once in its lifespan.
"""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from types import FunctionType, MethodType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
    get_origin,
    overload,
)
from weakref import WeakValueDictionary

from asgistar import signature as signatures
from asgistar.data import alternatives, wire_kind
from asgistar.errors import ConfigurationError, Problem
from asgistar.markers import unmarked
from asgistar.signature import EMPTY, Argument, Signature, named

if TYPE_CHECKING:
    from asgistar.security import Security

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Lifetime = Literal["request", "app"]

CONTEXTLIB = contextmanager.__code__.co_filename
"""Where the functions are from that `contextmanager` and `asynccontextmanager` make."""

_GENERATORS = (AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator)


class Component(Generic[P, R]):
    """A function that provides the values of a type. It can still be called as it is.

    Attributes:
        call: the function.
        lifetime: how long a value is used: for a request, or as long as the application lives.
        key: the type.
        security: how a client authenticates, where it needs that (see `asgistar.security`), for the
            documentation.
        raises: the problems that it says it raises, for the documentation.
        signature: of the function; its parameters are those of a view.
        is_async: it is `async def`.
        cleans_up: it is a generator function.
        in_thread: it is called in a thread.
    """

    def __init__(
        self,
        call: Callable[P, R],
        lifetime: Lifetime = "request",
        key: Any = None,
        security: Security | Iterable[Security] = (),
        raises: Iterable[type[Problem]] = (),
        in_thread: bool = False,
    ) -> None:
        self.call = call
        self.in_thread = in_thread
        self.lifetime = lifetime
        self.security = tuple(security) if isinstance(security, Iterable) else (security,)
        self.raises = tuple(raises)
        self.signature = signatures.read(call)
        kind = signatures.generates(call)
        self.cleans_up = bool(kind)
        self.is_async = kind == "async" or signatures.is_async(call)
        self.key = self._key() if key is None else key
        if lifetime not in ("request", "app"):
            raise ConfigurationError(f"The scope of {self} is 'request' or 'app', not {lifetime!r}.")
        code = getattr(call, "__code__", None)
        if code is not None and code.co_filename == CONTEXTLIB:
            raise ConfigurationError(
                f"{self} is a context manager already. Leave out what contextlib puts around it: a component "
                "is the generator function itself."
            )
        if in_thread and self.is_async:
            raise ConfigurationError(
                f"{self} is async: it can't be called in a thread. Leave thread=True out."
            )

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        return self.call(*arguments, **named)

    def __str__(self) -> str:
        return self.signature.where

    def _key(self) -> Any:
        returned = self.signature.returns
        if self.cleans_up:
            returned = get_args(returned)[0] if get_origin(returned) in _GENERATORS else EMPTY
        if returned in (EMPTY, None, type(None), Any, object):
            generated = "AsyncIterator[Session]" if self.is_async else "Iterator[Session]"
            what = generated if self.cleans_up else "Session"
            raise ConfigurationError(f"{self} must say what it provides, as in `-> {what}`.")
        told_apart = isinstance(returned, NewType) or get_origin(returned) is Annotated
        if wire_kind(returned) == "simple" and not told_apart:
            raise ConfigurationError(
                f"{self} provides {named(returned)}, and whoever asks for {named(returned)} would get it. "
                "Make a type of its own for it, with NewType or a class."
            )
        return returned

    def entered(self) -> Callable[..., Any]:
        """What gives the value: the function, or for a generator function one that gives a context of it."""
        if not self.cleans_up:
            return self.call
        return asynccontextmanager(self.call) if self.is_async else contextmanager(self.call)  # type: ignore[arg-type]


@overload
def component(call: Callable[P, R]) -> Component[P, R]: ...


@overload
def component(
    *,
    scope: Lifetime = "request",
    security: Security | Iterable[Security] = (),
    raises: Iterable[type[Problem]] = (),
    thread: bool = False,
) -> Callable[[Callable[P, R]], Component[P, R]]: ...


def component(
    call: Callable[P, R] | None = None,
    *,
    scope: Lifetime = "request",
    security: Security | Iterable[Security] = (),
    raises: Iterable[type[Problem]] = (),
    thread: bool = False,
) -> Component[P, R] | Callable[[Callable[P, R]], Component[P, R]]:
    """Make a component of a function: `@component`, or `@component(scope="app")`.

    A function that isn't decorated can stand among the components of an application too: as one of a request.

    Args:
        scope: how long a value is used: for a request, or as long as the application lives ("app").
        security: how a client authenticates, as in `@component(security=Bearer())`; of several, any one does.
        raises: the problems that it raises, as in `@component(raises=[NotFound])`.
        thread: call it in a thread, because it waits for something; a `def` is called on the loop otherwise.

    Raises:
        ConfigurationError: it doesn't say what it provides, or it is async and is to be called in a thread.
    """

    def declare(call: Callable[P, R]) -> Component[P, R]:
        made = Component(call, scope, None, security, raises, thread)
        _declared[made.key] = made
        return made

    return declare if call is None else declare(call)


_declared: WeakValueDictionary[Any, Component[..., Any]] = WeakValueDictionary()


def declared(annotation: Any) -> Component[..., Any] | None:
    """The component that was declared for a type, in whatever application it stands; None for none."""
    for key in (annotation, *alternatives(annotation)):
        try:
            found = _declared.get(key)
        except TypeError:  # a type that isn't hashable
            continue
        if found is not None:
            return found
    return None


def made(value: Any) -> Component[..., Any]:
    """A component of what may stand for one: a component, a function, an object or a class with `resolve`."""
    if hasattr(value, "__component__"):  # it knows itself, as an Environment does
        value = value.__component__()
    if isinstance(value, Component):
        return value
    if isinstance(value, type) and hasattr(value, "resolve"):
        value = value()
    if hasattr(value, "resolve"):
        value = value.resolve
    if not isinstance(value, FunctionType | MethodType):
        raise ConfigurationError(
            f"{value!r} is no component: not a function, and it has no method `resolve`. Write a function "
            "that provides it, as in `def session() -> Session: …`."
        )
    return Component(value)


def provides_itself(cls: type) -> bool:
    """Whether an object of a class, or the class, stands among components for its own type: see `made`."""
    if hasattr(cls, "__component__"):
        return True
    returned = getattr(getattr(cls, "resolve", None), "__annotations__", {}).get("return")
    return returned in (cls, Self, cls.__name__, "Self")


def made_as(cls: type) -> str:
    """How such a class is written among the components."""
    if hasattr(cls, "__component__"):
        return cls.__name__
    needs = any(each.default is each.empty for each in inspect.signature(cls).parameters.values())
    return f"{cls.__name__}({'…' if needs else ''})"


def replacing(key: Any, value: Any) -> Component[..., Any]:
    """A component that takes the place of the one for `key`: a function that provides, or a value."""
    if isinstance(value, Component):
        return Component(value.call, value.lifetime, key, value.security, value.raises, value.in_thread)
    if isinstance(value, FunctionType | MethodType):
        return Component(value, "request", key)
    return Component(lambda: value, "request", key)


class Components:
    """The components of an application, by the types they provide.

    Args:
        components: functions, objects with `resolve`, or what `component` made.

    Raises:
        ConfigurationError: two provide the same type; one needs what nobody provides, needs itself, or lives
            longer than what it needs.
    """

    def __init__(self, components: Iterable[Any] = ()) -> None:
        self._by_key: dict[Any, Component[..., Any]] = {}
        for each in map(made, components):
            other = self._by_key.setdefault(each.key, each)
            if other is not each:
                raise ConfigurationError(
                    f"{each} provides {named(each.key)}, and so does {other}. Leave one out, or tell them "
                    "apart with Annotated or NewType."
                )
        for each in self._by_key.values():
            self._check(each, ())

    def key_for(self, value: object) -> Any:
        """The type under which a value of this class is provided: its class, one above it, or a union of it.

        Raises:
            ConfigurationError: no component provides such a value, or several do.
        """
        for cls in type(value).__mro__[:-1]:
            found = [key for key in self._by_key if key is cls] or [
                key for key in self._by_key if cls in alternatives(key)
            ]
            if len(found) > 1:
                both = " and ".join(str(self._by_key[key]) for key in found)
                raise ConfigurationError(f"{named(cls)} is provided by {both}. Say which, by its type.")
            if found:
                return found[0]
        raise ConfigurationError(f"No component provides {named(type(value))}.")

    def replaced(self, replacements: Mapping[Any, Any]) -> Components:
        """These components, with others in the place of some."""
        changed = Components()
        changed._by_key = dict(self._by_key)
        for key, value in replacements.items():
            if key not in self._by_key:
                raise ConfigurationError(f"There is no component for {named(key)} that could be overridden.")
            changed._by_key[key] = replacing(key, value)
        for key in replacements:
            changed._check(changed._by_key[key], ())
        return changed

    def needed(self, signature: Signature) -> dict[str, Component[..., Any]]:
        """The components for the parameters of a function, by their names."""
        if not self._by_key:
            return {}
        found = {name: self.find(argument, signature) for name, argument in signature.arguments.items()}
        return {name: each for name, each in found.items() if each is not None}

    def living(self) -> list[Component[..., Any]]:
        """The components that live as long as the application."""
        return [each for each in self._by_key.values() if each.lifetime == "app"]

    def find(self, argument: Argument, signature: Signature) -> Component[..., Any] | None:
        """The component for a parameter; None if there is none.

        Raises:
            ConfigurationError: there are several.
        """
        marker, annotation = unmarked(argument.annotation, argument.name, signature)
        if marker is not None:
            return None
        try:
            found = self._by_key.get(annotation)
        except TypeError:  # an annotation that isn't hashable
            return None
        if found is not None or isinstance(annotation, type):
            return found
        members = [self._by_key[each] for each in alternatives(annotation) if each in self._by_key]
        if get_origin(annotation) is None or not members:
            return None
        if len(members) > 1:
            both = " and ".join(map(str, members))
            raise ConfigurationError(
                f"The parameter {argument.name} of {signature.where} may be provided by {both}. Ask for one."
            )
        # `Session | None` is given the Session; a qualifier, as in Annotated[Session, "a"], must be met.
        return members[0] if len(alternatives(annotation)) > 1 else None

    def _check(self, each: Component[..., Any], chain: tuple[Component[..., Any], ...]) -> None:
        """Check what a component needs, and what that needs."""
        if each in chain:
            circle = [*chain[chain.index(each) :], each]
            raise ConfigurationError(f"Components need each other: {' needs '.join(map(str, circle))}.")
        for argument in each.signature.arguments.values():
            needed = self.find(argument, each.signature)
            if needed is not None:
                if each.lifetime == "app" and needed.lifetime == "request":
                    raise ConfigurationError(
                        f"{each} lives as long as the application, but needs {named(needed.key)} of "
                        f"{needed}, which is made for each request.{chained(chain)}"
                    )
                self._check(needed, (*chain, each))
            elif each.lifetime == "app" and argument.default is EMPTY:
                raise ConfigurationError(
                    f"The parameter {argument.name} of {each} is {named(argument.annotation)}, which no "
                    "component provides; and what lives as long as the application has no request."
                    f"{chained(chain)}"
                )


def chained(chain: Sequence[object]) -> str:
    """What to add to what is told of a function, for those that need it, from the outside in."""
    return f" It is needed by {', which is needed by '.join(map(str, reversed(chain)))}." if chain else ""
