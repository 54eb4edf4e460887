"""What stops the host from starting, and what it then says."""

import socket
import subprocess
import sys

import pytest

from tests.local.host.running import DEADLINE, HostStarter

APP = "import azure.functions as func\napp = func.FunctionApp()\n"


@pytest.mark.parametrize(
    ("app", "said"),
    [
        ("import not_there_at_all", "No module named 'not_there_at_all'"),
        ("x = 1", "Could not find top level function app instances in function_app.py."),
        (APP + "another = func.FunctionApp()", "More than one FunctionApp"),
        (APP + "@app.route()\ndef f(x: func.HttpRequest) -> str: ...", "declared in Python but not in the function"),
    ],
)
def test_an_app_that_the_worker_refuses_is_an_error_and_exit_1(start_host: HostStarter, app: str, said: str) -> None:
    host = start_host(app, ready=False)
    assert host.process.wait(DEADLINE) == 1
    assert "Worker failed to load function app." in host.output
    assert said in host.output


def test_an_app_without_functions_is_no_error(start_host: HostStarter) -> None:
    host = start_host(APP)
    assert host.call("GET", "/admin/functions").json == []
    assert host.stop() == 0


def test_only_the_functions_asked_for_are_loaded(start_host: HostStarter) -> None:
    two = "".join(
        f"@app.route(route='{name}')\ndef {name}(req: func.HttpRequest) -> str:\n    return 'x'\n" for name in "ab"
    )
    host = start_host(APP + two, "--functions", "a")
    assert host.call("GET", "/api/a").status == 200
    assert host.call("GET", "/api/b").status == 404


def test_a_function_of_another_kind_is_stopped_with_a_line(start_host: HostStarter) -> None:
    kafka = "@app.generic_trigger(arg_name='x', type='kafkaTrigger')\ndef odd(x: str) -> None: ...\n"
    host = start_host(APP + kafka)
    assert "The 'odd' function is in error: the binding type(s) 'kafkaTrigger' are not supported" in host.output


def test_a_taken_port_is_said_as_func_says_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "local", "host", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 1
    assert f"Port {port} is unavailable. Close the process using that port, or specify another port" in done.stdout


def test_the_worker_sees_the_app_but_not_the_host_s_own_folder(start_host: HostStarter) -> None:
    route = "@app.route(route='path')\ndef path(req: func.HttpRequest) -> str:\n    import sys\n    return '|'.join(sys.path)\n"
    host = start_host(APP + route)
    path = host.call("GET", "/api/path").body.decode().split("|")
    assert path[-1] == str(host.log.parent)
    assert path.count(str(host.log.parents[3])) == 0
