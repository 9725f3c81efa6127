"""Values of components outside of requests: those that live as long as the application, and those of scopes.

In a request they are made by the plan of its view, see `asgistar.views`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Container, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar, cast

from msgspec import Struct

from asgistar import signature as signatures
from asgistar.components import Component, Components
from asgistar.data import alternatives
from asgistar.errors import ConfigurationError
from asgistar.signature import EMPTY, Argument, Signature, named
from asgistar.threads import in_threads

T = TypeVar("T")


class AppValues(dict[Any, Any]):
    """The values of the components that live as long as the application: component -> value.

    Attributes:
        given: type -> value of what there is without a component, inside of requests and outside: the
            application.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[Any, Any] = {}

    def of(self, argument: Argument) -> Any:
        """The value that is given to a parameter by its type; `EMPTY` if there is none."""
        members = (each for each in alternatives(argument.annotation) if isinstance(each, type))
        return next((self.given[each] for each in members if each in self.given), EMPTY)

    def __missing__(self, key: Component[..., Any]) -> Any:
        raise RuntimeError(
            f"{named(key.key)} of {key} isn't there: it is made in the lifespan of the application, and "
            "there was none. Switch it on in the server, or enter `app.scope()`."
        )


class Supply(Struct, frozen=True):
    """What a function is given by type outside of a request.

    Attributes:
        components: parameter -> the component whose value it is given.
        values: parameter -> a value that there is without a component.
    """

    components: Mapping[str, Component[..., Any]]
    values: Mapping[str, Any]


def supply(
    signature: Signature, given: Container[str], components: Components, values: AppValues, hint: str
) -> Supply:
    """What a function is given by type outside of a request.

    Args:
        given: parameters that it is given otherwise.
        hint: what to do about one that comes from nowhere.

    Raises:
        ConfigurationError: one comes from nowhere.
    """
    found: dict[str, Component[..., Any]] = {}
    others: dict[str, Any] = {}
    for argument in signature.arguments.values():
        if argument.name in given:
            continue
        component = components.find(argument, signature)
        if component is not None:
            found[argument.name] = component
        elif (value := values.of(argument)) is not EMPTY:
            others[argument.name] = value
        elif argument.default is EMPTY:
            raise ConfigurationError(
                f"The parameter {argument.name} of {signature.where} is {named(argument.annotation)}, "
                f"which no component provides{hint}."
            )
    return Supply(found, others)


class Scope:
    """Values of components outside of a request, for commands, jobs and tests. See `App.scope`."""

    def __init__(self, components: Components, app_values: AppValues, stack: AsyncExitStack) -> None:
        self._components = components
        self._app_values = app_values
        self._values: dict[Component[..., Any], Any] = {}
        self._stack = stack

    async def get(self, type: type[T]) -> T:
        """The value for a type.

        Raises:
            ConfigurationError: no component provides it.
        """
        asked = Signature(type, {}, EMPTY, called="get()")
        found = self._components.find(Argument("type", type, EMPTY), asked)
        if found is None:
            raise ConfigurationError(f"No component provides {named(type)}.")
        return cast(T, await self.value(found))

    async def call(self, call: Callable[..., Any], **given: Any) -> Any:
        """Call a function with what it asks for.

        Args:
            given: parameters that don't come from components.

        Raises:
            ConfigurationError: it asks for what no component provides.
        """
        arguments = await self._arguments(signatures.read(call), given)
        result = call(**arguments, **given)
        return await result if inspect.isawaitable(result) else result

    async def value(self, each: Component[..., Any]) -> Any:
        """The value of a component, made if it isn't there."""
        values = self._app_values if each.lifetime == "app" else self._values
        if each not in values:
            arguments = await self._arguments(each.signature)
            values[each] = await self._entered(each, arguments)
        return values[each]

    async def _entered(self, each: Component[..., Any], arguments: dict[str, Any]) -> Any:
        """What a component gives; its end comes with that of the scope."""
        if each.cleans_up:
            context = each.entered()(**arguments)
            if each.in_thread:
                context = in_threads(asyncio.to_thread, context)
            elif not each.is_async:
                return self._stack.enter_context(context)
            return await self._stack.enter_async_context(context)
        if each.in_thread:
            return await asyncio.to_thread(each.call, **arguments)
        given = each.call(**arguments)
        return await given if each.is_async else given

    async def supplied(self, supply: Supply) -> dict[str, Any]:
        """The arguments that a function is given by type."""
        arguments = dict(supply.values)
        for name, each in supply.components.items():
            arguments[name] = await self.value(each)
        return arguments

    async def _arguments(self, signature: Signature, given: Container[str] = ()) -> dict[str, Any]:
        hint = "; and there is no request here"
        return await self.supplied(supply(signature, given, self._components, self._app_values, hint))


class Living:
    """The components that live as long as the application: a part of its lifespan.

    Args:
        components: of the application.

    Attributes:
        values: of those that live as long.
        running: they have been made, or are being made.
    """

    def __init__(self, components: Components) -> None:
        self.components = components
        self.values = AppValues()
        self.running = False
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Make them all; each after what it needs."""
        self.running = True
        scope = Scope(self.components, self.values, self._stack)
        try:
            for each in self.components.living():
                await scope.value(each)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Let them clean up, the last one first."""
        self.running = False
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            await stack.aclose()
        finally:
            self.values.clear()
