"""What a typed client is made of, whatever the language: operations in groups, with their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from asgistar.client.calling import FORM, MULTIPART, identifier
from asgistar.client.document import Body, Document, Operation, Parameter, is_json
from asgistar.client.shapes import NOTHING_GIVEN, Member, Plain, Result, Shape, Shapes, pascal

CONTENT = Plain("content")
"""A body as it is."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a call.

    Attributes:
        name: what Python calls it.
        key: its name in the request, or in the body.
        shape: what it is.
        required: it must be given.
        where: `path`, `query`, `header`, `cookie`; `member` of the body; `body` if it is the whole.
        default: what the server takes otherwise; `NOTHING_GIVEN` if that isn't known.
        description: what it is for.
        parameter: of the operation.
    """

    name: str
    key: str
    shape: Shape
    required: bool
    where: str
    default: object = NOTHING_GIVEN
    description: str = ""
    parameter: Parameter | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        operation: what it asks for.
        name: what it is called in its group; empty if it is the group itself that is called.
        constant: a name of its own in the whole client.
        arguments: what it takes; those that are required come first.
        media: the media types of the body; the first is the one to be sent.
        result: what it gives.
    """

    operation: Operation
    name: str
    constant: str
    arguments: tuple[Argument, ...]
    media: tuple[str, ...]
    result: Result

    @property
    def has_members(self) -> bool:
        """The body is made of arguments."""
        return bool(self.media) and not any(each.where == "body" for each in self.arguments)


@dataclass(slots=True)
class Group:
    """Calls below a name.

    Attributes:
        levels: the name, level by level; empty for the client itself.
        calls: in it.
        groups: in it, by their names.
    """

    levels: tuple[str, ...] = ()
    calls: list[Call] = field(default_factory=list)
    groups: dict[str, Group] = field(default_factory=dict)

    def all(self) -> Iterator[Group]:
        """The groups in it, inner ones first, and itself."""
        for each in self.groups.values():
            yield from each.all()
        yield self

    def shapes(self) -> Iterator[Shape]:
        """What the calls in it take and give."""
        for group in self.all():
            for call in group.calls:
                yield from (each.shape for each in call.arguments)
                yield from filter(None, (call.result.shape, call.result.takes))

    @property
    def name(self) -> str:
        """What its class may be called."""
        return "".join(map(pascal, self.levels))


def grouped(document: Document, shapes: Shapes) -> Group:
    """The calls of a document, in their groups."""
    root = Group()
    operations = list(document.operations.values())
    inner = {each.levels[:number] for each in operations for number in range(1, len(each.levels))}
    for operation in operations:
        levels = tuple(identifier(each) for each in operation.levels)
        is_group = operation.levels in inner
        group = root
        for level in levels if is_group else levels[:-1]:
            group = group.groups.setdefault(level, Group((*group.levels, level)))
        constant = "_".join(levels).upper()
        media, arguments = _arguments(document, shapes, operation)
        result = shapes.result(operation, pascal(operation.id) + "Result")
        group.calls.append(
            Call(operation, "" if is_group else levels[-1], constant, arguments, media, result)
        )
    return root


def _arguments(
    document: Document, shapes: Shapes, operation: Operation
) -> tuple[tuple[str, ...], tuple[Argument, ...]]:
    named: dict[str, Argument] = {}

    def free(name: str, where: str) -> str:
        name = "self_" if name == "self" else name
        while name in named:
            name = f"{name}_{where}"
        return name

    for each in operation.parameters:
        name = free(identifier(each.name), each.where)
        schema = document.resolved(each.schema)
        default = schema.get("default", NOTHING_GIVEN) if isinstance(schema, dict) else NOTHING_GIVEN
        shape = shapes.of(each.schema, pascal(operation.id) + pascal(each.name))
        named[name] = Argument(
            name, each.name, shape, each.required, each.where, default, each.description, each
        )
    media: tuple[str, ...] = ()
    if operation.body is not None:
        media, members, whole = _body(shapes, operation, operation.body)
        for member in members or ():
            name = free(identifier(member.name), "body")
            named[name] = Argument(
                name, member.name, member.shape, member.required, "member", member.default, member.description
            )
        if members is None:
            name = free("body", "whole")
            named[name] = Argument(name, name, whole, operation.body.required, "body")
    arguments = sorted(named.values(), key=lambda each: not each.required)
    return media, tuple(arguments)


def _body(
    shapes: Shapes, operation: Operation, body: Body
) -> tuple[tuple[str, ...], tuple[Member, ...] | None, Shape]:
    """The media types of a body, its members, and the shape of the whole where there are none."""
    name = pascal(operation.id) + "Body"
    for wanted in (is_json, lambda each: each in (FORM, MULTIPART)):
        found = tuple(each for each in body.content if wanted(each))
        if found:
            schema = body.content[found[0]]
            members = shapes.members(schema, name)
            # Members of a body that need not be there: whether it is, would depend on whether some are given.
            if members is not None and (body.required or any(each.required for each in members)):
                return found, members, CONTENT
            return found, None, shapes.of(schema, name)
    return tuple(body.content), None, CONTENT
