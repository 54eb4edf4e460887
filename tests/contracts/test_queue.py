"""ports.Queue, on the memory twin and on Azure Storage."""

from datetime import timedelta

import pytest

from local.azurite.request_log import RequestLog
from shared.adapters.memory import MemoryQueue
from shared.adapters.storage import Storage
from shared.adapters.storage_queue import StorageQueue
from shared.ports import Queue
from tests.contracts.twins import BOTH, present, until


@pytest.fixture(params=BOTH)
def queue(request: pytest.FixtureRequest, unique: str) -> Queue:
    if request.param == "memory":
        return MemoryQueue(now=present)
    return StorageQueue(request.getfixturevalue("storage"), unique)


async def test_what_is_put_is_taken_once(queue: Queue) -> None:
    text = '{"a":"<&> \\" \\u2603 \\u0000"}  '
    await queue.put(text)
    (taken,) = await queue.take(32)
    assert (taken.text, taken.dequeue_count) == (text, 1)
    assert abs(present() - taken.inserted) < timedelta(seconds=5)
    assert await queue.take(32) == []


async def test_what_was_removed_is_gone_and_removing_it_again_is_no_error(queue: Queue) -> None:
    await queue.put("a")
    (taken,) = await queue.take(1)
    await queue.remove(taken)
    await queue.remove(taken)
    assert await queue.take(1) == []


async def test_no_more_are_taken_than_asked_for(queue: Queue) -> None:
    for number in range(5):
        await queue.put(str(number))
    first = await queue.take(2)
    rest = await queue.take(32)
    assert len(first) == 2
    assert sorted(each.text for each in (*first, *rest)) == ["0", "1", "2", "3", "4"]


async def test_a_delayed_message_comes_when_its_time_has_come(queue: Queue) -> None:
    began = present()
    await queue.put("later", delay=timedelta(milliseconds=700))
    await queue.put("now")
    assert [each.text for each in await queue.take(32)] == ["now"]
    (late,) = await until(lambda: queue.take(32))
    assert late.text == "later"
    assert present() - began >= timedelta(milliseconds=690)


async def test_the_largest_envelope_fits(queue: Queue) -> None:
    text = '"<&' * (20 * 1024)  # what XML writes longer than it is
    await queue.put(text)
    (taken,) = await queue.take(1)
    assert taken.text == text


@pytest.mark.azurite
async def test_a_message_never_expires(storage: Storage, unique: str) -> None:
    await StorageQueue(storage, unique).put("a", delay=timedelta(days=6))
    await StorageQueue(storage, unique).put("b")
    client = await storage.queue(unique)
    (message,) = await client.peek_messages(32)
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


@pytest.mark.azurite
async def test_a_taken_message_is_ours_for_five_minutes(storage: Storage, unique: str, request_log: RequestLog) -> None:
    await StorageQueue(storage, unique).take(7)
    asked = [each.query for each in request_log.read() if each.path == f"/{unique}/messages"]
    assert asked == ["numofmessages=7&visibilitytimeout=300"]


@pytest.mark.azurite
async def test_putting_taking_and_removing_are_a_request_each(
    storage: Storage, unique: str, request_log: RequestLog
) -> None:
    queue = StorageQueue(storage, unique)
    await queue.put("a")
    (taken,) = await queue.take(32)
    await queue.remove(taken)
    assert [each.method for each in request_log.read() if each.path.startswith(f"/{unique}")] == [
        "PUT",
        "POST",
        "GET",
        "DELETE",
    ]
