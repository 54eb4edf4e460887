"""The reckoning of the demo notices each kind of broken promise: an honest run holds, and one spoiled thing does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from local.demo.reckoning import Evidence, Reckoning, event_key, normalised, percentile, reckon
from local.demo.sink import Received

START = 1_795_000_000.0
KILL = START + 10
CHANNEL = "teams('t')/channels('19:c')/messages"
MAIL = "Users/u/Messages"

NO_TALLY: Mapping[str, Any] = {
    "changes": 3,
    "sent": 3,
    "bodies": 1,
    "acknowledged": 3,
    "duplicates": 1,
    "late": 0,
    "forged": {"wrong-mac": 1},
    "ack_ms": {"p50": 1.0, "p99": 2.0},
}


@dataclass(frozen=True)
class Happened:
    """One change in the simulated world."""

    resource: str
    version: str
    change_type: str = "created"
    text: str = "good morning"
    seconds: float = 0.0

    @property
    def deleted(self) -> bool:
        return self.change_type == "deleted"

    @property
    def truth(self) -> dict[str, Any]:
        at = f"2026-11-18T14:{self.seconds // 60:02.0f}:{self.seconds % 60:02.0f}.000000Z"
        return {
            "resource": self.resource,
            "version": self.version,
            "changeType": self.change_type,
            "acknowledged": at,
            "at": at,
        }

    @property
    def item(self) -> dict[str, Any]:
        return {"resource": self.resource, "version": self.version, "deleted": self.deleted, "text": self.text}

    @property
    def row(self) -> dict[str, Any]:
        content = None if self.deleted else {"body": {"content": f"<p>{self.text}</p>"}}
        return {
            "resource": normalised(self.resource),
            "version": self.version,
            "deleted": self.deleted,
            "changeType": self.change_type,
            "arrived": "2026-11-18T14:00:00.000Z",
            "content": content,
        }

    def arrival(self, at: float = START, event_id: str = "") -> Received:
        data = {"resource": self.resource, "notification": {}, "content": {"etag": self.version}}
        return Received(event={"id": event_id or f"{self.resource}@{self.version}", "data": data}, at=at)


FIRST = Happened(f"{CHANNEL}('1')", "1")
EDITED = Happened(f"{CHANNEL}('1')", "2", "updated", "good evening")
LETTER = Happened(f"{MAIL}/A", 'W/"1"')


def honest() -> Evidence:
    return Evidence(
        tally=NO_TALLY,
        truths=[FIRST.truth, EDITED.truth, LETTER.truth],
        items=[EDITED.item, LETTER.item],
        received=[FIRST.arrival(), EDITED.arrival(), LETTER.arrival()],
        dead_letters=[],
        # every change has a row, and each row shows the item as it is now
        feed=[EDITED.row, EDITED.row, LETTER.row],
    )


def dead_letter(resource: str) -> dict[str, Any]:
    return {"reason": "cannot be opened", "items": [{"notification": {"resource": resource}}]}


def told(reckoning: Reckoning) -> dict[str, Sequence[str]]:
    kinds = ("lost", "twice", "strangers", "objections")
    return {kind: getattr(reckoning, kind) for kind in kinds if getattr(reckoning, kind)}


def test_an_honest_run_holds() -> None:
    reckoning = reckon(honest())

    assert told(reckoning) == {}
    assert reckoning.holds
    assert reckoning.handled == 3
    assert reckoning.as_data()["holds"] is True


def test_a_change_that_never_arrived_is_lost() -> None:
    reckoning = reckon(replace(honest(), received=[FIRST.arrival(), EDITED.arrival()]))

    assert told(reckoning) == {"lost": [f"created {LETTER.resource} (version {LETTER.version}) never arrived"]}
    assert not reckoning.holds


def test_one_version_of_several_that_never_arrived_is_lost() -> None:
    assert not reckon(replace(honest(), received=[EDITED.arrival(), LETTER.arrival()])).holds


def test_a_change_that_was_never_acknowledged_is_not_lost() -> None:
    truths = [FIRST.truth, EDITED.truth, LETTER.truth | {"acknowledged": None}]
    evidence = replace(
        honest(), truths=truths, received=[FIRST.arrival(), EDITED.arrival()], feed=[EDITED.row, EDITED.row]
    )

    assert reckon(evidence).holds


def test_a_change_among_the_dead_letters_is_not_lost() -> None:
    evidence = replace(
        honest(),
        received=[FIRST.arrival(), EDITED.arrival()],
        feed=[EDITED.row, EDITED.row],
        dead_letters=[dead_letter(LETTER.resource)],
    )

    assert reckon(evidence).holds
    assert reckon(evidence).dead == 1


def test_a_dead_letter_of_a_forgery_is_counted_apart() -> None:
    reckoning = reckon(replace(honest(), dead_letters=[dead_letter(f"{MAIL}/FORGED1")]))

    assert (reckoning.dead, reckoning.forged_dead) == (0, 1)


def test_an_event_of_something_that_never_happened_is_a_stranger() -> None:
    forged = Happened(f"{MAIL}/FORGED1", 'W/"FORGED"')
    reckoning = reckon(replace(honest(), received=[*honest().received, forged.arrival()]))

    assert list(told(reckoning)) == ["strangers"]
    assert not reckoning.holds


def test_a_version_that_never_was_is_a_stranger() -> None:
    invented = replace(FIRST, version="7")

    assert not reckon(replace(honest(), received=[*honest().received, invented.arrival()])).holds


def test_a_feed_row_of_something_that_never_happened_is_a_stranger() -> None:
    forged = Happened(f"{MAIL}/FORGED1", 'W/"FORGED"')
    reckoning = reckon(replace(honest(), feed=[*honest().feed, forged.row]))

    assert list(told(reckoning)) == ["strangers"]


def test_one_change_under_two_event_ids_is_twice_however_close_the_kill() -> None:
    received = [*honest().received, LETTER.arrival(at=KILL, event_id="another")]
    reckoning = reckon(replace(honest(), received=received, kills=[KILL]))

    assert list(told(reckoning)) == ["twice"]


def test_a_change_sent_again_without_a_crash_is_twice() -> None:
    reckoning = reckon(replace(honest(), received=[*honest().received, LETTER.arrival(at=START + 1)]))

    assert told(reckoning) == {"twice": [f"{LETTER.resource} (version {LETTER.version}) arrived 2 times"]}
    assert not reckoning.holds


@pytest.mark.parametrize("seconds", [-1.9, 0.4])
def test_what_was_under_way_at_the_kill_may_be_sent_again(seconds: float) -> None:
    received = [FIRST.arrival(), EDITED.arrival(), LETTER.arrival(at=KILL + seconds), LETTER.arrival(at=KILL + 6)]
    reckoning = reckon(replace(honest(), received=received, kills=[KILL]))

    assert reckoning.holds
    assert reckoning.resent_after_kill == 1
    assert reckoning.duplicates_suppressed == 1, "what was sent again is no duplicate that came through"


@pytest.mark.parametrize("seconds", [-2.5, 1.0])
def test_a_crash_at_another_time_excuses_nothing(seconds: float) -> None:
    received = [FIRST.arrival(), EDITED.arrival(), LETTER.arrival(at=KILL + seconds), LETTER.arrival(at=KILL + 6)]

    assert not reckon(replace(honest(), received=received, kills=[KILL])).holds


def test_each_time_that_a_change_is_sent_again_takes_a_crash_of_its_own() -> None:
    copies = [LETTER.arrival(at=at) for at in (KILL - 1, KILL + 7, KILL + 14)]
    evidence = replace(honest(), received=[FIRST.arrival(), EDITED.arrival(), *copies])

    assert not reckon(replace(evidence, kills=[KILL])).holds
    assert reckon(replace(evidence, kills=[KILL, KILL + 8])).holds


def test_a_feed_that_shows_an_older_version_has_lost_a_change() -> None:
    stale = FIRST.row
    reckoning = reckon(replace(honest(), feed=[stale, stale, LETTER.row]))

    assert told(reckoning) == {"lost": [f"{EDITED.resource}: the feed shows version 1, not 2"]}
    assert not reckoning.holds


def test_a_feed_that_shows_another_text_has_lost_a_change() -> None:
    wrong = replace(EDITED, text="FORGED").row

    assert not reckon(replace(honest(), feed=[wrong, wrong, LETTER.row])).holds


def test_a_feed_that_shows_what_was_deleted_has_lost_a_change() -> None:
    gone = replace(LETTER, change_type="deleted")
    evidence = replace(honest(), truths=[*honest().truths[:2], gone.truth], items=[EDITED.item, gone.item])

    assert not reckon(evidence).holds
    assert reckon(replace(evidence, feed=[EDITED.row, EDITED.row, gone.row])).holds


def test_an_item_that_is_in_no_feed_is_lost() -> None:
    reckoning = reckon(replace(honest(), feed=[EDITED.row, EDITED.row]))

    assert told(reckoning) == {"lost": [f"{LETTER.resource} is in no feed"]}


def test_more_rows_in_the_log_than_changes_is_twice() -> None:
    assert list(told(reckon(replace(honest(), feed=[*honest().feed, LETTER.row])))) == ["twice"]


def test_an_echoed_secret_breaks_a_promise_and_a_failed_answer_does_not() -> None:
    finding = {"says": "secrets must not be echoed", "count": 1, "example": "http://localhost/api/notifications"}

    assert not reckon(replace(honest(), objections=[finding | {"rule": "secret"}])).holds
    assert reckon(replace(honest(), objections=[finding | {"rule": "failed"}])).holds


def test_a_run_in_which_nothing_happened_proves_nothing() -> None:
    nothing = replace(honest(), truths=[], items=[], received=[], feed=[])

    assert told(reckon(nothing)) == {}
    assert not reckon(nothing).holds


def test_a_basic_event_is_known_by_the_etag_of_its_notification() -> None:
    data = {"resource": f"{MAIL}/A", "notification": {"resourceData": {"@odata.etag": 'W/"2"'}}, "content": None}

    assert event_key({"data": data}) == (f"{MAIL}/A", 'W/"2"')


def test_both_spellings_of_a_resource_are_one() -> None:
    assert normalised("teams('T')/channels('19:c')/messages('1')") == "teams/t/channels/19:c/messages/1"


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 3.0), (1.0, 4.0)])
def test_a_percentile_is_a_value_of_the_list(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
    assert percentile([], share) is None


CHAT = Happened("chats('c')/messages('9')", "1", text="my card is 4111 1111 1111 1111")
FOUND: Mapping[str, Any] = {"id": "f", "resource": normalised(CHAT.resource), "rule": "card", "status": "open"}


def with_a_chat(**found: Any) -> Evidence:
    evidence = honest()
    return replace(
        evidence,
        truths=[*evidence.truths, CHAT.truth],
        items=[*evidence.items, CHAT.item],
        received=[*evidence.received, CHAT.arrival(START + 0.1)],
        feed=[*evidence.feed, CHAT.row],
        **found,
    )


def test_what_was_pulled_is_counted_apart_and_its_findings_belong_to_the_verdict() -> None:
    reckoning = reckon(with_a_chat(findings=[FOUND], alerts=[{"id": "f"}]))

    assert reckoning.holds
    assert (reckoning.pulled, reckoning.watched.open) == (1, 1)


def test_where_somebody_looks_what_is_overlooked_breaks_the_promise() -> None:
    assert not reckon(with_a_chat(findings=[])).holds
    assert reckon(with_a_chat()).holds
