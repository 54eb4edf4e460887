"""Event Hub triggers in local hosts: real blobs, a namespace that speaks AMQP, Microsoft's client as the sender."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from azure.eventhub import EventData

from local.azurite.emulator import Azurite
from local.eventhubs.emulator import EventHubs
from tests.local.host.hub_stand import CLIENT_LEAKS, OPTIONS, SEPARATE, SHARED, Hubs, said
from tests.local.host.running import DEADLINE, HostStarter, RunningHost, until

pytestmark = [pytest.mark.azurite, CLIENT_LEAKS]


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hubs]:
    pace = tmp_path_factory.mktemp("pace")
    with Azurite() as azurite, EventHubs(hubs=SEPARATE | SHARED) as namespace:
        yield Hubs(namespace=namespace, storage=azurite.connection_string, pace=pace)


@pytest.fixture(scope="module")
def host(hubs: Hubs, start_host: HostStarter) -> RunningHost:
    """One host for all functions but the shared one."""
    return hubs.start(start_host, *SEPARATE)


async def eventually(look: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not await look():
        assert time.monotonic() < deadline, f"waited {DEADLINE} s for {what}"
        await asyncio.sleep(0.1)


def told(pace: Path, word: str) -> Path:
    (pace / word).touch()
    return pace / word


def test_the_list_of_functions_names_the_trigger(host: RunningHost) -> None:
    assert "\tordered: eventHubTrigger\n" in host.output


def test_batches_keep_a_partition_s_order_and_the_limit_of_their_size(hubs: Hubs, host: RunningHost) -> None:
    numbers = [str(number) for number in range(450)]
    hubs.send("ordered", *numbers, partition_id="0")
    hubs.send("ordered", *numbers, partition_id="1")

    def handled(partition: str) -> list[list[str]]:
        batches = [line.split(": ") for line in said(host, "ordered")]
        return [bodies.split() for found, bodies in batches if found == partition]

    def flat(partition: str) -> list[str]:
        return [body for batch in handled(partition) for body in batch]

    until(lambda: len(flat("0")) >= 450 and len(flat("1")) >= 450, f"900 events in\n{host.output[-2000:]}")
    assert flat("0") == flat("1") == numbers
    assert 1 < max(len(batch) for batch in handled("0") + handled("1")) <= 100


async def test_a_checkpoint_names_the_last_event_that_was_handled(hubs: Hubs, host: RunningHost) -> None:
    hubs.send("failing", "a", "b", partition_id="0")
    host.await_line(r"hub: failing: (a )?b\.")  # what was sent at once may come in pieces

    async def written() -> bool:
        return await hubs.checkpoints("failing") == {"0": 1}

    await eventually(written, "the checkpoint")


async def test_a_failing_function_without_a_policy_loses_its_batch_and_goes_on(hubs: Hubs, host: RunningHost) -> None:
    """The real host has no other mercy: there is no poison hub."""
    before = (await hubs.checkpoints("failing")).get("0", -1)
    hubs.send("failing", "c", partition_id="0")
    host.await_line(r"hub: failing: c\.")
    hubs.send("failing", "d", partition_id="0")
    host.await_line(r"hub: failing: d\.")

    async def moved() -> bool:
        return (await hubs.checkpoints("failing")).get("0") == before + 2

    await eventually(moved, "the checkpoint behind both")
    assert said(host, "failing").count("c") == 1


def test_one_event_at_a_time_comes_with_its_own_metadata(hubs: Hubs, host: RunningHost) -> None:
    event = EventData('{"enqueuedTime": 1}')
    event.properties = {"kind": "chat", "n": 1}
    hubs.send("one", event, partition_key="thread")
    hubs.send("one", "second", partition_id="0")
    first = '{"enqueuedTime": 1}'
    host.await_line(r"hub: one: \['second', 1, None, None\]")
    assert said(host, "one") == [
        f'[{first!r}, 0, \'thread\', None], properties {{"kind": "chat", "n": 1}}',
        "['second', 1, None, None], properties {}",
    ]


def test_an_empty_event_fails_a_batch_of_texts_but_not_one_of_bytes(hubs: Hubs, host: RunningHost) -> None:
    hubs.send("texts", "", partition_id="0")
    host.await_line(r"Functions\.texts\. AssertionError: Number of bodies and metadata mismatched")
    hubs.send("texts", EventData(b"after \xff"), partition_id="0")
    host.await_line("hub: texts: after \ufffd")
    hubs.send("blank", "", partition_id="0")
    host.await_line(r"hub: blank: \[b''\]\.")


async def test_a_policy_without_an_end_stalls_its_partition_and_no_other(hubs: Hubs, host: RunningHost) -> None:
    hubs.send("stalling", "bad", partition_id="0")
    host.await_line(r"hub: stalling: 0: bad, try 1\.")
    hubs.send("stalling", "behind it", partition_id="0")
    hubs.send("stalling", "elsewhere", partition_id="1")
    host.await_line(r"hub: stalling: 1: elsewhere, try 0\.")

    async def only_the_other() -> bool:
        return await hubs.checkpoints("stalling") == {"1": 0}

    await eventually(only_the_other, "the checkpoint of the other partition")
    host.await_line(r"hub: stalling: 0: bad, try 2\.")
    assert not [line for line in said(host, "stalling") if "behind it" in line]
    told(hubs.pace, "recover")
    host.await_line(r"hub: stalling: 0: behind it, try 0\.")

    async def both() -> bool:
        return await hubs.checkpoints("stalling") == {"0": 1, "1": 0}

    await eventually(both, "both checkpoints")


def test_a_worker_that_dies_in_the_middle_gets_the_same_batch_again(hubs: Hubs, host: RunningHost) -> None:
    hubs.send("crashing", "bad", partition_id="0")
    host.await_line(r"hub: crashing: bad, try 1\.")
    assert said(host, "crashing") == ["bad, try 0", "bad, try 1"]


def test_it_can_be_run_by_hand_with_one_event(host: RunningHost) -> None:
    assert host.call("POST", "/admin/functions/ordered", b'{"input": "by hand"}').status == 202
    host.await_line(r"hub: ordered: : by hand\.")
    assert host.call("POST", "/admin/functions/one", b'{"input": "by hand"}').status == 202
    host.await_line(r"hub: one: \['by hand', 0, None, None\]")


def test_a_killed_host_s_batch_is_taken_over_and_nothing_is_skipped(hubs: Hubs, start_host: HostStarter) -> None:
    pause = told(hubs.pace, "hang")
    first = hubs.start(start_host, shared="killed")
    for partition in range(4):
        hubs.send("killed", *(f"{partition}.{number}" for number in range(250)), partition_id=str(partition))
    until(lambda: len(said(first, "shared")) == 4, "a batch of each partition")
    first.stop(signal.SIGKILL)
    pause.unlink()

    second = hubs.start(start_host, shared="killed")

    def handled() -> list[str]:
        return [body for line in said(second, "handled") for body in line.split()]

    until(lambda: len(handled()) >= 1000, f"1000 events in\n{second.output[-2000:]}")
    for partition in range(4):
        mine = [body for body in handled() if body.startswith(f"{partition}.")]
        assert mine == [f"{partition}.{number}" for number in range(250)]
    assert said(first, "handled") == []


async def test_hosts_share_the_partitions_and_what_one_leaves_behind_is_taken(
    hubs: Hubs, start_host: HostStarter
) -> None:
    def start() -> RunningHost:
        return hubs.start(start_host, shared="three")

    def handled() -> set[str]:
        return {body for host in hosts for line in said(host, "handled") for body in line.split()}

    async def shared_by(*counts: int) -> None:
        async def is_so() -> bool:
            sent.append(str(len(sent)))
            hubs.send("three", sent[-1], partition_id=str(len(sent) % 4))
            owners = await hubs.owners("three")
            found = Counter(owner for owner in owners.values() if owner)
            return sorted(found.values()) == sorted(counts)

        await eventually(is_so, f"partitions shared as {counts}")

    sent: list[str] = []
    hosts = [start(), start()]
    await shared_by(2, 2)
    hosts.append(start())
    await shared_by(2, 1, 1)
    assert hosts[2].stop() == 0
    await shared_by(2, 2)
    until(lambda: handled() >= set(sent), "every event")


def test_a_stalled_partition_that_goes_to_another_host_is_left_alone_by_the_first(
    hubs: Hubs, start_host: HostStarter
) -> None:
    lasting = {OPTIONS + "partitionOwnershipExpirationInterval": "00:01:00"}
    slow = {
        OPTIONS + "loadBalancingUpdateInterval": "00:00:30"
    }  # it hears of the other one on the line, not from blobs
    first = hubs.start(start_host, "moving", **lasting, **slow)
    for partition in "01":
        hubs.send("moving", "bad", partition_id=partition)
    until(lambda: {"0", "1"} <= set(said(first, "moving")), "both partitions' tries")
    second = hubs.start(start_host, "moving", **lasting)

    until(lambda: said(second, "moving"), "a partition that moved")
    (moved,) = set(said(second, "moving"))
    first.await_line(rf"Partition {moved} of event hub 'moving' went to another host\.")
    tries = said(first, "moving").count(moved)
    until(lambda: len(said(second, "moving")) >= 5, "more tries")
    assert said(first, "moving").count(moved) <= tries + 1, "one may have been on its way"


async def test_a_host_ends_cleanly_lets_go_of_its_partitions_and_writes_no_checkpoint(
    hubs: Hubs, start_host: HostStarter
) -> None:
    pause = told(hubs.pace, "hang")
    host = hubs.start(start_host, shared="stopped")
    hubs.send("stopped", "stopped in the middle", partition_id="0")
    host.await_line(r"hub: shared: stopped in the middle\.")
    worker = host.worker["pid"]

    assert host.stop() == 0

    pause.unlink()
    assert set((await hubs.owners("stopped")).values()) == {""}
    assert await hubs.checkpoints("stopped") == {}
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    another = hubs.start(start_host, shared="stopped")
    another.await_line(r"hub: handled: stopped in the middle\.")


def test_a_broken_connection_neither_skips_nor_repeats_while_the_partition_is_held(
    hubs: Hubs, start_host: HostStarter
) -> None:
    """The client asks anew from the last event that it handed over, though it still has the rest in its buffer."""
    size = {OPTIONS + "maxEventBatchSize": "10"}
    pause = told(hubs.pace, "hang")
    host = hubs.start(start_host, shared="cut", **size)
    hubs.send("cut", *(str(number) for number in range(15)), partition_id="0")
    until(lambda: len(said(host, "shared")) == 1, "the first batch, behind which five events wait in the buffer")
    hubs.namespace.cut()
    for number in range(15, 20):  # each takes a while, in which the host connects again
        hubs.send("cut", str(number), partition_id="0")
    pause.unlink()
    os.kill(host.worker["pid"], signal.SIGKILL)  # ends the run that hangs, and with it the first batch

    def handled() -> list[str]:
        return [body for line in said(host, "handled") for body in line.split()]

    until(lambda: "19" in handled(), "the last event")
    lost = len(said(host, "shared")[0].split())  # without a policy, with the run that was ended
    assert handled() == [str(number) for number in range(lost, 20)]


@pytest.mark.parametrize(
    ("hub", "wait", "sent"), [("held-long", "00:10:00", ("1", "2", "3")), ("held-short", "00:00:01", ("1",))]
)
def test_fewer_than_the_smallest_batch_are_held_back_for_a_while(
    hubs: Hubs, start_host: HostStarter, hub: str, wait: str, sent: tuple[str, ...]
) -> None:
    held = {OPTIONS + "minEventBatchSize": "3", OPTIONS + "maxWaitTime": wait}
    host = hubs.start(start_host, shared=hub, **held)
    hubs.send(hub, "first", partition_id="0")
    host.await_line(r"hub: handled: first\.")
    for body in sent:
        hubs.send(hub, body, partition_id="0")
    host.await_line(rf"hub: handled: {' '.join(sent)}\.")
    assert host.stop() == 0


@pytest.mark.parametrize(
    ("settings", "blame"),
    [
        ({"HUBS": ""}, "EventHub account connection string with name 'HUBS' does not exist in the settings"),
        ({"GROUP": "nobody"}, "The listener for function 'Functions.shared' can't read partition"),
    ],
)
def test_a_hub_that_cannot_be_read_is_said(
    hubs: Hubs, start_host: HostStarter, settings: dict[str, str], blame: str
) -> None:
    host = hubs.start(start_host, **settings)
    host.await_line(blame)
    assert host.stop() == 0


TIMER = """
import logging
import azure.functions as func
app = func.FunctionApp()

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def tick(timer: func.TimerRequest, context: func.Context) -> None:
    logging.info("try %s", context.retry_context.retry_count)
    raise ValueError("always")
"""


def test_a_timer_s_policy_is_kept_too_and_has_an_end(start_host: HostStarter, hubs: Hubs) -> None:
    host = start_host(TIMER, storage=hubs.storage)
    host.await_line(r"(?s)root: try 0.*root: try 1.*root: try 2.*Exception while executing function: Functions\.tick")
    assert host.stop() == 0
    assert "try 3" not in host.output
