"""`dlp` on memory adapters: what is recorded, who is told, what Teams is asked to do, and that it ends there."""

import json
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import MemoryFeedStore, MemoryTarget
from shared.adapters.memory_findings import MemoryFindingStore
from shared.change import Change, Services
from shared.change_key import is_deletion, read_version
from shared.dispatch import Again, Done, GivenUp, registrations, run_handlers
from shared.dlp.values import ClassifierError, Match, Severity
from shared.errors import GiveUp, GraphApiError, RetryLater
from shared.finding_reading import FindingReading
from shared.findings import FindingQuery, ListedFinding, MessageState
from shared.graph.resource import Resource, read_resource
from shared.handlers import dlp as module
from shared.live_messages import LiveMessages
from shared.ports import Target
from shared.routing import HandlerChoice, Route, route
from tests.builders import CHANNEL, NOW, TEAM, TENANT

CHANNEL_MESSAGE = f"teams/{TEAM}/channels/{CHANNEL}/messages/1"
CHAT_MESSAGE = "chats/c/messages/1"
MAIL = "users/u/messages/1"
SENDER = "eeeeeeee-0000-4000-8000-00000000000e"
CANARY = "canary-in-a-coal-mine"
ALERT: Mapping[str, Any] = {"to": "https://alerts.example"}
SEVERITIES: Mapping[str, Severity] = {"CARD": "high", "IBAN": "medium", "WORD": "low"}


@dataclass
class Words:
    """Rules by which words are findings: CARD is grave, IBAN less so, WORD hardly."""

    trouble: Exception | None = None
    scanned: list[Resource | None] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def scan(self, content: Mapping[str, Any], *, resource: Resource | None = None) -> Sequence[Match]:
        self.scanned.append(resource)
        self.threads.append(threading.get_ident())
        if self.trouble:
            raise self.trouble
        text = content["body"]["content"]
        return [
            Match(
                rule=found[0].lower(),
                kind="keyword",
                severity=SEVERITIES[found[0]],
                part="body",
                part_index=0,
                start=found.start(),
                length=4,
            )
            for found in re.finditer("CARD|IBAN|WORD", text)
        ]


@dataclass
class Graph:
    """A Graph that takes policy violations, as messages have them afterwards."""

    bodies: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        tenant_id: str = "",
        actor: str = "",
    ) -> Mapping[str, Any]:
        assert (method, headers, tenant_id, actor) == ("PATCH", None, TENANT, "")
        if self.troubles:
            raise self.troubles.pop(0)
        self.bodies.append((path, body or {}))
        return {}

    @property
    def actions(self) -> list[str]:
        return [body["policyViolation"]["dlpAction"] for _, body in self.bodies]


@dataclass
class Bench:
    """Everything that `dlp` uses, and what becomes of a change that is handed to it as dispatch does."""

    options: Mapping[str, Any] = field(default_factory=dict)
    rules: Words = field(default_factory=Words)
    store: MemoryFindingStore = field(default_factory=MemoryFindingStore)
    target: MemoryTarget = field(default_factory=MemoryTarget)
    graph: Graph = field(default_factory=Graph)
    now: datetime = NOW
    asked_rules: list[str] = field(default_factory=list)
    asked_targets: list[Mapping[str, Any]] = field(default_factory=list)
    target_trouble: Exception | None = None

    def _rules(self, path: str) -> Words:
        self.asked_rules.append(path)
        return self.rules

    def _target(self, options: Mapping[str, Any]) -> Target:
        self.asked_targets.append(options)
        if self.target_trouble:
            raise self.target_trouble
        return self.target

    @property
    def services(self) -> Services:
        return Services(
            now=lambda: self.now,
            feed=MemoryFeedStore(now=lambda: self.now),
            findings=self.store,
            rules=self._rules,
            graph=self.graph,
            target=self._target,
            live=LiveMessages(None, lambda: self.now),
            options=self.options,
        )

    async def handle(self, change: Change) -> Done | Again | GivenUp:
        choice = HandlerChoice(name="dlp", options=self.options)
        routes: tuple[Route, ...] = route(
            change.resource, change.change_type, registrations=registrations(module), choices=[choice]
        )
        assert len(routes) == 1, change.resource
        given = replace(self.services, options={})
        (outcome,) = await run_handlers(change, routes, given, limit=timedelta(seconds=30))
        return outcome

    async def done(self, *changes: Change) -> None:
        for change in changes:
            assert isinstance(await self.handle(change), Done)

    async def listed(self) -> list[ListedFinding]:
        return list((await self.store.page(FindingQuery(), after="", top=1000)).findings)

    async def statuses(self) -> list[tuple[str, str]]:
        return sorted((each.finding.rule, each.status) for each in await self.listed())

    @property
    def alerts(self) -> list[Any]:
        return [json.loads(event) for _, event in self.target.events]


def content(text: str, *, minute: int = 0, edited: bool | None = None, **changes: Any) -> dict[str, Any]:
    """A message as it is after so many minutes: its first version, or an edited one."""
    moment = (NOW + timedelta(minutes=minute)).isoformat()
    valid = {
        "id": "1",
        "etag": str(1000 + minute),
        "createdDateTime": NOW.isoformat(),
        "lastModifiedDateTime": moment,
        "lastEditedDateTime": moment if (minute > 0 if edited is None else edited) else None,
        "deletedDateTime": None,
        "from": {"user": {"id": SENDER, "displayName": CANARY}},
        "subject": CANARY,
        "webUrl": "https://teams.example/l/message/1",
        "body": {"contentType": "text", "content": text},
    }
    return valid | changes


def change(told: dict[str, Any] | None, *, resource: str = CHANNEL_MESSAGE, kind: str = "", **changes: Any) -> Change:
    """A change whose content came with it."""
    known = told or {}
    first = known.get("lastModifiedDateTime") == known.get("createdDateTime")
    change_type = kind or ("deleted" if is_deletion("", told) else "created" if first else "updated")
    version = read_version({}, told)
    valid: dict[str, Any] = {
        "subscription": "teams-messages",
        "tenant_id": TENANT,
        "change_type": change_type,
        "resource": read_resource(resource),
        "version": version,
        "deleted": is_deletion(change_type, told),
        "received": NOW + timedelta(hours=1),
        "via": "webhook",
        "item_id": f"item-{version}",
        "key": f"key-{version}",
        "notification": {},
        "content": told,
    }
    return Change(**(valid | changes))


def deletion(minute: int, **changes: Any) -> Change:
    moment = (NOW + timedelta(minutes=minute)).isoformat()
    return change(content("", minute=minute, deletedDateTime=moment), **changes)


# -- where it is scanned ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "in_the_loop"),
    [
        (content("CARD"), True),
        (content("CARD" + " " * 60_000), False),
        (content("CARD", attachments=[{"content": " " * 60_000}, "none", {"content": 7}]), False),
    ],
)
async def test_a_long_text_holds_up_nobody_else(told: dict[str, Any], *, in_the_loop: bool) -> None:
    bench = Bench()
    await bench.done(change(told))

    assert [each == threading.get_ident() for each in bench.rules.threads] == [in_the_loop]
    assert await bench.statuses() == [("card", "open")]


# -- what is recorded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "resource",
    [
        CHANNEL_MESSAGE,
        f"{CHANNEL_MESSAGE}/replies/2",
        CHAT_MESSAGE,
        "users/u/chats/c/messages/1",
        MAIL,
        "users/u/mailFolders/f/messages/1",
    ],
)
async def test_every_message_is_scanned_where_it_lies(resource: str) -> None:
    bench = Bench()
    await bench.done(change(content("my CARD"), resource=resource))

    [listed] = await bench.listed()
    assert (listed.finding.start, listed.finding.length, listed.status) == (3, 4, "open")
    assert listed.message.resource == resource.removeprefix("users/u/") if "chats" in resource else resource
    assert (listed.message.sender, listed.message.sent) == (SENDER, NOW)
    assert (listed.finding.found, listed.finding.change_key) == (NOW, "key-1000")


async def test_a_chat_message_that_several_members_subscriptions_hear_is_one_message() -> None:
    bench = Bench()
    await bench.done(
        change(content("CARD"), resource="users/u/chats/c/messages/1", subscription="chats~0123"),
        change(content("CARD"), resource="users/v/chats/c/messages/1", subscription="chats~4567"),
        change(content("CARD"), resource="chats/c/messages/1", subscription="chats"),
    )

    assert await bench.statuses() == [("card", "open")]


async def test_an_edit_is_scanned_again_and_a_deletion_deletes_nothing() -> None:
    bench = Bench()
    await bench.done(change(content("CARD IBAN")), change(content("IBAN WORD", minute=1)))
    assert await bench.statuses() == [("card", "edited-away"), ("iban", "open"), ("word", "open")]
    await bench.done(deletion(2))
    assert await bench.statuses() == [("card", "edited-away"), ("iban", "message-deleted"), ("word", "message-deleted")]


@pytest.mark.parametrize("gone", [False, True])
async def test_a_deletion_that_says_no_more_is_recorded(gone: bool) -> None:  # noqa: FBT001
    bench = Bench()
    await bench.done(change(content("CARD")))
    told = {"kind": "updated", "gone": True} if gone else {"kind": "deleted", "deleted": True}
    await bench.done(change(None, **told))

    assert await bench.statuses() == [("card", "message-deleted")]


async def test_the_rules_are_those_of_the_options() -> None:
    bench = Bench({"rules": "strict/rules.json"})
    await bench.done(change(content("CARD")))

    assert bench.asked_rules == ["strict/rules.json"]
    assert bench.rules.scanned == [read_resource(CHANNEL_MESSAGE)]


# -- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "requests"),
    [
        (change(content("hello")), 0),
        (change(content("a reaction", minute=1, edited=False)), 0),
        (change(content("hello", minute=1)), 1),
        (change(content("hello"), resource=MAIL), 0),
        (change(content("hello", minute=1), resource=MAIL), 1),
        (change(content("hello"), resource=MAIL, fetched=True), 1),
        (
            change(
                content("hello"), resource=MAIL, fetched=True, notification={"resourceData": {"@odata.etag": "W/1"}}
            ),
            0,
        ),
        (
            change(
                content("hello", minute=1), resource=MAIL, kind="created", notification={"delta": {"round": "mark"}}
            ),
            1,
        ),
        (deletion(1), 1),
    ],
    ids=[
        "new",
        "reaction",
        "edited",
        "mail",
        "changed mail",
        "fetched mail",
        "fetched, version known",
        "delta",
        "deleted",
    ],
)
async def test_a_message_without_findings_costs_nothing_and_one_request_if_there_may_have_been_some(
    told: Change, requests: int
) -> None:
    bench = Bench()
    await bench.done(told)

    assert bench.store.requests == requests
    assert await bench.listed() == []


# -- alerts -----------------------------------------------------------------------------------------------------------


async def test_an_alert_says_where_and_who_and_never_what() -> None:
    bench = Bench({"alert": ALERT})
    await bench.done(change(content(f"{CANARY} CARD")))

    [listed] = await bench.listed()
    [alert] = bench.alerts
    assert bench.asked_targets == [ALERT]
    assert bench.target.events[0][0] == alert["id"] == listed.finding.id
    assert (alert["type"], alert["subject"]) == ("Earshot.Dlp.Finding", listed.message.resource)
    assert alert["source"] == f"/tenants/{TENANT}/subscriptions/teams-messages"
    assert alert["data"] == {
        "rule": "card",
        "kind": "keyword",
        "severity": "high",
        "status": "open",
        "part": "body",
        "partIndex": 0,
        "start": len(CANARY) + 1,
        "length": 4,
        "resource": listed.message.resource,
        "sender": SENDER,
        "sent": "2026-11-20T12:00:00Z",
        "link": "https://teams.example/l/message/1",
        "changeKey": "key-1000",
    }


async def test_what_is_unchanged_is_not_told_again_and_what_is_new_is() -> None:
    bench = Bench({"alert": ALERT})
    await bench.done(
        change(content("CARD")),
        change(content("CARD", minute=1, edited=False)),
        change(content("so: CARD, IBAN", minute=2)),
        deletion(3),
    )

    assert [alert["data"]["rule"] for alert in bench.alerts] == ["card", "iban"]


async def test_what_was_edited_away_before_we_heard_is_told_of_as_that() -> None:
    bench = Bench({"alert": ALERT})
    await bench.done(change(content("sorry", minute=1)), change(content("CARD")))

    assert [(alert["data"]["rule"], alert["data"]["status"]) for alert in bench.alerts] == [("card", "edited-away")]


async def test_a_target_that_fails_is_tried_again_with_the_same_id_and_the_others_are_not_repeated() -> None:
    bench = Bench({"alert": ALERT})
    bench.target.troubles = [RetryLater("the target answered 503", after=timedelta(minutes=3))]
    outcome = await bench.handle(change(content("CARD IBAN")))
    assert outcome == Again(instance=outcome.instance, error="the target answered 503", after=timedelta(minutes=3))
    assert len(bench.alerts) == 1
    await bench.done(change(content("CARD IBAN")))

    assert sorted(alert["data"]["rule"] for alert in bench.alerts) == ["card", "iban"]


async def test_an_alert_that_was_owed_when_the_process_died_goes_out_with_the_next_change_of_the_message() -> None:
    """Its own change may be one that the ledger has never heard of: what is fetched again may have another version."""
    bench = Bench({"alert": ALERT})
    bench.target.troubles = [RetryLater()]
    await bench.handle(change(content("CARD")))
    await bench.done(change(content("CARD", minute=1, edited=False)))

    assert [alert["data"]["rule"] for alert in bench.alerts] == ["card"]


async def test_a_target_that_wants_no_more_gives_up_and_teams_is_told_all_the_same() -> None:
    bench = Bench({"alert": ALERT, "policyViolation": True})
    bench.target.troubles = [GiveUp("the target answered 410: it wants no more events")]

    assert isinstance(await bench.handle(change(content("CARD"))), GivenUp)
    assert bench.graph.actions == ["blockAccess"]


async def test_a_target_that_cannot_be_made_holds_up_nothing_else() -> None:
    bench = Bench({"alert": {"to": CANARY}, "policyViolation": True}, target_trouble=GiveUp("forward: 'to' is wrong"))

    assert isinstance(await bench.handle(change(content("CARD"))), GivenUp)
    assert bench.graph.actions == ["blockAccess"]


async def test_as_long_as_something_may_succeed_nothing_is_given_up() -> None:
    bench = Bench({"alert": ALERT, "policyViolation": True})
    bench.target.troubles = [GiveUp("the target answered 410: it wants no more events")]
    bench.graph.troubles = [GraphApiError("PATCH", status=503)]

    assert isinstance(await bench.handle(change(content("CARD"))), Again)


async def test_without_somebody_to_tell_nobody_is_told() -> None:
    bench = Bench()
    await bench.done(change(content("CARD")))

    assert bench.asked_targets == []


# -- Teams ------------------------------------------------------------------------------------------------------------


async def test_teams_is_told_by_the_gravest_open_finding() -> None:
    bench = Bench({"policyViolation": {"text": "Ask security.", "url": "https://contoso.com/dlp"}})
    await bench.done(change(content("IBAN CARD")))

    [(path, body)] = bench.graph.bodies
    assert path == CHANNEL_MESSAGE
    assert body == {
        "policyViolation": {
            "dlpAction": "blockAccess",
            "verdictDetails": "allowFalsePositiveOverride",
            "policyTip": {
                "generalText": "Ask security.",
                "complianceUrl": "https://contoso.com/dlp",
                "matchedConditionDescriptions": ["card", "iban"],
            },
        }
    }


async def test_the_update_that_our_own_words_cause_ends_it() -> None:
    bench = Bench({"policyViolation": True})
    await bench.done(change(content("CARD")))
    stated = bench.graph.bodies[0][1]["policyViolation"]
    await bench.done(
        change(content("CARD", minute=1, edited=False, policyViolation=stated)),
        change(content("CARD", minute=2, edited=False, policyViolation=stated)),
    )
    assert bench.graph.actions == ["blockAccess"]


async def test_what_teams_did_not_take_over_is_not_said_again_and_again() -> None:
    bench = Bench({"policyViolation": True})
    await bench.done(*(change(content("CARD", minute=minute, edited=False)) for minute in range(4)))

    assert bench.graph.actions == ["blockAccess"]


async def test_an_edit_makes_it_milder_and_in_the_end_nothing() -> None:
    bench = Bench({"policyViolation": True})
    await bench.done(
        change(content("CARD IBAN")),
        change(content("IBAN", minute=1, policyViolation={"dlpAction": "BlockAccess"})),
        change(content("fine", minute=2, policyViolation={"dlpAction": "notifySender"})),
    )

    assert bench.graph.actions == ["blockAccess", "notifySender", "none"]


@pytest.mark.parametrize(
    ("violation", "actions"),
    [
        (None, ["notifySender"]),
        ({"dlpAction": "none"}, ["notifySender"]),
        ("odd", ["notifySender"]),
        ({"dlpAction": "NotifySender"}, []),
        ({"dlpAction": "blockAccess"}, []),
        ({"dlpAction": "notifySender,blockAccess"}, []),
        ({"dlpAction": "none", "userAction": "override"}, []),
        ({"dlpAction": "none", "userAction": "ReportFalsePositive"}, []),
    ],
)
async def test_what_the_sender_decided_stays_and_what_others_did_is_never_made_milder(
    violation: object, actions: list[str]
) -> None:
    bench = Bench({"policyViolation": True})
    await bench.done(change(content("IBAN", policyViolation=violation)))

    assert bench.graph.actions == actions


@pytest.mark.parametrize("told", [change(content("WORD")), change(content("CARD"), resource=MAIL)])
async def test_teams_is_told_nothing_where_there_is_nothing_to_tell(told: Change) -> None:
    bench = Bench({"policyViolation": True})
    await bench.done(told)

    assert bench.graph.bodies == []


async def test_an_older_version_says_nothing() -> None:
    """What the sender decided since is not in it."""
    bench = Bench({"policyViolation": True})
    overridden = {"dlpAction": "none", "userAction": "override"}
    await bench.done(
        change(content("CARD", minute=1, edited=False, policyViolation=overridden)),
        change(content("CARD")),
        deletion(3),
        change(content("IBAN", minute=2)),
    )

    assert bench.graph.bodies == []


async def test_a_refusal_is_tried_again_and_a_message_that_is_gone_is_not() -> None:
    bench = Bench({"policyViolation": True})
    bench.graph.troubles = [GraphApiError("PATCH", status=429, retry_after=timedelta(minutes=2))]
    outcome = await bench.handle(change(content("CARD")))
    assert isinstance(outcome, Again)
    assert outcome.at_least == timedelta(minutes=2)
    bench.graph.troubles = [GraphApiError("PATCH", status=404)]
    await bench.done(change(content("CARD")), change(content("CARD")))

    assert bench.graph.bodies == []


# -- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_classifier_that_fails_is_named_and_the_change_comes_again() -> None:
    bench = Bench(rules=Words(trouble=ClassifierError("medical-terms", "raised ValueError")))
    outcome = await bench.handle(change(content(f"{CANARY} CARD")))

    assert isinstance(outcome, Again)
    assert "'medical-terms'" in outcome.error
    assert CANARY not in outcome.error


async def test_storage_that_is_away_lets_the_change_come_again_and_nobody_is_told_before() -> None:
    bench = Bench({"alert": ALERT, "policyViolation": True})
    bench.store.outage.away = True
    outcome = await bench.handle(change(content("CARD")))

    assert isinstance(outcome, Again)
    assert (bench.alerts, bench.graph.bodies) == ([], [])


async def test_options_that_are_not_in_order_say_so() -> None:
    outcome = await Bench({"rules": 5}).handle(change(content("CARD")))

    assert isinstance(outcome, Again)
    assert "'rules'" in outcome.error


class Crash(BaseException):
    """The process dies."""


@dataclass
class Dying:
    """A store that dies before or after the call with a number, and works again afterwards."""

    store: MemoryFindingStore
    at: int
    calls: int = 0

    async def apply(self, scan: Any) -> MessageState:
        self._may_die()
        state = await self.store.apply(scan)
        self._may_die()
        return state

    async def settle(self, state: MessageState, *, told: Any, verdict: str | None) -> None:
        self._may_die()
        await self.store.settle(state, told=told, verdict=verdict)
        self._may_die()

    def _may_die(self) -> None:
        self.calls += 1
        if self.calls == self.at:
            raise Crash


@pytest.mark.parametrize("at", [1, 2, 3, 4])
async def test_a_crash_after_any_step_ends_in_the_same_rows_and_alerts_of_the_same_ids(at: int) -> None:
    bench = Bench({"alert": ALERT, "policyViolation": True})
    dying = Dying(bench.store, at)
    with pytest.raises(Crash):
        await module.dlp(change(content("CARD IBAN")), replace(bench.services, findings=dying))  # type: ignore[arg-type]
    await bench.done(change(content("CARD IBAN")))

    assert await bench.statuses() == [("card", "open"), ("iban", "open")]
    assert len({name for name, _ in bench.target.events}) == 2
    assert set(bench.graph.actions) == {"blockAccess"}
    [state] = bench.store.messages.values()
    assert ({each.told for each in state.findings}, state.verdict) == ({True}, "blockAccess")


# -- whatever comes ---------------------------------------------------------------------------------------------------

TEXTS = st.lists(st.sampled_from(["CARD", "IBAN", "WORD", "fine"]), max_size=4).map(" ".join)


@st.composite
def lives(draw: st.DrawFn) -> list[Change]:
    """What happens to one message: it is written, reacted to, edited, deleted, restored."""
    text, told, deleted = draw(TEXTS), [], False
    told.append(change(content(text)))
    edited: str | None = None
    for minute in range(1, draw(st.integers(0, 4)) + 1):
        what = draw(st.sampled_from(["react", "edit", "delete", "restore"]))
        if what == "delete":
            deleted = True
        elif what == "restore" or deleted:
            deleted = False
        elif what == "edit":
            text, edited = draw(TEXTS), (NOW + timedelta(minutes=minute)).isoformat()
        if deleted:
            told.append(deletion(minute))
        else:
            told.append(change(content(text, minute=minute, lastEditedDateTime=edited)))
    return told


@given(st.data(), lives())
async def test_any_order_with_any_repetition_ends_in_the_same_findings_and_tells_of_each_once(
    data: st.DataObject, life: list[Change]
) -> None:
    arrived = data.draw(st.permutations(life + data.draw(st.lists(st.sampled_from(life), max_size=4))))
    one, other = Bench({"alert": ALERT}), Bench({"alert": ALERT})
    await one.done(*(replace(each) for each in life))
    await other.done(*(replace(each) for each in arrived))

    def known(bench: Bench, found: list[ListedFinding]) -> list[Any]:
        rows = [(each.finding.id, each.finding.rule, each.finding.start, each.status) for each in found]
        return [sorted(rows), sorted(name for name, _ in bench.target.events)]

    assert known(one, await one.listed()) == known(other, await other.listed())


async def test_no_secret_gets_into_a_row_an_alert_a_log_line_or_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench = Bench({"alert": ALERT, "policyViolation": True})
    bench.target.troubles = [RetryLater("later"), ValueError(CANARY)]
    bench.graph.troubles = [RuntimeError(CANARY)]
    outcomes = [
        await bench.handle(change(content(f"{CANARY} CARD {CANARY} IBAN {CANARY}", minute=minute)))
        for minute in (0, 0, 1)
    ]
    await bench.done(deletion(2))
    reading = FindingReading(store=bench.store, now=lambda: NOW)
    answers = [await reading.page({}, accept=kind) for kind in ("application/json", "text/csv")]
    answers.append(await reading.summary({"until": "2026-11-21"}))
    told = [outcomes, bench.store.messages, bench.target.events, bench.graph.bodies, answers, caplog.text]

    assert [each for each in told if CANARY in repr(each)] == []
    assert caplog.records
    assert len(bench.alerts) == 2
    assert all(answer.status == 200 and "card" in answer.body for answer in answers)


def test_it_runs_only_where_it_is_listed() -> None:
    assert {each.listed for each in registrations(module)} == {True}
