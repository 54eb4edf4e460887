"""The handshake's token: repeated if it is plain text of bounded length."""

import pytest

from shared.graph.handshake import HANDSHAKE_HEADERS, is_acceptable


@pytest.mark.parametrize(
    "token",
    ["x", "Validation: Testing client application reachability for subscription Request-Id: 1", "ü", "x" * 4096],
)
def test_opaque_text_is_repeated(token: str) -> None:
    assert is_acceptable(token)


@pytest.mark.parametrize("token", ["", "x" * 4097, "a\nb", "a\r\nSet-Cookie: b", "\x00", "\x7f", "\x85", "\ud800"])
def test_nothing_huge_and_no_control_characters_are_repeated(token: str) -> None:
    assert not is_acceptable(token)


def test_nobody_may_take_the_answer_for_anything_but_text() -> None:
    assert HANDSHAKE_HEADERS == {"X-Content-Type-Options": "nosniff"}
