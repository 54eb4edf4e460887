"""Where each part of a JSON text stands."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.json_places import Path, find_lines, line_of, write_path

TEXT = """{
  "subscriptions": [
    {"name": "a:b", "handlers": [
      "feed",
      {"forward":
        {"to": "[x], {\\"y\\"}"}}
    ]},
    {"name"
      :
      "c", "empty": {}, "none": []}
  ], "$schema": null
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("subscriptions",), 2),
        (("subscriptions", 0), 3),
        (("subscriptions", 0, "handlers", 0), 4),
        (("subscriptions", 0, "handlers", 1), 5),
        (("subscriptions", 0, "handlers", 1, "forward", "to"), 6),
        (("subscriptions", 1), 8),
        (("subscriptions", 1, "name"), 8),
        (("subscriptions", 1, "none"), 10),
        (("$schema",), 11),
    ],
)
def test_every_part_is_found_on_its_line(path: Path, line: int) -> None:
    assert find_lines(TEXT)[path] == line


def test_what_is_lacking_is_looked_for_where_it_should_be() -> None:
    assert line_of(find_lines(TEXT), ("subscriptions", 1, "changeType")) == 8


def test_a_path_is_written_as_others_write_it() -> None:
    assert write_path(("subscriptions", 2, "forEach", "a b")) == "$.subscriptions[2].forEach['a b']"


def _paths(value: Any, path: Path = ()) -> set[Path]:
    found = {path}
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in parts:
        found |= _paths(part, (*path, step))
    return found


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_every_part_of_any_text_is_found(value: Any, indent: int | None, escaped: bool) -> None:  # noqa: FBT001 - drawn
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)

    lines = find_lines(text)

    assert lines.keys() == _paths(value)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
