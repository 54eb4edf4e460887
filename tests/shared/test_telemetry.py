"""One line an event: fields in order, and nothing that could forge another line."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry import log_line
from tests import strategies

LOGGER = logging.getLogger("tests.telemetry")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def logged(fields: dict[str, Any]) -> str:
    logger = logging.Logger("alone")  # noqa: LOG001 - one that nobody else listens to
    lines = _Lines()
    logger.addHandler(lines)
    log_line(logger, logging.INFO, "event", fields)
    [line] = lines.lines
    return line


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1, "1"),
        ("x", "x"),
        ("two words", '"two words"'),
        ("", '""'),
        ({}, "none"),
        ({"b": 2, "a c": 1}, "a-c:1,b:2"),
        ("a\r\nb\x1b[31m\u2028", "a??b?[31m?"),
    ],
)
def test_a_value_is_written_on_one_line(value: object, written: str) -> None:
    assert logged({"name": value}) == f"event name={written}"


@given(st.dictionaries(st.just("name"), strategies.SURROGATES_INCLUDED | st.dictionaries(st.text(), st.integers())))
def test_no_value_breaks_the_line(fields: dict[str, Any]) -> None:
    line = logged(fields)

    assert line.splitlines() == [line]
    assert line.encode("utf-8")


def test_nothing_is_written_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise AssertionError("it was written after all")

    with caplog.at_level(logging.WARNING):
        log_line(LOGGER, logging.DEBUG, "event", {"name": Unprintable()})

    assert caplog.messages == []
