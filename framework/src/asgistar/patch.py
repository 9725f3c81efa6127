"""Changes to an object: `Patch[Note]` is a Note of which each field may be left out (as in RFC 7396)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Union, cast, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from asgistar.errors import ConfigurationError, ErrorItem, FieldError, ValidationFailed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
# What changes a Note changes one of a subclass too; that it is one of these, no TypeVar can say.
S = TypeVar("S", bound="Struct | DataclassInstance")


class Patch(Struct, Generic[T]):
    """Changes to a `T`, which is a Struct or a dataclass: `async def change(id: int, changes: Patch[Note])`.

    `Patch[Note]` is a Struct with the fields of Note, with their types and constraints; what the client left
    out is `UNSET`. Null is allowed where Note allows it. An object in an object is replaced as a whole.
    """

    _of: ClassVar[dict[Any, Any]] = {}

    def __class_getitem__(cls, model: Any) -> Any:
        """The Struct for a model; always the same one."""
        if cls is not Patch or isinstance(model, TypeVar):
            return super().__class_getitem__(model)  # type: ignore[misc]
        if model not in cls._of:
            cls._of[model] = _derived(model)
        return cls._of[model]

    def changes(self) -> dict[str, Any]:
        """What is to be changed: attribute -> new value."""
        return {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not UNSET}

    def apply(self, to: S) -> S:
        """`to` with the changes: a new object of its class, which is T or a subclass; `to` stays as it is.

        Raises:
            ValidationFailed: the changes don't go together with the rest, says the `__post_init__` of the
                model.
            TypeError: `to` is no Struct and no dataclass.
        """
        try:
            if isinstance(to, Struct):
                return structs.replace(to, **self.changes())
            if dataclasses.is_dataclass(to):
                return dataclasses.replace(to, **self.changes())
        except ValueError as error:
            item: ErrorItem = {"in": "body", "path": [], "code": "invalid", "message": f"{error}"}
            if isinstance(error, FieldError):
                names = dict(zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True))
                item["path"], item["code"] = [names.get(error.field, error.field)], error.code
            raise ValidationFailed([item]) from error
        raise TypeError(
            f"{type(to).__name__} is no Struct and no dataclass: no new one can be made of it. Change it in "
            "place: `for name, value in changes.changes().items(): setattr(row, name, value)`."
        )


def _derived(model: Any) -> type[Patch[Any]]:
    cls = get_origin(model) or model
    if isinstance(cls, type) and issubclass(cls, Struct):
        found = [(each.name, each.encode_name, each.type) for each in structs.fields(model)]
    elif isinstance(cls, type) and dataclasses.is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        found = [(each.name, each.name, hints[each.name]) for each in dataclasses.fields(cls)]
    else:
        raise ConfigurationError(f"Patch[{model!r}]: only a Struct or a dataclass can be changed.")
    taken = {"changes", "apply"}.intersection(name for name, _, _ in found)
    if taken:
        raise ConfigurationError(
            f"Patch[{cls.__name__}]: a field is called {taken.pop()!r}, as a method of Patch. Write the "
            "class of its changes by hand: a Struct with `| UnsetType = UNSET` for each field."
        )
    arguments = [each.__name__ for each in getattr(model, "__args__", ()) if hasattr(each, "__name__")]
    config = getattr(cls, "__struct_config__", None)
    made = msgspec.defstruct(
        "".join([cls.__name__, *arguments, "Patch"]),
        [(name, Union[type, UnsetType], UNSET) for name, _, type in found],  # noqa: UP007
        bases=(Patch,),
        module=cls.__module__,
        rename={name: encoded for name, encoded, _ in found},
        forbid_unknown_fields=config is not None and config.forbid_unknown_fields,
    )
    return cast("type[Patch[Any]]", made)
