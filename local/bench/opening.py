"""How close opening rich notifications comes to what `cryptography` alone takes for the same items, on one core and on two.

The other side of the comparison is written here, bare: base64, RSA-OAEP, HMAC, AES and the padding, with the key parsed.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from local.bench.figures import Figure, ratio
from local.bench.material import NAME, Material
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.composition import Composition
from shared.envelope import Envelope, Item
from shared.graph.subscription import LiveSubscription
from shared.known_subscriptions import KnownSubscriptions
from shared.opener import Opener
from shared.settings import Settings
from shared.work import Work, under_way

_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - Graph's choice
_ITEMS_OF_AN_ENVELOPE = 20
_ENVELOPES, _QUICK_ENVELOPES = 20, 4
_ROUNDS, _QUICK_ROUNDS = 9, 3


class InPlace(ThreadPoolExecutor):
    """No thread at all: what is submitted runs here and now, so that one core does everything."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Run it."""
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **named))
        return done


def measure_opening(material: Material, *, quick: bool = False) -> list[Figure]:
    """Measure both figures."""
    return asyncio.run(
        _measure(material, _QUICK_ENVELOPES if quick else _ENVELOPES, _QUICK_ROUNDS if quick else _ROUNDS)
    )


async def _measure(material: Material, count: int, rounds: int) -> list[Figure]:
    items = [[material.item(number, rich=True) for number in range(_ITEMS_OF_AN_ENVELOPE)] for _ in range(count)]
    envelopes = [_envelope(each) for each in items]
    contents = [item["encryptedContent"] for each in items for item in each]
    key = read_key(next((material.folder / "keys").glob("*.pem")))
    composition = Composition(Settings.from_environ(material.settings(handlers=["feed"])))
    with InPlace() as here, ThreadPoolExecutor(2) as two:
        alone, together = [await make_opener(composition, threads) for threads in (here, two)]
        for opener in (alone, together):
            await _open_all(opener, envelopes)
        bare, ours, double = [], [], []
        for _ in range(rounds):
            bare.append(bare_cryptography(contents, key))
            cpu, _ = await _open_all(alone, envelopes)
            _, wall = await _open_all(together, envelopes)
            ours.append(cpu)
            double.append(wall)
    await composition.close()
    each = f"{ours[0] / len(contents) * 1e6:.0f} µs of CPU an item"
    return [
        Figure(
            name="verify, decrypt and route, of what bare cryptography does",
            value=ratio(bare, ours),
            unit="%",
            target=0.9,
            at_least=True,
            note=each,
        ),
        Figure(
            name="the same on two threads, of one core",
            value=ratio(ours, double),
            unit="x",
            target=1.8,
            at_least=True,
            note=f"{len(contents) / min(double):.0f} items a second",
        ),
    ]


async def make_opener(composition: Composition, threads: ThreadPoolExecutor) -> Opener:
    """Take the app's opener with a table in memory, and threads of our own."""
    store = MemorySubscriptionStore()
    await store.save(
        LiveSubscription(
            name=NAME,
            generation=1,
            resource="/teams/getAllMessages",
            change_type="created,updated,deleted",
            include_resource_data=True,
            delivery="webhook",
        )
    )
    known = KnownSubscriptions(composition.declared, store, present)
    return replace(composition.pipeline.opener, known=known, threads=threads)


async def _open_all(opener: Opener, envelopes: Sequence[Envelope]) -> tuple[float, float]:
    """Open every envelope, all at once as the processor does; CPU and wall-clock seconds."""
    works = [[Work(item=item) for item in envelope.items] for envelope in envelopes]
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(opener.open(each, envelope) for each, envelope in zip(works, envelopes, strict=True)))
    spent = time.process_time() - cpu, time.perf_counter() - wall
    opened = [work for each in works for work in under_way(each) if work.routes and work.change and work.change.content]
    if len(opened) != sum(map(len, works)):
        raise RuntimeError(f"{len(opened)} of {sum(map(len, works))} items were opened: {works[0][0].endings}")
    return spent


def bare_cryptography(contents: Sequence[Mapping[str, str]], key: rsa.RSAPrivateKey) -> float:
    """Open every content with `cryptography` and nothing else; CPU seconds."""
    began = time.process_time()
    for content in contents:
        aes_key = key.decrypt(base64.b64decode(content["dataKey"]), _OAEP)
        data = base64.b64decode(content["data"])
        if not hmac.compare_digest(
            hmac.digest(aes_key, data, hashlib.sha256), base64.b64decode(content["dataSignature"])
        ):
            raise RuntimeError("an item's signature does not fit")
        decryptor = Cipher(algorithms.AES(aes_key), modes.CBC(aes_key[:16])).decryptor()
        padded = decryptor.update(data) + decryptor.finalize()
        _ = padded[: -padded[-1]]
    return time.process_time() - began


def read_key(pem: Path) -> rsa.RSAPrivateKey:
    """Parse the private key once, as anybody would."""
    key = serialization.load_pem_private_key(pem.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the encryption key is no RSA key")
    return key


def _envelope(items: Sequence[Mapping[str, Any]]) -> Envelope:
    held = tuple(Item(item_id=f"bench-{number}", notification=item) for number, item in enumerate(items))
    return Envelope(via="webhook", received=present(), items=held)


def present() -> datetime:
    """Tell the present."""
    return datetime.now(UTC)  # noqa: TID251 - a benchmark's present
