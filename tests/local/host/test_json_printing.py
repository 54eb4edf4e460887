"""How a single JSON text comes out of Newtonsoft.Json, and what a queue output stands for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.datums import Datum
from local.host.json_printing import float_text, looks_like_json, reprint
from local.host.output_rules import LARGEST_MESSAGE, OutputError, check_size, queue_messages

REPRINTED = [
    ('{"a":1}', '{\n  "a": 1\n}'),
    (
        '{"a":[1,{"b":null}],"c":{},"d":[]}',
        '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": []\n}',
    ),
    ('{"t":true,"s":"x\\u00e9\\u2028\\n\\"/"}', '{\n  "t": true,\n  "s": "xé\\u2028\\n\\"/"\n}'),
    ('{"when":"2026-11-20T10:00:00Z"}', '{\n  "when": "2026-11-20T10:00:00Z"\n}'),
    ('{"when":"2026-11-20T10:00:00.1230000Z"}', '{\n  "when": "2026-11-20T10:00:00.123Z"\n}'),
    ('{"when":"2026-11-20T10:00:00+02:00"}', '{\n  "when": "2026-11-20T08:00:00+00:00"\n}'),
    ('{"when":"2026-11-20T10:00:00"}', '{\n  "when": "2026-11-20T10:00:00"\n}'),
    (
        '{"no":"2026-13-20T10:00:00Z","date":"2026-11-20"}',
        '{\n  "no": "2026-13-20T10:00:00Z",\n  "date": "2026-11-20"\n}',
    ),
    (
        '{"n":[1.0,1e2,0.5,-2.50,123456789012345678901]}',
        '{\n  "n": [\n    1.0,\n    100.0,\n    0.5,\n    -2.5,\n    123456789012345678901\n  ]\n}',
    ),
]


@pytest.mark.parametrize(("text", "expected"), REPRINTED)
def test_json_is_printed_anew(text: str, expected: str) -> None:
    assert reprint(json.loads(text)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e14, "100000000000000.0"),
        (1e15, "1E+15"),
        (1.5e300, "1.5E+300"),
        (-2.5e-7, "-2.5E-07"),
        (0.0001, "0.0001"),
        (1e-05, "1E-05"),
        (123.456, "123.456"),
        (1234567890123456.7, "1.2345678901234568E+15"),
    ],
)
def test_floats_are_written_as_dotnet_does(value: float, expected: str) -> None:
    assert float_text(value) == expected


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_float_is_still_the_same_number(value: float) -> None:
    assert float(float_text(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_printing_anew_changes_no_value_but_dates_and_floats(value: object) -> None:
    assert json.loads(reprint(value)) == value


@pytest.mark.parametrize(("text", "looks"), [(" {} ", True), ("[", False), ("[x]", True), ("", False), ("{]", False)])
def test_only_brackets_and_braces_look_like_json(text: str, *, looks: bool) -> None:
    assert looks_like_json(text) is looks


@pytest.mark.parametrize(
    ("datum", "bodies"),
    [
        (Datum("string", "plain"), [b"plain"]),
        (Datum("string", '{"a":1}'), [b'{\n  "a": 1\n}']),
        (Datum("string", '["x", {"a":1}, true, null]'), [b"x", b'{\n  "a": 1\n}', b"True", b""]),
        (
            Datum("json", json.dumps(['{"a":1}', "2026-11-20T10:00:00+02:00"])),
            [b'{"a":1}', b"2026-11-20T10:00:00+02:00"],
        ),
        (Datum("json", "[]"), []),
        (Datum("bytes", b'{"a":1}'), [b'{"a":1}']),
        (Datum("int", 7), [b"7"]),
        (Datum(None, None), []),
    ],
)
def test_a_queue_output_stands_for_these_messages(datum: Datum, bodies: list[bytes]) -> None:
    """A list is untouched, a single text that looks like JSON is rewritten or taken apart."""
    assert queue_messages(datum) == bodies


def test_a_text_that_only_looks_like_json_fails_the_invocation() -> None:
    with pytest.raises(OutputError, match="looks like JSON"):
        queue_messages(Datum("string", "{not json}"))


def test_a_message_that_is_too_large_fails_the_invocation() -> None:
    check_size("x" * LARGEST_MESSAGE)
    with pytest.raises(OutputError, match="65,537"):
        check_size("x" * LARGEST_MESSAGE + "y")
