"""Where Graph is told to deliver: to our webhook or into our event hub, and the same for what it says of a subscription's life.

Not here: whether somebody answers there (`shared.cold_start`), and whether Graph may write there (`shared.hub_diagnosis`).
https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-03)
"""

from dataclasses import dataclass
from typing import Final

from shared.graph.client_state import Delivery

NOTIFICATIONS: Final = "notifications"
LIFECYCLE: Final = "lifecycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The app's addresses. ``hub_url`` is empty where there is no hub, ``blob_store_url`` where nothing takes what no event can hold."""

    base_url: str
    hub_url: str = ""
    blob_store_url: str = ""

    def notification_url(self, delivery: Delivery | str) -> str:
        """Give the address for changes; empty for a hub that there is not."""
        return self.hub_url if delivery == "eventhub" else f"{self.base_url}/{NOTIFICATIONS}"

    def lifecycle_url(self, lifecycle: Delivery | str) -> str:
        """Give the address for lifecycle events."""
        return self.hub_url if lifecycle == "eventhub" else f"{self.base_url}/{LIFECYCLE}"

    def routes(self, delivery: Delivery | str, lifecycle: Delivery | str) -> tuple[str, ...]:
        """Name the routes of our webhook that Graph will call while a subscription is made."""
        ways = ((NOTIFICATIONS, delivery), (LIFECYCLE, lifecycle))
        return tuple(route for route, way in ways if way != "eventhub")

    def is_for(self, delivery: Delivery | str, url: str) -> bool:
        """Tell whether a URL that Graph gives back is ours for changes; Graph need not keep its case."""
        ours = self.notification_url(delivery)
        return bool(ours) and url.lower() == ours.lower()

    def reaches_us(self, url: str) -> bool:
        """Tell whether a URL leads to this app, whichever way. A hub is one app's: who shares one, shares its subscriptions."""
        known = url.lower()
        return known.startswith(f"{self.base_url}/".lower()) or self.is_for("eventhub", url)

    def fixed(self, delivery: Delivery | str, lifecycle: Delivery | str) -> str:
        """Write down which addresses a subscription has that no PATCH should change: other ones mean another subscription.

        Graph would take another ``notificationUrl``; but the lifecycle URL and the blob store stay as they were, and what lies
        unread in a hub that is read no more has to be looked up in any case.
        """
        if delivery != "eventhub":
            return self.base_url
        return f"{self.hub_url.lower()} {self.blob_store_url.lower()} {self.lifecycle_url(lifecycle).lower()}"
