"""What came and isn't valid, for a view that answers it itself: a form that is shown again, with its errors.

It is also what a page with a form is made of in the first place, when nothing has been typed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Self, TypeVar

import msgspec
from msgspec import NODEFAULT, UNSET, Struct, inspect

from asgistar.data import codec_of, fields, is_simple, members, takes_many, wire_kind
from asgistar.errors import ErrorItem, ValidationFailed
from asgistar.http.uploads import holds_file
from asgistar.regex import regex
from asgistar.signature import named

T = TypeVar("T", covariant=True)

_SECRET = regex(
    r"pass(?:word|wd|phrase|code)"
    r"|(?:^|[^a-z])(?:pass|passkey|pwd|(?:client)?secrets?|pin|t?otp|cv[cv]|api_?key)(?:$|[^a-z])"
)
"""Names of fields whose values are never shown again; upper case in them has become an underscore before.

Fewer than those that a page of debugging hides, which may hide too much: what is hidden here has to be typed
again, and a form whose `csrf_token` or `session` isn't in it again can't be sent.
"""

DEEPEST = 100
"""So deep in data is looked for secrets; what is below is not shown."""

_HUMP = regex(r"(?<=[a-z0-9])(?=[A-Z])")

_UNCHECKED = frozenset(("", "0", "false", "no", "off"))
"""What a form may say of a checkbox that isn't checked."""


class Shown(Struct, frozen=True):
    """What is shown of a field.

    Attributes:
        name: what it is called in the class.
        many: several texts.
        checkbox: a text if it is checked.
        hidden: nothing ever: it is a secret, or a file.
        default: makes what a new form has in it.
    """

    name: str
    many: bool
    checkbox: bool
    hidden: bool
    default: Callable[[], Any]

    @property
    def nothing(self) -> Any:
        """What is shown where there is nothing."""
        return [] if self.many else ""

    def typed(self, value: Any) -> Any:
        """What is shown of what was typed."""
        if self.hidden:
            return self.nothing
        if self.checkbox and isinstance(value, str) and value.strip().lower() in _UNCHECKED:
            return ""
        return without_secrets(value)

    def text(self, value: Any) -> Any:
        """What would be typed for a value."""
        if self.hidden or value is None or value is UNSET:
            return self.nothing
        data = without_secrets(msgspec.to_builtins(value, enc_hook=lambda _: None))
        return list(map(_text, data)) if self.many and isinstance(data, list) else _text(data)


def _text(data: Any) -> str:
    if data is None:
        return ""
    if isinstance(data, bool):
        return "on" if data else ""
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


Layout = Mapping[str, Shown]
"""The fields of a type, by their names in the request."""


@lru_cache(1024)
def layout(type: Any) -> Layout | None:
    """What is shown of the fields of a type; None if it has none, and any name may come."""
    if wire_kind(type) != "object":
        return None
    return {field.encode_name: _shown(field) for field in fields(type)}


def _shown(field: inspect.Field) -> Shown:
    info = field.type
    kinds = [each for each in members(info) if not isinstance(each, inspect.NoneType)]
    checkbox = len(kinds) == 1 and isinstance(kinds[0], inspect.BoolType)
    default = None if field.default is NODEFAULT else field.default
    return Shown(
        name=field.name,
        many=takes_many(info) and is_simple(info),
        checkbox=checkbox,
        hidden=holds_file(info) or (_is_secret(field) and not checkbox),  # "forgot_password" is no secret
        default=(lambda: default) if field.default_factory is NODEFAULT else field.default_factory,
    )


def _is_secret(field: inspect.Field) -> bool:
    info = field.type
    while isinstance(info, inspect.Metadata):
        if (info.extra_json_schema or {}).get("format") == "password":
            return True
        info = info.type
    return has_secret_name(field.encode_name)


def has_secret_name(name: object) -> bool:
    """Whether a field, or what stands under a key, is called as secrets are."""
    if isinstance(name, bytes):  # as in msgpack
        name = name.decode("latin-1")
    return isinstance(name, str) and _SECRET.search(_HUMP.sub("_", name).lower()) is not None


def without_secrets(data: Any, depth: int = 0) -> Any:
    """Data without what is called as secrets are, wherever that is in it."""
    if not isinstance(data, dict | list | tuple):
        return data
    if depth == DEEPEST:
        return None
    if not isinstance(data, dict):
        return [without_secrets(each, depth + 1) for each in data]
    return {
        name: without_secrets(value, depth + 1) for name, value in data.items() if not has_secret_name(name)
    }


class ByField(Mapping[str, T]):
    """What there is of fields, by their names.

    A field of which there is nothing has what is nothing: no text, or no errors. A name that no field has is
    a KeyError, so that a template can't have a wrong one.
    """

    __slots__ = ("_found", "_nothing")

    def __init__(self, found: dict[str, T], nothing: Callable[[str], T]) -> None:
        self._found = found
        self._nothing = nothing

    def __getitem__(self, name: str) -> T:
        return self._found[name] if name in self._found else self._nothing(name)

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<{', '.join(self._found)}>"  # what people have typed is theirs


class Invalid:
    """What came and isn't valid: what was typed, and what is wrong with it.

    A view gets one if it says so; without, the answer is a 422 before the view is called:

        async def sign_up(form: Form[SignUp | Invalid], templates: Templates) -> HTML | Redirect:
            if isinstance(form, Invalid):
                return templates("sign-up.html", 422, form=form)
            ...

    It stands beside the type of a form, of a body, or of a query of several arguments. What can't be read at
    all is a problem all the same, such as a body that is no JSON.

    Attributes:
        values: of each field the text as it was typed, a list where there may be several; of a checkbox a
            text if it is checked, else none. Of JSON: the values. Never files, and no secrets: fields with
            the word "password" in their names, and the like, or of the format "password".
        errors: the errors of each field that has some; under "" those that belong to none.
    """

    __slots__ = ("_found", "_items", "_layout", "_where", "errors", "values")

    values: Mapping[str, Any]
    errors: Mapping[str, list[ErrorItem]]

    def __init__(
        self,
        values: Mapping[str, Any],
        items: Iterable[ErrorItem] = (),
        layout: Layout | None = None,
        where: str = "form",
    ) -> None:
        self._layout = layout
        self._where = where
        self._items: list[ErrorItem] = []
        self._found: dict[str, list[ErrorItem]] = {}
        self.values = ByField(dict(values), self._blank)
        self.errors = ByField(self._found, self._no_errors)
        for item in items:
            self._note(item)

    @classmethod
    def of(cls, thing: Any, /, **values: Any) -> Self:
        """A form to be filled in, in which nothing is wrong yet.

        Args:
            thing: a class: the form has the defaults of its fields in it; an object: its values.
            values: of some fields, instead, by their names in the class or in the request.

        Raises:
            TypeError: the class is no type of data with fields.
            ValueError: there is no such field.
        """
        is_class = isinstance(thing, type)
        cls_of: type = thing if is_class else type(thing)
        known = layout(cls_of)
        if known is None and not isinstance(thing, Mapping):
            raise TypeError(f"Invalid.of takes a Struct, a dataclass or the like, not {named(thing)}.")
        if known is None:
            data = without_secrets(msgspec.to_builtins({**thing, **values}))
            return cls(
                {
                    name: list(map(_text, each)) if isinstance(each, list) else _text(each)
                    for name, each in data.items()
                }
            )
        data = {name: shown.default() for name, shown in known.items()} if is_class else _data(thing)
        data = {**data, **{_in_request(name, known): value for name, value in values.items()}}
        return cls({name: shown.text(data.get(name)) for name, shown in known.items()}, (), known)

    def add(self, field: str, message: str, code: str = "invalid") -> Self:
        """Say what else is wrong, such as a name that is taken.

        Args:
            field: which one, by its name in the class or in the request; "" if it is no single one.
            message: for a person.
            code: for programs.

        Raises:
            ValueError: there is no such field.
        """
        if field and self._layout is not None:
            field = _in_request(field, self._layout)
        path: list[str | int] = [field] if field else []
        self._note({"in": self._where, "path": path, "code": code, "message": message})
        return self

    def problem(self) -> ValidationFailed:
        """The problem that it is to a client that isn't shown a page: `raise form.problem()`."""
        return ValidationFailed(list(self._items))

    def __repr__(self) -> str:
        return f"<Invalid: {self.problem().detail}>"

    def _note(self, item: ErrorItem) -> None:
        first = item["path"][0] if item["path"] else ""
        known = isinstance(first, str) and (self._layout is None or first in self._layout)
        self._found.setdefault(str(first) if known else "", []).append(item)
        self._items.append(item)

    def _blank(self, name: str) -> Any:
        return "" if self._layout is None else self._layout[name].nothing

    def _no_errors(self, name: str) -> list[ErrorItem]:
        if name and self._layout is not None and name not in self._layout:
            raise KeyError(name)
        return []


def _in_request(name: str, known: Layout) -> str:
    """The name in the request of a field, whichever of its names this is."""
    if name in known:
        return name
    for encoded, shown in known.items():
        if shown.name == name:
            return encoded
    raise ValueError(f"There is no field {name!r}. There are {', '.join(known)}.")


def _data(thing: Any) -> Mapping[str, Any]:
    """The values of an object, by their names in the request."""
    codec = codec_of(type(thing))
    if codec is not None:
        data: dict[str, Any] = msgspec.json.decode(codec.encoder(type(thing))(thing))
        return data
    return {field.encode_name: getattr(thing, field.name, None) for field in fields(type(thing))}
