"""The storage emulator as a process: it starts on free ports, can be frozen, ends, and says what keeps it from starting."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.storage.queue import QueueClient

from local.azurite.emulator import Azurite, free_ports
from local.emulation import EmulatorError

pytestmark = pytest.mark.azurite

ROOT = Path(__file__).resolve().parents[3]


def test_it_keeps_what_it_is_given_and_a_freeze_costs_nothing() -> None:
    with (
        Azurite() as emulator,
        QueueClient.from_connection_string(
            emulator.connection_string, "queue", retry_total=0, read_timeout=0.3
        ) as queue,
    ):
        queue.create_queue()
        queue.send_message("before")
        emulator.pause()
        try:
            with pytest.raises(ServiceResponseTimeoutError):
                queue.peek_messages()
        finally:
            emulator.resume()

        assert [message.content for message in queue.peek_messages()] == ["before"]


def test_it_is_gone_when_it_is_stopped_and_stopping_twice_is_no_error() -> None:
    emulator = Azurite().start()
    pid = emulator.pid
    emulator.pause()
    emulator.stop()
    emulator.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(EmulatorError, match="not running"):
        _ = emulator.pid


def test_a_port_that_somebody_else_has_is_an_error() -> None:
    """Whoever answers there is not Azurite: to take it for Azurite would be found out much later."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        emulator = Azurite(blob_port=taken.getsockname()[1], queue_port=free_ports(1)[0], table_port=free_ports(1)[0])

        with pytest.raises(EmulatorError, match=r"Azurite ended with exit code 1: .*EADDRINUSE"):
            emulator.start()


def test_without_node_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EmulatorError, match=r"Node\.js is not on the PATH: install version 20 or later"):
        Azurite().start()


def test_the_command_prints_the_connection_string_and_stops_when_told() -> None:
    ports = ["--blob-port", "0", "--queue-port", "0", "--table-port", "0"]
    with subprocess.Popen(
        [sys.executable, "-m", "local", "azurite", *ports], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()

        assert line.startswith("DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;")
        assert process.wait(10) == 0


def test_an_emulator_that_died_is_found_out() -> None:
    with Azurite() as emulator:
        emulator.check()
        os.kill(emulator.pid, signal.SIGKILL)
        os.waitid(os.P_PID, emulator.pid, os.WEXITED | os.WNOWAIT)

        with pytest.raises(EmulatorError, match="Azurite ended with exit code -9: it said nothing"):
            emulator.check()


def test_free_ports_are_several() -> None:
    assert len(set(free_ports(5))) == 5
