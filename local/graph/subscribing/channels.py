"""Where notifications may be sent: webhooks, Event Hubs, and the push services of browsers.

Pure. Not here: asking whether anybody is there, see `handshake` and whoever writes to hubs.
https://learn.microsoft.com/en-us/graph/change-notifications-delivery-event-hubs
"""

import base64
import binascii
import ipaddress
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from local.graph.faults import GraphFault, invalid
from local.graph.subscribing.properties import PUSH_PROPERTIES, read_text

Channel = Literal["webhook", "hub", "push"]

HUB_SCHEME, GRID_SCHEME = "eventhub:", "eventgrid:"
# https://learn.microsoft.com/en-us/graph/api/resources/subscription (copy of 2026-09), which points to RFC 8291
PUSH_ORIGIN = re.compile(r"(?:.+\.push\.apple\.com|fcm\.googleapis\.com|updates\.push\.services\.mozilla\.com)")
POINT_BYTES, UNCOMPRESSED = 65, b"\x04"
SECRET_BYTES = 16
_PRINTABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPush:
    """What a push service of a browser needs. The subscription is kept; nothing is ever sent there by this simulator."""

    vapid_public_key: str
    p256dh_public_key: str
    secret: str = field(repr=False)


def check_url(url: str, name: str) -> str:
    """Return the URL if it can be called: https anywhere, http (which real Graph refuses) to loopback only."""
    if not _PRINTABLE.fullmatch(url):
        raise invalid(f"The '{name}' is not a URL.")
    if url.lower().startswith(GRID_SCHEME):
        raise invalid(f"The '{name}' names an Event Grid partner topic: this simulator has no Event Grid.")
    if url.lower().startswith(HUB_SCHEME):
        return url
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError as broken:
        raise invalid(f"The '{name}' is not a URL.") from broken
    if host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return url
    raise invalid(f"The '{name}' must be an absolute URL that uses HTTPS.")


def channel_of(url: str) -> Channel:
    """Return what kind of place a checked URL is."""
    if url.lower().startswith(HUB_SCHEME):
        return "hub"
    host = urllib.parse.urlsplit(url).hostname or ""
    return "push" if PUSH_ORIGIN.fullmatch(host) else "webhook"


def place_of(url: str) -> str:
    """Return as much of a URL as may be shown to anybody: no query, which may hold a key, and no user with a password."""
    bare = re.split("[?#]", url, maxsplit=1)[0]
    scheme, mark, rest = bare.partition("//")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_hub(url: str) -> GraphFault:
    """Return the 400 for an event hub that Graph cannot write to."""
    return invalid(f"Invalid event hub notification url={place_of(url)}")


def read_push(body: Mapping[str, Any], channel: Channel) -> WebPush | None:
    """Return the keys of a browser's push service: all three for one of those, none anywhere else."""
    given = {name: read_text(body, name) for name in sorted(PUSH_PROPERTIES)}
    if channel != "push":
        for name, value in given.items():
            if value is not None:
                raise invalid(f"The '{name}' property is only for notification URLs of Web Push services.")
        return None
    for name, value in given.items():
        if not value:
            raise invalid(f"The '{name}' property is required for notification URLs of Web Push services.")
    return WebPush(
        vapid_public_key=_point(given, "vapidPublicKey"),
        p256dh_public_key=_point(given, "webPushEncryptionP256dhPublicKey"),
        secret=_bytes(given, "webPushEncryptionSecret", SECRET_BYTES)[0],
    )


def read_blob_store(body: Mapping[str, Any], channel: Channel) -> str | None:
    """Return where notifications go that are too large for an event hub; only those have such a place."""
    url = read_text(body, "blobStoreUrl")
    if url is None:
        return None
    if channel != "hub":
        raise invalid("The 'blobStoreUrl' property is only for Event Hubs.")
    if not url.lower().startswith("https://") or not _PRINTABLE.fullmatch(url):
        raise invalid("The 'blobStoreUrl' must be an absolute URL that uses HTTPS.")
    return url


def _point(given: Mapping[str, str | None], name: str) -> str:
    text, raw = _bytes(given, name, POINT_BYTES)
    if not raw.startswith(UNCOMPRESSED):
        raise invalid(f"The '{name}' property is not an uncompressed P-256 point.")
    return text


def _bytes(given: Mapping[str, str | None], name: str, length: int) -> tuple[str, bytes]:
    text = given[name] or ""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as broken:
        raise invalid(f"The '{name}' property is not base64url.") from broken
    if len(raw) != length:
        raise invalid(f"The '{name}' property must have {length} bytes.")
    return text, raw
