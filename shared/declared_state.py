"""What is declared now: the subscriptions file as it was when it was last good, and what is wrong with it since.

A broken file changes nothing but the log, health and status. Where a process starts with one, what was kept of the last good
one comes back. Not here: what makes a file good (`shared.declaration`).
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.declaration import Declaration
from shared.errors import SettingsError, StorageError
from shared.ports import Clock, KeptDeclaration
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_LOOK_AGAIN: Final = timedelta(seconds=30)
_LOOK_FOR_ANY: Final = timedelta(seconds=1)
"""While nothing good is known: an envelope of sixty items still looks once."""


class FileDeclared:
    """Port ``Declared`` over the subscriptions file. ``problems`` is empty while the file is good."""

    def __init__(self, *, path: Path, read: Callable[[bytes], Declaration], kept: KeptDeclaration, now: Clock) -> None:
        self._path = path
        self._read = read
        self._kept = kept
        self._now = now
        self._seen: bytes | None = None
        self._to_keep: bytes | None = None
        self._looked: datetime | None = None
        self._looking = asyncio.Lock()
        self.current: Declaration | None = None
        self.problems: tuple[str, ...] = ()

    def look(self) -> None:
        """Look at the file, and take it up if it is another than at the last look, and good. Says so once a change."""
        try:
            text = self._path.read_bytes()
        except OSError as problem:
            kind = type(problem).__name__
            if self._is_new(f"\0{kind}".encode()):
                self._blame(SettingsError([f"SUBSCRIPTIONS_FILE {self._path} cannot be read ({kind})"]))
            return
        if not self._is_new(text):
            return
        try:
            self._take(text)
        except SettingsError as problem:
            self._blame(problem)

    async def refresh(self, *, at_once: bool = False) -> None:
        """Look at the file, in a thread, unless that was done half a minute ago; without a good one, ask what was kept."""
        async with self._looking:
            wait = _LOOK_AGAIN if self.current else _LOOK_FOR_ANY
            if self._looked is not None and self._now() - self._looked < wait and not at_once:
                return
            self._looked = self._now()
            await asyncio.to_thread(self.look)
            if self.current is None:
                await self._recover()

    async def keep(self) -> None:
        """Keep a good file for a process that starts with a broken one; what fails is tried again next time."""
        if self._to_keep is None:
            return
        try:
            await self._kept.write(self._to_keep)
        except StorageError as problem:
            log_line(_LOGGER, logging.WARNING, "the subscriptions file could not be kept", {"problem": str(problem)})
        else:
            self._to_keep = None

    def _is_new(self, text: bytes) -> bool:
        before, self._seen = self._seen, hashlib.sha256(text).digest()
        return self._seen != before

    def _blame(self, problem: SettingsError) -> None:
        self.problems = problem.problems
        stays = (
            "what it said before stays in force" if self.current else "what was kept of an earlier one is looked for"
        )
        _LOGGER.error("the subscriptions file is wrong; %s: %s", stays, problem)

    def _take(self, text: bytes) -> None:
        declaration = self._read(text)
        known = self.current.digest if self.current else "none"
        self.current, self.problems, self._to_keep = declaration, (), text
        fields = {"entries": len(declaration.subscriptions), "digest": declaration.digest[:12], "before": known[:12]}
        log_line(_LOGGER, logging.INFO, "declaration", fields)

    async def _recover(self) -> None:
        """Take up what was kept. Raises StorageError."""
        text = await self._kept.read()
        if text is None:
            return
        try:
            self.current = await asyncio.to_thread(self._read, text)
        except SettingsError as problem:
            fields = {"problem": str(problem)}
            log_line(_LOGGER, logging.ERROR, "what was kept of the subscriptions file is not good any more", fields)
        else:
            log_line(_LOGGER, logging.WARNING, "declaration as it was kept", {"digest": self.current.digest[:12]})
