"""One setting as a row of the table: its names, its default, its kind, and what is said of it.

The rows themselves are in `settings`, the kinds of values in `kinds`. Nothing here knows a single option by
name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import Field, dataclass, field
from typing import Any, TypeVar, dataclass_transform

from asgiworker.process.kinds import Kind, Refused, as_toml
from asgiworker.process.mistakes import SettingsError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table. The environment variable and the file's key follow from `name`, the field."""

    name: str
    kind: Kind[Any]
    default: Any
    flags: tuple[str, ...]
    off_flags: tuple[str, ...]
    group: str
    help: str
    gunicorn: str | None
    secret: bool

    @property
    def variable(self) -> str:
        """The environment variable: `ASGIWORKER_KEEPALIVE` for `keepalive`."""
        return f"ASGIWORKER_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """How messages call the option on the command line: its first long flag; `APP` for the positional."""
        return next((flag for flag in self.flags if flag.startswith("--")), self.name.upper())

    def to_toml(self, value: Any) -> str:
        """`value` as the settings file has it."""
        return self.kind.written(value) if self.kind.written else as_toml(value)

    @property
    def shown_default(self) -> str:
        """The default for help and documentation; empty where there is nothing to show."""
        if self.default is None or self.default is False or self.default in ("", ()):
            return ""
        if isinstance(self.default, tuple):
            return ", ".join(self.default)
        return self.default if isinstance(self.default, str) else self.to_toml(self.default)

    def convert(self, value: object, place: str, *, usage: bool = False) -> Any:
        """`value` as this option has it. Raises `SettingsError`; `place` says where the value stands."""
        try:
            return self.kind.convert(value)
        except Refused as error:
            reason = f": {error.reason}" if error.reason else ""
            given = f"{error.item!r}{reason}"
        except (ValueError, TypeError):
            given = "this" if self.secret else repr(value)
        raise SettingsError(f"{place} takes {self.kind.expects}, not {given}.", usage=usage)


def option(
    default: T,
    *flags: str,
    kind: Kind[T],
    help: str,
    gunicorn: str | None = None,
    off: tuple[str, ...] = (),
    secret: bool = False,
    positional: bool = False,
) -> T:
    """Declare one dataclass field that is an option.

    Without `flags` the flag is the field's name (`limit_body`: `--limit-body`). `off` names flags without a
    value that set the option to None. `gunicorn` names the Gunicorn setting of the same meaning. `secret`
    values are never shown.
    """

    def described(name: str, heading: str) -> Option:
        own = flags if flags or positional else ("--" + name.replace("_", "-"),)
        off_flags = (
            tuple(f"--no-{flag[2:]}" for flag in own if flag.startswith("--")) if kind.is_switch else off
        )
        return Option(name, kind, default, own, off_flags, heading, help, gunicorn, secret)

    # Typed as the value, like `dataclasses.field` itself: annotation, default and kind must agree.
    return field(default=default, metadata={"described": described}, repr=not secret)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def option_group(cls: type[T]) -> type[T]:
    """Make a class of options a base of `Settings`, which alone has instances.

    Its `__slots__` are empty: those of `Settings` hold the values.
    """
    return dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)(cls)


def table(heading: str, described_fields: Iterable[Field[Any]]) -> tuple[Option, ...]:
    """The options among a dataclass's fields, in their order."""
    return tuple(each.metadata["described"](each.name, heading) for each in described_fields if each.metadata)
