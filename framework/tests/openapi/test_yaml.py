"""The YAML of a document is read back as what it was, by a reader that isn't ours."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from asgistar.openapi.yaml import dumped

# PyYAML reads YAML 1.1 and no surrogates; both are narrower than what JSON may hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["yes", "No", "on", "null", "~", "1", "1.5", "0x1f", "2026-11-22", "12:30:45", "a: b", "a #b", "- a", "=",
     "<<", "&a", "*a", "!a", "%a", "@a", "`a", "{a}", "[a]", "'a'", '"a"', " a", "a ", "a\n", "\na", "a\n\nb",
     "a\n b", "a\n  b\nc\n", "a\n\n", "/notes/{id}", "#/components/schemas/Note", "a\tb", "a\u2028b",
     "\ufeff", "\x85", "NaN", ".inf", "e3", "1e3", "?", "-", "---", "...", "key: |", "_1", "a:", "a,b",
     "\x7f", "\x00", "😀", "é\nè", "it's", "a - b", "a *b &c", "a?", "a\u00b5"]
)  # fmt: skip
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
@example({"a": {}, "b": [], "c": [[]], "d": [{}], "e": [[1, [2]], {"f": [{"g": 1}]}]})
@example([1e16, 1e-7, -1e300])
@example([["a\nb"], {"a": "b\nc\n"}])
def test_what_is_written_is_read_back_as_it_was(value: Any) -> None:
    assert yaml.safe_load(dumped(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": {"b": 1, "c": [True, None]}}, "a:\n  b: 1\n  c:\n    - true\n    - null\n"),
        ([{"a": 1, "b": 2}, [3]], "- a: 1\n  b: 2\n- - 3\n"),
        ({"a": "One line.\n\nAnother: one.\n"}, "a: |\n  One line.\n\n  Another: one.\n"),
        ({"$ref": "#/components/schemas/Note"}, '$ref: "#/components/schemas/Note"\n'),
        ({"/notes/{id}": {}, "200": []}, '/notes/{id}: {}\n"200": []\n'),
        ("a", "a\n"),
    ],
)
def test_it_is_made_to_be_read_by_people(value: Any, written: str) -> None:
    assert dumped(value) == written
