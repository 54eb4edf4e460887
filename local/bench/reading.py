"""What it costs to serve people: recognising who calls, and reading a page of a feed, from storage as the app does it.

Who may see the feed is remembered; Graph is not asked. Azurite stands in for storage.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from local.azurite.emulator import Azurite
from local.bench.figures import Figure
from local.bench.material import CLIENT_ID, TENANT, Material
from shared.adapters.feed_table import FeedTable
from shared.adapters.memory import MemorySigningKeys
from shared.adapters.storage import PATIENT, Storage
from shared.callers import Callers
from shared.feed_titles import FeedTitles
from shared.feeds import entry_of, feed_of
from shared.graph.resource import read_resource
from shared.graph.signed_token import TrustedKeys, read_signing_keys
from shared.graph.user_token import UserTokenJudge
from shared.graph.validation_token import TokenJudge
from shared.membership import Membership
from shared.settings import Settings
from shared.storage_health import StorageHealth
from shared.token_check import TokenCheck
from shared.user_feeds import UserFeeds

_USER = "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
_CHANNEL = "teams/e3b0c442-98fc-4c14-9af8-a0a7d2f3b001/channels/19:a@thread.tacv2"
_TOKENS, _QUICK_TOKENS = 300, 30
_AGAIN, _QUICK_AGAIN = 5_000, 300
_READS, _QUICK_READS = 200, 20
_MESSAGES = 50
_WORDS = "words that somebody wrote to everybody " * 12


def measure_reading(material: Material, *, quick: bool = False) -> list[Figure]:
    """Measure all of it."""
    with Azurite() as azurite:
        return asyncio.run(_measure(material, azurite.connection_string, quick=quick))


async def _measure(material: Material, connection: str, *, quick: bool) -> list[Figure]:
    settings = Settings.from_environ({"AzureWebJobsStorage": connection})
    storage = Storage(settings=settings, patience=PATIENT, health=StorageHealth(), now=_now)
    try:
        table = FeedTable(storage, _now)
        await _write(table)
        callers = _callers(material)
        membership = Membership(_Graph(), _now, home_tenant_id=TENANT)
        titles = FeedTitles(_Graph(), membership, _now, home_tenant_id=TENANT)
        feeds = UserFeeds(callers=callers, membership=membership, titles=titles, store=table)
        tokens = [_token(material, number) for number in range(_QUICK_TOKENS if quick else _TOKENS)]
        figures = await _recognise(callers, tokens, _QUICK_AGAIN if quick else _AGAIN)
        return figures + await _read(feeds, tokens[0], _QUICK_READS if quick else _READS)
    finally:
        await storage.close()


async def _recognise(callers: Callers, tokens: list[str], again: int) -> list[Figure]:
    headers = [{"authorization": f"Bearer {token}"} for token in tokens]
    await callers.recognise({"authorization": f"Bearer {tokens[0]}"})
    first = [await _cpu(lambda shown=each: callers.recognise(shown)) for each in headers[1:]]  # type: ignore[misc]
    known = [await _cpu(lambda: callers.recognise(headers[0])) for _ in range(again)]
    return [
        Figure(name="recognising a caller: CPU, token seen before", value=_ms(known), unit="ms", target=0.05),
        Figure(name="recognising a caller: CPU, new token", value=_ms(first), unit="ms", target=0.5),
    ]


async def _read(feeds: UserFeeds, token: str, count: int) -> list[Figure]:
    headers = {"authorization": f"Bearer {token}", "accept-encoding": "gzip"}
    feed = feed_of(read_resource(f"{_CHANNEL}/messages/0")).feed
    page = await feeds.page(feed, headers, {})
    if page.status != 200:  # noqa: PLR2004
        raise RuntimeError(f"the feed could not be read: {page.status}")
    known = headers | {"if-none-match": page.headers["ETag"]}
    whole = [await _elapsed(lambda: feeds.page(feed, headers, {})) for _ in range(count)]
    nothing = [await _elapsed(lambda: feeds.page(feed, known, {})) for _ in range(count)]
    after = {"after": str(_MESSAGES - 1)}
    newest = [await _elapsed(lambda: feeds.page(feed, headers, after)) for _ in range(count)]
    note = f"{_MESSAGES} messages, {len(page.body):,} bytes compressed"
    return [
        Figure(name="a page of a feed, p50", value=_ms(whole), unit="ms", target=100, note=note),
        Figure(name="the change that was missed, p50", value=_ms(newest), unit="ms", target=30),
        Figure(name="nothing new (304), p50", value=_ms(nothing), unit="ms", target=20),
    ]


async def _cpu(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.process_time()
    await call()
    return time.process_time() - began


async def _elapsed(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


def _ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - tokens and storage go by the machine's clock


async def _write(table: FeedTable) -> None:
    for number in range(_MESSAGES):
        item = read_resource(f"{_CHANNEL}/messages/{number}")
        content = {"id": str(number), "body": {"contentType": "html", "content": f"{number} {_WORDS}"}}
        entry = entry_of(
            item, change_type="created", version=str(number), deleted=False, content=content, changed=_now()
        )
        await table.apply(feed_of(item), entry)


def _callers(material: Material) -> Callers:
    keys = read_signing_keys({"keys": [key.published() for key in material.authority.keys]})
    issuers = {"2.0": material.authority.issuer("v2", "{tenantid}")}
    trusted = TrustedKeys(by_kid=keys, issuers=issuers, fetched=_now().timestamp())
    deliveries = TokenJudge(audiences=frozenset({CLIENT_ID}))
    deliveries.trust(trusted)
    people = UserTokenJudge(audiences=frozenset({CLIENT_ID}), tenant_ids=frozenset({TENANT}), scope="access_as_user")
    return Callers(people, TokenCheck(deliveries, MemorySigningKeys(), _now), _now)


def _token(material: Material, number: int) -> str:
    named = {"oid": _USER, "sub": _USER, "name": "Adele Vance", "number": str(number)}
    return material.authority.user_token(
        audience=CLIENT_ID, app_id=CLIENT_ID, tenant_id=TENANT, named=named, scopes="access_as_user"
    )


class _Graph:
    """Says that the reader is in the channel."""

    async def request(self, method: str, path: str, **_: Any) -> Mapping[str, Any]:
        """Answer."""
        del method, path
        kind = "#microsoft.graph.aadUserConversationMember"
        return {"value": [{"@odata.type": kind, "userId": _USER, "tenantId": TENANT}]}
