"""Alerts are held against the lines that the running app writes: each trouble rings, and a quiet day does not."""

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.memory_subscriptions import MemoryEncryptionKeys
from shared.composition import Composition, read_settings
from shared.errors import GraphApiError, StorageError
from shared.key_watch import KeyWatch
from shared.pull_intake import HubEvent
from shared.reconcile import Renew
from shared.results import Result, log_result, owing
from tests import builders
from tests.bicep.of_alerts import rows_of_alerts
from tests.bicep.variants import TEMPLATES
from tests.builders import NOW, notification
from tests.stand import Handler, Stand

ROWS = rows_of_alerts(TEMPLATES)


def ring(caplog: pytest.LogCaptureFixture) -> set[str]:
    """Read the lines as the queries do: the first row that fits says what a line means."""
    found = set()
    for record in caplog.records:
        message = record.getMessage()
        fitting = [
            means for begins, matches, means in ROWS if message.startswith(begins) and re.search(matches, message)
        ]
        found |= set(fitting[:1])
    return found


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool


async def test_a_quiet_day_rings_nothing(log: pytest.LogCaptureFixture, threads: ThreadPoolExecutor) -> None:
    app = Stand(registrations=[Handler("feed").registration()], threads=threads)
    await app.receive(notification("1"), notification("2"))
    await app.run()
    row = builders.live()
    log_result(Renew(row=row, declared=builders.declared(), digest="d"), Result(name=row.name, outcome="renewed"))

    events = {record.getMessage().partition("=")[0] for record in log.records}
    assert events >= {"delivery id", "envelope via", "subscription name"}
    assert ring(log) == set()


async def test_what_is_forged_rings(log: pytest.LogCaptureFixture) -> None:
    app = Stand()
    await app.receive(notification("1"), notification("2", clientState="forged"))
    app.threads.shutdown()

    [means] = ring(log)
    assert "came in and was dropped" in means


async def test_what_is_too_large_rings(log: pytest.LogCaptureFixture) -> None:
    app = Stand(policy=builders.policy(max_body_bytes=10))
    await app.receive(notification("1"))
    app.threads.shutdown()

    [means] = ring(log)
    assert "MAX_BODY_BYTES" in means


async def test_storage_that_is_away_rings(log: pytest.LogCaptureFixture) -> None:
    app = Stand()
    app.storage_health.note_failure(app.now)
    await app.receive(notification("1"))
    app.threads.shutdown()

    [means] = ring(log)
    assert "storage is away" in means


async def test_a_dead_letter_rings(log: pytest.LogCaptureFixture, threads: ThreadPoolExecutor) -> None:
    app = Stand(registrations=[Handler("feed", [ValueError("no")] * 30).registration()], threads=threads)
    await app.receive(notification("1"))
    await app.run()
    await app.pipeline.process(b"no envelope", dequeue_count=1)

    assert {means.partition(":")[0] for means in ring(log)} == {
        "a change could not be handled and is a dead letter",
        "a message of queue notifications could not be read and is a dead letter",
    }


@pytest.mark.parametrize(("hours", "times"), [(20, 0), (30, 1)])
async def test_what_waits_for_more_than_a_day_rings(
    log: pytest.LogCaptureFixture, threads: ThreadPoolExecutor, hours: int, times: int
) -> None:
    app = Stand(registrations=[Handler("feed").registration()], threads=threads)
    await app.receive(notification("1"))
    app.now += timedelta(hours=hours)
    await app.run()

    assert sum("wait for more than a day" in means for means in ring(log)) == times


async def test_a_partition_that_stands_still_and_an_event_that_cannot_be_read_ring(
    log: pytest.LogCaptureFixture,
) -> None:
    app = Stand()
    event = HubEvent(body=b"{", partition="0", offset="1", sequence_number=1, enqueued=NOW)
    await app.pull.take([event])
    app.outage.away = True
    with suppress(StorageError):
        await app.pull.take([replace(event, sequence_number=2)])
    app.threads.shutdown()

    meant = ring(log)
    assert any("an event of the hub could not be read" in means for means in meant)
    assert any("a partition of the hub waits" in means for means in meant)


def test_a_subscription_that_fails_and_one_that_was_dead_ring(log: pytest.LogCaptureFixture) -> None:
    row = builders.live()
    problem = str(GraphApiError("PATCH", status=403))
    renew = Renew(row=row, declared=builders.declared(), digest="d")
    log_result(renew, Result(name=row.name, outcome="failed", problem=problem))
    owing(row, "it was gone", NOW)

    meant = ring(log)
    assert any("could not be created or renewed" in means for means in meant)
    assert any("was dead for a while" in means for means in meant)


async def test_a_missing_certificate_rings(log: pytest.LogCaptureFixture) -> None:
    await KeyWatch(MemoryEncryptionKeys(), lambda: NOW).current()

    [means] = ring(log)
    assert "certificate" in means


def test_a_part_that_does_not_run_rings(log: pytest.LogCaptureFixture) -> None:
    Composition(read_settings({})).blueprints()

    assert any("lacks settings" in means for means in ring(log))
