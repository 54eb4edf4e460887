"""What our own webhook is asked and what is made of its answer: every answer has a sentence, and only the right one has none."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.own_handshake import Answer, ask_url, problem_with

TOKEN = "Earshot: is this ours? 1f"
GOOD = Answer(status=200, content_type="text/plain; charset=utf-8", body=TOKEN.encode())


def test_the_right_answer_has_no_problem() -> None:
    assert problem_with(GOOD, TOKEN) == ""


@given(token=st.text(min_size=1))
def test_a_token_survives_its_url(token: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in token):
        return
    url = ask_url("https://a.example/api/notifications", token)

    assert parse_qs(urlsplit(url).query, keep_blank_values=True)["validationToken"] == [token]
    assert " " not in url


@pytest.mark.parametrize(
    "spoilt", [b"", TOKEN.encode() + b"\n", b'"' + TOKEN.encode() + b'"', b"\xef\xbb\xbf" + TOKEN.encode()]
)
def test_a_token_with_anything_around_it_is_none(spoilt: bytes) -> None:
    assert "does not repeat the validationToken" in problem_with(replace(GOOD, body=spoilt), TOKEN)


@given(
    status=st.integers(100, 999),
    content_type=st.text(max_size=300),
    body=st.binary(max_size=50),
    location=st.text(max_size=50) | st.just("https://login.microsoftonline.com/x") | st.just("http://[/"),
)
def test_any_answer_but_the_right_one_is_one_sentence_that_is_not_endless(
    status: int, content_type: str, body: bytes, location: str
) -> None:
    answer = Answer(status=status, content_type=content_type, body=body, location=location)

    problem = problem_with(answer, TOKEN)

    assert bool(problem) == (
        status != 200 or body != TOKEN.encode() or not content_type.lower().startswith("text/plain")
    )
    assert len(problem) < 400
    assert TOKEN not in problem
