"""Whether subscriptions may be declared into an event hub: Graph has to be told of one, and this app has to read it.

Not here: whether Graph can write there, which only asking shows (`shared.hub_diagnosis`).
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PullMode:
    """What there is for pull mode. ``hub_url`` is what Graph is told, None where nobody checks.

    ``unread`` says what keeps this app from reading the hub, one sentence a setting; empty where nothing does.
    """

    hub_url: str | None = None
    unread: tuple[str, ...] = ()

    def problems(self) -> Iterator[str]:
        """Say why no subscription can go into the hub."""
        if self.hub_url == "":
            yield "EVENT_HUB_NOTIFICATION_URL is missing: it says into which hub Graph is to write"
        if self.unread:
            yield f"nobody would hear it, because this app does not read the hub: {', '.join(self.unread)}"
