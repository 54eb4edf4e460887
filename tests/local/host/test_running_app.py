"""A sample app under the local host, with a real Azurite: what the real host promises, seen from outside."""

import http.client
import json
import os
import re
import signal
import socket

import pytest

from local.host.http_door import LARGEST_BODY
from tests.local.host.running import DEADLINE, HostStarter, RunningHost, until

pytestmark = pytest.mark.azurite


def test_the_list_of_functions_reads_like_func_start(host: RunningHost) -> None:
    assert f"\techo: [GET,POST] http://localhost:{host.port}/api/echo/{{name?}}\n" in host.output
    assert f"\ttext: [GET,POST] http://localhost:{host.port}/api/text\n" in host.output
    assert "\twork: queueTrigger\n" in host.output
    assert "\ttick: timerTrigger\n" in host.output


def test_a_missing_setting_stops_only_that_function(host: RunningHost) -> None:
    assert "The 'unset' function is in error: '%MISSING%' does not resolve to a value." in host.output
    assert "\tunset:" not in host.output
    assert host.call("GET", "/admin/functions/unset").status == 404


def test_a_request_reaches_the_function_as_the_host_hands_it_on(host: RunningHost) -> None:
    answer = host.call(
        "POST", "/api/echo/a%20b?x=1+2&y=&x=%2B", b"12345", {"X-Mixed-Case": "Kept", "Content-Type": "a/b"}
    )
    seen = answer.json
    assert seen["params"] == {"x": "1 2,+"}
    assert seen["route"] == {"name": "a b"}
    assert seen["headers"]["x-mixed-case"] == "Kept"
    assert seen["size"] == 5
    assert seen["url"] == f"http://127.0.0.1:{host.port}/api/echo/a b?x=1+2&y=&x=%2B"
    assert seen["function"] == "echo"
    assert answer.headers["X-Seen"] == "yes"
    assert answer.headers["Set-Cookie"] == "a=b; Path=/"


def test_a_chunked_body_is_not_passed_on(host: RunningHost) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=DEADLINE)
    connection.request(
        "POST", "/api/echo", iter([b"chunk"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert json.loads(connection.getresponse().read())["size"] == 0
    connection.close()


def test_a_body_of_32_mebibytes_passes(host: RunningHost) -> None:
    assert host.call("POST", "/api/echo", bytes(32 * 1024 * 1024)).json["size"] == 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/text", 200),
        ("PUT", "/api/echo", 404),
        ("GET", "/api/unknown", 404),
        ("GET", "/api/broken", 500),
        ("GET", "/", 200),
        ("GET", "/admin/host/ping", 200),
        ("GET", "/admin/nothing", 404),
    ],
)
def test_the_status_is_the_host_s(host: RunningHost, method: str, path: str, status: int) -> None:
    assert host.call(method, path).status == status


def test_a_body_above_the_limit_is_refused_before_it_is_read(host: RunningHost) -> None:
    with socket.create_connection(("127.0.0.1", host.port), DEADLINE) as line:
        line.sendall(f"POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGEST_BODY + 1}\r\n\r\n".encode())
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_single_json_text_is_printed_anew_and_a_list_is_untouched(host: RunningHost) -> None:
    text = b'{"a":1,"when":"2026-11-20T10:00:00+02:00"}'
    assert host.call("POST", "/api/single", text).status == 202
    assert host.call("POST", "/api/many", json.dumps([text.decode(), "plain"]).encode()).status == 202
    expected = ['{\n  "a": 1,\n  "when": "2026-11-20T08:00:00+00:00"\n}', text.decode(), "plain"]
    assert host.messages("-out", 3) == sorted(expected)


def test_an_output_that_cannot_be_written_fails_the_call(host: RunningHost) -> None:
    assert host.call("POST", "/api/single", b"x" * 65_537).status == 500
    assert host.call("POST", "/api/single", b"{not json}").status == 500
    host.await_line(r"65,537 bytes exceeds the maximum")


def test_a_message_that_the_app_wrote_is_handled_at_once(host: RunningHost) -> None:
    assert host.call("POST", "/api/submit", b"hello").status == 202
    host.await_line(r"root: work done hello")


def test_a_failed_message_comes_back_and_succeeds(host: RunningHost) -> None:
    host.send("", "fail once")
    host.await_line(r"work began fail once on delivery 1")
    host.await_line(r"work began fail once on delivery 2")
    host.await_line(r"work done fail once")


def test_a_message_that_always_fails_is_moved_to_the_poison_queue(host: RunningHost) -> None:
    host.send("", "fail")
    assert host.messages("-poison", 1) == ["fail"]
    assert len(re.findall(r"work began fail on delivery \d", host.output)) == 3


def test_a_worker_killed_in_the_middle_is_replaced_and_the_message_delivered_again(host: RunningHost) -> None:
    host.send("", "sleep once")
    host.await_line(r"work began sleep once on delivery 1")
    before = host.worker
    os.kill(before["pid"], signal.SIGKILL)
    host.await_line(r"The worker process \d+ exited with code -9")
    assert host.call("GET", "/api/echo").status == 200, "a call waits for the new worker"
    after = host.worker
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"] + 1
    host.await_line(r"work began sleep once on delivery 2")
    host.await_line(r"work done sleep once")


def test_a_json_text_replaces_the_message_s_id(host: RunningHost) -> None:
    """A documented trap of text parameters; binary ones are spared."""
    host.send("-text", '{"id": "not the message id"}')
    host.await_line(r"merging saw id not the message id")


def test_any_trigger_can_be_run_by_hand(host: RunningHost) -> None:
    assert host.call("POST", "/admin/functions/work", b'{"input": "by hand"}').status == 202
    assert host.call("POST", "/admin/functions/tick", b"{}").status == 202
    host.await_line(r"work done by hand")
    host.await_line(r"WARNING clock: tick, past due: False")


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [("work", b"", 400), ("work", b'{"input": 7}', 400), ("echo", b"{}", 400), ("unknown", b"{}", 404)],
)
def test_a_run_by_hand_can_be_refused(host: RunningHost, name: str, body: bytes, status: int) -> None:
    assert host.call("POST", f"/admin/functions/{name}", body).status == status


def test_the_admin_api_tells_how_the_host_is(host: RunningHost) -> None:
    status = host.call("GET", "/admin/host/status").json
    assert status["state"] == "Running"
    assert "work" in {function["name"] for function in host.call("GET", "/admin/functions").json}
    assert host.call("GET", "/admin/functions/Work").json["config"]["bindings"][0]["queueName"] == host.queue


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_timer_fires_by_its_schedule_and_the_host_ends_cleanly(start_host: HostStarter, storage: str) -> None:
    host = start_host(storage=storage, SCHEDULE="* * * * * *")
    host.await_line(r"(?s)tick, past due: False.*tick, past due: False")
    worker = host.worker["pid"]
    assert host.stop() == 0
    assert not alive(worker)


def test_a_killed_host_takes_its_worker_along(start_host: HostStarter, storage: str) -> None:
    host = start_host(storage=storage)
    worker = host.worker["pid"]
    host.stop(signal.SIGKILL)
    until(lambda: not alive(worker), "the worker's end")


def test_a_function_that_never_answers_ends_with_its_worker(start_host: HostStarter, storage: str) -> None:
    """A CancelledError that escapes is never answered, as under the real worker; functionTimeout ends it."""
    host = start_host(storage=storage, AzureFunctionsJobHost__functionTimeout="00:00:01")
    assert host.call("GET", "/api/stuck").status == 500
    assert host.call("GET", "/api/text").status == 200
    assert host.worker["restarts"] == 1


def test_a_call_whose_output_finds_no_storage_is_a_500(start_host: HostStarter, storage: str) -> None:
    away = re.sub(r":\d+/", ":9/", storage)
    quick = {"AzureWebJobsStorage__Retry__MaxRetries": "1", "AzureWebJobsStorage__Retry__Delay": "00:00:00.1"}
    host = start_host(storage=away, **quick)
    host.await_line(r"The listener for function 'Functions.work' can't read its queue")
    assert host.call("POST", "/api/submit", b"x").status == 500
