"""What the namespace says about itself, whom it turns away, and how receivers share a partition."""

import asyncio
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub.aio import EventHubProducerClient
from azure.eventhub.aio._eventprocessor.in_memory_checkpoint_store import InMemoryCheckpointStore
from azure.eventhub.exceptions import AuthenticationError, ConnectError

from local.eventhubs.emulator import KEY
from tests.local.eventhubs.stand import CLIENT_LEAKS, PARTITIONS, QUICK, Hub, until

pytestmark = CLIENT_LEAKS


async def test_a_hub_and_its_partitions_are_described(hub: Hub) -> None:
    async with hub.producer() as producer:
        described = await producer.get_eventhub_properties()
        empty = await producer.get_partition_properties("3")
        await producer.send_batch([EventData(b"0"), EventData(b"1")], partition_id="3")
        filled = await producer.get_partition_properties("3")

    assert described["eventhub_name"] == "notifications"
    assert described["partition_ids"] == ["0", "1", "2", "3"]
    assert (empty["is_empty"], empty["last_enqueued_sequence_number"]) == (True, -1)
    assert (filled["is_empty"], filled["last_enqueued_sequence_number"]) == (False, 1)
    assert filled["last_enqueued_time_utc"] > described["created_at"]


async def test_a_hub_that_is_not_there_is_404_to_whoever_asks_and_to_whoever_sends(hub: Hub) -> None:
    hub.name = "elsewhere"
    async with hub.producer() as producer:
        with pytest.raises(ConnectError, match="Status code: 404"):
            await producer.get_eventhub_properties()
        with pytest.raises(ConnectError, match="Status code: 404"):
            await producer.send_event(EventData(b"lost"))


async def test_hubs_are_found_whatever_the_case_of_their_name(hub: Hub) -> None:
    await Hub(namespace=hub.namespace, name="NOTIFICATIONS").send(b"here")

    assert [event.body_as_str() for event in await hub.read(1)] == ["here"]


async def test_a_consumer_group_hears_everything_and_an_unknown_one_is_refused(hub: Hub) -> None:
    await hub.send(b"for all", partition_id="0")

    groups = ("$Default", "earshot", "strangers")
    default, ours, unknown = await asyncio.gather(*(hub.outcome(group=group, partition_id="0") for group in groups))

    assert default == ours == [b"for all"]
    assert "consumergroups/strangers" in str(unknown).lower()


@pytest.mark.parametrize("spoil", [(KEY, "d3Jvbmc="), ("RootManageSharedAccessKey", "Somebody")])
async def test_a_wrong_key_and_a_wrong_name_are_refused(hub: Hub, spoil: tuple[str, str]) -> None:
    text = hub.namespace.connection_string.replace(*spoil)
    async with EventHubProducerClient.from_connection_string(text, eventhub_name="notifications", **QUICK) as producer:
        with pytest.raises(AuthenticationError, match="InvalidSignature"):
            await producer.send_event(EventData(b"lost"))


async def test_a_higher_owner_level_takes_the_partition_and_a_lower_one_is_turned_away(hub: Hub) -> None:
    async with hub.receiving(partition_id="0", owner_level=1) as first:
        await hub.send(b"for the first", partition_id="0")
        await first.until(lambda so_far: bool(so_far.events))
        async with hub.receiving(partition_id="0", owner_level=2, starting_position="@latest") as second:
            await first.until(lambda so_far: bool(so_far.errors))
            await hub.send(b"for the second", partition_id="0")
            await second.until(lambda so_far: bool(so_far.events))

            late, none = await asyncio.gather(
                hub.outcome(partition_id="0", owner_level=1), hub.outcome(partition_id="0")
            )
            assert (first.bodies, second.bodies[-1:]) == ([b"for the first"], [b"for the second"])

    assert "amqp:link:stolen" in str(first.errors[0])
    assert "'2' already exists" in str(late)
    assert "'2' already exists" in str(none)


async def test_a_sixth_receiver_without_an_owner_level_is_one_too_many_until_one_leaves(hub: Hub) -> None:
    await hub.send(b"hello", partition_id="0")
    leave = asyncio.Event()
    there: list[bytes] = []

    async def stay() -> None:
        async with hub.receiving(partition_id="0") as received:
            await received.until(lambda so_far: bool(so_far.events))
            there.extend(received.bodies)
            await leave.wait()

    async with asyncio.TaskGroup() as five:
        for _ in range(5):
            five.create_task(stay())
        await until(lambda: len(there) == 5)
        sixth, elsewhere = await asyncio.gather(
            hub.outcome(partition_id="0"), hub.outcome(group="earshot", partition_id="0")
        )
        leave.set()

    assert "maximum number of allowed receivers" in str(sixth)
    assert elsewhere == [b"hello"]
    assert await hub.outcome(partition_id="0") == [b"hello"]


async def test_two_consumers_share_the_partitions_and_nothing_is_lost_when_one_leaves(hub: Hub) -> None:
    store = InMemoryCheckpointStore()
    handled: list[bytes] = []
    owned: dict[str, set[str]] = {"first": set(), "second": set()}

    async def run(name: str) -> None:
        async def keep(context: Any, event: Any) -> None:
            owned[name].add(context.partition_id)
            handled.append(b"".join(event.body))
            await context.update_checkpoint(event)

        how: Any = {"load_balancing_interval": 0.2, "partition_ownership_expiration_interval": 2}
        async with hub.consumer(checkpoint_store=store, **how) as consumer:
            await consumer.receive(keep, starting_position="-1")

    async def reached(holds: Any) -> None:
        async with asyncio.timeout(20):
            while not holds():
                number = len(sent)
                sent.append(b"%d" % number)
                await producer.send_event(EventData(sent[-1]), partition_id=str(number % PARTITIONS))
                await asyncio.sleep(0.01)

    sent: list[bytes] = []
    async with hub.producer() as producer:
        first, second = asyncio.create_task(run("first")), asyncio.create_task(run("second"))
        await reached(lambda: len(owned["first"]) >= 2 and len(owned["second"]) >= 2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        owned["second"].clear()
        await reached(lambda: len(owned["second"]) == PARTITIONS)
        await until(lambda: set(handled) == set(sent))
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
