"""Does what the page says, step by step: saves programs, types commands, makes calls, and compares with what it shows.

Addresses on the page are replaced by the real ones; a program that goes on running is told to take any free port, and says which.
Not here: starting the simulator, which belongs to whoever walks.
"""

import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.learn.page import Call, Command, PageError, Program, Step
from local.learn.pattern import difference
from local.learn.variables import Unknown, Variables

GRAPH, AUTHORITY = "http://127.0.0.1:7080", "https://localhost:7443"
"""Where the simulator is on the page."""
PYTHON = ".venv/bin/python"
SIMULATOR = [PYTHON, "-m", "local", "graph"]
SECONDS = 30.0
EVERY = 0.05

_URL = re.compile(r"http://127\.0\.0\.1:\d+")
_DEFINED = re.compile(r"^@([\w-]+) = (.+)$", re.MULTILINE)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


# no proxy is asked on the way to this machine, whatever the environment says
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that was taken: what was sent, what came of it, and how that differs from the page (not at all: nothing)."""

    step: Step
    sent: str
    came: str
    problem: str


@dataclass(kw_only=True)
class Walk:
    """A walk in a folder of its own; whatever goes on running ends with it.

    `places` says where something on the page really is. Calls that only look (GET) are made again until their answer is as
    shown, for `patience` seconds: what they look for may be on its way.
    """

    folder: Path
    places: dict[str, str]
    now: Callable[[], datetime]
    patience: float = 10.0
    variables: Variables = field(init=False)
    _open: ExitStack = field(init=False, default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.variables = Variables(now=self.now)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def take(self, step: Step) -> Done:
        """Take one step. Raises PageError for one that cannot be taken at all."""
        match step:
            case Program():
                return self._save(step)
            case Command():
                return self._type(step)
            case Call():
                return self._call(step)

    def _save(self, program: Program) -> Done:
        path = self.folder / program.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._really(program.text), encoding="utf-8")
        return Done(step=program, sent=program.name, came="saved", problem="")

    def _type(self, command: Command) -> Done:
        words = shlex.split(command.words)
        if words[: len(SIMULATOR)] == SIMULATOR and command.stays:
            return Done(step=command, sent=command.words, came=f"runs already, at {self._really(GRAPH)}", problem="")
        if words[:1] != [PYTHON] or not (self.folder / words[-1]).is_file():
            raise PageError(f"line {command.line}: {command.words} starts no program of this page")
        came = self._start(words[1:], command) if command.stays else self._run(words[1:])
        self.variables.definitions |= dict(_DEFINED.findall(came))
        problem = self._compare(command.output, came)
        return Done(step=command, sent=command.words, came=came, problem=problem)

    def _run(self, words: Sequence[str]) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        return (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip()

    def _start(self, words: Sequence[str], command: Command) -> str:
        log = self._open.enter_context((self.folder / "terminal.log").open("w", encoding="utf-8"))
        line = [sys.executable, "-u", *words, "0"]
        process = self._open.enter_context(
            subprocess.Popen(line, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True)
        )
        self._open.callback(process.kill)
        came = process.stdout.readline().strip() if process.stdout else ""
        for shown, real in zip(_URL.findall(command.output), _URL.findall(came), strict=False):
            self.places[shown] = real
        return came

    def _call(self, call: Call) -> Done:
        # an abridged definition is one that a program has printed in full
        self.variables.definitions |= {
            name: value
            for name, value in call.definitions.items()
            if "…" not in value or name not in self.variables.definitions
        }
        try:
            url, body = self._filled(call.url), self._filled(call.body)
            headers = {name: self._filled(value) for name, value in call.headers.items()}
            answer, problem = self._ask(call, url, headers, body)
        except Unknown as unknown:
            return Done(step=call, sent=f"{call.method} {call.url}", came="", problem=str(unknown))
        if call.name:
            self.variables.answers[call.name] = answer.body
        came = "\n".join(filter(None, (f"{answer.status}", answer.body)))
        return Done(step=call, sent="\n".join(filter(None, (f"{call.method} {url}", body))), came=came, problem=problem)

    def _ask(self, call: Call, url: str, headers: Mapping[str, str], body: str) -> tuple[Answer, str]:
        until = time.monotonic() + self.patience
        while True:
            answer = _send(call.method, url, headers, body)
            problem = self._judge(call, answer)
            if not problem or call.method != "GET" or time.monotonic() > until:
                return answer, problem
            time.sleep(EVERY)

    def _judge(self, call: Call, answer: Answer) -> str:
        expected = call.expected
        if answer.status != expected.status:
            return f"the status is {answer.status}, not {expected.status}"
        for name, value in expected.headers.items():
            if problem := difference(value, answer.headers.get(name.lower(), "")):
                return f"{name}: {problem}"
        return self._compare(expected.body, answer.body)

    def _compare(self, expected: str, came: str) -> str:
        return difference(self._filled(expected), came)

    def _filled(self, text: str) -> str:
        return self._really(self.variables.fill(text))

    def _really(self, text: str) -> str:
        for shown, real in self.places.items():
            text = text.replace(shown, real)
        return text


def _send(method: str, url: str, headers: Mapping[str, str], body: str) -> Answer:
    request = urllib.request.Request(url, body.encode() or None, dict(headers), method=method)  # noqa: S310 - our own page
    try:
        with _OPENER.open(request, timeout=SECONDS) as response:
            return _read(response.status, response.headers, response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return _read(refused.code, refused.headers, refused.read())
    except OSError as problem:
        raise PageError(f"nothing answers at {url}") from problem


def _read(status: int, headers: Any, raw: bytes) -> Answer:
    low = {name.lower(): value for name, value in headers.items()}
    return Answer(status=status, headers=low, body=raw.decode(errors="replace"))
