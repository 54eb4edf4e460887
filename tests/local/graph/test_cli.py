"""The command line: serving for people and for programs, and commands for a simulator that runs already."""

import argparse
import asyncio
import contextlib
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import create_default_context
from typing import Any

import pytest
from aiohttp import web

from local.graph import cli
from local.graph.cli import reading
from local.graph.simulator import Simulator
from tests.local.graph.stand import App, Receiver, Wanted

TENANTS = ["7e4a0000-0000-4000-8000-0000000000a1", "7e4a0000-0000-4000-8000-0000000000a2"]
DEADLINE = 20
ROOT = Path(__file__).parents[3]
SERVE = [sys.executable, "-m", "local", "graph", "--port", "0", "--tls-port", "0"]


@contextmanager
def _serving(*options: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [*SERVE, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)


def test_the_simulator_runs_alone_says_when_it_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    with _serving("--state-dir", str(tmp_path), "--seed", "7", "--verbose") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ready = json.loads(process.stdout.readline())
        assert ready.keys() == {"ready", "http", "https", "ca"}
        assert Path(ready["ca"]) == tmp_path / "ca.pem"
        trust = create_default_context(cafile=ready["ca"])
        with urllib.request.urlopen(f"{ready['https']}/_sim/world", context=trust, timeout=DEADLINE) as answer:  # noqa: S310 - ours
            over_https = json.load(answer)
        with urllib.request.urlopen(f"{ready['http']}/_sim/world", timeout=DEADLINE) as answer:  # noqa: S310 - ours
            assert json.load(answer) == over_https
        missing = f"{ready['http']}/v1.0/users"
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(missing, timeout=DEADLINE)  # noqa: S310 - ours
        refused.value.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    assert errors == "INFO refused path=/v1.0/users status=401 code=InvalidAuthenticationToken\n"


def test_everything_that_serving_can_be_told_reaches_the_simulator(tmp_path: Path) -> None:
    options = [
        "--tenant",
        TENANTS[0],
        "--tenant",
        TENANTS[1].upper(),
        "--people",
        "4",
        "--teams",
        "2",
        "--chats",
        "3",
        "--history",
        "2",
    ]
    options += [
        "--time-scale",
        "60",
        "--patience",
        "0.5",
        "--knob",
        "duplicates=0.25",
        "--knob",
        "issuers=v2",
        "--json",
    ]
    options += ["--state", str(tmp_path / "state.json"), "--client-secret", "s", "--event-hub", "ns=Endpoint=sb://x/"]
    with _serving(*options) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["http"]
        with urllib.request.urlopen(f"{url}/_sim/state", timeout=DEADLINE) as answer:  # noqa: S310 - ours
            state = json.load(answer)
    assert [tenant["tenant"] for tenant in state["tenants"]] == TENANTS
    assert [len(state["tenants"][0][name]) for name in ("people", "channels", "chats")] == [4, 6, 3]
    assert state["tenants"][1]["latest"]
    assert (state["clock"]["scale"], state["clock"]["patience"]) == (60.0, 0.5)
    knobs = {knob["name"]: knob["value"] for knob in state["knobs"]}
    assert (knobs["duplicates"], knobs["issuers"]) == (0.25, "v2")
    assert (tmp_path / "state.json").exists()


@contextmanager
def _on_a_terminal() -> Iterator[int]:
    """Serve with a terminal for an output, and give its other end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(SERVE, stdout=theirs, stderr=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield ours
        finally:
            process.terminate()
    os.close(ours)
    os.close(theirs)


def _greeting(process_out: int) -> str:
    told = b""
    while b"--help" not in told:
        told += os.read(process_out, 4096)
    return told.decode().replace("\r\n", "\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="the greeting explains itself with curl")
async def test_what_a_person_is_told_at_the_start_works_as_it_stands(receiver: Receiver) -> None:
    with _on_a_terminal() as terminal:
        greeting = await asyncio.to_thread(_greeting, terminal)
        shown, _, subscribe = greeting.partition("2. Subscribe")
        page = next(line.split()[1] for line in shown.splitlines() if line.split()[:1] == ["page"])
        script = "\n".join(
            [
                "set -eu",
                shown.partition("anything:")[2],
                subscribe.partition("only):")[2].partition("3. Let")[0],
                f"{sys.executable} -m local graph post General hello",
            ]
        ).replace("http://127.0.0.1:8080/notifications", f"{receiver.url}/notifications")
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=DEADLINE,
            check=False,
            env={**os.environ, "GRAPH_SIMULATOR": page.rstrip("/")},  # noqa: TID251 - a shell needs its PATH
        )
        assert done.returncode == 0, done.stderr
        await receiver.until(lambda: len(receiver.items) == 1)
    assert "1 notification on the way" in done.stdout
    assert f"export GRAPH_SIMULATOR={page.rstrip('/')}" in greeting


def test_a_port_that_is_taken_and_a_knob_that_does_not_exist_are_explained() -> None:
    with _serving() as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["http"].rpartition(":")[2]
        taken = subprocess.run(
            [*SERVE, "--port", port], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE, check=False
        )
    assert taken.returncode == 2
    assert "is taken" in taken.stderr
    assert "--port 0" in taken.stderr
    wrong = subprocess.run(
        [*SERVE, "--knob", "gravity=9.81"], capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE, check=False
    )
    assert (wrong.returncode, wrong.stderr) == (2, "Cannot start: unknown: gravity\n")


def test_commands_start_at_once_because_they_load_no_server() -> None:
    code = "import sys; from local.graph import cli; sys.exit('aiohttp' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=DEADLINE, check=False).returncode == 0


# ---- commands for a simulator that runs already


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


def _parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="graph")
    cli.add_arguments(parser)
    return parser.parse_args(words)


class Terminal:
    """Types commands for one simulator and reads what they print."""

    def __init__(self, url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._url = url
        self._capsys = capsys

    async def type(self, *words: str) -> tuple[int, str, str]:
        arguments = _parse(*words, "--graph", self._url)
        self._capsys.readouterr()
        code = await asyncio.to_thread(cli.run, arguments)
        said, complained = self._capsys.readouterr()
        return code, said, complained

    async def says(self, *words: str) -> str:
        code, said, complained = await self.type(*words)
        assert (code, complained) == (0, ""), (words, complained)
        return said

    async def answers(self, *words: str) -> Any:
        return json.loads(await self.says(*words, "--json"))


@pytest.fixture
def terminal(graph: Simulator, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(graph.http_url, capsys)


@pytest.fixture
async def subscribed(app: App, wanted: Wanted, rich: dict[str, Any]) -> str:
    status, answer = await app.call("POST", "/v1.0/subscriptions", wanted(**rich))
    assert status == 201, answer
    return str(answer["id"])


async def test_messages_are_written_mended_liked_moved_and_deleted(terminal: Terminal) -> None:
    posted = await terminal.answers("post", "General", "hello", "--from", "Megan Bowen")
    assert "nobody heard of it" in await terminal.says("edit", posted["resource"], "hello again")
    assert (await terminal.answers("react", posted["resource"], "heart"))["text"] == "hello again"
    reply = await terminal.answers("post", "General", "hi", "--reply-to", posted["id"])
    assert posted["id"] in reply["resource"]
    assert (await terminal.answers("delete", posted["resource"]))["deleted"] is True
    mail = await terminal.answers("post", "adele.vance@contoso.com", "hello", "--subject", "Hi")
    assert "nobody heard of it" in await terminal.says("move", mail["resource"], "archive")
    assert "hello" in await terminal.says("show", "items")


async def test_anything_else_happens(terminal: Terminal) -> None:
    happened = await terminal.answers("happen", "call-recording", "--id", "meeting=m1", "--content", '{"callId": "x"}')
    assert "m1" in happened["resource"]
    assert "presences" in await terminal.says("happen", "presence", "--change-type", "updated")


async def test_graph_misbehaves_on_command(terminal: Terminal, subscribed: str, receiver: Receiver) -> None:
    assert "1 notification on the way" in await terminal.says("post", "General", "hello")
    await receiver.until(lambda: len(receiver.items) == 1)
    assert "differs in one character" in await terminal.says("forge", "wrong-mac")
    assert await terminal.says("handshake") == await terminal.says("handshake", subscribed) == _echoed(receiver)
    assert subscribed in await terminal.says("lifecycle", "reauthorizationRequired")
    await receiver.until(lambda: len(receiver.items) == 3)
    assert "signing with" in await terminal.says("rotate-keys", "--forget")
    assert "and it is lost" in await terminal.says("outage", "15m", "--lose")
    assert "it is" in await terminal.says("advance", "16m")
    assert "started" in await terminal.says("storm", "--changes", "5", "--rate", "100")
    assert "changes" in await terminal.says("chatter", "--status")
    assert "delta links" in await terminal.says("expire", "--delta")
    app_id = (await terminal.answers("show", "subscriptions"))["subscriptions"][0]["appId"]
    assert "consent withdrawn" in await terminal.says("revoke", app_id)
    assert "consent given again" in await terminal.says("revoke", app_id, "--restore")
    assert await terminal.says("expire", subscribed) == "expired: 1\n"
    code, _, complained = await terminal.type("lifecycle", "missed")
    assert (code, complained) == (1, "nobody has subscribed yet, so that there is nobody to tell\n")


def _echoed(receiver: Receiver) -> str:
    return f"echoed by {receiver.url}/notifications\nechoed by {receiver.url}/lifecycle\n"


async def test_people_talk_on_command(terminal: Terminal) -> None:
    started = await terminal.answers("chatter", "--rate", "100", "--seconds", "0.1", "--other", "0.2")
    assert started["running"]


async def test_knobs_are_listed_and_turned(terminal: Terminal, graph: Simulator) -> None:
    assert await terminal.says("knob", "issuers", "v2") == 'issuers = "v2"\n'
    assert await terminal.says("knob", "lost", "0.5") == "lost = 0.5\n"
    assert await terminal.says("knob", "states", "false") == "states = false\n"
    assert (graph.knobs.issuers, graph.knobs.lost, graph.knobs.states) == ("v2", 0.5, False)
    listed = await terminal.says("knobs")
    assert all(name in listed for name in graph.knobs.printed())


@pytest.mark.usefixtures("subscribed")
async def test_everything_can_be_shown(terminal: Terminal, receiver: Receiver) -> None:
    await terminal.says("post", "General", "hello")
    await receiver.until(lambda: len(receiver.items) == 1)
    expected = {
        "tenant": "Adele Vance",
        "subscriptions": "getAllMessages",
        "deliveries": "202",
        "changes": "hello",
        "items": "hello",
        "health": "well",
        "repertoire": "mail-moved",
        "forgeries": "null-item",
        "clock": "simulated seconds",
        "catalogue": "getAllMessages",
    }
    assert expected.keys() == reading.VIEWS.keys()
    for what, text in expected.items():
        assert text in await terminal.says("show", what), what
        assert await terminal.answers("show", what), what


@pytest.mark.usefixtures("subscribed")
async def test_the_judge_is_printed_and_strict_if_wanted(terminal: Terminal, receiver: Receiver) -> None:
    assert await terminal.says("judge", "--strict") == "The receiver kept every rule that was put to it.\n"
    receiver.answers.append(web.Response(status=500))
    await terminal.says("post", "General", "hello")
    await receiver.until(lambda: len(receiver.items) == 1)
    code, said, _ = await terminal.type("judge", "--strict")
    assert code == 1
    assert "failed" in said
    assert "https://learn.microsoft.com/" in said
    assert (await terminal.type("judge"))[0] == 0
    assert (await terminal.answers("judge"))["ok"] is False


@pytest.mark.usefixtures("subscribed")
async def test_a_piece_of_the_repertoire_is_played_with_progress_and_what_to_look_for(terminal: Terminal) -> None:
    said = await terminal.says("play", "edit")
    assert "✓ The author mends it" in said
    assert "A good receiver:" in said
    assert (await terminal.answers("play", "edit"))["ok"] is True
    assert "mail-moved" in await terminal.says("play", "--list")
    code, _, complained = await terminal.type("play", "missed")
    assert code == 1
    assert "create one first" in complained
    assert (await terminal.type("play", "no-such-piece"))[0] == 1


async def test_a_refusal_is_printed_with_what_would_be_right(terminal: Terminal) -> None:
    code, said, complained = await terminal.type("post", "Nowhere", "hello")
    assert (code, said) == (1, "")
    assert "General" in complained


def test_where_nothing_runs_one_is_told_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(_parse("judge", "--graph", "http://127.0.0.1:9")) == 2
    assert "Start the simulator with 'python -m local graph'" in capsys.readouterr().err


def test_every_command_explains_itself_with_an_example_that_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in cli.COMMANDS.items():
        with pytest.raises(SystemExit, match="0"):
            _parse(name, "--help")
        helped = " ".join(capsys.readouterr().out.split())
        assert f"example: python -m local graph {name}" in helped
        assert command.example.split()[0] == name


@pytest.mark.parametrize("words", [("advance", "soon"), ("happen", "event", "--id", "x"), ("knob", "lost")])
def test_words_that_make_no_sense_are_a_usage_error(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        _parse(*words)


async def test_on_a_terminal_tables_fit_its_width_and_without_rich_they_are_plain(graph: Simulator) -> None:
    show = ["graph", "show", "tenant", "--graph", graph.http_url]
    fitted = await asyncio.to_thread(_shown_on_a_terminal, [sys.executable, "-m", "local", *show])
    assert "Adele Vance" in fitted
    assert max(len(line) for line in fitted.splitlines()) <= 100
    code = "import sys; sys.modules['rich'] = None; from local.__main__ import main; sys.exit(main(sys.argv[1:]))"
    plain = await asyncio.to_thread(_shown_on_a_terminal, [sys.executable, "-c", code, *show])
    assert "Adele Vance" in plain
    assert "\x1b" not in plain


def _shown_on_a_terminal(command: list[str]) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}  # noqa: TID251 - a program needs its PATH
    done = subprocess.run(command, stdout=theirs, cwd=ROOT, timeout=DEADLINE, check=False, env=environment)
    os.close(theirs)
    assert done.returncode == 0
    told = b""
    # Linux ends the reading of a terminal whose other end is closed with an error, other systems with nothing
    with contextlib.suppress(OSError):
        while more := os.read(ours, 65536):
            told += more
    os.close(ours)
    return told.decode()
