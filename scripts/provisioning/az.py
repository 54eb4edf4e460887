"""Runs `az` and reads what it prints; waits where Azure says that something has not got round yet.

A look and a change are two calls, so that a dry run makes no change. Bodies and policies go through files that only this user
can read: a command line is everybody's to see. Not here: what the errors mean, see `troubles`.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.provisioning.troubles import Trouble, recognise

_SETTLED: Final = ("--only-show-errors", "--output", "json")
_ABSENT: Final = "Request_ResourceNotFound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)


Run = Callable[[Sequence[str]], Ran]


class SetupProblem(Exception):  # noqa: N818 - shown to people as what it says
    """What keeps a step from being done, in words for whoever runs it: whose turn it is, and what to ask for."""


class AzProblem(SetupProblem):
    """`az` refused. ``said`` is its own text, ``trouble`` what we know about it."""

    def __init__(self, words: Sequence[str], said: str, trouble: Trouble | None) -> None:
        self.said = said
        self.trouble = trouble
        super().__init__(f"az {' '.join(words[:3])}: {said or 'ended without a word'}")


def run_program(words: Sequence[str]) -> Ran:
    """Run a program that is on the path. Raises SetupProblem if there is none of that name."""
    found = shutil.which(words[0])
    if found is None:
        raise SetupProblem(f"{words[0]} is not installed, or not on the path: {_WHERE_FROM.get(words[0], '')}")
    done = subprocess.run([found, *words[1:]], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


_WHERE_FROM: Final[Mapping[str, str]] = {
    "az": "https://learn.microsoft.com/cli/azure/install-azure-cli",
    "azd": "https://learn.microsoft.com/azure/developer/azure-developer-cli/install-azd",
}


@contextmanager
def private_file(text: str) -> Iterator[Path]:
    """Keep a text in a file that only this user can read, and take it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="earshot-") as folder:  # 0700
        path = Path(folder) / "content"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        yield path


@dataclass(slots=True, kw_only=True)
class Az:
    """The Azure CLI, as the steps use it.

    ``patience`` is how many seconds a step may wait in all for a role or a new object to be known everywhere.
    """

    run: Run = run_program
    dry: bool = False
    patience: float = 600.0
    pause: float = 10.0
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _: None
    _endpoints: Mapping[str, str] | None = None

    def look(self, *words: str) -> Any:
        """Run a command that changes nothing; what it prints, as values. Raises AzProblem."""
        return self._patiently(words)

    def change(self, *words: str) -> Any:
        """Run a command that changes something; nothing is run, and None returned, in a dry run. Raises AzProblem."""
        return None if self.dry else self._patiently(words)

    def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, prefer: str = "") -> Any:
        """Ask Microsoft Graph with the caller's own rights. Raises AzProblem.

        https://learn.microsoft.com/cli/azure/use-azure-cli-rest-command (2026-01)
        """
        return self._rest(method, self._graph_url(path), body, prefer)

    def find(self, path: str) -> Any:
        """Get an object of Microsoft Graph; None if there is none, without waiting for one to appear. Raises AzProblem."""
        try:
            return self._patiently(["rest", "--method", "get", "--url", self._graph_url(path)], but_not_for=_ABSENT)
        except AzProblem as problem:
            if _ABSENT in problem.said:
                return None
            raise

    def arm(self, method: str, path: str, version: str) -> Any:
        """Ask Azure's resource manager, whose address `az` puts before a path. Raises AzProblem."""
        return self._rest(method, f"{path}?api-version={version}", None, "")

    def endpoint(self, name: str) -> str:
        """Give an address of the cloud that `az` is signed in to, without a trailing slash."""
        if self._endpoints is None:
            self._endpoints = self.look("cloud", "show")["endpoints"]
        return self._endpoints[name].rstrip("/")

    def _graph_url(self, path: str) -> str:
        return f"{self.endpoint('microsoftGraphResourceId')}/v1.0{path}"

    def _rest(self, method: str, url: str, body: Mapping[str, Any] | None, prefer: str) -> Any:
        words = ["rest", "--method", method, "--url", url]
        ask = self.look if method == "get" else self.change
        if body is None:
            return ask(*words)
        words += ["--headers", f"Prefer={prefer}"] if prefer else []
        with private_file(json.dumps(body)) as path:
            return ask(*words, "--body", f"@{path}")

    def _patiently(self, words: Sequence[str], *, but_not_for: str | None = None) -> Any:
        waited = 0.0
        while True:
            try:
                return self._once(words)
            except AzProblem as problem:
                if problem.trouble is None or not problem.trouble.passes or waited >= self.patience:
                    raise
                if but_not_for and but_not_for in problem.said:
                    raise
                self.say(
                    f"    {problem.trouble.name}: waiting {self.pause:.0f} s, {self.patience - waited:.0f} s at most"
                )
                self.sleep(self.pause)
                waited += self.pause

    def _once(self, words: Sequence[str]) -> Any:
        ran = self.run(["az", *words, *_SETTLED])
        if ran.code != 0:
            said = ran.err.strip().removeprefix("ERROR: ")
            raise AzProblem(words, said, recognise(said))
        try:
            return json.loads(ran.out) if ran.out.strip() else None
        except ValueError as problem:
            raise AzProblem(words, "it printed something that is not JSON", None) from problem
