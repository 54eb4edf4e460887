"""Looks at everything that pull mode depends on, at once and within seconds, and finds what is wrong with it.

From inside the app with its own identity, or from a laptop with the same settings. Nothing is changed by it, and nothing of a hub
is used up. Not here: what follows from what was seen (`shared.hub_diagnosis`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final

from shared.errors import StorageError
from shared.graph.addresses import Addresses
from shared.graph.hub_url import HubConnection, read_hub_connection, read_hub_url
from shared.hub_diagnosis import Finding, Look, Reader, Seen, Setup, diagnose, print_findings
from shared.ports import HubLooks, SubscriptionStore
from shared.settings import Settings
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_PATIENCE: Final = 20.0
"""Seconds for all of it: who asks over HTTP waits for the answer, and a firewall that swallows packets never gives one."""
_MOST_REFUSED: Final = 3


class HubCheck:
    """The diagnosis of pull mode. ``store`` is None where there is no table to look into."""

    def __init__(
        self, *, settings: Settings, looks: HubLooks, store: SubscriptionStore | None, seconds: float = _PATIENCE
    ) -> None:
        self._settings = settings
        self._looks = looks
        self._store = store
        self._seconds = seconds

    async def run(self) -> tuple[Finding, ...]:
        """Look at everything, and say how it is. Never raises."""
        setup = read_setup(self._settings)
        looking = asyncio.gather(
            self._look(self._looks.hub() if setup.connection and setup.hub else _none()),
            self._look(
                self._looks.consumer_group() if setup.connection and setup.hub and setup.consumer_group else _none()
            ),
            self._look(self._looks.tenant_of(setup.told.domain) if setup.told else _none()),
            self._look(self._looks.tenant_of(setup.store.domain) if setup.store else _none()),
            self._look(self._looks.container() if setup.takes_oversize else _none()),
        )
        (hub, group, domain, store_domain, container), reader, (made, refused) = await asyncio.gather(
            looking, self._reader(setup), self._said(self._settings.addresses)
        )
        seen = Seen(
            hub=hub,
            consumer_group=group,
            domain=domain,
            store_domain=store_domain,
            container=container,
            reader=reader,
            made=made,
            refused=refused,
        )
        return diagnose(setup, seen)

    async def answer(self) -> tuple[int, Mapping[str, Any]]:
        """Give a status and what to answer: 200 whatever was found, because the check itself has done its work."""
        if not self._settings.asks_for_pull_mode:
            problem = "pull mode is not asked for: set EVENT_HUB_NOTIFICATION_URL and EventHubConnection"
            return 404, {"problem": problem}
        findings = await self.run()
        wrong = [each.about for each in findings if each.verdict == "wrong"]
        level = logging.WARNING if wrong else logging.INFO
        log_line(_LOGGER, level, "hub check", {"findings": len(findings), "wrong": ",".join(wrong) or "none"})
        return 200, print_findings(findings)

    async def _look(self, looking: Awaitable[Look]) -> Look:
        try:
            async with asyncio.timeout(self._seconds):
                return await looking
        except TimeoutError:
            return Look(outcome="unreachable", detail=f"no answer within {self._seconds:g} seconds")

    async def _reader(self, setup: Setup) -> Reader:
        """Find out who reads, where that is an identity; where it cannot be found out, the hub itself says more."""
        if not setup.by_identity:
            return Reader()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._looks.reader()
        except TimeoutError:
            return Reader()

    async def _said(self, addresses: Addresses) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Find what Graph has answered so far: a subscription into the hub that exists, and what was refused."""
        if self._store is None or not addresses.hub_url:
            return "", ()
        try:
            async with asyncio.timeout(self._seconds):
                rows = [each for each in await self._store.list() if each.delivery == "eventhub"]
        except (StorageError, TimeoutError):
            return "", ()
        made = next((each.name for each in rows if each.subscription_id), "")
        refused = [(each.name, each.problem) for each in rows if each.problem and not each.subscription_id]
        return made, tuple(refused[:_MOST_REFUSED])


def read_setup(settings: Settings) -> Setup:
    """Read from the settings what the diagnosis is about."""
    return Setup(
        told=read_hub_url(settings.event_hub_notification_url),
        store=read_hub_url(settings.event_hub_blob_store_url),
        connection=_connection(settings),
        hub=settings.event_hub_name,
        consumer_group=settings.event_hub_consumer_group,
        by_identity=not settings.event_hub_connection and bool(settings.event_hub_namespace),
        takes_oversize=bool(settings.oversize_storage or settings.oversize_storage_blob_uri),
        oversize_account=_account(settings),
    )


def _connection(settings: Settings) -> HubConnection | None:
    if settings.event_hub_connection:
        return read_hub_connection(settings.event_hub_connection) or HubConnection(host="")
    return HubConnection(host=settings.event_hub_namespace) if settings.event_hub_namespace else None


def _account(settings: Settings) -> str:
    for part in settings.oversize_storage.split(";"):
        name, _, value = part.partition("=")
        if name.strip().lower() == "accountname":
            return value.strip()
    return settings.oversize_storage_blob_uri.removeprefix("https://").partition(".")[0]


async def _none() -> Look:
    return Look()
