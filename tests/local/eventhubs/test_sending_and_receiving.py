"""Events through Microsoft's client and our broker: nothing about them changes, and each is found again where it was."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from azure.eventhub import EventData
from azure.eventhub.exceptions import EventHubError

from local.eventhubs.emulator import EventHubs
from tests.local.eventhubs.stand import CLIENT_LEAKS, PARTITIONS, Hub

pytestmark = CLIENT_LEAKS

MEBIBYTE = 1024 * 1024


async def test_bodies_and_their_order_come_through(hub: Hub) -> None:
    bodies = [b"%d" % number for number in range(500)]
    async with hub.producer() as producer:
        for start in range(0, 500, 100):
            await producer.send_batch([EventData(body) for body in bodies[start : start + 100]], partition_id="2")

    events = await hub.read(500, partition_id="2")

    assert [b"".join(event.body) for event in events] == bodies
    assert [event.sequence_number for event in events] == list(range(500))
    offsets = [int(event.offset or "") for event in events]
    assert offsets == sorted(set(offsets))


async def test_a_receiver_reads_on_for_more_events_than_a_session_holds(hub: Hub) -> None:
    """What is sent and not settled stays in the session, which holds 2,048 of it."""
    async with hub.producer() as producer:
        for _ in range(50):
            await producer.send_batch([EventData(b"x")] * 100, partition_id="2")

    events = await hub.read(5_000, partition_id="2")

    assert [event.sequence_number for event in events] == list(range(5_000))


@pytest.mark.parametrize("batched", [False, True])
async def test_every_byte_and_the_type_of_every_property_is_kept(hub: Hub, batched: bool) -> None:  # noqa: FBT001
    properties: dict[Any, Any] = {"text": "häkchen ✓", "int": 7, "float": 0.5, "yes": True, "raw": b"\0\xff"}
    event = EventData(bytes(range(256)) + os.urandom(70_000))
    event.properties = properties
    event.content_type, event.message_id, event.correlation_id = "application/json", "message 1", "change 1"
    async with hub.producer() as producer:
        if batched:
            await producer.send_batch([event])
        else:
            await producer.send_event(event)

    (got,) = await hub.read(1)

    assert b"".join(got.body) == b"".join(event.body)
    read = {name.decode(): value for name, value in got.properties.items()}
    assert read == properties | {"text": "häkchen ✓".encode()}
    assert (got.content_type, got.message_id, got.correlation_id) == ("application/json", "message 1", "change 1")


async def test_a_sender_s_own_annotations_are_kept_and_the_broker_s_are_not_taken_from_it(hub: Hub) -> None:
    event = EventData(b"copied")
    event.raw_amqp_message.annotations = {"x-opt-sequence-number": 99, "x-opt-mine": "mine"}
    async with hub.producer() as producer:
        await producer.send_batch([event], partition_id="0")

    (got,) = await hub.read(1, partition_id="0")

    assert got.sequence_number == 0
    assert (got.raw_amqp_message.annotations or {})[b"x-opt-mine"] == b"mine"


async def test_one_key_is_one_partition_and_without_a_key_all_are_used(hub: Hub) -> None:
    async with hub.producer() as producer:
        for number in range(5):
            await producer.send_batch([EventData(b"keyed %d" % number)], partition_key="a chat")
        for number in range(PARTITIONS):
            await producer.send_event(EventData(b"any %d" % number))

    async with hub.receiving() as received:
        await received.until(lambda so_far: len(so_far.events) == 5 + PARTITIONS)

    keyed = [(partition, event) for partition, event in received.events if event.partition_key]
    assert {event.partition_key for _, event in keyed} == {b"a chat"}
    assert [event.body_as_str() for _, event in keyed] == [f"keyed {number}" for number in range(5)]
    assert len({partition for partition, _ in keyed}) == 1
    assert len({partition for partition, event in received.events if not event.partition_key}) == PARTITIONS


async def test_a_receiver_begins_where_it_says(hub: Hub) -> None:
    await hub.send(b"0", b"1", b"2", partition_id="0")
    zero, one, _ = await hub.read(3, partition_id="0")
    assert zero.enqueued_time
    beginnings: list[tuple[Any, bool, list[bytes]]] = [
        (one.offset, False, [b"2"]),
        (one.offset, True, [b"1", b"2"]),
        (0, False, [b"1", b"2"]),
        (zero.enqueued_time - timedelta(seconds=1), False, [b"0", b"1", b"2"]),
        ("@latest", True, [b"2"]),
    ]
    outcomes = await asyncio.gather(
        *(
            hub.read(len(bodies), partition_id="0", starting_position=position, starting_position_inclusive=inclusive)
            for position, inclusive, bodies in beginnings
        )
    )
    assert [[b"".join(event.body) for event in events] for events in outcomes] == [bodies for *_, bodies in beginnings]


async def test_the_latest_is_what_comes_from_now_on(hub: Hub) -> None:
    await hub.send(b"before", partition_id="0")
    async with hub.receiving(starting_position="@latest", partition_id="0") as received, hub.producer() as producer:
        for number in range(1000):
            await producer.send_event(EventData(b"after %d" % number), partition_id="0")
            if received.events:
                break
            await asyncio.sleep(0.02)  # whenever the receiver is there, it hears the next one

    assert received.bodies[0].startswith(b"after")


async def test_a_receiver_is_told_where_its_partition_ends(hub: Hub) -> None:
    await hub.send(b"0", b"1", b"2", partition_id="0")

    first, *_ = await hub.read(1, partition_id="0", track_last_enqueued_event_properties=True)

    assert (first.raw_amqp_message.delivery_annotations or {})[b"last_enqueued_sequence_number"] == 2


async def test_a_publication_of_more_than_a_mebibyte_is_refused_and_the_next_one_is_not(hub: Hub) -> None:
    async with hub.producer() as producer:
        batch = await producer.create_batch()
        assert batch.max_size_in_bytes == MEBIBYTE
        with pytest.raises(ValueError, match="frame size limit"):
            await producer.send_batch([EventData(bytes(MEBIBYTE))])
        with pytest.raises(EventHubError):  # the link goes, and the client knows of no reason
            await producer.send_event(EventData(bytes(MEBIBYTE)), partition_id="0")
        await producer.send_event(EventData(bytes(MEBIBYTE - 100)), partition_id="0")

    (event,) = await hub.read(1, partition_id="0")

    assert len(b"".join(event.body)) == MEBIBYTE - 100


async def test_a_partition_that_is_not_there_is_refused(hub: Hub) -> None:
    async with hub.producer() as producer:
        with pytest.raises(EventHubError, match="Status code: 404"):
            await producer.get_partition_properties("4")


async def test_a_position_that_is_none_is_refused(hub: Hub) -> None:
    assert "'yesterday' is invalid" in await hub.outcome(partition_id="0", starting_position="yesterday")


async def test_the_oldest_events_go_when_there_are_too_many_and_a_late_receiver_begins_with_what_is_left() -> None:
    async with EventHubs(hubs={"notifications": 1}, kept_bytes=100_000) as namespace:
        hub = Hub(namespace=namespace)
        await hub.send(*(bytes([number]) * 1_000 for number in range(200)))
        async with hub.producer() as producer:
            described = await producer.get_partition_properties("0")
        first = described["beginning_sequence_number"]
        events = await hub.read(200 - first)

    assert 100 < first < 130
    assert described["last_enqueued_sequence_number"] == 199
    assert [event.sequence_number for event in events] == list(range(first, 200))
    assert [next(iter(event.body))[0] for event in events] == list(range(first, 200))
