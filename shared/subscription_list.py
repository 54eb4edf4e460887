"""Graph's list of an app's subscriptions: some pages of it, and whether one that is listed hears what a row says.

Not here: what is looked for in it (`shared.orphans`, `shared.unknown_subscriptions`).
https://learn.microsoft.com/graph/api/subscription-list (2026-09)
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.errors import GraphProtocolError
from shared.graph.links import relative_path
from shared.ports import Graph

FIRST_PAGE: Final = "/subscriptions"
_PAGES: Final = 20
"""At a time: an app may list 25 pages in 20 seconds (https://learn.microsoft.com/graph/throttling-limits, 2026-09)."""


async def list_some(
    graph: Graph, path: str, *, tenant_id: str, actor: str = ""
) -> tuple[Sequence[Mapping[str, Any]], str]:
    """Read some pages of a tenant's list from ``path`` on; the subscriptions, and where the list goes on, empty at its end.

    Raises GraphApiError, and GraphProtocolError for what is no page of it.
    """
    listed: list[Mapping[str, Any]] = []
    for _ in range(_PAGES):
        page = await graph.request("GET", path, tenant_id=tenant_id, actor=actor)
        if not isinstance(page.get("value"), list):
            raise GraphProtocolError("a page of the list of subscriptions has no value")
        listed += [each for each in page["value"] if isinstance(each, dict)]
        path = relative_path(page["@odata.nextLink"]) if page.get("@odata.nextLink") else ""
        if not path:
            break
    return listed, path


def terms_of(resource: str, change_type: str) -> tuple[str, frozenset[str]]:
    """Give what a subscription hears, in a form that can be compared: Graph is not strict about slashes, case and order."""
    return resource.strip("/").lower(), frozenset(change_type.replace(" ", "").lower().split(","))
