"""Reading a JSON object together with the text of each element of one of its arrays.

What arrived is then passed on as it was written: not written anew, which costs more than reading, and changes nothing of
what a number or an escape looked like. The result is the same as `json.loads`'s, errors included.
"""

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any, NoReturn

_SPACES = " \t\n\r"
_SPACE = re.compile(r"[ \t\n\r]*")
_DEEP = 100
"""More brackets than this in one element, and it is written anew: that tells whether it is nested too deep to be kept."""


class _BeyondFloatError(Exception):
    """A number is too large for a float: it reads as infinity, which no JSON can say."""


def _finite(written: str) -> float:
    number = float(written)
    if not isfinite(number):
        raise _BeyondFloatError
    return number


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_PLAIN = json.JSONDecoder(parse_constant=_refuse_constant)
# what raw_decode is made of, without its exceptions
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite
).scan_once  # type: ignore[attr-defined]


def read_object(body: bytes, *, array: str) -> tuple[Any, list[str]]:
    """Read a document; and where it is an object with this array, the text of each element.

    A text is empty where it cannot stand in another ASCII document as it is: an element with other characters, nested deep, or
    in a document with numbers beyond a float. Raises ValueError or RecursionError, as `json.loads` does.
    """
    text = body.decode(json.detect_encoding(body), "surrogatepass")
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        return _PLAIN.decode(text), []
    try:
        document, texts, at = _read_members(text, at, array)
    except _BeyondFloatError:
        document = _PLAIN.decode(text)
        found = document.get(array)
        return document, [""] * len(found) if isinstance(found, list) else []
    except StopIteration as stop:
        raise json.JSONDecodeError("Expecting value", text, stop.value) from None
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("Extra data", text, at)
    return document, texts


def _read_members(text: str, at: int, array: str) -> tuple[dict[str, Any], list[str], int]:
    document: dict[str, Any] = {}
    texts: list[str] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return document, texts, at + 1
    while True:
        if text[at : at + 1] != '"':
            raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        name, at = _scan(text, at)
        at = _skip(text, _expect(text, _skip(text, at), ":"))
        if name == array:
            texts = []
        if name == array and text[at : at + 1] == "[":
            document[name], at = _read_elements(text, at, texts)
        else:
            document[name], at = _scan(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == "}":
            return document, texts, at + 1
        at = _skip(text, _expect(text, at, ","))


def _read_elements(text: str, at: int, texts: list[str]) -> tuple[list[Any], int]:
    elements: list[Any] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "]":
        return elements, at + 1
    while True:
        element, end = _scan(text, at)
        elements.append(element)
        texts.append(_as_it_is(text[at:end]))
        at = _skip(text, end)
        if text[at : at + 1] == "]":
            return elements, at + 1
        at = _skip(text, _expect(text, at, ","))


def _as_it_is(written: str) -> str:
    return written if written.isascii() and written.count("{") + written.count("[") < _DEEP else ""


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] not in _SPACES:
        return at
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, delimiter: str) -> int:
    if text[at : at + 1] != delimiter:
        raise json.JSONDecodeError(f"Expecting {delimiter!r} delimiter", text, at)
    return at + 1
