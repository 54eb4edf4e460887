"""Abridged answers: what `…` allows, and what it does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.learn.pattern import GAP, difference

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_characters=GAP, codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=3), JSON, min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ('{"a": 1, …}', '{"b": 2, "a": 1}'),
        ("{…}", "{}"),
        ('{"a": …}', '{"a": {"any": ["thing"]}}'),
        ('{"a": "…"}', '{"a": "whatever"}'),
        ('{"a": "W/…!"}', '{"a": "W/1\\n2!"}'),
        ("[…]", "[]"),
        ("[1, …]", "[1, 2, 3]"),
        ("[…, 3]", "[1, 2, 3]"),
        ("[1, …, 3]", "[1, 3]"),
        ('[{"a": 1, …}, …]', '[{"a": 1, "b": 2}, "more"]'),
        ('{"a, {…": "[…, …]"}', '{"a, {…": "[1, 2]"}'),
        ("text/plain…", "text/plain; charset=utf-8"),
        ("", ""),
    ],
)
def test_what_is_left_out_may_be_anything(expected: str, actual: str) -> None:
    assert difference(expected, actual) == ""


@pytest.mark.parametrize(
    ("expected", "actual", "says"),
    [
        ('{"a": 1}', '{"a": 1, "b": 2}', "$ has also b"),
        ('{"a": 1, …}', '{"b": 2}', "$ has no a"),
        ('{"a": {"b": [1, 2]}}', '{"a": {"b": [1, 3]}}', "$.a.b[1] is 3, not 2"),
        ("[1]", "[1, 2]", "$ has 2 elements, not 1"),
        ("[…, 1, 2]", "[2]", "$ has 1 elements, not 2"),
        ("[…, 3]", "[3, 4]", "$[1] is 4, not 3"),
        ('{"a": true}', '{"a": 1}', "$.a is 1, not true"),
        ('{"a": "x…"}', '{"a": "y"}', "$.a is y, not x…"),
        ('{"a": []}', '{"a": {}}', "$.a is {}, not []"),
        ("{…}", "nothing", "nothing is not JSON"),
        ("{…", "{}", "what is shown looks like JSON and is none: Expecting ',' delimiter: line 1 column 11 (char 10)"),
        ("plain", "plainer", "plainer is not plain"),
        ("", "something", "something is not "),
    ],
)
def test_what_is_shown_must_be_so(expected: str, actual: str, says: str) -> None:
    assert difference(expected, actual).startswith(says[:40])


@given(JSON)
def test_anything_is_like_itself(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert difference(text, text) == ""


@given(OBJECTS, st.data())
def test_whatever_is_changed_is_noticed_unless_it_is_left_out(value: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value, ensure_ascii=False)
    other = json.dumps({**value, name: "something else altogether"}, ensure_ascii=False)
    shorter = json.dumps({each: value[each] for each in value if each != name}, ensure_ascii=False)
    assert difference(text, other).startswith(f"$.{name}")
    assert difference(text, shorter) == f"$ has no {name}"
    abridged = f"{shorter.removesuffix('}')}{', ' if len(value) > 1 else ''}…}}"
    assert difference(abridged, text) == difference(abridged, other) == ""
