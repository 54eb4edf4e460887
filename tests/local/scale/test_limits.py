"""Which limit is met first: loads recomputed by hand, and what becomes of it when one limit is another."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.__main__ import main
from local.cost.tables import figures, sizes
from local.graph.catalogue.find import by_key
from local.scale.model import LIFETIME_MINUTES, Held, Limit, Workload, hold, limits, loads, subscriptions
from local.scale.printing import STEPS, ladder, number
from tests.house.shipping import ROOT

VALUES = {key: figure.value for key, figure in figures().items()}
STANDARD = sizes()["standard"]


def workload(changes: float, **other: object) -> Workload:
    return Workload(changes_per_day=changes, size=STANDARD, **other)  # type: ignore[arg-type]


def held(changes: float, table: Sequence[Limit] | None = None, **other: object) -> list[Held]:
    return hold(workload(changes, **other), limits() if table is None else table, VALUES)


def named(rows: Sequence[Held], key: str) -> Held:
    [row] = [each for each in rows if each.limit.key == key]
    return row


def test_the_loads_of_the_busiest_second() -> None:
    """12 million a day in 36,000 s are 333 a second, thrice that in the busiest: 1,000."""
    found = loads(workload(12e6), VALUES)

    assert found["ledger-rows-per-second"] == pytest.approx(3_000)
    assert found["table-rows-per-second"] == pytest.approx(6_000)
    assert found["bodies-per-second"] == pytest.approx(100)
    assert found["envelopes-per-second"] == pytest.approx(100)
    assert found["storage-requests-per-second"] == pytest.approx(100 * 6 + 1_000 * 2)
    assert found["megabytes-per-second"] == pytest.approx(2.82)
    # an envelope of ten: 1 + 6 + 10 x (0.35 + 0.3 + 3.5) ms = 48.5 ms, a core 60 % busy: 4.85 / 0.6
    assert found["processor-instances"] == 9
    assert found["http-instances"] == 1
    assert found["instances-megabytes"] == 10 * 2048
    assert found["reads-per-second"] == 0
    assert loads(workload(12e6, rich=False), VALUES)["reads-per-second"] == pytest.approx(1_000)


def test_the_ledger_of_one_entry_is_met_first() -> None:
    """2,000 rows a second at three a change are 667 changes: 8 million a day, as decision 1 says of one subscription."""
    first = held(1e6)[0]

    assert first.limit.key == "ledger-partition"
    assert first.met_at == pytest.approx(2_000 / 3 * 36_000 / 3, rel=0.001)
    assert named(held(8.1e6), "ledger-partition").share > 1
    assert named(held(7.9e6), "ledger-partition").share < 1


def test_entries_in_parts_move_it() -> None:
    rows = held(1e6, entries=100)

    assert rows[0].limit.key == "table-account"
    assert named(rows, "ledger-partition").met_at == pytest.approx(100 * 8e6, rel=0.001)


def test_a_limit_that_is_another_gives_another_answer() -> None:
    table = [replace(limit, limit=1.0) if limit.key == "queue" else limit for limit in limits()]

    assert held(1e6, table)[0].limit.key == "queue"
    # ten a body: one message a second is 10 changes, 3.33 in a usual second
    assert held(1e6, table)[0].met_at == pytest.approx(10 / 3 * 36_000, rel=0.001)


@pytest.mark.parametrize("key", [limit.key for limit in limits()])
def test_each_limit_counts(key: str) -> None:
    """Were it a millionth, it would be met sooner: no row is decoration."""
    row = next(limit for limit in limits() if limit.key == key)
    other = {
        "delivery": "hub" if "hub" in row.on else "webhook",
        "live": "live" in row.on,
        "rich": key != "graph-reads",
        "source": "mail" if row.load == "renewals-per-second" else "teams",
    }
    table = [replace(row, limit=row.limit * 1e-6)]

    size = sizes()["small" if key == "log-quota" else "standard"]
    at = Workload(changes_per_day=1e5, size=size, **other)  # type: ignore[arg-type]

    assert hold(at, table, VALUES)[0].met_at < hold(at, [row], VALUES)[0].met_at


def test_mailboxes_have_a_subscription_each_that_is_renewed() -> None:
    mail = workload(10e6, source="mail")
    assert subscriptions(mail) == 100_000

    # with resource data a life is a day, renewed from 48 % on
    assert loads(mail, VALUES)["renewals-per-second"] == pytest.approx(100_000 / (0.48 * 86_400))
    assert named(held(1e6, source="mail"), "own-pace").met_at == pytest.approx(20 * 0.48 * 86_400 * 100, rel=0.001)
    week = loads(replace(mail, rich=False), VALUES)["renewals-per-second"]
    assert week == pytest.approx(100_000 / (0.48 * 7 * 86_400))


def test_lifetimes_are_the_catalogue_s() -> None:
    for (source, rich), minutes in LIFETIME_MINUTES.items():
        row = by_key({"teams": "channel-message", "mail": "message"}[source])
        assert minutes == (row.max_rich_minutes if rich and row.max_rich_minutes else row.max_minutes)


def test_pull_mode_has_limits_of_its_own() -> None:
    keys = {each.limit.key for each in held(1e6, delivery="hub")}

    assert {"hub-events", "hub-bytes", "hub-partitions"} <= keys
    assert not keys & {"queue", "http-instances", "processor-instances", "signalr-connections"}
    # ten units take 10 MB a second: 3,546 rich changes
    assert named(held(1e6, delivery="hub"), "hub-bytes").met_at == pytest.approx(10e6 / 2_820 * 36_000 / 3, rel=0.001)


def test_an_option_that_a_size_does_not_have_limits_nothing() -> None:
    small = Workload(changes_per_day=1e6, size=sizes()["small"], live=True)

    assert "signalr-connections" not in {each.limit.key for each in hold(small, limits(), VALUES)}


def test_the_small_size_stops_to_log_at_a_gigabyte_a_day() -> None:
    """An envelope leaves 1,720 bytes of two traces and 2,600 of two requests."""
    small = Workload(changes_per_day=1e6, size=sizes()["small"], per_body=1)

    assert named(hold(small, limits(), VALUES), "log-quota").met_at == pytest.approx(1e9 / 4_320, rel=0.001)
    assert "log-quota" not in {each.limit.key for each in held(1e6)}


def test_the_ladder_goes_from_a_hundred_to_a_hundred_million() -> None:
    head, *rows = ladder(workload(1), limits(), VALUES)

    assert [row[0] for row in rows] == ["100", "1,000", "10,000", "100,000", "1 million", "10 million", "100 million"]
    assert len(rows) == len(STEPS)
    assert all(len(row) == len(head) for row in rows)
    assert rows[0][-1] == "nothing need be"
    assert "**ledger-partition** (125%)" in rows[-2]


@pytest.mark.parametrize("limit", limits(), ids=lambda limit: limit.key)
def test_a_limit_says_what_moves_it_and_who_says_so(limit: Limit) -> None:
    assert limit.moved_by
    assert (ROOT / limit.source).is_file() if limit.sure == "ours" else limit.source.startswith("https://learn.")
    assert set(limit.on) <= {"webhook", "hub", "live"}
    assert limit.load in loads(workload(1), VALUES)


def test_it_is_printed_and_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale"]) == 0
    assert "100 million" in capsys.readouterr().out
    assert main(["scale", "--changes-per-day", "20000000", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["limits"][0]["limit"] == "ledger-partition"
    assert data["limits"][0]["metAt"] == pytest.approx(8e6, rel=0.001)
    assert any(limit["metAt"] is None for limit in data["limits"])


@pytest.mark.parametrize("wrong", [["--changes-per-day", "0"], ["--per-body", "nan"], ["--entries", "0"]])
def test_what_makes_no_sense_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", *wrong]) == 2
    assert "at least 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0083, "0.0083"), (3, "3"), (83.3, "83"), (8e6, "8 million"), (1.07e9, "1.07 thousand million")],
)
def test_numbers_have_as_many_digits_as_mean_something(value: float, said: str) -> None:
    assert number(value) == said


@given(
    changes=st.floats(1, 1e10),
    per_body=st.floats(1, 1000),
    entries=st.integers(1, 100_000),
    source=st.sampled_from(["teams", "mail"]),
    delivery=st.sampled_from(["webhook", "hub"]),
    rich=st.booleans(),
    feed=st.booleans(),
    live=st.booleans(),
)
def test_every_workload_has_an_order_and_more_changes_are_never_less_load(changes: float, **other: object) -> None:
    some = workload(changes, **other)
    rows = hold(some, limits(), VALUES)
    twice = loads(replace(some, changes_per_day=changes * 2), VALUES)

    assert [each.met_at for each in rows] == sorted(each.met_at for each in rows)
    assert all(each.share > 1 or math.isinf(each.met_at) or each.met_at >= changes * 0.999 for each in rows)
    assert all(twice[key] >= load * 0.999 for key, load in loads(some, VALUES).items())
