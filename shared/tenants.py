"""Which tenants may be heard: ours, and those of others who have taken our multi-tenant app in.

A tenant's id is empty wherever our own is meant, so that nothing which was written before there could be others means another
now. Not here: tokens for a tenant (`shared.adapters.credential`).
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenants:
    """Our own tenant, and those that may appear in notifications.

    ``allowed`` is None where nobody checks. ``only_home`` says why no token for another tenant can be had; empty if it can.
    """

    home: str = ""
    allowed: frozenset[str] | None = None
    only_home: str = ""

    def read(self, tenant_id: str) -> str:
        """Read a tenant's id as it was declared: empty for our own."""
        known = tenant_id.lower()
        return "" if known == self.home else known

    def problems_with(self, tenant_id: str) -> Iterator[str]:
        """Say why a tenant that was read cannot be heard."""
        if not tenant_id:
            return
        if self.allowed is not None and tenant_id not in self.allowed:
            yield "the tenant is none of ALLOWED_TENANT_IDS: whatever came from it would be dropped"
        if self.only_home:
            yield self.only_home
