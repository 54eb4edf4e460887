"""What is found in chats is held against what was said there: one thing overlooked, one found where nothing is, one quoted."""

import json
from typing import Any

import pytest

from local.demo.watching import RULES, Watched, told_in, watch
from local.graph.tenant.people import SENSITIVE
from shared.dlp.rules import read_rules

CARD = "my card is 4111 1111 1111 1111"
ITEMS: dict[str, dict[str, Any]] = {
    "chats/c/messages/1": {"text": CARD, "deleted": False},
    "chats/c/messages/2": {"text": "good morning", "deleted": False},
    "chats/c/messages/3": {"text": CARD, "deleted": True},
}


def finding(message: int, rule: str = "card", status: str = "open") -> dict[str, Any]:
    return {"id": f"{message}-{rule}", "resource": f"chats/c/messages/{message}", "rule": rule, "status": status}


HONEST = [finding(1), finding(2, "iban", "edited-away"), finding(3, status="message-deleted")]


def held(findings: list[dict[str, Any]], alerts: list[dict[str, Any]] | None = None) -> Watched:
    return watch(ITEMS, findings, [{"id": each["id"]} for each in findings] if alerts is None else alerts)


def test_an_honest_run_holds() -> None:
    assert held(HONEST) == Watched(open=1, edited_away=1, deleted=1, alerts=3, wrong=[])


@pytest.mark.parametrize(
    ("findings", "says"),
    [
        ([], "nothing was found, and it says card"),
        ([*HONEST, finding(2)], "card was found, and it says nothing sensitive"),
        ([*HONEST, finding(3, "iban")], "iban was found, and it says nothing sensitive"),
        ([*HONEST, finding(9)], "is no chat message"),
        ([*HONEST[1:], finding(1) | {"part": "4111 1111 1111 1111"}], "quotes what card found"),
    ],
)
def test_one_thing_spoiled_is_noticed(findings: list[dict[str, Any]], says: str) -> None:
    assert any(says in each for each in held(findings).wrong)


def test_a_finding_without_its_alert_is_noticed() -> None:
    assert held(HONEST, alerts=[]).wrong == [f"finding {each['id']} ({each['rule']}) had no alert" for each in HONEST]


@pytest.mark.parametrize("said", SENSITIVE)
def test_whatever_the_simulators_people_let_slip_the_witness_and_the_rules_know_it(said: str) -> None:
    rules = read_rules(json.dumps(RULES).encode(), classifiers={})
    found = {each.rule for each in rules.scan({"body": {"contentType": "text", "content": said}})}

    assert found == told_in(said)
    assert len(found) == 1
