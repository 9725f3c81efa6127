"""What the page's modules make of texts, schemas and answers, each for itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Visit


@pytest.fixture
def call(visit: Visit, url: str) -> Any:
    """`call(module, expression)`: its value, with what the module exports."""
    page = visit(url)

    def evaluate(module: str, expression: str) -> Any:
        return page.evaluate(f"""(async () => {{
            const module = await import("./{module}.js");
            return {expression};
        }})()""")

    return evaluate


MARKDOWN = {
    "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
    "# One\n### Two #": "<h3>One</h3><h5>Two</h5>",
    "**a *b* c** _d_ e_f_g": "<p><strong>a <em>b</em> c</strong> <em>d</em> e_f_g</p>",
    "`**a**`": "<p><code>**a**</code></p>",
    "- a\n- b\n  c\n\n1. d\n2) e": "<ul><li>a</li><li>b\nc</li></ul><ol><li>d</li><li>e</li></ol>",
    "> a\n> - b": "<blockquote><p>a</p><ul><li>b</li></ul></blockquote>",
    "```json\n<a>\n**b**\n```\nc": '<pre tabindex="0"><code>&lt;a&gt;\n**b**</code></pre><p>c</p>',
    "    code\n\n    more": '<pre tabindex="0"><code>code\n\nmore</code></pre>',
    "a\n***\nb": "<p>a\n***\nb</p>",
    "a\n\n***\n\nb": "<p>a</p><hr><p>b</p>",
    r"\*a\* 2 * 3 * 4": "<p>*a* 2 * 3 * 4</p>",
    "<b>a</b> &lt;": "<p>&lt;b&gt;a&lt;/b&gt; &amp;lt;</p>",
    "[a](https://e.com/x)": '<p><a href="https://e.com/x" rel="noopener noreferrer">a</a></p>',
    "<https://e.com/>": '<p><a href="https://e.com/" rel="noopener noreferrer">https://e.com/</a></p>',
    "[a](#notes:create)": '<p><a href="#notes:create" rel="noopener noreferrer">a</a></p>',
    "[a](javascript:alert(1)) [b](data:x)": "<p><span>a</span> <span>b</span></p>",
    "[c](http://[)": "<p><span>c</span></p>",
    "![a](https://e.com/x)": '<p>!<a href="https://e.com/x" rel="noopener noreferrer">a</a></p>',
    "first\n    indented as a docstring\n    is": "<p>first\nindented as a docstring\nis</p>",
    "": "",
}


@pytest.mark.parametrize("source", MARKDOWN)
def test_markdown(call: Any, source: str) -> None:
    made = f"module.markdown({json.dumps(source)}).map((each) => each.outerHTML).join('')"
    assert call("markdown", made) == MARKDOWN[source]


def test_a_table_of_markdown(call: Any) -> None:
    table = "| a | b |\n|---|:-:|\n| `c` | <i> |"
    made = call("markdown", f"module.markdown({json.dumps(table)})[0].querySelector('table').outerHTML")
    assert made == (
        '<table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead>'
        "<tbody><tr><td><code>c</code></td><td>&lt;i&gt;</td></tr></tbody></table>"
    )


def test_markdown_that_never_ends_is_read_soon(call: Any) -> None:
    for evil in ("*" * 5000, "[" * 5000, "`" * 5001 + "a", "_a" * 3000, "> " * 200 + "a"):
        assert call("markdown", f"module.plainText({json.dumps(evil)}).length >= 0")


SCHEMAS: list[tuple[Any, str, Any]] = [
    ({"type": "string"}, "string", "text"),
    ({"type": "string", "minLength": 12}, "string", "text text te"),
    ({"type": "string", "maxLength": 2}, "string", "te"),
    ({"type": "integer", "minimum": 5, "multipleOf": 4}, "integer", 8),
    ({"type": "number", "maximum": -2}, "number", -2),
    ({"type": "integer", "exclusiveMinimum": 3}, "integer", 4),
    ({"type": ["integer", "null"], "default": 7}, "integer or null", 7),
    ({"type": "null"}, "null", None),
    ({"enum": ["b", "a"]}, "string", "b"),
    ({"const": 3}, "3", 3),
    ({"type": "string", "format": "uuid"}, "string · uuid", "7c9e6679-7425-40de-944b-e07fc1f90ae7"),
    ({"type": "array", "items": {"type": "boolean"}}, "list of boolean", [True]),
    (
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
        "list of integer, string",
        [1, "text"],
    ),
    ({"type": "object", "additionalProperties": {"type": "integer"}}, "map of integer", {"key": 1}),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]}, "integer or string or null", 1),
    (
        {
            "allOf": [
                {"type": "object", "properties": {"a": {"const": 1}}},
                {"properties": {"b": {"const": 2}}},
            ]
        },
        "object",
        {"a": 1, "b": 2},
    ),
    (
        {"$ref": "#/$defs/Tree"},
        "Tree",
        {"name": "text", "below": [{"name": "text", "below": [{"name": "text"}]}]},
    ),
    ({}, "anything", None),
    ({"$ref": "#/nowhere"}, "anything", None),
]


@pytest.mark.parametrize(("schema", "label", "sample"), SCHEMAS)
def test_schemas_have_names_and_samples(call: Any, schema: Any, label: str, sample: Any) -> None:
    tree = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
        },
    }
    document = json.dumps({"$defs": {"Tree": tree}})
    assert call("schema", f"module.typeLabel({document}, {json.dumps(schema)})") == label
    assert (
        call("sample", f"module.sample({document}, {json.dumps(schema)}, {{ whole: true }}) ?? null")
        == sample
    )


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"minItems": 1}, ["at least 1 item"]),
        ({"minLength": 1, "maxLength": 100}, ["1 to 100 characters"]),
        ({"minLength": 0, "maxLength": 1}, ["0 to 1 character"]),
        ({"minItems": 2, "maxItems": 2}, ["2 items"]),
        ({"maxProperties": 1000}, ["at most 1,000 members"]),
    ],
)
def test_limits_are_said_in_words(call: Any, schema: Any, said: list[str]) -> None:
    assert call("schema", f"module.constraints({json.dumps(schema)})") == said


def test_a_schema_that_is_only_itself_ends(call: Any) -> None:
    document = json.dumps({"$defs": {
        "A": {"$ref": "#/$defs/A"},
        "B": {"type": "object", "required": ["b"], "properties": {"b": {"$ref": "#/$defs/B"}}},
        "C": {"anyOf": [{"$ref": "#/$defs/C"}, {"type": "array", "items": {"$ref": "#/$defs/C"}}]},
    }})  # fmt: skip
    for name in "ABC":
        schema = json.dumps({"$ref": f"#/$defs/{name}"})
        assert call("sample", f"JSON.stringify(module.sample({document}, {schema})) !== 1")
        assert call("schema", f"module.typeLabel({document}, {schema}).length > 0")
        assert call("schema", f"module.schemaView({document}, {schema}).tagName.length > 0")


def test_numbers_are_shown_as_they_came(call: Any) -> None:
    text = '{"id":12345678901234567890,"pi":3.14159265358979323846,"s":"12345678901234567890"}'
    assert call("answer", f"module.pretty({json.dumps(text)})") == (
        '{\n  "id": 12345678901234567890,\n  "pi": 3.14159265358979323846,\n  "s": "12345678901234567890"\n}'
    )
