"""Where an event hub is, as a `notificationUrl` says it: a namespace and a hub, or a secret that holds a connection string.

Pure. Not here: whether anybody may send there, which only sending shows.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-event-hubs
"""

import re
import urllib.parse
from collections.abc import Collection
from dataclasses import dataclass

from local.graph.faults import GraphFault, invalid

SCHEME = "eventhub:"
# Graph's page names the first of each; the others are what Azure calls them in its national clouds
NAMESPACES = (".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn")
VAULTS = (".vault.azure.net", ".vault.usgovcloudapi.net", ".vault.azure.cn")
_HUB_PATH = re.compile(r"/eventhubname/([A-Za-z0-9][A-Za-z0-9._-]{0,255})")
_SECRET_PATH = re.compile(r"/secrets/([0-9A-Za-z-]{1,127})")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAddress:
    """A hub in a namespace, or a secret in a vault: exactly one of `hub` and `secret` is set."""

    host: str
    hub: str | None = None
    secret: str | None = None


def read_hub_url(url: str, domains: Collection[str]) -> HubAddress:
    """Read a URL in either of its two spellings; `domains` are those of the tenant, lower-cased.

    Raises the 400 that Graph answers for any URL it can make nothing of, whatever the reason.
    """
    rest = url[len(SCHEME) :] if url.lower().startswith(SCHEME) else ""
    host, path = _read(rest, domains) or ("", "")
    if host.endswith(NAMESPACES) and (named := _HUB_PATH.fullmatch(path)):
        return HubAddress(host=host, hub=named[1])
    if host.endswith(VAULTS) and (named := _SECRET_PATH.fullmatch(path)):
        return HubAddress(host=host, secret=named[1])
    raise refuse_hub_url(url)


def read_store_url(url: str, domains: Collection[str]) -> str:
    """Return the secret that a `blobStoreUrl` names. Raises a 400 for anything else; its text is not known."""
    host, path = _read(url, domains) or ("", "")
    if host.endswith(VAULTS) and (named := _SECRET_PATH.fullmatch(path)):
        return named[1]
    raise refuse_store_url(url)


def refuse_hub_url(url: str) -> GraphFault:
    """Return the 400 for a hub that Graph cannot find or may not look up: microsoftgraph/microsoft-graph-docs issue 20797."""
    return invalid(f"Invalid event hub notification url='{url}'.")


def refuse_store_url(url: str) -> GraphFault:
    """Return the 400 for a store of large payloads that Graph cannot find or may not look up."""
    return invalid(f"Invalid blob store url='{url}'.")


def _read(url: str, domains: Collection[str]) -> tuple[str, str] | None:
    """Return host and path of an https URL that names one of the tenant's domains, and nothing besides."""
    try:
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qsl(parts.query, strict_parsing=True)
    except ValueError:
        return None
    named = len(query) == 1 and query[0][0] == "tenantId" and query[0][1].lower() in domains
    host = parts.netloc.lower()  # with a port or a user it ends in no known name
    return (host, parts.path) if parts.scheme == "https" and named and not parts.fragment else None
