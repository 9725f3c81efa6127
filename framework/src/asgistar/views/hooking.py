"""What a plan has around its view where there are hooks: written as source.

Each hook is inside of those before it: its on_request is called after theirs, its on_response before theirs,
and only if its on_request has gone well. The components that it asks for are made before its on_request, and
end after its on_response; those of the view end before all of that.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from msgspec import Struct

from asgistar.hooks import METHODS, Hook, Outcome, hook, provided
from asgistar.routing.endpoint import Endpoint
from asgistar.views.making import Around, swallowed, write_components
from asgistar.views.source import Source
from asgistar.views.unit import Unit, Units


class Hooked(Struct, frozen=True):
    """A hook in a plan.

    Attributes:
        variable: what the source calls it.
        methods: what is called.
        needed: the components that are made for it.
    """

    hook: Hook
    variable: str
    methods: Mapping[str, Unit]
    needed: Sequence[Unit]

    @property
    def comes_after(self) -> bool:
        """Whether it has something to do after the view."""
        return "on_response" in self.methods or "on_error" in self.methods

    @property
    def cleans_up(self) -> bool:
        """Whether what is made for it has an end."""
        return ends(self.needed)

    def call(self, method: str) -> str:
        """The call of a method."""
        waits = "await " if method in self.hook.waits else ""
        return f"{waits}{self.variable}.{method}({self.methods[method].arguments()})"

    def write_before(self, source: Source, around: Around) -> None:
        """Write what comes before all that it stands around: its components, itself, and its on_request."""
        write_components(source, self.needed, around)
        if self.hook.of_each_request:
            source.write(
                f"{self.variable} = {self.variable}_class()", **{f"{self.variable}_class": self.hook.value}
            )
        else:
            source.give(**{self.variable: self.hook.value})
        if "on_request" in self.methods:
            source.write(self.call("on_request"))


def ends(units: Iterable[Unit]) -> bool:
    """Whether one of what is made has an end."""
    return any(unit.component is not None and unit.component.cleans_up for unit in units)


def hooks_of(
    endpoint: Endpoint, units: Units, around: Around, called: Container[str] = METHODS
) -> Sequence[Hooked]:
    """The hooks of an endpoint, with what is called for them added to `units`.

    Args:
        called: the methods of hooks that are called; a hook without one of them isn't among them.

    Raises:
        ConfigurationError: one is none, or a parameter can come from nowhere.
    """
    if not endpoint.options.get("hooks"):
        return ()
    found = []
    for number, value in enumerate(endpoint.options.get("hooks", ()), 1):
        if id(value) not in around.hooks:
            around.hooks[id(value)] = hook(value)
        each = around.hooks[id(value)]
        variable = f"{each.name}_{number}"
        before = len(units.all)
        methods = {
            method: units.add(signature, f"{variable}_{method}_", provided=provided(method, signature))
            for method, signature in each.signatures.items()
            if method in called
        }
        if methods:
            found.append(Hooked(each, variable, methods, units.all[before:]))
    return found


class Hooking:
    """Writes the hooks around a call.

    Args:
        source: where it is written.
        hooks: from the outside in.
        guards: components that are made between the hooks and the view: those that clients authenticate to.
        call: the call of the view.
        sends_itself: it may send its response itself.
    """

    def __init__(
        self,
        source: Source,
        hooks: Sequence[Hooked],
        guards: list[Unit],
        around: Around,
        call: str,
        sends_itself: bool,
    ) -> None:
        self._source = source
        self._hooks = hooks
        self._guards = guards
        self._around = around
        self._call = call
        self._sends_itself = sends_itself

    def write(self) -> None:
        """Write it, from the first hook to the response."""
        write = self._source.write
        if not any(hooked.comes_after for hooked in self._hooks):
            depth = self._source.depth
            self._write_from(0, False)
            self._source.depth = depth
            if ends(self._guards) or any(hooked.cleans_up for hooked in self._hooks):
                write("raise swallowed()", swallowed=swallowed)
            return
        write("outcome = Outcome(scope, failed)", Outcome=Outcome, failed=self._around.failed)
        first = next(index for index, hooked in enumerate(self._hooks) if hooked.comes_after)
        # What ends around the first hook that is told of an error may have an error of its own.
        guarded = any(hooked.cleans_up for hooked in self._hooks[: first + 1])
        if guarded:
            write("try:")
            self._source.depth += 1
        self._write_from(0, False)
        if guarded:
            self._source.depth = 1
            self._write_except()
        write("return outcome.end()")

    def _write_from(self, index: int, inside: bool) -> None:
        """Write a hook and all that is inside of it.

        Args:
            inside: a component has been entered since the last `try`.
        """
        source, write = self._source, self._source.write
        if index == len(self._hooks):
            self._write_view()
            return
        hooked = self._hooks[index]
        depth = source.depth
        hooked.write_before(source, self._around)
        inside = inside or hooked.cleans_up
        if not hooked.comes_after:
            self._write_from(index + 1, inside)
            source.depth = depth
            return
        write("try:")
        source.depth += 1
        self._write_from(index + 1, False)
        source.depth -= 1
        self._write_except()
        self._write_after(hooked)
        if inside:
            write("outcome.pass_on()")
        source.depth = depth

    def _write_except(self) -> None:
        self._source.write("except Exception as error:")
        self._source.write("outcome.fail(error)", 1)

    def _write_after(self, hooked: Hooked) -> None:
        write = self._source.write
        if "on_error" in hooked.methods:
            write("if outcome.unhandled:")
            write("try:", 1)
            write(hooked.call("on_error"), 2)
            write("except Exception as error:", 1)
            write("outcome.contain(error)", 2)
        if "on_response" in hooked.methods:
            if self._sends_itself:
                write("if not outcome.begun:")
                write(hooked.call("on_response"), 1)
            else:
                write(hooked.call("on_response"))

    def _write_view(self) -> None:
        write = self._source.write
        after = [hooked for hooked in self._hooks if hooked.comes_after]
        if not after:
            write_components(self._source, self._guards, self._around)
            write(f"return await {self._call}")
            return
        responding = [hooked for hooked in reversed(after) if "on_response" in hooked.methods]
        if self._sends_itself and responding:
            write("async def respond():")
            for hooked in responding:
                write(hooked.call("on_response"), 1)
            write("send = outcome.sending(send, respond)")
        depth = self._source.depth
        write_components(self._source, self._guards, self._around)
        write(f"outcome.reply = await {self._call}")
        if self._source.depth > depth:
            write("outcome.returned = True")
            self._source.depth = depth
            write("if not outcome.returned:")
            write("raise swallowed()", 1, swallowed=swallowed)
