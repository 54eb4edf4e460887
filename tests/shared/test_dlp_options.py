"""What a ``handlers`` list may tell `dlp`."""

from typing import Any

import pytest
from hypothesis import given

from shared.dlp_options import DEFAULT_ACTIONS, DEFAULT_TEXT, DlpOptions, ViolationPolicy, read_dlp_options
from shared.errors import SettingsError
from tests.strategies import JSON_VALUES


def test_without_options_there_are_rules_and_nobody_is_told() -> None:
    assert read_dlp_options({}) == DlpOptions(rules="dlp_rules.json", alert=None, violation=None)


def test_all_of_them_are_read() -> None:
    violation = {"actions": {"low": "notifySender"}, "text": "No.", "url": "https://contoso.com/dlp"}
    told = read_dlp_options({"rules": "rules/strict.json", "alert": {"to": "queue:x"}, "policyViolation": violation})

    assert told == DlpOptions(
        rules="rules/strict.json",
        alert={"to": "queue:x"},
        violation=ViolationPolicy(
            actions={**DEFAULT_ACTIONS, "low": "notifySender"}, text="No.", url="https://contoso.com/dlp"
        ),
    )


@pytest.mark.parametrize("wanted", [True, {}])
def test_a_policy_violation_has_defaults(wanted: object) -> None:
    violation = ViolationPolicy(actions=DEFAULT_ACTIONS, text=DEFAULT_TEXT)
    assert read_dlp_options({"policyViolation": wanted}).violation == violation


def test_a_policy_violation_may_be_declined() -> None:
    assert read_dlp_options({"policyViolation": False}).violation is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rule": "x.json"}, "'rule'"),
        ({"rules": 5}, "'rules'"),
        ({"rules": ""}, "'rules'"),
        ({"rules": "/etc/x.json"}, "'rules'"),
        ({"rules": "../x.json"}, "'rules'"),
        ({"rules": "a/../../x.json"}, "'rules'"),
        ({"rules": "C:\\x.json"}, "'rules'"),
        ({"rules": "x.txt"}, "'rules'"),
        ({"alert": "https://x"}, "'alert'"),
        ({"alert": None}, "'alert'"),
        ({"policyViolation": "yes"}, "'policyViolation'"),
        ({"policyViolation": None}, "'policyViolation'"),
        ({"policyViolation": {"action": {}}}, "'action'"),
        ({"policyViolation": {"actions": {"grave": "blockAccess"}}}, "'actions'"),
        ({"policyViolation": {"actions": {"high": "delete"}}}, "'actions'"),
        ({"policyViolation": {"actions": {"high": ["none"]}}}, "'actions'"),
        ({"policyViolation": {"text": ""}}, "'text'"),
        ({"policyViolation": {"text": "x" * 501}}, "'text'"),
        ({"policyViolation": {"url": "http://contoso.com"}}, "'url'"),
        ({"policyViolation": {"url": "https://[x"}}, "'url'"),
    ],
)
def test_what_is_wrong_is_said(options: Any, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_dlp_options(options)

    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_everything_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read_dlp_options({"a": 1, "rules": 1, "alert": 1, "policyViolation": {"b": 1, "text": 1}})

    assert len(caught.value.problems) == 5


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_any_options_are_read_or_refused(rules: Any, alert: Any, violation: Any) -> None:
    for wanted in (violation, {"actions": violation}, {"text": violation}, {"url": violation}):
        try:
            read_dlp_options({"rules": rules, "alert": alert, "policyViolation": wanted})
        except SettingsError:
            continue
