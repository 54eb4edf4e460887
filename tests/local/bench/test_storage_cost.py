"""Which of Azurite's requests are counted as a notification's cost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.azurite.emulator import Azurite
from local.azurite.request_log import RequestLog, StorageRequest
from local.bench.storage_cost import answered_with_messages, countable, logged
from local.emulation import EmulatorError


def request(number: int, method: str, path: str) -> StorageRequest:
    return StorageRequest(request_id=f"id-{number}", method=method, path=path, query="")


def test_polls_that_found_nothing_cost_nothing() -> None:
    requests = [
        request(1, "POST", "/notifications/messages"),
        request(2, "GET", "/notifications/messages"),
        request(3, "GET", "/notifications/messages"),
        request(4, "DELETE", "/notifications/messages/m-1"),
        request(5, "POST", "/$batch"),
        request(6, "POST", "/$batch"),
        request(7, "GET", "/subscriptions(PartitionKey='app',RowKey='a')"),
    ]
    assert countable(requests, frozenset({"id-2"})) == {
        "POST /notifications/messages": 1,
        "GET /notifications/messages": 1,
        "DELETE /notifications": 1,
        "POST /$batch": 2,
        "GET /subscriptions": 1,
    }


def test_what_the_host_says_of_every_invocation_is_not_logged() -> None:
    console = (
        b"[2026-11-30T03:20:06.435Z] Executing 'Functions.processor' (Reason='New queue message', Id=1)\n"
        b"[2026-11-30T03:20:06.438Z] shared.pipeline: envelope via=webhook items=1 endings=handled:1 ms=4.3 age_ms=8.5\n"
        b"[2026-11-30T03:20:06.439Z] Executed 'Functions.processor' (Succeeded, Id=1, Duration=5ms)\n"
    )
    assert [line[27:42] for line in logged(console)] == [b"shared.pipeline"]


@pytest.fixture
def azurite(tmp_path: Path) -> Iterator[Azurite]:
    with Azurite(access_log=tmp_path / "azurite.log") as emulator:
        yield emulator


@pytest.mark.azurite
def test_azurite_s_log_tells_polls_apart(azurite: Azurite) -> None:
    from azure.storage.queue import QueueClient  # noqa: PLC0415 - only this test needs it

    log = RequestLog(azurite)
    with QueueClient.from_connection_string(azurite.connection_string, "abc") as queue:
        queue.create_queue()
        queue.send_message("a")
        first = queue.receive_message()
        assert first is not None
        assert queue.receive_message() is None
        queue.delete_message(first)
    assert countable(log.read(), answered_with_messages(log.text())) == {
        "PUT /abc": 1,
        "POST /abc/messages": 1,
        "GET /abc/messages": 1,
        "DELETE /abc": 1,
    }


def test_an_emulator_without_a_log_has_no_witness() -> None:
    with pytest.raises(EmulatorError, match="access_log"):
        RequestLog(Azurite())
