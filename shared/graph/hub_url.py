"""What a subscription's addresses in Azure name: a hub in a namespace or a secret in a vault, and a domain of the tenant it is in.

Not here: whether a setting has that form (`shared.settings`), and whether anybody may use what it names (`shared.hub_diagnosis`).
https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-03)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(
    r"(?:EventHub:)?https://(?P<host>[^/?#\s]+)/(?P<kind>eventhubname|secrets)/(?P<name>[^/?#\s]+)\?tenantId=(?P<domain>[^&#\s]+)",
    re.IGNORECASE,
)
_ENDPOINT: Final = re.compile(r"(?:sb|amqps?)://(?P<host>[^/:\s]+)(?::\d+)?/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubUrl:
    """A place that Graph is told of. Exactly one of ``hub`` and ``secret`` is set; ``host`` is a namespace's or a vault's."""

    host: str
    domain: str
    hub: str = ""
    secret: str = ""

    @property
    def account(self) -> str:
        """The namespace's or vault's own name, without the domain of its cloud."""
        return self.host.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConnection:
    """What a connection string says of where a hub is; its key is not kept.

    ``host`` is empty where it cannot be read, ``hub`` where it names none.
    """

    host: str
    hub: str = ""
    emulated: bool = False


def read_hub_url(text: str) -> HubUrl | None:
    """Read a ``notificationUrl`` or a ``blobStoreUrl``; None if it is neither."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    named = {"hub" if form["kind"].lower() == "eventhubname" else "secret": form["name"]}
    return HubUrl(host=form["host"].lower(), domain=form["domain"].lower(), **named)


def read_hub_connection(text: str) -> HubConnection | None:
    """Read a namespace's connection string; None for what is none."""
    parts = _parts(text)
    endpoint = _ENDPOINT.fullmatch(parts.get("endpoint", ""))
    if endpoint is None:
        return None
    emulated = parts.get("usedevelopmentemulator", "").lower() == "true"
    return HubConnection(host=endpoint["host"].lower(), hub=parts.get("entitypath", ""), emulated=emulated)


def _parts(text: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
