"""A typed client in TypeScript: interfaces for what is sent and answered, a function for each operation.

It is one module without dependencies, on `fetch`; it compiles with `tsc --strict`. What all such clients have
in common stands in `runtime.ts`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from asgistar.client.calling import DELIMITERS
from asgistar.client.calls import Argument, Call, Group
from asgistar.client.document import is_json
from asgistar.client.shapes import (
    NOTHING_GIVEN,
    Alias,
    ListOf,
    MapOf,
    Member,
    Named,
    Object,
    Plain,
    Shape,
    TupleOf,
    Values,
    names_in,
    shapes_in,
)
from asgistar.client.writing import Writer

PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "any": "unknown",
    "file": "Blob",
    "content": "BodyInit",
    "bytes": "ArrayBuffer",
}

RESERVED = frozenset((
    "Client", "Problem", "Options", "ServerEvent", "ErrorItem", "Auth", "Arguments", "Where", "Part", "Key",
    "Call", "Sender", "Array", "Promise", "Blob", "BodyInit", "RequestInit", "Response", "Headers", "Error",
    "URLSearchParams", "FormData", "AsyncGenerator", "JSON", "Object", "String", "Number", "RegExp",
    "TextDecoder", "TextEncoder", "TypeError", "LONGEST",
    "ArrayBuffer", "Socket", "Reconnect", "RECONNECT", "PASSING", "URL", "WebSocket", "Math",
    "Asked", "Channel", "Course", "Partial", "Symbol", "AbortSignal",
))  # fmt: skip

CLIENT = """
/** {title} */
export class Client {{
  readonly #sender: Sender;

  /**
   * @param url - of the API
   * @param options - see `Options`
   */
  constructor(url: string{default}, options: Options = {{}}) {{
    this.#sender = new Sender(url, options, {key});
  }}
"""


def generate(source: Mapping[str, Any]) -> str:
    """The source of the module.

    Args:
        source: the OpenAPI document.

    Raises:
        DocumentError: it can't be read.
    """
    return TypeScriptWriter(source).text()


class TypeScriptWriter(Writer):
    """Writes the module."""

    reserved = RESERVED

    def __init__(self, source: Mapping[str, Any]) -> None:
        super().__init__(source)
        self._doubled = self._with_defaults()

    def lines(self) -> Iterator[str]:
        """The lines of the module."""
        yield from comment(
            f"{self._title}\n\n"
            "Written by `asgistar client --lang typescript`. Don't change it: write it anew.",
            "",
        )
        for each in self._types.values():
            yield ""
            yield from self._interface(each) if isinstance(each, Object) else self._alias(each)
        key = self._key()
        yield CLIENT.format(
            title=_said(self._title),
            default=f" = {_json(self._server)}" if self._server else "",
            key="undefined"
            if key is None
            else f"{{ name: {_json(key['name'])}, where: {_json(key['in'])} }}",
        ).rstrip("\n")
        for name, group in self._root.groups.items():
            yield ""
            yield f"  readonly {_own(name)} = {self._group(group, '  ')};"
        for call in self._root.calls:
            yield ""
            yield from comment(_about(call), "  ")
            yield f"  readonly {_own(call.name)} = {self._function(call)};"
        yield "}\n"
        yield files("asgistar.client").joinpath("runtime.ts").read_text("utf-8")

    # --- types ------------------------------------------------------------------------------------------

    def type(self, shape: Shape, sent: bool) -> str:
        """A shape as a type.

        Args:
            sent: it is of a request, where members that have a default may be left out.
        """
        if isinstance(shape, Plain):
            return "Blob" if shape == Plain("string", "binary") else PLAIN[shape.type]
        if isinstance(shape, Named):
            return f"{shape.name}Sent" if sent and shape.name in self._doubled else shape.name
        if isinstance(shape, ListOf):
            return f"Array<{self.type(shape.item, sent)}>"
        if isinstance(shape, TupleOf):
            return f"[{', '.join(self.type(each, sent) for each in shape.items)}]"
        if isinstance(shape, MapOf):
            return f"{{ [key: string]: {self.type(shape.value, sent)} }}"
        if isinstance(shape, Values):
            return " | ".join(_json(each) for each in shape.values)
        return " | ".join(dict.fromkeys(self.type(each, sent) for each in shape.members))

    def _with_defaults(self) -> set[str]:
        """The types that are others where they are sent: in them something has a default."""
        doubled = {
            each.name
            for each in self._types.values()
            if isinstance(each, Object)
            and any(not member.required and member.default is not NOTHING_GIVEN for member in each.members)
        }
        grown = True
        while grown:
            more = {
                each.name
                for each in self._types.values()
                if each.name not in doubled
                and any(name in doubled for shape in shapes_in(each) for name in names_in(shape))
            }
            doubled |= more
            grown = bool(more)
        taken = set(self._types) | RESERVED
        return {name for name in doubled if f"{name}Sent" not in taken}

    def _interface(self, of: Object) -> Iterator[str]:
        for sent in (False, True) if of.name in self._doubled else (False,):
            yield from comment(of.description, "")
            yield f"export interface {of.name}{'Sent' if sent else ''} {{"
            if of.tag is not None:
                yield f"  {_key(of.tag[0])}: {_json(of.tag[1])};"
            for each in of.members:
                yield from comment(each.description, "  ")
                yield f"  {_key(each.name)}{self._mark(each, sent)}: {self.type(each.shape, sent)};"
            yield "}"

    def _mark(self, member: Member, sent: bool) -> str:
        # What has a default is always there in answers.
        return "?" if not member.required and (sent or member.default is NOTHING_GIVEN) else ""

    def _alias(self, of: Alias) -> Iterator[str]:
        for sent in (False, True) if of.name in self._doubled else (False,):
            yield from comment(of.description, "")
            yield f"export type {of.name}{'Sent' if sent else ''} = {self.type(of.shape, sent)};"

    # --- calls ------------------------------------------------------------------------------------------

    def _group(self, group: Group, indent: str) -> str:
        own = [call for call in group.calls if not call.name]
        lines = ["{"]
        for name, each in group.groups.items():
            lines.append(f"{indent}  {_own(name)}: {self._group(each, indent + '  ')},")
        for call in group.calls:
            if call.name:
                lines += comment(_about(call), f"{indent}  ")
                lines.append(f"{indent}  {_own(call.name)}: {self._function(call)},")
        lines.append(f"{indent}}}")
        members = "\n".join(lines)
        return f"Object.assign({self._function(own[0])}, {members})" if own else members

    def _function(self, call: Call) -> str:
        result = "null" if call.result.shape is None else self.type(call.result.shape, False)
        arguments, given = "", "{}"
        if call.arguments:
            fields = "; ".join(
                f"{_key(name)}{'' if each.required else '?'}: {self.type(each.shape, True)}"
                + ("" if each.required or each.where in ("member", "body") else " | null")
                for name, each in _named(call)
            )
            optional = " = {}" if not any(each.required for each in call.arguments) else ""
            arguments, given = f"given: {{ {fields} }}{optional}, ", "given"
        if call.result.stream == "events":
            read = "Sender.word" if result == "string" else f"(data) => JSON.parse(data) as {result}"
            says = f"AsyncGenerator<ServerEvent<{result}>, void, undefined>"
            asks = f"this.#sender.events<{result}>({self._call(call)}, {given}, init, {read})"
        elif call.result.takes is not None:
            types = f"{self.type(call.result.takes, True)}, {result}"
            says = f"Promise<Socket<{types}>>"
            asks = f"this.#sender.connect<{types}>({self._call(call)}, {given})"
            return f"({arguments.removesuffix(', ')}): {says} =>\n      {asks}"
        elif call.result.stream:
            says = f"AsyncGenerator<{result}, void, undefined>"
            asks = f"this.#sender.lines<{result}>({self._call(call)}, {given}, init)"
        else:
            says = f"Promise<{result}>"
            asks = f"this.#sender.value<{result}>({self._call(call)}, {given}, init)"
        return f"({arguments}init: RequestInit = {{}}): {says} =>\n      {asks}"

    def _call(self, call: Call) -> str:
        parts = ", ".join(_part(name, each) for name, each in _named(call))
        of = call.operation
        body = f", body: {_json(call.media[0])}" if call.media else ""
        if call.result.takes is not None:
            takes, gives = (_json(any(map(is_json, each))) for each in (of.receives, of.sends))
            return f"{{ path: {_json(of.path)}, parts: [{parts}], takesJSON: {takes}, givesJSON: {gives} }}"
        method, path = _json(of.method), _json(of.path)
        return f"{{ method: {method}, path: {path}, parts: [{parts}]{body} }}"

    def _key(self) -> Mapping[str, Any] | None:
        """The API key of the document, if there is one."""
        schemes = [self._document.resolved(each) for each in self._document.schemes.values()]
        keys = [each for each in schemes if each.get("type") == "apiKey"]
        return keys[0] if len(keys) == 1 else None


def _named(call: Call) -> list[tuple[str, Argument]]:
    """The arguments of a call, by what TypeScript calls them: as in the request, if that is clear."""
    keys = [each.key for each in call.arguments]
    return [(each.key if keys.count(each.key) == 1 else each.name, each) for each in call.arguments]


def _part(name: str, argument: Argument) -> str:
    """Where an argument goes."""
    members = [f"argument: {_json(name)}", f"name: {_json(argument.key)}", f"where: {_json(argument.where)}"]
    parameter = argument.parameter
    if parameter is not None:
        if parameter.style == "deepObject":
            members.append("deep: true")
        elif not (parameter.explode and parameter.where == "query"):
            members.append(f"delimiter: {_json(DELIMITERS.get(parameter.style, ','))}")
        if parameter.greedy:
            members.append("slashes: true")
        if parameter.json:
            members.append("json: true")
    return f"{{ {', '.join(members)} }}"


def _about(call: Call) -> str:
    of = call.operation
    said = "\n\n".join(filter(None, (of.summary, of.description))) or of.line
    described = [
        f"@param given.{name} - {each.description}" for name, each in _named(call) if each.description
    ]
    return "\n".join(
        [said, *(["", *described] if described else []), *(["@deprecated"] if of.deprecated else [])]
    )


def _own(name: str) -> str:
    """A name as a member of the client, or in it: a class has a constructor of its own."""
    return "constructor_" if name == "constructor" else _key(name)


def _key(name: str) -> str:
    """A name as a key of an object."""
    return name if re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name) else _json(name)


def _json(value: object) -> str:
    return json.dumps(value)


def _said(text: str) -> str:
    """A text for a comment, whatever is in it."""
    said = text.strip().replace("*/", "*\\/")
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f\x85\u2028\u2029]", " ", said)


def comment(text: str, indent: str) -> Iterator[str]:
    """The lines of a comment; none for no text."""
    lines = _said(text).split("\n") if text.strip() else []
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
    elif lines:
        yield f"{indent}/**"
        yield from (f"{indent} * {line}".rstrip() for line in lines)
        yield f"{indent} */"
