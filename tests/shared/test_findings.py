"""How the findings of one message change as its versions arrive, in whatever order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dlp.values import SEVERITIES, Match, Severity
from shared.findings import (
    MOST_FINDINGS,
    MOST_MATCHES,
    Message,
    MessageState,
    Scan,
    Version,
    day_of,
    end_of_day,
    gravest,
    merge,
    message_key,
    place_at,
    place_of,
    read_continuation,
    settle,
    write_continuation,
    write_day,
)
from shared.graph.resource import read_resource
from tests.builders import NOW, TENANT

MESSAGE = Message(
    key="0" * 40,
    subscription="teams-messages",
    tenant_id=TENANT,
    resource="chats/c/messages/m",
    feed="f" + "a" * 24,
    sender="sender",
)


def match(
    rule: str = "card", *, start: int = 10, part: str = "body", index: int = 0, severity: Severity = "high"
) -> Match:
    return Match(rule=rule, kind=rule, severity=severity, part=part, part_index=index, start=start, length=16)


def scan(minute: int, *matches: Match, deleted: bool = False, text: str = "", tell: bool = False) -> Scan:
    changed = NOW + timedelta(minutes=minute)
    version = Version(changed=changed, number=minute, deleted=deleted, name=str(minute), text=text)
    return Scan(message=MESSAGE, version=version, matches=matches, change_key=f"key{minute}", at=NOW, tell=tell)


def applied(*scans: Scan) -> MessageState:
    state: MessageState | None = None
    for each in scans:
        state = merge(state, each)
    assert state is not None
    return state


def told(state: MessageState) -> set[tuple[str, int, str]]:
    return {(each.finding.rule, each.finding.start, each.status) for each in state.listed()}


def test_what_an_edit_removed_is_said_to_be_edited_away_and_what_it_added_is_new() -> None:
    state = applied(scan(1, match("card"), match("iban", start=50)), scan(2, match("card"), match("name", start=90)))

    assert told(state) == {("card", 10, "open"), ("iban", 50, "edited-away"), ("name", 90, "open")}


def test_a_deletion_is_recorded_on_what_was_open_and_deletes_nothing() -> None:
    state = applied(scan(1, match("card"), match("iban", start=50)), scan(2, match("card")), scan(3, deleted=True))

    assert told(state) == {("card", 10, "message-deleted"), ("iban", 50, "edited-away")}


def test_what_is_restored_is_open_again() -> None:
    state = applied(scan(1, match()), scan(2, deleted=True), scan(3, match()))

    assert told(state) == {("card", 10, "open")}


def test_a_late_version_undoes_nothing_and_its_findings_are_recorded_all_the_same() -> None:
    assert told(applied(scan(2), scan(1, match()))) == {("card", 10, "edited-away")}
    assert told(applied(scan(2, deleted=True), scan(1, match()))) == {("card", 10, "message-deleted")}


def test_words_written_before_a_finding_move_it_and_make_no_new_one() -> None:
    first, moved = applied(scan(1, match(start=10))), applied(scan(1, match(start=10)), scan(2, match(start=25)))

    assert [each.id for each in moved.findings] == [each.id for each in first.findings]
    assert told(moved) == {("card", 25, "open")}


def test_the_same_version_again_says_nothing_new() -> None:
    state = applied(scan(1, match()), scan(2, match()))

    assert merge(state, scan(2, match())) is state
    assert merge(state, scan(1, match())) is state


def test_what_a_change_of_the_rules_no_longer_finds_was_not_edited_away() -> None:
    """A reaction makes a version of the same text; whoever scans it may have other rules."""
    state = applied(scan(1, match("card"), match("iban"), text="unedited"), scan(2, match("card"), text="unedited"))

    assert {status for _, _, status in told(state)} == {"open"}


def test_of_two_versions_in_one_second_nobody_says_which_is_newer() -> None:
    mail = Version(changed=NOW, name="CQAAABYA")
    first = replace(scan(0, match()), version=mail)
    second = replace(scan(0), version=replace(mail, name="CQAAABYB"))

    assert told(applied(first, second)) == told(applied(second, first)) == {("card", 10, "open")}


def test_findings_are_told_of_only_where_somebody_wants_to_hear() -> None:
    assert [each.told for each in applied(scan(1, match())).findings] == [True]
    wanted = applied(scan(1, match(), tell=True))
    assert [each.told for each in wanted.findings] == [False]
    settled = settle(wanted, told={wanted.findings[0].id}, verdict="blockAccess")
    assert ([each.told for each in settled.findings], settled.verdict) == ([True], "blockAccess")
    assert settle(settled, told=set(), verdict=None) is settled


def test_a_message_full_of_them_has_the_gravest_and_no_more_than_a_row_holds() -> None:
    mild = [match("word", start=number, severity="low") for number in range(MOST_MATCHES)]
    state = applied(scan(1, *mild, match("card", start=9999)))
    assert len(state.findings) == MOST_MATCHES
    assert "card" in {each.rule for each in state.findings}
    versions = [
        scan(minute, *(match("word", start=number, index=minute) for number in range(MOST_MATCHES)))
        for minute in range(1, 8)
    ]
    assert len(applied(*versions).findings) == MOST_FINDINGS


def test_two_subscriptions_and_two_files_of_rules_keep_apart() -> None:
    resource = read_resource("chats/c/messages/m")
    known = {"tenant_id": TENANT, "subscription": "one", "rules": "dlp_rules.json"}
    keys = {
        message_key(**(known | changes), resource=resource)
        for changes in ({}, {"subscription": "two"}, {"rules": "other.json"}, {"tenant_id": "x"})
    }

    assert len(keys) == 4


@pytest.mark.parametrize(
    ("severities", "worst"), [([], None), (["low", "high", "medium"], "high"), (["low", "medium"], "medium")]
)
def test_the_gravest_counts(severities: Sequence[Severity], worst: Severity | None) -> None:
    assert gravest(severities) == worst


# -- any order --------------------------------------------------------------------------------------------------------

MATCHES = st.builds(
    match,
    st.sampled_from(["card", "iban"]),
    start=st.integers(0, 3).map(lambda number: number * 20),
    part=st.sampled_from(["body", "subject"]),
    severity=st.sampled_from(SEVERITIES),
)


@st.composite
def lives(draw: st.DrawFn) -> list[Scan]:
    """The versions of one message, each either a text or a deletion; a version may leave the text as it was."""
    scans: list[Scan] = []
    for minute in range(1, draw(st.integers(1, 5)) + 1):
        what = draw(st.sampled_from(["edit", "edit", "same", "delete"]))
        if what == "delete":
            scans.append(scan(minute, deleted=True))
        elif what == "same" and scans and not scans[-1].version.deleted:
            scans.append(scan(minute, *scans[-1].matches, text=scans[-1].version.text))
        else:
            scans.append(scan(minute, *draw(st.lists(MATCHES, max_size=4)), text=f"edit {minute}"))
    return scans


@given(st.data(), lives())
def test_any_order_with_any_repetition_ends_as_the_order_in_which_it_happened(
    data: st.DataObject, life: list[Scan]
) -> None:
    arrived = data.draw(st.permutations(life + data.draw(st.lists(st.sampled_from(life), max_size=5))))
    state, expected = applied(*arrived), applied(*life)

    def known(of: MessageState) -> dict[str, object]:
        return {
            each.finding.id: (each.status, each.finding.start, each.finding.severity, each.finding.seen)
            for each in of.listed()
        }

    assert known(state) == known(expected)
    assert (state.newest, state.shown) == (expected.newest, expected.shown)


# -- places -----------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive


@given(MOMENTS, MOMENTS)
def test_places_and_days_sort_from_the_newest(one: datetime, other: datetime) -> None:
    older, newer = sorted((one, other))
    assert place_of(newer, "0" * 32) <= place_of(older, "0" * 32)
    assert day_of(place_of(newer, "0" * 32)) <= day_of(place_of(older, "0" * 32))
    assert (place_of(newer, "f" * 32) < place_at(older)) is True
    assert (place_of(older, "0" * 32) > place_at(newer)) is (older < newer)
    assert day_of(place_at(one)) == write_day(one.date())
    assert place_of(one, "f" * 32) < end_of_day(write_day(one.date()))


@given(MOMENTS)
def test_a_continuation_reads_as_it_was_written(moment: datetime) -> None:
    for place in (place_of(moment, "0123456789abcdef" * 2), place_at(moment)):
        assert read_continuation(write_continuation(place)) == place


@given(st.text(max_size=80))
def test_any_other_text_is_no_continuation(text: str) -> None:
    try:
        place = read_continuation(text)
    except (ValueError, OverflowError):
        return
    assert write_continuation(place) == text
