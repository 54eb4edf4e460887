"""`make demo` is a witness, not an advertisement: with one promise taken out of the app, its exit code is 1."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.copies import ROOT, copy_app, spoil

pytestmark = [pytest.mark.scenario, pytest.mark.azurite]

DUPLICATES = ("--duplicates", "0.4")
FORGERIES = ("--forged", "1")  # one in nine forgeries of a rich item is a tampered one
NEITHER = ("--duplicates", "0", "--forged", "0")
TWO_SECONDS = ("--seconds", "2", "--rate", "60")
FOUR_SECONDS = ("--seconds", "4", "--rate", "30")
IN_TIME = 100


@dataclass(frozen=True)
class Spoil:
    """One promise taken out of the app: where, how, and as what the demo has to notice it."""

    file: str
    text: str
    instead: str
    noticed: str
    mischief: tuple[str, ...]


SPOILS = {
    "content is opened without its MAC": Spoil(
        file="shared/graph/encrypted_content.py",
        text="if not hmac.compare_digest(hmac.digest(aes_key, ciphertext, hashlib.sha256), signature):",
        instead="if not signature:",
        noticed="strangers",
        mischief=("--no-kill", *FORGERIES, "--duplicates", "0"),
    ),
    "clientState is believed without its MAC": Spoil(
        file="shared/graph/client_state.py",
        text="if genuine else None",
        instead="",
        noticed="strangers",
        mischief=("--no-kill", *FORGERIES, "--duplicates", "0"),
    ),
    "nothing remembers what was handled": Spoil(
        file="shared/ledger.py",
        text="        periods = [self.period(now)]\n",
        instead="        return {each.key: Granted(run=each.owed, rows={}) for each in wanted}\n"
        "        periods = [self.period(now)]\n",
        noticed="twice",
        mischief=("--no-kill", *DUPLICATES),
    ),
    "messages are looked through and nothing is found": Spoil(
        file="shared/handlers/dlp.py",
        text="matches = () if deleted else",
        instead="matches = () if deleted or content else",
        noticed="overlooked",
        mischief=("--no-kill", *NEITHER),
    ),
    "Graph is answered before anything is kept": Spoil(
        file="blueprints/webhook.py",
        text="            kept.set(list(reply.envelopes))\n",
        instead="""\
            async def keep_later(envelopes: tuple[str, ...]) -> None:
                import contextlib, os
                from azure.core.exceptions import ResourceExistsError
                from azure.storage.queue.aio import QueueClient

                await asyncio.sleep(1)
                async with QueueClient.from_connection_string(os.environ[_STORAGE], "notifications") as queue:
                    with contextlib.suppress(ResourceExistsError):
                        await queue.create_queue()
                    for envelope in envelopes:
                        await queue.send_message(envelope)

            under_way.append(asyncio.create_task(keep_later(reply.envelopes)))
""",
        noticed="lost",
        mischief=NEITHER,
    ),
}


def demo(app: Path, folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Run the demo as `make demo` does, but shorter; its exit code, its report as data, and what it said."""
    report = folder / "report.json"
    command = [sys.executable, "-m", "local", "demo", "--app", str(app), "--folder", str(folder / "demo")]
    size = ["--json", str(report), *options]
    done = subprocess.run(
        [*command, *size], cwd=ROOT, capture_output=True, text=True, timeout=IN_TIME, check=False, encoding="utf-8"
    )
    data = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    return done.returncode, data, done.stdout + done.stderr


def test_the_app_as_it_is_holds_every_promise(tmp_path: Path) -> None:
    code, report, said = demo(copy_app(tmp_path / "app"), tmp_path, *FOUR_SECONDS, *DUPLICATES, "--forged", "0.2")

    assert code == 0, said
    assert report["holds"] is True
    assert report["handled"] == report["changes"] == 120
    assert report["kills"] == 1
    assert report["duplicates_suppressed"] == report["duplicates_sent"] > 20
    assert sum(report["forged"].values()) > 10
    assert "Nothing lost, nothing twice, nothing forged came through" in said


@pytest.mark.parametrize("spoilt", SPOILS.values(), ids=SPOILS)
def test_the_demo_notices_when(spoilt: Spoil, tmp_path: Path) -> None:
    app = copy_app(tmp_path / "app")
    spoil(app / spoilt.file, spoilt.text, spoilt.instead)
    if "under_way" in spoilt.instead:
        spoil(app / spoilt.file, "_Messages = ", "under_way: list[asyncio.Task[None]] = []\n_Messages = ")

    code, report, said = demo(app, tmp_path, *TWO_SECONDS, *spoilt.mischief)

    assert code == 1, said
    kinds = {kind: report[kind] for kind in ("lost", "twice", "strangers", "objections")}
    kinds["overlooked"] = report["watched"]["wrong"]
    assert [kind for kind, problems in kinds.items() if problems] == [spoilt.noticed]
    assert "This run broke a promise." in said
