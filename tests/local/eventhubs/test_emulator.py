"""The broker as a process: cut off, started again, frozen, ended, and what it says when it cannot start."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.eventhub import EventData

from local.emulation import EmulatorError
from local.eventhubs.emulator import EventHubs
from tests.local.eventhubs.stand import CLIENT_LEAKS, PATIENT, Hub

pytestmark = CLIENT_LEAKS

ROOT = Path(__file__).resolve().parents[3]


async def test_cut_connections_cost_no_event_and_both_ends_come_back(hub: Hub) -> None:
    async with hub.producer(**PATIENT) as producer, hub.receiving(partition_id="0") as received:
        for number in range(30):
            if number % 10 == 5:
                hub.namespace.cut()
            await producer.send_batch([EventData(b"%d" % number)], partition_id="0")
        await received.until(lambda so_far: len(set(so_far.bodies)) == 30)


async def test_after_a_restart_on_the_same_port_a_producer_goes_on_and_an_old_position_hides_nothing(hub: Hub) -> None:
    async with hub.producer(**PATIENT) as producer:
        for number in range(3):
            await producer.send_event(EventData(b"old %d" % number), partition_id="0")
        *_, last = await hub.read(3, partition_id="0")
        port = hub.namespace.port
        hub.namespace.stop()
        hub.namespace.start()

        await producer.send_event(EventData(b"new"), partition_id="0")

    assert hub.namespace.port == port
    (event,) = await hub.read(1, partition_id="0", starting_position=last.offset)
    assert event.body_as_str() == "new"


async def test_a_receiver_outlives_a_restart(hub: Hub) -> None:
    await hub.send(b"old", partition_id="0")
    async with hub.receiving(partition_id="0") as received:
        await received.until(lambda so_far: len(so_far.events) == 1)
        hub.namespace.stop()
        hub.namespace.start()
        await hub.send(b"new", partition_id="0")
        await received.until(lambda so_far: so_far.bodies[-1] == b"new")


async def test_a_freeze_delays_and_loses_nothing(hub: Hub) -> None:
    async with hub.producer(**PATIENT) as producer:
        await producer.send_event(EventData(b"before"), partition_id="0")
        hub.namespace.pause()
        sending = asyncio.create_task(producer.send_event(EventData(b"after"), partition_id="0"))
        done, _ = await asyncio.wait([sending], timeout=0.3)
        hub.namespace.resume()
        await sending

    assert not done
    assert [event.body_as_str() for event in await hub.read(2, partition_id="0")] == ["before", "after"]


def test_it_is_gone_when_it_is_stopped_and_stopping_twice_is_no_error() -> None:
    namespace = EventHubs().start()
    pid = namespace.pid
    namespace.pause()
    namespace.stop()
    namespace.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EmulatorError, match="not running"):
        _ = namespace.pid


def test_a_port_that_somebody_else_has_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        namespace = EventHubs(port=taken.getsockname()[1])

        with pytest.raises(EmulatorError, match=r"Event Hubs ended with exit code 1: .*EADDRINUSE"):
            namespace.start()


def test_one_that_was_killed_is_noticed() -> None:
    with EventHubs() as namespace:
        process = namespace._process
        assert process
        os.kill(namespace.pid, signal.SIGKILL)
        process.wait()

        with pytest.raises(EmulatorError, match="ended with exit code -9: it said nothing"):
            namespace.check()


def test_without_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmulatorError, match=r"Node\.js is not on the PATH: install version 20 or later"):
        EventHubs().start()


def test_the_command_prints_the_connection_string_and_ends_with_its_owner() -> None:
    hubs = ["--port", "0", "--hub", "changes:2", "--hub", "more", "--consumer-group", "earshot"]
    with subprocess.Popen(
        [sys.executable, "-m", "local", "eventhubs", *hubs], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = int(line.partition("localhost:")[2].partition(";")[0])
        socket.create_connection(("127.0.0.1", port)).close()
        process.kill()  # no chance to stop anything
        process.wait()

        assert line.startswith("Endpoint=sb://localhost:")
        assert _closed(port)


@pytest.mark.parametrize("wrong", ["", ":4", "changes:0", "changes:many"])
def test_a_hub_that_cannot_be_is_a_usage_error(wrong: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "eventhubs", f"--hub={wrong}"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "NAME:PARTITIONS" in done.stderr


def test_clients_that_speak_something_else_do_it_no_harm() -> None:
    with EventHubs() as namespace:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"AMQP\0\1\0\0\0\0\0\x08\1\0\0\0", b"AMQP\0\0\x09\1", b"\0" * 8):
            with socket.create_connection(("127.0.0.1", namespace.port), timeout=10) as client:
                client.sendall(said)
                while client.recv(4096):
                    pass
        namespace.check()
        assert not _closed(namespace.port, within=0)


def _closed(port: int, within: float = 5) -> bool:
    deadline = time.monotonic() + within
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
