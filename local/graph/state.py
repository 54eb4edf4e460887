"""What is kept in a file between two runs: the tenants, the subscriptions, the time, and the keys that tokens are signed with.

The file holds secrets and is readable by its owner only. It is written beside itself and then put in place, so that a crash leaves
the last whole one. Not here: how each part looks, see `tenant.saving` and `subscribing.store`.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.graph.clock import Clock
from local.graph.dice import Dice
from local.graph.identity.tokens import SigningKey
from local.graph.tenant.saving import restore, save
from local.graph.tenant.world import Collection, World

VERSION = 1
EVERY_SECONDS = 5.0
REST = 20
"""How many times longer to rest than writing took."""

log = logging.getLogger(__name__)


class StateError(Exception):
    """The file cannot be used; the message says which file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an earlier run left behind; `elapsed` are its simulated seconds."""

    now: datetime
    elapsed: float
    worlds: list[Mapping[str, Any]]
    subscriptions: list[Mapping[str, Any]]
    keys: list[SigningKey]
    next_number: int

    def tenants(self, clock: Clock, dice: Dice) -> dict[str, World]:
        """Return the tenants as they were. Raises StateError for tenants that no simulator has written."""
        numbers = itertools.count(self.next_number)
        try:
            worlds = [restore(each, clock=clock, dice=dice, numbers=numbers) for each in self.worlds]
        except (ValueError, LookupError, TypeError, AttributeError) as broken:
            raise StateError("the state's tenants make no sense: move the file away to start anew") from broken
        return {world.tenant_id: world for world in worlds}


def read_state(path: Path) -> State | None:
    """Return what the file holds, or None if there is none yet. Raises StateError if it is not one of ours."""
    if not path.exists():
        return None
    try:
        saved = json.loads(path.read_bytes())
        if saved["version"] != VERSION:
            raise StateError(f"{path} was written by another version of the simulator: move it away to start anew")
        return State(
            now=datetime.fromisoformat(saved["now"]),
            elapsed=float(saved["elapsed"]),
            worlds=_at_least_one(saved["tenants"]),
            subscriptions=list(saved["subscriptions"]),
            keys=[_read_key(each) for each in _at_least_one(saved["keys"])],
            next_number=int(saved["nextNumber"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        raise StateError(f"{path} is not a state of the simulator: move it away to start anew") from broken


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Put the state in place of the last one."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(state, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def print_state(
    clock: Clock, worlds: Mapping[str, World], subscriptions: Sequence[Mapping[str, Any]], keys: list[SigningKey]
) -> dict[str, Any]:
    """Return everything that a later run needs."""
    last = max((collection.log[-1].number for world in worlds.values() for collection in _logged(world)), default=0)
    return {
        "version": VERSION,
        "now": clock.now().isoformat(),
        "elapsed": clock.seconds(),
        "nextNumber": last + 1,
        "tenants": [save(world) for world in worlds.values()],
        "subscriptions": list(subscriptions),
        "keys": [_write_key(key) for key in keys],
    }


@asynccontextmanager
async def kept_state(path: Path, take: Callable[[], dict[str, Any]]) -> AsyncIterator[None]:
    """Keep the file up to date meanwhile, and leave the last state in it. Raises OSError for a file that cannot be written."""
    started = time.monotonic()
    await asyncio.to_thread(write_state, path, take())
    over = asyncio.Event()
    keeping = asyncio.create_task(_keep(path, take, over, first_took=time.monotonic() - started))
    try:
        yield
    finally:
        over.set()
        await keeping
        write_state(path, take())


async def _keep(path: Path, take: Callable[[], dict[str, Any]], over: asyncio.Event, *, first_took: float) -> None:
    """Write the state every few seconds; the larger it is, the less often.

    A disk that refuses meanwhile is logged and tried again: the simulator goes on without.
    """
    took = first_took
    while not await _is_over(over, within=max(EVERY_SECONDS, took * REST)):
        started = time.monotonic()
        try:
            await asyncio.to_thread(write_state, path, take())
        except OSError as refused:
            log.warning("the state was not written", extra={"path": str(path), "error": str(refused)})
        took = time.monotonic() - started


async def _is_over(over: asyncio.Event, *, within: float) -> bool:
    """Wait for an end, but not longer than so many seconds."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), within)
    return over.is_set()


def _logged(world: World) -> list[Collection]:
    return [collection for collection in world.collections.values() if collection.log]


def _at_least_one(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not rows:
        raise ValueError("a state has always some of these")
    return list(rows)


def _write_key(key: SigningKey) -> dict[str, str]:
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"kid": key.kid, "pem": pem.decode()}


def _read_key(saved: Mapping[str, str]) -> SigningKey:
    private = serialization.load_pem_private_key(saved["pem"].encode(), None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise StateError("the state's signing keys are not RSA keys: move the file away to start anew")
    return SigningKey(kid=saved["kid"], private=private)
