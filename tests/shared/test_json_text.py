"""Reading with texts: the same documents and the same refusals as `json.loads`, and texts that mean what was read."""

import json
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.json_text import read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["value", "tokens", "Value", ""]), VALUES | st.lists(VALUES)) | VALUES


def refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def outcome(read: Any, body: bytes) -> Any:
    try:
        return read(body)
    except (ValueError, RecursionError):
        return "refused"


def by_the_library(body: bytes) -> Any:
    return outcome(lambda each: json.loads(each, parse_constant=refuse), body)


def by_us(body: bytes) -> Any:
    return outcome(lambda each: read_object(each, array="value")[0], body)


@given(DOCUMENTS, st.sampled_from([None, 2]), st.booleans(), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_what_is_read_is_what_the_library_reads(document: Any, indent: int | None, ascii_only: bool, code: str) -> None:  # noqa: FBT001 - drawn
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode(code, "surrogatepass")
    assert by_us(body) == by_the_library(body)


@given(DOCUMENTS, st.data())
def test_what_the_library_refuses_is_refused(document: Any, data: st.DataObject) -> None:
    body = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b",", b'"', b"}", b"]", b"{", b":", b"\\", b" ", b"1", b"NaN"])
        )
    assert repr(by_us(bytes(body))) == repr(by_the_library(bytes(body)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}",
        b" {} ",
        b"{}x",
        b"{,}",
        b'{"value":[,]}',
        b'{"value":[1,]}',
        b'{"value":[1 2]}',
        b'{"value":[1],}',
        b'{"value" 1}',
        b"{1:2}",
        b'{"value":[',
        b'{"value":[1',
        b'{"value":',
        b'{"value":[NaN]}',
        b'{"value":[1],"value":2}',
        b'{"value":2,"value":[1]}',
        b'{"value":["\n"]}',
        b"\xff",
        b'{"value":[1]}\x00',
        b'{"value":' + b"[" * 100_000,
    ],
)
def test_edges_are_the_library_s(body: bytes) -> None:
    assert by_us(body) == by_the_library(body)


@given(st.lists(VALUES), st.sampled_from([None, 1]))
def test_texts_mean_what_was_read(elements: list[Any], indent: int | None) -> None:
    body = json.dumps({"a": [], "value": elements, "z": None}, indent=indent).encode()
    document, texts = read_object(body, array="value")
    assert [json.loads(text) for text in texts] == document["value"] == elements


@pytest.mark.parametrize("element", ['"☃"', "[" * 150 + "]" * 150], ids=["not ASCII", "deep"])
def test_what_cannot_stand_elsewhere_as_it_is_has_no_text(element: str) -> None:
    document, texts = read_object(f'{{"value":[1.50,{element},"\\u2603"]}}'.encode(), array="value")
    assert texts == ["1.50", "", '"\\u2603"']
    assert document["value"][0] == 1.5


@pytest.mark.parametrize("number", ["1e999", '{"a":[-1e999]}'])
@pytest.mark.parametrize("frame", ['{{"value":[1,{}]}}', '{{"value":[1,2],"z":{}}}'])
def test_a_number_beyond_a_float_leaves_no_text_at_all(number: str, frame: str) -> None:
    body = frame.format(number).encode()
    assert read_object(body, array="value") == (json.loads(body), ["", ""])


@pytest.mark.parametrize("body", [b'{"z":1e999}', b'{"z":1e999,"value":3}', b'{"z":1e999,"value":[]}'])
def test_nor_where_there_are_no_elements(body: bytes) -> None:
    assert read_object(body, array="value") == (json.loads(body), [])


@pytest.mark.parametrize("body", [b'{"z":1e999', b'{"z":1e999}x', b'{"value":[1e999,]}'])
def test_and_what_is_no_json_stays_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)expecting|extra|illegal"):
        read_object(body, array="value")


def test_only_the_last_array_of_a_name_counts() -> None:
    assert read_object(b'{"value":[1],"value":[2,3]}', array="value") == ({"value": [2, 3]}, ["2", "3"])
    assert read_object(b'{"value":[1],"value":2}', array="value") == ({"value": 2}, [])
