"""Patch: changes to an object, of which each field may be left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
import pytest

from asgistar import UNSET, ConfigurationError, FieldError, Meta, Patch, Route, Struct

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

T = TypeVar("T")


class Note(Struct, rename="camel"):
    long_title: Annotated[str, Meta(min_length=2)]
    due: int | None = None
    tags: list[str] = []  # noqa: RUF012

    def __post_init__(self) -> None:
        if self.due == 13:
            raise ValueError("13 is not a day")
        if self.long_title == "due":
            raise FieldError("long_title", "Is no title.", "word")


class Strict(Struct, forbid_unknown_fields=True):
    a: int = 1


class Box(Struct, Generic[T]):
    content: T


@dataclass
class Item:
    name: Annotated[str, Meta(max_length=3)]
    price: float = 0


async def patched(client: Connect, model: Any, to: Any, json: Any) -> Any:
    """What becomes of an object, or what is told to be wrong."""

    async def view(changes: Any) -> Any:
        return changes.apply(to)

    view.__annotations__["changes"] = Patch[model]
    answer = await client(Route("/", "PATCH", view))("PATCH", "/", json=json)
    return answer.json if answer.status == 200 else answer.errors


@pytest.mark.parametrize(
    ("json", "result"),
    [
        ({}, {"longTitle": "ab", "due": 1, "tags": ["x"]}),
        ({"longTitle": "cd"}, {"longTitle": "cd", "due": 1, "tags": ["x"]}),
        ({"due": None, "tags": [], "other": 1}, {"longTitle": "ab", "due": None, "tags": []}),
        ({"longTitle": None}, [("body", "longTitle", "type")]),
        ({"longTitle": "a", "tags": None}, [("body", "longTitle", "min_length"), ("body", "tags", "type")]),
        ({"due": 13}, [("body", "invalid")]),
        ([], [("body", "type")]),
    ],
)
async def test_what_is_sent_is_changed_and_nothing_else(json: Any, result: Any, client: Connect) -> None:
    assert await patched(client, Note, Note("ab", 1, ["x"]), json) == result


async def test_dataclasses_and_generic_structs_are_changed_too(client: Connect) -> None:
    item = Item("a", 1.5)
    assert await patched(client, Item, item, {"name": "b"}) == {"name": "b", "price": 1.5}
    assert await patched(client, Item, item, {"name": "long"}) == [("body", "name", "max_length")]
    assert item == Item("a", 1.5)
    assert await patched(client, Box[int], Box(1), {"content": 2}) == {"content": 2}
    assert await patched(client, Box[int], Box(1), {"content": "a"}) == [("body", "content", "type")]
    assert await patched(client, Strict, Strict(), {"b": 1}) == [("body", "b", "unknown")]


def test_changes_are_what_was_set() -> None:
    changes = msgspec.json.decode(b'{"due": null}', type=Patch[Note])
    assert changes.long_title is UNSET
    assert changes.changes() == {"due": None}
    assert msgspec.json.encode(changes) == b'{"due":null}'


def test_the_struct_of_a_model_is_always_the_same_and_has_a_name_of_its_own() -> None:
    assert Patch[Note] is Patch[Note]
    assert (Patch[Note].__name__, Patch[Note].__module__) == ("NotePatch", __name__)
    assert Patch[Box[int]].__name__ == "BoxintPatch"
    assert Patch[Box[int]] is not Patch[Box[str]]
    assert Patch[T].__origin__ is Patch


async def test_a_rule_of_ones_own_says_which_field_does_not_keep_it(client: Connect) -> None:
    (error,) = await patched(client, Note, Note("ab"), {"longTitle": "due"})
    assert error == ("body", "longTitle", "word")


def test_what_can_not_be_changed_is_an_error() -> None:
    class Named(Struct):
        apply: int

    with pytest.raises(ConfigurationError, match="only a Struct or a dataclass can be changed"):
        _ = Patch[int]
    with pytest.raises(ConfigurationError, match="a field is called 'apply', as a method of Patch"):
        _ = Patch[Named]


def test_what_no_new_object_can_be_made_of_is_told_of() -> None:
    class Row: ...

    changes = msgspec.json.decode(b"{}", type=Patch[Note])
    with pytest.raises(TypeError, match=r"Row is no Struct and no dataclass: .* setattr"):
        changes.apply(Row())
