"""A change notification collection: the body of one delivery, read item by item.

One unreadable item never costs its siblings: it becomes a Malformed value. What an item may do is decided elsewhere.
https://learn.microsoft.com/graph/api/resources/changenotificationcollection (2026-10)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NewType

from shared.errors import GraphProtocolError
from shared.graph.json_text import read_object

TenantId = NewType("TenantId", str)
SubscriptionId = NewType("SubscriptionId", str)

_NAMES = {
    name.lower(): name
    for name in (
        "id",
        "subscriptionId",
        "subscriptionExpirationDateTime",
        "clientState",
        "changeType",
        "resource",
        "resourceData",
        "tenantId",
        "organizationId",
        "encryptedContent",
        "lifecycleEvent",
        "additionalPayloadStorageId",
    )
}
_KNOWN = frozenset(_NAMES.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNotification:
    """One item that says that a resource changed. ``raw`` is the item as Graph sent it.

    ``written`` is its JSON text, where that can travel as it is; empty where it has to be written anew.
    ``additional_payload_storage_id`` names the blob with what no event could hold; ``resource`` is then usually empty.
    """

    subscription_id: SubscriptionId
    tenant_id: TenantId
    client_state: str = field(repr=False)
    change_type: str
    resource: str
    encrypted: bool
    raw: Mapping[str, Any] = field(repr=False)
    written: str = field(default="", repr=False)
    additional_payload_storage_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleNotification:
    """One item about a subscription itself. ``lifecycle_event`` may be a word that we do not know."""

    subscription_id: SubscriptionId
    tenant_id: TenantId
    client_state: str = field(repr=False)
    lifecycle_event: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One item that is no notification, with what is wrong with it in a few constant words."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNotificationCollection:
    """The items of one body in their order, and the validation tokens that came with them."""

    items: tuple[ChangeNotification | LifecycleNotification | Malformed, ...]
    validation_tokens: tuple[str, ...] = field(repr=False)


def read_collection(body: bytes) -> ChangeNotificationCollection:
    """Read the body of a delivery.

    Raises GraphProtocolError if it is not JSON or not a collection; whatever an item looks like never raises.
    """
    try:
        document, texts = read_object(body, array="value")
    except (ValueError, RecursionError) as problem:
        raise GraphProtocolError("the body is not JSON") from problem
    if not isinstance(document, dict) or not isinstance(document.get("value"), list):
        raise GraphProtocolError("the body is not a collection: it has no array named 'value'")
    tokens = document.get("validationTokens")
    return ChangeNotificationCollection(
        items=tuple([read_notification(item, text) for item, text in zip(document["value"], texts, strict=True)]),
        validation_tokens=tuple([token for token in tokens if isinstance(token, str)])
        if isinstance(tokens, list)
        else (),
    )


def read_notification(item: object, written: str = "") -> ChangeNotification | LifecycleNotification | Malformed:
    """Read one item, and keep the text in which it was written.

    Property names are compared regardless of case (some samples differ), the tenant is ``tenantId`` or, on real
    lifecycle items, ``organizationId``. A comma list in ``changeType`` has been asked about and never been seen.
    """
    if not isinstance(item, dict):
        return Malformed(reason="not an object")
    named = item if item.keys() <= _KNOWN else with_canonical_names(item)
    get = named.get
    tenant_id = get("tenantId") or get("organizationId")
    subscription_id = get("subscriptionId")
    client_state = get("clientState") or ""
    if not isinstance(tenant_id, str) or not isinstance(subscription_id, str) or not isinstance(client_state, str):
        return Malformed(reason="no tenant, subscription or clientState that is text")
    lifecycle_event = get("lifecycleEvent")
    if isinstance(lifecycle_event, str):
        return LifecycleNotification(
            subscription_id=SubscriptionId(subscription_id),
            tenant_id=TenantId(tenant_id.lower()),
            client_state=client_state,
            lifecycle_event=lifecycle_event,
            raw=item,
        )
    change_type, resource, storage_id = get("changeType"), get("resource"), get("additionalPayloadStorageId")
    if not isinstance(storage_id, str):
        storage_id = ""
    if resource is None and storage_id:
        resource = ""
    if not isinstance(change_type, str) or not isinstance(resource, str):
        return Malformed(reason="neither a change of a resource nor a lifecycle event")
    return ChangeNotification(
        subscription_id=SubscriptionId(subscription_id),
        tenant_id=TenantId(tenant_id.lower()),
        client_state=client_state,
        change_type=change_type.lower(),
        resource=resource,
        encrypted=get("encryptedContent") is not None,
        raw=item,
        written=written,
        additional_payload_storage_id=storage_id,
    )


def resource_data(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read an item's ``resourceData``; empty where it is null or absent, as for drive items and lists."""
    found = raw["resourceData"] if "resourceData" in raw else with_canonical_names(raw).get("resourceData")
    return found if isinstance(found, dict) else {}


def with_canonical_names(item: Mapping[str, Any]) -> dict[str, Any]:
    """Give an item's properties under the names that Graph's pages have for them, beside those it came with."""
    named = dict(item)
    for name, value in item.items():
        canonical = _NAMES.get(name.lower())
        if canonical is not None and canonical not in item:
            named[canonical] = value
    return named
