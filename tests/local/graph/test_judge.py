"""What the judge finds, and how it says so."""

from datetime import UTC, datetime, timedelta

import pytest

from local.graph.judge import RULES, Judge

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_rule_that_is_broken_again_is_counted_with_the_first_example() -> None:
    judge = Judge()
    for minutes in range(3):
        judge.object_to("late", f"example {minutes}", at=NOON + timedelta(minutes=minutes))
    (found,) = judge.printed()
    assert found == {
        "rule": "late",
        "says": "the first attempt must be answered within 3 seconds",
        "page": "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
        "count": 3,
        "example": "example 0",
        "first": "2026-11-20T12:00:00.000000Z",
        "last": "2026-11-20T12:02:00.000000Z",
    }
    assert judge.verdict() == {"ok": False, "findings": [found]}


def test_a_rule_that_is_none_is_a_slip_of_ours() -> None:
    with pytest.raises(KeyError):
        Judge().object_to("untidy", "x", at=NOON)


def test_without_a_finding_the_verdict_is_good() -> None:
    assert Judge().verdict() == {"ok": True, "findings": []}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_sentence_and_a_page_of_graphs(rule: str) -> None:
    judge = Judge()
    judge.object_to(rule, "https://receiver.example/hook", at=NOON)
    says, page = RULES[rule]
    assert page.startswith("https://learn.microsoft.com/en-us/graph/")
    (found,) = judge.printed()
    assert (found["says"], found["page"], found["example"]) == (says, page, "https://receiver.example/hook")
