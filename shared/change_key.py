"""What tells two changes apart: the version of a resource, and the key under which the ledger remembers a change.

What a delta tells without a version (that something is gone, a user, a file) goes by the round that told it: told again after a
crash, it is the same change. Graph's own notification of it has another key, or none. For deletions a tombstone closes that gap
(`shared.ledger`); of the rest, what was heard by both ways is handled twice: a user's notification carries a sequence number,
and a delta nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.errors import GraphProtocolError
from shared.graph.notification import resource_data
from shared.graph.resource import Resource
from shared.graph.timestamp import read_timestamp

_VERSIONS = (
    ("data", "@odata.etag"),
    ("content", "@odata.etag"),
    ("content", "etag"),
    ("content", "lastModifiedDateTime"),
    ("data", "sequenceNumber"),
    ("data", "eventTime"),
    ("signature", "dataSignature"),
)
"""Where a version may stand, the best place first."""


def read_version(notification: Mapping[str, Any], content: Mapping[str, Any] | None) -> str:
    """Read the version that a change brought about; empty where nothing tells it from another change.

    The notification's own etag comes first: content fetched later may be newer than the change it is fetched for. The
    signature of encrypted data is the last resort: it differs between two deliveries of one change, so that such a
    change may be handled twice, and never not at all.
    """
    data = resource_data(notification)
    sources = {"data": data, "content": content or {}, "signature": _signature(notification)}
    for source, name in _VERSIONS:
        version = sources[source].get(name)
        if version and isinstance(version, (str, int)) and version is not True:
            return str(version)
    return ""


def change_key(*, subscription: str, tenant_id: str, resource: Resource, version: str, deleted: bool) -> str:
    """Make the key of one change: 40 hexadecimal digits, the same however and however often the change reaches us.

    Whether it was *created* or *updated* is no part of it, because a delta query cannot tell.
    """
    state = "deleted" if deleted else "present"
    parts = "\n".join((subscription, tenant_id.lower(), *resource.segments, version, state))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:40]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaRound:
    """Which round of a delta told a change, and when the one before it began; None where nobody knows."""

    mark: str
    since: datetime | None = None


def read_round(notification: Mapping[str, Any]) -> DeltaRound | None:
    """Read by which round of a delta a change was told; None for Graph's own notifications."""
    delta = notification.get("delta")
    if not isinstance(delta, dict) or not isinstance(delta.get("round"), str) or not delta["round"]:
        return None
    try:
        return DeltaRound(mark=delta["round"], since=read_timestamp(delta.get("since")))
    except GraphProtocolError:
        return DeltaRound(mark=delta["round"])


def round_version(notification: Mapping[str, Any]) -> str:
    """Give what stands for the version of a change that a delta told without one; empty for Graph's own notifications."""
    told = read_round(notification)
    return f"round {told.mark}" if told else ""


def tombstone_key(*, subscription: str, tenant_id: str, resource: Resource, way: str) -> str:
    """Make the key of the tombstone of a resource that was deleted: one for each way in which that is learnt."""
    parts = "\n".join((f"tombstone {way}", subscription, tenant_id.lower(), *resource.segments))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def read_changed(content: Mapping[str, Any] | None) -> datetime | None:
    """Read when a resource last changed, to order the states of one item; None where it does not say."""
    try:
        return read_timestamp((content or {}).get("lastModifiedDateTime"))
    except GraphProtocolError:
        return None


def is_deletion(change_type: str, content: Mapping[str, Any] | None) -> bool:
    """Tell whether the change leaves the item deleted: by its type, or by what Teams and delta results say inside."""
    known = content or {}
    return change_type == "deleted" or "@removed" in known or known.get("deletedDateTime") is not None


def _signature(notification: Mapping[str, Any]) -> Mapping[str, Any]:
    content = notification.get("encryptedContent")
    return content if isinstance(content, dict) else {}
