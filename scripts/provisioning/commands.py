"""The three hooks as commands: what they read, which steps they take, how they end.

0 if everything is as it should be, 1 if a step failed, 2 if the command line or a file is wrong.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from scripts.provisioning.az import Az, Run, SetupProblem, run_program
from scripts.provisioning.entra import Entra
from scripts.provisioning.hub import Hub
from scripts.provisioning.live import Ask, Live, ask_over_http
from scripts.provisioning.permissions import Derived, derive
from scripts.provisioning.reporting import Outcome, Reporter, Step, skipped, write_report
from scripts.provisioning.signing_in import SigningIn
from scripts.provisioning.tenant import Preparation
from scripts.provisioning.values import AzdValues, FileValues, Values, chosen
from scripts.provisioning.vault import Vault

ROOT: Final = Path(__file__).resolve().parents[2]
_FAILED: Final = 1
_WRONG: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a command touches, so that a test can give it another one."""

    run: Run = run_program
    ask: Ask = ask_over_http
    out: TextIO = field(default_factory=lambda: sys.stdout)
    progress: TextIO = field(default_factory=lambda: sys.stderr)
    pause: float = 10.0
    sleep: Callable[[float], None] = time.sleep


def before_provision(arguments: Sequence[str], environ: Mapping[str, str], world: World | None = None) -> int:
    """Run the steps before `azd provision`."""
    return _Command.of("preprovision", arguments, environ, world or World()).run(_preparation)


def after_provision(arguments: Sequence[str], environ: Mapping[str, str], world: World | None = None) -> int:
    """Run the steps after `azd provision`."""
    return _Command.of("postprovision", arguments, environ, world or World()).run(_completion)


def after_deploy(arguments: Sequence[str], environ: Mapping[str, str], world: World | None = None) -> int:
    """Run the steps after `azd deploy`."""
    return _Command.of("postdeploy", arguments, environ, world or World()).run(_awakening)


_ABOUT: Final[Mapping[str, str]] = {
    "preprovision": "Finds what the templates must know of the tenant: its domain, Graph's own principal, and our app registration, "
    "which it makes if there is none; registers resource providers; sees that the region will do.",
    "postprovision": "Makes what no template can: trust between the app registration and the managed identity, permissions for what "
    "subscriptions.json hears, the page's sign-in where there is one, the keys and the certificate in the vault. Changes only what differs.",
    "postdeploy": "Wakes the deployed app, has it subscribe, waits until every subscription lives, and says what to see where.",
}


@dataclass(slots=True, kw_only=True)
class _Command:
    name: str
    options: argparse.Namespace
    world: World
    values: Values
    az: Az
    reporter: Reporter
    live: Live | None = None

    @classmethod
    def of(cls, name: str, arguments: Sequence[str], environ: Mapping[str, str], world: World) -> "_Command":
        options = _parser(name).parse_args(arguments)
        values: Values = AzdValues(environ=environ, run=world.run)
        if options.values:
            values = FileValues(path=options.values, environ=environ)
        reporter = Reporter(progress=world.progress)
        patience, pause = options.patience, world.pause
        az = Az(run=world.run, dry=options.dry_run, patience=patience, pause=pause, sleep=world.sleep, say=reporter.say)
        return cls(name=name, options=options, world=world, values=values, az=az, reporter=reporter)

    def run(self, list_steps: "_ListSteps") -> int:
        """Take the steps, and report."""
        dry = " (dry run: nothing is changed)" if self.az.dry else ""
        self.reporter.say(f"{self.name}{dry}")
        try:
            self._take_outputs()
            steps = list_steps(self, self._derive())
        except SetupProblem as problem:
            self.reporter.say(f"  {problem}")
            return _WRONG
        well = self.reporter.take(steps)
        if self.options.json:
            write_report(self.reporter.report(), self.world.out)
        if well:
            self._farewell()
        return 0 if well else _FAILED

    def _take_outputs(self) -> None:
        path = self.options.outputs
        if path is None:
            return
        if not isinstance(self.values, FileValues):
            raise SetupProblem("--outputs goes with --values: azd keeps the outputs itself")
        try:
            self.values.take_outputs(path.read_text(encoding="utf-8"), keep=not self.az.dry)
        except OSError as problem:
            raise SetupProblem(f"{path} cannot be read: {problem}") from problem

    def _derive(self) -> Derived:
        path = self.options.subscriptions
        try:
            return derive(path.read_text(encoding="utf-8"), live=chosen(self.values, "EARSHOT_SIGNALR"))
        except (OSError, ValueError) as problem:
            raise SetupProblem(f"{path.name} cannot be read: {problem}") from problem

    def _farewell(self) -> None:
        changes = self.reporter.changes
        would = "would change" if self.az.dry else "changed"
        said = (
            f"{changes} step{'' if changes == 1 else 's'} {would} something."
            if changes
            else "Everything is as it should be; nothing was changed."
        )
        self.reporter.say(said)
        for line in self.live.where_to_look() if self.live else ():
            self.reporter.say(f"  {line}")


_ListSteps = Callable[[_Command, Derived], Sequence[Step]]


def _preparation(command: _Command, derived: Derived) -> Sequence[Step]:
    return Preparation(az=command.az, values=command.values, pulls=derived.pulls).steps()


def _completion(command: _Command, derived: Derived) -> Sequence[Step]:
    az, values = command.az, command.values
    return (
        *Entra(az=az, values=values, derived=derived, extra=command.options.permission).steps(),
        *SigningIn(az=az, values=values).steps(),
        *Vault(az=az, values=values).steps(),
        *Hub(az=az, values=values, pulls=derived.pulls).steps(),
        Step(name="local.settings.json", needs="nothing", take=_local_settings),
    )


def _awakening(command: _Command, derived: Derived) -> Sequence[Step]:
    command.live = Live(az=command.az, values=command.values, ask=command.world.ask, expected=derived.surely)
    return command.live.steps()


def _local_settings() -> Outcome:
    """Leave the developer's settings alone: those of this deployment would bring its keys onto a laptop."""
    return skipped(
        "not written: a laptop that shares CLIENT_STATE_KEY could forge what Graph sends, and a managed identity does not exist there",
        "make setup writes one with keys of its own, for the simulator",
    )


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python3 scripts/{name}.py",
        description=_ABOUT[name],
        epilog="It may be run again at any time: it looks first, and changes what differs. As a hook of azd it is run by azd up.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only look, and say what would be changed")
    parser.add_argument(
        "--json", action="store_true", help="print a report on standard output; progress goes to standard error"
    )
    parser.add_argument(
        "--values",
        type=Path,
        metavar="FILE",
        help="read and keep values in this file of lines NAME=value, instead of azd's environment",
    )
    parser.add_argument(
        "--outputs",
        type=Path,
        metavar="FILE",
        help="with --values: take the templates' outputs from this file, as az deployment sub show --query properties.outputs prints them",
    )
    parser.add_argument(
        "--subscriptions",
        type=Path,
        default=ROOT / "subscriptions.json",
        metavar="FILE",
        help="what is to be heard (default: the subscriptions.json that is deployed)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="how long to wait for what Azure has not got round yet, such as a new role (default: 600)",
    )
    if name == "postprovision":
        parser.add_argument(
            "--permission",
            action="append",
            default=[],
            metavar="NAME",
            help="an application permission of Microsoft Graph to grant as well, such as one that a handler of yours needs",
        )
    return parser
