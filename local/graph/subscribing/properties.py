"""The properties of a subscription as JSON carries them: which there are, of which type, how long.

Not here: what they mean together, see `rules`.
https://learn.microsoft.com/en-us/graph/api/resources/subscription
"""

import re
from collections.abc import Mapping
from typing import Any

from local.graph.faults import bad_request, invalid

# copies of the page from 2026-09
CLIENT_STATE_LENGTH = 128
CERTIFICATE_ID_LENGTH = 128
SHOWN_OF_A_NAME = 100
_HALVES = re.compile("[\ud800-\udfff]")
"""Halves of characters, which JSON can escape and nobody can send."""

CERTIFICATE_PROPERTIES = frozenset({"encryptionCertificate", "encryptionCertificateId"})
PUSH_PROPERTIES = frozenset({"vapidPublicKey", "webPushEncryptionP256dhPublicKey", "webPushEncryptionSecret"})
CHANGEABLE = CERTIFICATE_PROPERTIES | {"expirationDateTime", "notificationUrl"}
"""What PATCH changes: https://learn.microsoft.com/en-us/graph/api/subscription-update."""

READ_ONLY = frozenset({"id", "applicationId", "creatorId"})
WRITABLE = (
    CHANGEABLE
    | PUSH_PROPERTIES
    | {
        "blobStoreUrl",
        "changeType",
        "clientState",
        "includeResourceData",
        "latestSupportedTlsVersion",
        "lifecycleNotificationUrl",
        "notificationContentType",
        "notificationQueryOptions",
        "notificationUrlAppId",
        "resource",
    }
)
"""`blobStoreUrl` stands on the page about Event Hubs only, `notificationContentType` in older copies and in beta."""


def check_names(body: Mapping[str, Any]) -> None:
    """Refuse properties that a subscription has not got; annotations are nobody's property."""
    for name in body:
        if name not in WRITABLE and name not in READ_ONLY and "@" not in name:
            raise bad_request(
                f"The property '{name[:SHOWN_OF_A_NAME]}' does not exist on type 'microsoft.graph.subscription'."
                " Make sure to only use property names that are defined by the type."
            )


def read_text(body: Mapping[str, Any], name: str, *, at_most: int | None = None) -> str | None:
    """Return a text, or None where there is none. Raises 400 for another type or one that is too long."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_request(f"The '{name}' property is not a string.")
    if _HALVES.search(value):
        raise bad_request(f"The '{name}' property is not valid text.")
    if at_most is not None and len(value) > at_most:
        raise invalid(f"{name} must not exceed {at_most} characters.")
    return value


def read_required(body: Mapping[str, Any], name: str) -> str:
    """Return a text that must be there."""
    value = read_text(body, name)
    if not value:
        raise invalid(f"The '{name}' property is required.")
    return value


def read_flag(body: Mapping[str, Any], name: str) -> bool:
    """Return a boolean; one that is missing is false."""
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise bad_request(f"The '{name}' property is not a boolean.")
