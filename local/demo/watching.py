"""What people told each other in chats that they should not have, held against what was found. Pure.

The witness is the simulator's list of messages and three patterns of its own, which share nothing with the rules engine.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

RULES: Final[Mapping[str, Any]] = {
    "rules": [
        {"name": "card", "severity": "high", "kind": "card"},
        {"name": "iban", "severity": "medium", "kind": "iban"},
        {"name": "password", "severity": "medium", "pattern": r"(?i)\bpassword: \S+"},
    ]
}
"""The rules that the demo watches chats with."""

_TOLD: Final[Mapping[str, re.Pattern[str]]] = {
    "card": re.compile(r"4111 1111 1111 1111"),
    "iban": re.compile(r"DE89 3704 0044 0532 0130 00"),
    "password": re.compile(r"hunter2-hunter2"),
}
"""What the simulator's people may let slip, by the rule that must find it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What was found: how many findings are open, edited away or gone with their message; ``wrong`` says where that is not so."""

    open: int
    edited_away: int
    deleted: int
    alerts: int
    wrong: Sequence[str]


def told_in(text: str) -> set[str]:
    """Name the rules that a text breaks."""
    return {rule for rule, pattern in _TOLD.items() if pattern.search(text)}


def watch(
    items: Mapping[str, Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]],
    alerts: Sequence[Mapping[str, Any]],
) -> Watched:
    """Hold the findings against the messages as they are now, both by normalised resource.

    A message that says something sensitive has an open finding for it, and no other does; every finding has had its alert;
    and neither says what was found.
    """
    found: dict[str, set[str]] = {}
    for each in findings:
        if each["status"] == "open":
            found.setdefault(each["resource"], set()).add(each["rule"])
    wrong = [
        f"{resource}: {'nothing' if not found.get(resource) else ', '.join(sorted(found[resource]))} was found, "
        f"and it says {', '.join(sorted(expected)) or 'nothing sensitive'}"
        for resource, item in items.items()
        if found.get(resource, set()) != (expected := set() if item["deleted"] else told_in(item["text"]))
    ]
    wrong += [f"{resource} has findings, and is no chat message" for resource in sorted(found.keys() - items.keys())]
    alerted = {each["id"] for each in alerts}
    wrong += [f"finding {each['id']} ({each['rule']}) had no alert" for each in findings if each["id"] not in alerted]
    said = json.dumps([*findings, *alerts])
    wrong += [f"a finding or an alert quotes what {rule} found" for rule in sorted(told_in(said))]
    counts = Counter(each["status"] for each in findings)
    return Watched(
        open=counts["open"],
        edited_away=counts["edited-away"],
        deleted=counts["message-deleted"],
        alerts=len(alerted),
        wrong=wrong,
    )
