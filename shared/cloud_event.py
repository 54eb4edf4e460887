"""A change as a CloudEvents 1.0 JSON event, and its Standard Webhooks signature. Pure.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.graph.notification import resource_data
from shared.graph.timestamp import write_timestamp

CONTENT_TYPE = "application/cloudevents+json"
_WITHHELD = frozenset({"clientstate", "encryptedcontent"})


def write_cloud_event(
    *,
    event_id: str,
    tenant_id: str,
    subscription: str,
    resource: str,
    change_type: str,
    notification: Mapping[str, Any],
    content: Mapping[str, Any] | None,
    time: datetime,
) -> bytes:
    """Write one event. ``data.notification`` is the item as Graph sent it, without clientState and encryptedContent."""
    event = {
        "specversion": "1.0",
        "id": event_id,
        "type": f"Microsoft.Graph.{_type_name(notification, content)}.{change_type}",
        "source": f"/tenants/{tenant_id}/subscriptions/{subscription}",
        "subject": resource,
        "time": write_timestamp(time),
        "datacontenttype": "application/json",
        "data": {
            "changeType": change_type,
            "resource": resource,
            "notification": {name: value for name, value in notification.items() if name.lower() not in _WITHHELD},
            "content": content,
        },
    }
    return json.dumps(event, separators=(",", ":")).encode("ascii")


def sign(body: bytes, *, message_id: str, timestamp: int, secrets: Sequence[str]) -> Mapping[str, str]:
    """Make the three headers of Standard Webhooks; one signature for each secret, the current one first.

    Raises ValueError if a secret is not ``whsec_`` and base64.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = []
    for secret in secrets:
        prefix, _, encoded = secret.partition("_")
        if prefix != "whsec":
            raise ValueError("a signing key is whsec_ followed by base64")
        mac = hmac.digest(base64.b64decode(encoded, validate=True), signed, hashlib.sha256)
        signatures.append("v1," + base64.b64encode(mac).decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _type_name(notification: Mapping[str, Any], content: Mapping[str, Any] | None) -> str:
    """The resource's type name with a capital: ``#Microsoft.Graph.chatMessage`` is ``ChatMessage``."""
    for source in (resource_data(notification), content or {}):
        named = source.get("@odata.type")
        if isinstance(named, str) and (last := named.rpartition(".")[2].lstrip("#")):
            return last[0].upper() + last[1:]
    return "Resource"
