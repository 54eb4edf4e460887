"""Memory twin of what can be seen of a hub: everything is as it is told to be, at first in order."""

import asyncio
from dataclasses import dataclass, field

from shared.hub_diagnosis import Look, Reader


@dataclass(slots=True)
class MemoryHubLooks:
    """``tenants`` has the tenants' ids by domain. While ``silent`` no look ever comes to an end."""

    of_hub: Look = field(default_factory=lambda: Look(outcome="ok", detail="4"))
    of_group: Look = field(default_factory=lambda: Look(outcome="ok"))
    of_container: Look = field(default_factory=lambda: Look(outcome="ok"))
    identity: Reader = field(default_factory=Reader)
    tenants: dict[str, str] = field(default_factory=dict)
    silent: bool = False

    async def hub(self) -> Look:
        """Look at the hub."""
        return await self._answer(self.of_hub)

    async def consumer_group(self) -> Look:
        """Look at the consumer group."""
        return await self._answer(self.of_group)

    async def reader(self) -> Reader:
        """Say who reads."""
        await self._answer(Look())
        return self.identity

    async def tenant_of(self, domain: str) -> Look:
        """Look up a domain."""
        tenant_id = self.tenants.get(domain, "")
        return await self._answer(Look(outcome="ok", detail=tenant_id) if tenant_id else Look(outcome="absent"))

    async def container(self) -> Look:
        """Look at the container."""
        return await self._answer(self.of_container)

    async def _answer(self, look: Look) -> Look:
        if self.silent:
            await asyncio.Event().wait()
        return look
