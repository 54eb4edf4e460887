"""Graph's lifecycle events, expiry and recreation, with the app's own timer and queue, and the table of real Azurite."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from azure.data.tables import TableClient, UpdateMode

from local.demo.stage import Stage, set_up
from tests.scenarios.acting import (
    KNOWN_CLIENT_STATE_KEY,
    arrival,
    deliver,
    mail_notification,
    run_by_hand,
    say,
    subscription,
    until,
)

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with set_up(tmp_path_factory.mktemp("stage"), extra=KNOWN_CLIENT_STATE_KEY) as made:
        yield made


async def announce(stage: Stage, row: dict[str, Any], event: str) -> None:
    await stage.graph("POST", "/_sim/lifecycle", {"subscriptionId": row["subscriptionId"], "event": event})


def lines(stage: Stage, *words: str) -> list[str]:
    """The lines of the app's log that hold all these words."""
    text = stage.host.log.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if all(word in line for word in words)]


async def after(stage: Stage, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Wait until the app says something else of a subscription in each of these fields."""

    async def look() -> dict[str, Any] | None:
        now = await subscription(stage, row["name"])
        return now if all(now[name] != row[name] for name in changes) else None

    return await until(look, f"another {', '.join(changes)} of {row['name']}") or {}


def age(stage: Stage, name: str, **times: timedelta) -> None:
    """Move times of a subscription's row: what would take Graph days happens now."""
    now = datetime.now(UTC)  # noqa: TID251 - the app in its host lives on the real clock
    with TableClient.from_connection_string(stage.azurite.connection_string, "subscriptions") as table:
        entity = next(row for row in table.list_entities() if row["RowKey"] == name)
        moved = {key: (now + shift).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for key, shift in times.items()}
        assert moved.keys() <= entity.keys()
        table.update_entity(dict(entity) | moved, mode=UpdateMode.REPLACE)


async def test_however_often_graph_asks_for_reauthorization_it_is_patched_once(stage: Stage) -> None:
    row = await subscription(stage, "channels")
    for _ in range(5):
        await announce(stage, row, "reauthorizationRequired")

    async def heard() -> bool:
        return len(lines(stage, "shared.subscriptions: lifecycle", "event=reauthorizationRequired")) == 5

    await until(heard, "five events")
    renewed = await after(stage, row, expires=...)
    await announce(stage, row, "reauthorizationRequired")

    async def heard_again() -> bool:
        return len(lines(stage, "shared.subscriptions: lifecycle", "event=reauthorizationRequired")) == 6

    await until(heard_again, "a sixth event")
    await run_by_hand(stage, "renewal")
    message = await say(stage, "still here")
    await arrival(stage, message["resource"])

    assert await subscription(stage, "channels") == renewed
    assert renewed["subscriptionId"] == row["subscriptionId"]
    assert len(lines(stage, "name=channels", "outcome=renewed")) == 1
    assert not [each for each in await stage.graph("GET", "/_sim/judge") if each["rule"] == "both-renewals"]


async def test_a_removed_subscription_is_made_anew_and_its_stragglers_are_accepted(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-2")
    await announce(stage, row, "subscriptionRemoved")
    renewed = await after(stage, row, subscriptionId=..., generation=...)

    assert renewed["generation"] == row["generation"] + 1
    straggler = mail_notification(stage, row, "straggler")
    assert (await deliver(stage, {"value": [straggler]}))["status"] == 202
    assert (await arrival(stage, straggler["resource"]))["data"]["content"] is None
    owner = stage.world["mailboxes"][1]["name"]
    await arrival(stage, (await say(stage, "the new one is heard", owner))["resource"])


async def test_a_generation_that_never_was_is_dropped(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-1")
    future = mail_notification(stage, row, "from-the-future", generation=row["generation"] + 1)
    present = mail_notification(stage, row, "from-the-present")
    assert (await deliver(stage, {"value": [future, present]}))["status"] == 202
    await arrival(stage, present["resource"])

    assert [each for each in stage.sink.received if each.event["data"]["resource"] == future["resource"]] == []


async def test_the_timer_renews_what_is_due_and_nothing_else(stage: Stage) -> None:
    due, other = await subscription(stage, "mailbox-1"), await subscription(stage, "mailbox-2")
    await asyncio.to_thread(age, stage, "mailbox-1", created=-timedelta(days=4), expires=timedelta(days=1))
    await run_by_hand(stage, "renewal")

    async def look() -> bool:
        return bool(lines(stage, "name=mailbox-1", "outcome=renewed"))

    await until(look, "the renewal")
    renewed = await subscription(stage, "mailbox-1")

    assert renewed["subscriptionId"] == due["subscriptionId"]
    assert datetime.fromisoformat(renewed["expires"]) > datetime.fromisoformat(due["expires"]) - timedelta(minutes=5)
    assert await subscription(stage, "mailbox-2") == other
    assert not lines(stage, "name=mailbox-2", "outcome=renewed")


async def test_an_expired_subscription_is_made_anew_and_the_gap_is_logged(stage: Stage) -> None:
    row = await subscription(stage, "mailbox-1")
    await asyncio.to_thread(age, stage, "mailbox-1", expires=-timedelta(minutes=1))
    await run_by_hand(stage, "renewal")
    renewed = await after(stage, row, subscriptionId=..., generation=...)

    assert renewed["generation"] == row["generation"] + 1
    assert lines(stage, "name=mailbox-1", "expired")
    owner = stage.world["mailboxes"][0]["name"]
    await arrival(stage, (await say(stage, "heard again", owner))["resource"])
