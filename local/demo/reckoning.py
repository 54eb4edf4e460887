"""Holds what arrived against what happened. Pure: the truth is the simulator's own list, never the app's counters.

*Lost*: acknowledged, and neither at the sink nor among the dead letters, or a feed that shows another state than the last.
*Twice*: one change under two event ids, or sent again although no crash excuses it. *Strangers*: anything that never
happened, which a forger made up. *Objections*: what Graph's own rules say against the receiver's answers.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from local.demo.sink import Received
from local.demo.watching import Watched, watch

EXCUSED_BEFORE_KILL_SECONDS = 2.0
EXCUSED_AFTER_KILL_SECONDS = 0.5
"""What was under way when the worker was killed may be sent again; the sink tells it by its id."""

EXCUSED_RULES = frozenset({"late", "late-again", "unreachable", "failed"})
"""Answers that only make Graph send again: a machine that is short of time or of a worker gives them."""

_FORGED = "FORGED"
_TAG = re.compile(r"<[^>]+>")

_KIND = {"users": "mail", "chats": "chat"}

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a run leaves behind."""

    tally: Mapping[str, Any]
    truths: Sequence[Mapping[str, Any]]
    items: Sequence[Mapping[str, Any]]
    received: Sequence[Received]
    dead_letters: Sequence[Mapping[str, Any]]
    feed: Sequence[Mapping[str, Any]]
    """Every change-log row of every feed, with the item's current state, oldest first within a feed."""
    objections: Sequence[Mapping[str, Any]] = ()
    """What the simulator's judge found."""
    kills: Sequence[float] = ()
    """When the worker was killed, in seconds since the epoch."""
    findings: Sequence[Mapping[str, Any]] | None = None
    """What was found in chats; None where nobody looked."""
    alerts: Sequence[Mapping[str, Any]] = ()
    """Events at the sink that tell of findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """The figures of one run. ``holds`` is what the exit code says."""

    changes: int
    sent: int
    bodies: int
    acknowledged: int
    ack_p50_ms: float | None
    ack_p99_ms: float | None
    late: int
    duplicates_sent: int
    duplicates_suppressed: int
    forged: Mapping[str, int]
    forged_dead: int
    handled: int
    dead: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    pulled: int
    pull_latency_p50_ms: float | None
    pull_latency_p99_ms: float | None
    watched: Watched
    lost: Sequence[str]
    twice: Sequence[str]
    strangers: Sequence[str]
    objections: Sequence[str]
    resent_after_kill: int
    kills: int
    last_rows: Sequence[Mapping[str, str]] = field(repr=False)

    @property
    def holds(self) -> bool:
        """Nothing lost, nothing twice, nothing forged came through, no rule broken, nothing overlooked, and something happened at all."""
        broken = self.lost or self.twice or self.strangers or self.objections or self.watched.wrong
        return bool(self.handled) and not broken

    def as_data(self) -> dict[str, Any]:
        """The same as data, for ``--json``."""
        return asdict(self) | {"holds": self.holds}


def reckon(evidence: Evidence) -> Reckoning:
    """Hold the evidence of a run against the truth."""
    truths = {(row["resource"], row["version"]): row for row in evidence.truths}
    arrivals = _arrivals(evidence.received)
    dead = {_resource(letter) for letter in evidence.dead_letters}
    handled = [key for key in truths if key in arrivals]
    lost = [
        f"{row['changeType']} {row['resource']} (version {row['version']}) never arrived"
        for key, row in truths.items()
        if row["acknowledged"] and key not in arrivals and row["resource"] not in dead
    ]
    twice, resent = _twice(arrivals, evidence.kills)
    wrong_state, feed_strangers, feed_twice = _check_feed(evidence, dead)
    strangers = [
        f"event of {resource} (version {version})"
        for resource, version in arrivals
        if (resource, version) not in truths
    ]
    pushed = _latencies(arrivals, truths, [key for key in handled if not _is_chat(key[0])])
    pulled = _latencies(arrivals, truths, [key for key in handled if _is_chat(key[0])])
    extra = sum(len(copies) - 1 for copies in arrivals.values())
    tally = evidence.tally
    return Reckoning(
        changes=tally["changes"],
        sent=tally["sent"],
        bodies=tally["bodies"],
        acknowledged=tally["acknowledged"],
        ack_p50_ms=tally["ack_ms"]["p50"],
        ack_p99_ms=tally["ack_ms"]["p99"],
        late=tally["late"],
        duplicates_sent=tally["duplicates"],
        duplicates_suppressed=max(tally["duplicates"] - (extra - resent), 0),
        forged=dict(tally["forged"]),
        forged_dead=sum(_FORGED in json.dumps(letter) for letter in evidence.dead_letters),
        handled=len(handled),
        dead=sum(_FORGED not in json.dumps(letter) for letter in evidence.dead_letters),
        latency_p50_ms=percentile(pushed, 0.5),
        latency_p99_ms=percentile(pushed, 0.99),
        pulled=len(pulled),
        pull_latency_p50_ms=percentile(pulled, 0.5),
        pull_latency_p99_ms=percentile(pulled, 0.99),
        watched=watched_in(evidence),
        lost=[*lost, *wrong_state],
        twice=[*twice, *feed_twice],
        strangers=[*strangers, *feed_strangers],
        objections=[
            f"{each['says']} ({each['rule']}, {each['count']} times: {each['example']})"
            for each in evidence.objections
            if each["rule"] not in EXCUSED_RULES
        ],
        resent_after_kill=resent,
        kills=len(evidence.kills),
        last_rows=_last_rows(evidence.feed),
    )


def watched_in(evidence: Evidence) -> Watched:
    """Hold the findings against the chat messages that were told of; nothing is expected where nobody looked."""
    if evidence.findings is None:
        return watch({}, (), evidence.alerts)
    dead = {normalised(_resource(letter)) for letter in evidence.dead_letters}
    unheard = {normalised(row["resource"]) for row in evidence.truths if not row["acknowledged"]}
    told = {normalised(row["resource"]) for row in evidence.truths} - dead - unheard
    chats = {
        name: item
        for item in evidence.items
        if _is_chat(item["resource"]) and (name := normalised(item["resource"])) in told
    }
    findings = [{**each, "resource": normalised(each["resource"])} for each in evidence.findings]
    return watch(chats, findings, evidence.alerts)


def _is_chat(resource: str) -> bool:
    return resource.lower().startswith("chats")


def _latencies(
    arrivals: Mapping[Key, Sequence[Received]], truths: Mapping[Key, Mapping[str, Any]], keys: Sequence[Key]
) -> list[float]:
    return sorted((arrivals[key][0].at - _seconds(truths[key]["at"])) * 1000 for key in keys)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Give the value below which a share of an ordered list lies; None for an empty one."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


def event_key(event: Mapping[str, Any]) -> Key:
    """Find which change an event tells of: its resource and the version it brought about."""
    data = event["data"]
    content = data["content"] or {}
    told = (data["notification"].get("resourceData") or {}).get("@odata.etag")
    return data["resource"], str(told or content.get("@odata.etag") or content.get("etag") or "")


def _arrivals(received: Sequence[Received]) -> dict[Key, list[Received]]:
    found: dict[Key, list[Received]] = {}
    for each in sorted(received, key=lambda each: each.at):
        found.setdefault(event_key(each.event), []).append(each)
    return found


def _twice(arrivals: Mapping[Key, Sequence[Received]], kills: Sequence[float]) -> tuple[list[str], int]:
    twice: list[str] = []
    resent = 0
    for (resource, version), copies in arrivals.items():
        if len({copy.event["id"] for copy in copies}) > 1:
            twice.append(f"{resource} (version {version}) arrived under two event ids")
        elif len(copies) > 1:
            if all(any(_excuses(kill, copy.at) for kill in kills) for copy in copies[:-1]):
                resent += len(copies) - 1
            else:
                twice.append(f"{resource} (version {version}) arrived {len(copies)} times")
    return twice, resent


def _excuses(kill: float, sent: float) -> bool:
    """Tell whether what was sent then may have been under way when the worker was killed."""
    return kill - EXCUSED_BEFORE_KILL_SECONDS <= sent <= kill + EXCUSED_AFTER_KILL_SECONDS


def _check_feed(evidence: Evidence, dead: set[str]) -> tuple[list[str], list[str], list[str]]:
    """Compare every item's state in its feed with the simulator's; and count its log rows."""
    shown = {normalised(row["resource"]): row for row in evidence.feed}
    changes: dict[str, int] = {}
    unacknowledged: set[str] = set()
    for truth in evidence.truths:
        changes[normalised(truth["resource"])] = changes.get(normalised(truth["resource"]), 0) + 1
        if not truth["acknowledged"]:
            unacknowledged.add(normalised(truth["resource"]))
    excused = unacknowledged | {normalised(resource) for resource in dead}
    wrong: list[str] = []
    for item in evidence.items:
        name = normalised(item["resource"])
        row = shown.get(name)
        if name not in changes or name in excused:
            continue
        if row is None:
            wrong.append(f"{item['resource']} is in no feed")
        elif row["deleted"] != item["deleted"] or (not item["deleted"] and row["version"] != item["version"]):
            wrong.append(f"{item['resource']}: the feed shows version {row['version']}, not {item['version']}")
        elif not item["deleted"] and _text(row["content"] or {}) != item["text"]:
            wrong.append(f"{item['resource']}: the feed shows another text than was written")
    strangers = [f"feed row of {row['resource']}" for name, row in shown.items() if name not in changes]
    logged: dict[str, int] = {}
    for row in evidence.feed:
        logged[normalised(row["resource"])] = logged.get(normalised(row["resource"]), 0) + 1
    twice = [f"{name} has {count} feed rows" for name, count in logged.items() if count > changes.get(name, count)]
    return wrong, strangers, twice


def normalised(resource: str) -> str:
    """Spell both of Graph's forms alike: ``teams('a')/channels('b')`` as ``teams/a/channels/b``, case aside."""
    return re.sub(r"\('([^']*)'\)", r"/\1", resource).lower()


def _resource(letter: Mapping[str, Any]) -> str:
    items = letter.get("items") or [{}]
    return str((items[0].get("notification") or {}).get("resource", ""))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _last_rows(feed: Sequence[Mapping[str, Any]], count: int = 6) -> list[dict[str, str]]:
    return [_printable(row) for row in sorted(feed, key=lambda row: str(row["arrived"]))[-count:]]


def _text(content: Mapping[str, Any]) -> str:
    return html.unescape(_TAG.sub("", (content.get("body") or {}).get("content", ""))).strip()


def _printable(row: Mapping[str, Any]) -> dict[str, str]:
    content = row["content"] or {}
    sender = content.get("from") or {}
    who = (sender.get("user") or sender.get("emailAddress") or {}).get("displayName") or (
        sender.get("emailAddress") or {}
    ).get("name")
    text = " · ".join(filter(None, (content.get("subject"), _text(content))))
    return {
        "arrived": str(row["arrived"])[11:23],
        "kind": _KIND.get(row["resource"].lower().partition("/")[0], "channel"),
        "change": row["changeType"],
        "who": who or "",
        "text": "(deleted)" if row["deleted"] else text,
    }
