"""HTTP answers: refusals in one form, entity tags, compression."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.answers import Answer, answer_error, answer_json, answer_problem, compressed, unchanged, with_tag
from shared.errors import (
    BadRequest,
    EarshotError,
    GraphProtocolError,
    LiveUnavailable,
    NotNow,
    StorageError,
    Unauthorised,
)

LONG = answer_json(200, ["x" * 2000])


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (BadRequest("say what"), 400, "BadRequest"),
        (Unauthorised(), 401, "Unauthorized"),
        (NotNow("later"), 503, "ServiceUnavailable"),
        (StorageError("storage did not answer"), 503, "ServiceUnavailable"),
        (LiveUnavailable("send", status=403, detail="give the role"), 503, "ServiceUnavailable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_keeps_us_from_answering_has_a_status_a_word_and_a_sentence(
    problem: EarshotError, status: int, code: str
) -> None:
    answer = answer_problem(problem)
    error = json.loads(answer.body)["error"]

    assert (answer.status, error["code"], answer.mimetype) == (status, code, "application/json")
    assert error["message"]
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_what_the_live_service_said_is_not_for_callers() -> None:
    assert b"role" not in answer_problem(LiveUnavailable("send", status=403, detail="give the role")).body


def test_a_mistake_of_ours_is_no_answer() -> None:
    with pytest.raises(GraphProtocolError):
        answer_problem(GraphProtocolError("x"))


@pytest.mark.parametrize(
    "asked", ['"1.5"', '"0", "1.5"', 'W/"1.5"', '"1.5-gzip"', "*", ' "1.5" ', '"x",W/"1.5-gzip","y"']
)
def test_whoever_has_it_already_is_told_so_without_a_body(asked: str) -> None:
    answer = unchanged("1.5", asked, {"Vary": "Authorization"})

    assert answer is not None
    assert (answer.status, answer.body, answer.headers["Vary"]) == (304, b"", "Authorization")
    assert answer.headers["ETag"] in {'"1.5"', '"1.5-gzip"'}


@pytest.mark.parametrize("asked", ["", '"1.6"', "1.5", '"1.5', '"1.50"', '"1.5-br"'])
def test_whoever_has_something_else_is_sent_what_there_is(asked: str) -> None:
    assert unchanged("1.5", asked, {}) is None


@pytest.mark.parametrize(
    "accepted", ["gzip", "GZIP", "br, gzip", "gzip;q=0.5, identity", "*", "gzip; q=1.0", "deflate,*;q=0.1"]
)
def test_whoever_takes_gzip_gets_it_under_another_tag(accepted: str) -> None:
    answer = compressed(with_tag(LONG, "1.5"), accepted)

    assert gzip.decompress(answer.body) == LONG.body
    assert (answer.headers["Content-Encoding"], answer.headers["ETag"]) == ("gzip", '"1.5-gzip"')
    assert len(answer.body) < len(LONG.body) / 10


@pytest.mark.parametrize(
    "accepted", ["", "br", "identity", "gzip;q=0", "gzip; q=0.000", "*;q=0", "gzip;q=0, *", "xgzip"]
)
def test_nobody_else_does(accepted: str) -> None:
    assert compressed(with_tag(LONG, "1.5"), accepted) == with_tag(LONG, "1.5")


def test_what_is_short_is_not_worth_it() -> None:
    assert compressed(answer_json(200, {}), "gzip") == answer_json(200, {})


def test_the_same_body_is_compressed_to_the_same_bytes() -> None:
    assert compressed(LONG, "gzip") == compressed(LONG, "gzip")


def test_half_a_character_does_not_break_an_answer() -> None:
    assert json.loads(answer_error(400, "x", "\ud83d").body)["error"]["message"] == "\ud83d"


@given(st.text(), st.text())
def test_any_header_gets_an_answer(asked: str, accepted: str) -> None:
    unchanged("1.5", asked, {})
    assert compressed(LONG, accepted).status == 200


def test_a_body_stays_out_of_the_repr() -> None:
    assert "canary" not in repr(Answer(status=200, body=b"canary"))
