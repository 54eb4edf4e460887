"""What stands in braces."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from local.learn.variables import Unknown, Variables

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def variables() -> Variables:
    return Variables(
        now=lambda: NOW,
        definitions={"a": "1", "twice": "{{a}}{{a}}", "later": "{{made.response.body.$.id}}", "loop": "{{loop}}"},
        answers={"made": '{"id": "x", "list": [{"n": 7}], "@odata.deltaLink": "http://…"}', "words": "no JSON"},
    )


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("none", "none"),
        ("{{a}}-{{ a }}", "1-1"),
        ("{{twice}}", "11"),
        ("{{later}}", "x"),
        ("{{made.response.body.$.list[0].n}}", "7"),
        ("{{made.response.body.$.list}}", '[{"n": 7}]'),
        ("{{made.response.body.$['@odata.deltaLink']}}", "http://…"),
        ("{{$datetime iso8601}}", "2026-11-20T11:00:00.000Z"),
        ("{{$datetime iso8601 50 m}}", "2026-11-20T11:50:00.000Z"),
        ("{{$datetime iso8601 -2 d}}", "2026-11-18T11:00:00.000Z"),
    ],
)
def test_braces_are_filled(variables: Variables, text: str, filled: str) -> None:
    assert variables.fill(text) == filled


@pytest.mark.parametrize(
    "text",
    [
        "{{b}}",
        "{{loop}}",
        "{{made.response.body.$.nothing}}",
        "{{made.response.body.$.list[1]}}",
        "{{made.response.body.$..id}}",
        "{{words.response.body.$.id}}",
        "{{never.response.body.$.id}}",
        "{{$datetime iso8601 2 w}}",
    ],
)
def test_what_nobody_has_said_is_unknown(variables: Variables, text: str) -> None:
    with pytest.raises(Unknown):
        variables.fill(text)


def test_an_answer_is_known_as_it_was_the_last_time(variables: Variables) -> None:
    variables.answers["made"] = '{"id": "y"}'
    assert variables.fill("{{later}}") == "y"


def test_moments_are_utc() -> None:
    variables = Variables(now=lambda: NOW.astimezone(UTC))
    assert variables.fill("{{$datetime iso8601 1 s}}") == "2026-11-20T11:00:01.000Z"
