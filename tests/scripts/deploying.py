"""A tenant for a test, the hooks run against the stand-in for `az`, and what they said."""

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.az.stand_in import StandIn
from local.az.tenant import fresh, provisioned, read_state, write_state
from scripts.provisioning.az import Ran
from scripts.provisioning.commands import World, after_deploy, after_provision, before_provision
from scripts.provisioning.live import Answer
from scripts.provisioning.permissions import (
    BY_PATH,
    BY_TYPE,
    GROUP_MEMBERS,
    MEMBERS,
    POLICY_VIOLATION,
    TO_FIND,
    USER_BY_NAME,
)

REFERENCES = {"CLIENT_STATE_KEY": "client-state-key", "FORWARD_SIGNING_KEY": "forward-signing-key"}
FOR_PEOPLE = ("openid", "profile", "email", "offline_access", "User.Read", "Mail.Read", "Mail.ReadWrite", "Mail.Send")
"""Some of the permissions that Graph has for people, ours among them."""
TEAMS = {"name": "teams-messages", "resource": "/teams/getAllMessages", "changeType": "created"}


def every_permission() -> set[str]:
    accesses = [
        *BY_TYPE.values(), *BY_PATH.values(), *TO_FIND.values(), *MEMBERS.values(), USER_BY_NAME, GROUP_MEMBERS
    ]  # fmt: skip
    return {name for each in accesses for name in (each.hear, each.read) if name} | {*POLICY_VIOLATION.values()}


class AppThatSubscribes:
    """An app behind http: well after some asking, and with subscriptions once its timer was started."""

    def __init__(
        self,
        *,
        wakes_after: int = 2,
        entries: Sequence[str] = ("teams-messages",),
        problem: str = "",
        health: Mapping[str, Any] | None = None,
    ) -> None:
        self.asleep = wakes_after
        self.entries = entries
        self.problem = problem
        self.is_well = health or {"status": "ok", "parts": ["webhook"], "problems": {}}
        self.stumbles = 0
        self.reconciled = 0
        self.keys: list[str] = []

    def __call__(self, method: str, url: str, *, key: str = "") -> Answer:
        self.keys.append(key)
        if url.endswith("/health"):
            return self._health()
        if key != "master-key-of-the-stand-in":
            return Answer(status=401)
        if (method, url.partition("/admin/")[2]) == ("POST", "functions/renewal"):
            self.reconciled += 1
            return Answer(status=202)
        assert (method, url.partition("/api/")[2]) == ("GET", "status"), f"nobody should ask {method} {url}"
        self.stumbles -= 1
        return Answer(status=502, why="Bad Gateway") if self.stumbles >= 0 else Answer(status=200, body=self._status())

    def _health(self) -> Answer:
        self.asleep -= 1
        return (
            Answer(status=503, why="Service Unavailable") if self.asleep >= 0 else Answer(status=200, body=self.is_well)
        )

    def _status(self) -> Mapping[str, Any]:
        made = "" if self.problem or not self.reconciled else "a-subscription"
        rows = [{"name": each, "subscriptionId": made, "problem": self.problem} for each in self.entries]
        return {
            "declaration": {"entries": len(self.entries), "problems": []},
            "subscriptions": rows,
            "subscriptionCount": len(self.entries),
        }


@dataclass
class Deployment:
    """A tenant on a state file, and the hooks as azd would run them."""

    folder: Path
    entries: Sequence[Mapping[str, Any]] = (TEAMS,)
    app: Any = field(default_factory=AppThatSubscribes)
    pause: float = 0.0
    stand_in: StandIn = field(init=False)
    said: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    waits: int = 0

    def __post_init__(self) -> None:
        self.stand_in = StandIn(self.folder / "state.json")
        write_state(self.stand_in.path, fresh(every_permission(), for_people=FOR_PEOPLE))
        self.declare(*self.entries)
        self.azd(AZURE_ENV_NAME="test", AZURE_LOCATION="westeurope")

    @property
    def state(self) -> dict[str, Any]:
        return read_state(self.stand_in.path)

    @property
    def kept(self) -> bytes:
        """Everything that there is, byte for byte."""
        return self.stand_in.path.read_bytes()

    def declare(self, *entries: Mapping[str, Any]) -> None:
        (self.folder / "subscriptions.json").write_text(json.dumps({"subscriptions": entries}))

    def change(self, **parts: Any) -> None:
        write_state(self.stand_in.path, self.state | parts)

    def azd(self, **values: str) -> None:
        self.change(azd=self.state["azd"] | values)

    def lose(self, privilege: str) -> None:
        self.change(privileges=[each for each in self.state["privileges"] if each != privilege])

    def provision(self) -> None:
        """What `azd provision` does between the two hooks."""
        write_state(self.stand_in.path, provisioned(self.state, references=REFERENCES))

    def before(self, *options: str) -> int:
        return self._run(before_provision, *options)

    def after(self, *options: str) -> int:
        return self._run(after_provision, *options)

    def deployed(self, *options: str) -> int:
        return self._run(after_deploy, *options)

    def up(self) -> None:
        """As `azd up`, as far as the hooks go."""
        assert self.before() == 0, self.last
        self.provision()
        assert self.after() == 0, self.last

    @property
    def last(self) -> str:
        """What the last hook told a person."""
        return self.said[-1]

    @property
    def became(self) -> dict[str, str]:
        """What became of each step, by the last hook's report."""
        return {each["step"]: each["became"] for each in self.report["steps"]}

    def _run(self, hook: Any, *options: str) -> int:
        out, progress = io.StringIO(), io.StringIO()
        world = World(run=self._az, ask=self.app, out=out, progress=progress, pause=1.0, sleep=self._wait)
        chosen = ["--json", "--subscriptions", str(self.folder / "subscriptions.json"), "--patience", "20", *options]
        try:
            code: int = hook(chosen, self.state["azd"], world)
        finally:
            self.said.append(progress.getvalue())
        self.report = json.loads(out.getvalue()) if out.getvalue() else {"steps": []}
        return code

    def _az(self, words: Sequence[str]) -> Ran:
        ended = self.stand_in.run(words)
        self.printed.append(ended.out)
        return Ran(code=ended.code, out=ended.out, err=ended.err)

    def _wait(self, _seconds: float) -> None:
        self.waits += 1
        time.sleep(self.pause)
