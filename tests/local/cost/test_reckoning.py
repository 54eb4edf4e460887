"""Bills, recomputed by hand, and what must hold of every bill."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.cost.model import HOURS, SECONDS, Bill, Load, cpu_ms, envelopes_per_body, gigabytes_logged, reckon
from local.cost.tables import OPTIONS, Figure, figures, prices, sizes
from tests.house.shipping import ROOT

VALUES = {key: figure.value for key, figure in figures().items()}
QUIET = Load(notifications_per_day=0)


def bill(size: str, load: Load, *options: str, changed: Mapping[str, Figure] | None = None) -> Bill:
    return reckon(sizes()[size], load, prices(), changed or figures(), options)


def spent_on(written: Bill, key: str) -> float:
    return sum(line.dollars for line in written.lines if line.price.key == key)


def used_of(written: Bill, key: str) -> float:
    return sum(line.quantity for line in written.lines if line.price.key == key)


def test_a_month_has_730_hours() -> None:
    assert pytest.approx(730) == HOURS
    assert pytest.approx(730 * 3600) == SECONDS


def test_the_small_size_costs_its_alerts_while_nothing_is_heard() -> None:
    written = bill("small", QUIET)

    assert written.total == pytest.approx(5 * 0.50)
    assert written.moving == 0
    # 16 runs of timers an hour, a second each, half a gigabyte: far below the grant
    assert used_of(written, "flex-time") == pytest.approx(730 * 16 * 0.5)


def test_an_always_ready_instance_is_paid_for_though_it_be_idle() -> None:
    """Two of 2 GB: 2 x 2 x 2,628,000 s x 0.000004."""
    assert spent_on(bill("standard", QUIET), "ready-time") == pytest.approx(42.05, abs=0.01)
    # four for Graph, four for the queue, four for the hub
    assert spent_on(bill("large", QUIET), "ready-time") == pytest.approx(12 * 2 * 2_628_000 * 0.000004)


def test_one_instance_that_waits_at_a_queue_asks_it_once_a_second() -> None:
    assert used_of(bill("standard", QUIET), "queue-requests") == pytest.approx(2_628_000)
    assert used_of(bill("small", QUIET), "queue-requests") == 0


def test_each_of_few_deliveries_pays_its_second() -> None:
    """A hundred a day are 3,042 a month: each wakes an instance for Graph and one for the queue."""
    written = bill("small", Load(notifications_per_day=100))

    seconds = (used_of(written, "flex-time") - 730 * 16 * 0.5) / 0.5
    assert seconds == pytest.approx(2 * 100 * 365 / 12, rel=0.01)


def test_many_deliveries_share_their_seconds() -> None:
    """Ten a second: one instance of a group executes all the time, ten hours a day."""
    written = bill("small", Load(notifications_per_day=10 * 36_000, feed=False, rich=False))

    busy = 36_000 * 365 / 12
    assert (used_of(written, "flex-time") - 730 * 16 * 0.5) / 0.5 == pytest.approx(2 * busy, rel=0.001)


def test_in_between_it_is_as_likely_as_chance_has_it() -> None:
    """One in two seconds: a second has a delivery in it with 1 - exp(-0.5), or 39 %."""
    written = bill("small", Load(notifications_per_day=18_000))

    busy = 36_000 * 365 / 12
    expected = 2 * busy * (1 - math.exp(-0.5)) * 0.5
    assert used_of(written, "flex-time") - 730 * 16 * 0.5 == pytest.approx(expected, rel=0.001)
    assert spent_on(written, "flex-time") == pytest.approx((expected + 730 * 16 * 0.5 - 100_000) * 0.000026)


def test_requests_to_storage_are_counted_by_the_envelope() -> None:
    written = bill("small", Load(notifications_per_day=1_200, per_body=12, rich=False))

    envelopes = 100 * 365 / 12
    assert used_of(written, "queue-requests") == pytest.approx(3 * envelopes)
    assert used_of(written, "table-requests") == pytest.approx(3 * envelopes + 2 * 1_200 * 365 / 12)


def test_a_body_that_does_not_fit_a_message_of_the_queue_takes_several() -> None:
    assert envelopes_per_body(Load(notifications_per_day=1, per_body=20), VALUES) == 1
    assert envelopes_per_body(Load(notifications_per_day=1, per_body=60), VALUES) == 3
    assert envelopes_per_body(Load(notifications_per_day=1, per_body=60, rich=False), VALUES) == 1


def test_logs_are_free_until_five_gigabytes() -> None:
    # two rows of 700 bytes and 320 of text, two requests of 1,300
    assert gigabytes_logged(1e6, executions=2, values=VALUES) == pytest.approx(4.32)
    assert spent_on(bill("small", Load(notifications_per_day=30_000)), "logs") == 0
    written = bill("small", Load(notifications_per_day=60_000))
    assert spent_on(written, "logs") == pytest.approx(2.30 * (used_of(written, "logs") - 5))
    # a gigabyte a day is all that the small size takes
    assert used_of(bill("small", Load(notifications_per_day=1e9)), "logs") == pytest.approx(365 / 12, abs=0.1)


def test_what_is_logged_is_what_host_json_lets_through() -> None:
    """Were traces sampled, or the host's own lines logged, the figures would be others."""
    logging = json.loads((ROOT / "host.json").read_bytes())["logging"]

    assert set(logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";")) >= {"Request", "Trace"}
    assert logging["logLevel"]["Function"] == "Warning"


def test_encrypted_content_and_feeds_take_cpu() -> None:
    plain = cpu_ms(Load(notifications_per_day=1, rich=False, feed=False), "processor", VALUES)
    assert plain == pytest.approx(1 + 6.0 + 0.35)
    assert cpu_ms(Load(notifications_per_day=1, feed=False), "processor", VALUES) == pytest.approx(plain + 0.3)
    assert cpu_ms(Load(notifications_per_day=1), "processor", VALUES) == pytest.approx(plain + 0.3 + 3.5)


def test_a_vault_that_opens_each_item_is_paid_for_each() -> None:
    written = bill("small", Load(notifications_per_day=10_000, unwrapped=True))

    assert spent_on(written, "vault-requests") == pytest.approx(10_000 * 365 / 12 / 10_000 * 0.03)
    assert (
        spent_on(bill("small", Load(notifications_per_day=10_000, unwrapped=True, rich=False)), "vault-requests") == 0
    )


def test_what_comes_through_a_hub_needs_no_queue_and_no_webhook() -> None:
    load = Load(notifications_per_day=1_200, per_body=12, delivery="hub")
    written, batches = bill("small", load), 100 * 365 / 12

    assert used_of(written, "queue-requests") == 0
    assert used_of(written, "hub-events") == pytest.approx(batches)
    assert used_of(written, "blob-writes") == pytest.approx(batches)  # how far it was read
    assert used_of(written, "flex-executions") == pytest.approx(batches + 730 * 16)
    assert spent_on(written, "hub-units") == pytest.approx(21.90)


def test_an_event_of_more_than_64_kilobytes_is_billed_as_several() -> None:
    load = Load(notifications_per_day=6_000, per_body=60, delivery="hub")  # 169 KB

    assert used_of(bill("small", load), "hub-events") == pytest.approx(3 * 100 * 365 / 12)


def test_an_option_adds_what_it_is_made_of() -> None:
    quiet = bill("standard", QUIET).total
    gateway = bill("standard", QUIET, "gateway").total - quiet
    hub = bill("standard", QUIET, "hub").total - quiet

    assert gateway == pytest.approx(730 * (0.443 + 0.0144))
    # a unit, an instance that is always ready, and eight partitions whose owner is written down every ten seconds
    assert hub == pytest.approx(730 * 0.030 + 2 * 2_628_000 * 0.000004 + 8 * 262_800 / 10_000 * 0.05)
    assert bill("standard", QUIET, "signalr").total - quiet == pytest.approx(48.91)
    assert bill("standard", QUIET, "network").total - quiet == pytest.approx(4 * (7.30 + 0.50))


def test_the_next_million_is_what_a_million_more_make_the_month_dearer() -> None:
    load = Load(notifications_per_day=1_000_000)
    more = replace(load, notifications_per_day=1_000_000 + 1e6 / (365 / 12))

    assert bill("small", load).next_million == pytest.approx(bill("small", more).total - bill("small", load).total)


def test_another_price_makes_another_bill() -> None:
    dearer = dict(prices()) | {"logs": replace(prices()["logs"], amount=23.0)}
    load = Load(notifications_per_day=1_000_000)

    before, after = bill("standard", load), reckon(sizes()["standard"], load, dearer, figures())
    assert after.total - before.total == pytest.approx(9 * spent_on(before, "logs"))


def test_another_figure_makes_another_bill() -> None:
    doubled = dict(figures())
    doubled["queue-requests-per-envelope"] = replace(doubled["queue-requests-per-envelope"], value=6)
    load = Load(notifications_per_day=1_000_000)

    assert spent_on(bill("small", load, changed=doubled), "queue-requests") == pytest.approx(
        2 * spent_on(bill("small", load), "queue-requests")
    )


loads = st.builds(
    Load,
    notifications_per_day=st.floats(0, 1e9),
    per_body=st.floats(1, 1000),
    rich=st.booleans(),
    feed=st.booleans(),
    busy_hours=st.floats(1, 24),
    delivery=st.sampled_from(["webhook", "hub"]),
    unwrapped=st.booleans(),
)


@example(load=replace(QUIET, notifications_per_day=5e-324, per_body=60.0), size="large", options=set())
@given(load=loads, size=st.sampled_from(sorted(sizes())), options=st.sets(st.sampled_from(sorted(OPTIONS))))
def test_no_bill_pays_anybody_and_what_is_fixed_does_not_move(load: Load, size: str, options: set[str]) -> None:
    written = bill(size, load, *options)

    assert all(line.dollars >= 0 and math.isfinite(line.dollars) for line in written.lines)
    quiet = replace(QUIET, delivery=load.delivery)
    assert written.fixed == pytest.approx(bill(size, quiet, *options).total)
    assert written.total == pytest.approx(written.fixed + written.moving)
    assert written.next_million > -1e-6


@given(load=loads, size=st.sampled_from(sorted(sizes())))
def test_who_hears_twice_as_much_never_pays_less(load: Load, size: str) -> None:
    twice = replace(load, notifications_per_day=load.notifications_per_day * 2)

    assert bill(size, twice).total >= bill(size, load).total - 1e-6
