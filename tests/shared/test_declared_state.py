"""A broken subscriptions file changes nothing but what is said about it."""

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters.memory_subscriptions import MemoryKeptDeclaration
from shared.declaration import Declaration, read_declaration
from shared.declared_state import FileDeclared
from shared.errors import StorageError
from tests.builders import NOW

GOOD = json.dumps({"subscriptions": [{"name": "mail", "resource": "users/u/messages", "changeType": "created"}]})
OTHER = GOOD.replace("created", "deleted")
BROKEN = GOOD.replace("created", "moved")


@dataclass
class App:
    """A process with its file; another one of the same app has the same file and the same store."""

    path: Path
    kept: MemoryKeptDeclaration = field(default_factory=MemoryKeptDeclaration)
    now: datetime = NOW
    read: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.declared = FileDeclared(path=self.path, read=self._read, kept=self.kept, now=lambda: self.now)

    def _read(self, text: bytes) -> Declaration:
        self.read.append(text)
        return read_declaration(text, known_handlers=None)

    def write(self, text: str) -> None:
        self.path.write_text(text, "utf-8")

    @property
    def heard(self) -> str:
        current = self.declared.current
        return current.subscriptions[0].change_type if current else ""


@pytest.fixture
def app(tmp_path: Path) -> App:
    made = App(tmp_path / "subscriptions.json")
    made.write(GOOD)
    return made


async def test_a_changed_file_is_in_force_at_the_next_look(app: App) -> None:
    await app.declared.refresh()
    app.write(OTHER)
    await app.declared.refresh(at_once=True)

    assert app.heard == "deleted"
    assert len(app.read) == 2


async def test_whoever_opens_items_looks_twice_a_minute(app: App) -> None:
    await app.declared.refresh()
    app.write(OTHER)
    app.now += timedelta(seconds=29)
    await app.declared.refresh()
    assert app.heard == "created"

    app.now += timedelta(seconds=1)
    await app.declared.refresh()
    assert app.heard == "deleted"


async def test_a_broken_file_leaves_the_last_good_state_and_is_told_once_a_change(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    await app.declared.refresh()
    for broken in (BROKEN, BROKEN + "\n", None):
        if broken is None:
            app.path.unlink()
        else:
            app.write(broken)
        for _ in range(3):
            await app.declared.refresh(at_once=True)
        assert app.heard == "created"
        assert app.declared.problems

    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    assert "what it said before stays in force" in errors[0]
    assert "(line 1, $.subscriptions[0].changeType)" in errors[0]
    assert "FileNotFoundError" in errors[2]


async def test_a_mended_file_is_no_problem_any_more(app: App) -> None:
    app.write(BROKEN)
    await app.declared.refresh()
    app.write(GOOD)
    await app.declared.refresh(at_once=True)

    assert (app.heard, app.declared.problems) == ("created", ())


async def test_a_process_that_starts_with_a_broken_file_has_what_was_kept(app: App) -> None:
    await app.declared.refresh()
    await app.declared.keep()
    app.write(BROKEN)
    next_process = App(app.path, app.kept)
    next_process.declared.look()
    assert next_process.declared.current is None

    await next_process.declared.refresh()

    assert next_process.heard == "created"
    assert next_process.declared.problems
    await next_process.declared.keep()
    assert app.kept.text == GOOD.encode()


async def test_without_anything_good_there_is_nothing_and_the_next_look_is_a_second_later(app: App) -> None:
    app.write(BROKEN)
    app.kept.text = BROKEN.encode()
    for _ in range(60):
        await app.declared.refresh()
    assert (app.heard, len(app.read)) == ("", 2)

    app.write(GOOD)
    app.now += timedelta(seconds=1)
    await app.declared.refresh()
    assert app.heard == "created"


async def test_without_storage_a_good_file_is_enough_and_is_kept_later(app: App) -> None:
    app.kept.away = True
    await app.declared.refresh()
    await app.declared.keep()
    assert (app.heard, app.kept.text) == ("created", None)

    app.kept.away = False
    await app.declared.keep()
    assert app.kept.text == GOOD.encode()


async def test_without_storage_a_broken_file_is_nothing_to_decide_by(app: App) -> None:
    app.kept.away = True
    app.write(BROKEN)

    with pytest.raises(StorageError):
        await app.declared.refresh()
