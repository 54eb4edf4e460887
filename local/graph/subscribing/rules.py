"""The rules that Graph applies to a subscription's properties, on POST and on PATCH.

Pure: a body and a time go in, a value or a `GraphFault` comes out. Not here: quotas and duplicates, see `subscriptions`; the
handshake, see `handshake`.
https://learn.microsoft.com/en-us/graph/api/subscription-post-subscriptions
"""

import ipaddress
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.graph.catalogue.table import LIFECYCLE_URL_AFTER_MINUTES, Match, Resource, find
from local.graph.clock import read_time
from local.graph.delivery.encryption import EncryptionCertificate, read_certificate
from local.graph.faults import GraphFault, invalid

REQUIRED = ("changeType", "notificationUrl", "resource", "expirationDateTime")
KNOWN_CHANGE_TYPES = frozenset({"created", "updated", "deleted"})
TLS_VERSIONS = frozenset({"v1_0", "v1_1", "v1_2", "v1_3"})
CLIENT_STATE_LENGTH = 128
CERTIFICATE_ID_LENGTH = 128
SHORTEST = timedelta(minutes=45)
# what Outlook refuses for rich notifications: https://learn.microsoft.com/en-us/graph/outlook-change-notifications-overview
NOT_WITH_RICH_OUTLOOK = ("$top", "$skip", "$orderby")
NOT_SELECTABLE = frozenset({"body", "uniquebody"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A subscription as asked for, after every rule has been applied."""

    resource: str
    match: Match
    change_types: frozenset[str]
    change_type: str
    notification_url: str
    lifecycle_notification_url: str | None
    expiration_date_time: datetime
    client_state: str | None = field(repr=False)
    certificate: EncryptionCertificate | None
    certificate_text: str | None
    latest_tls: str
    query_options: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a PATCH changes; None leaves a property as it is."""

    expiration_date_time: datetime | None
    notification_url: str | None
    certificate: EncryptionCertificate | None
    certificate_text: str | None


def read_request(body: Any, *, now: datetime) -> Request:
    """Read the body of POST /subscriptions. Raises the fault that Graph answers for the first rule broken."""
    if not isinstance(body, Mapping):
        raise invalid("The request body is not a subscription.")
    for name in REQUIRED:
        if not _text(body, name):
            raise invalid(f"The '{name}' property is required.")
    resource = str(body["resource"])
    match = _match(resource)
    change_types = _change_types(str(body["changeType"]), match.resource)
    rich = _flag(body, "includeResourceData")
    certificate = _certificate(body) if rich else None
    if rich:
        _check_rich(match)
    minutes = (match.resource.max_rich_minutes if rich else None) or match.resource.max_minutes
    expiration = _expiration(str(body["expirationDateTime"]), minutes, now)
    lifecycle_url = _text(body, "lifecycleNotificationUrl")
    _check_lifecycle_url(match.resource, lifecycle_url, expiration - now)
    return Request(
        resource=resource,
        match=match,
        change_types=change_types,
        change_type=str(body["changeType"]),
        notification_url=check_url(str(body["notificationUrl"]), "notificationUrl"),
        lifecycle_notification_url=check_url(lifecycle_url, "lifecycleNotificationUrl") if lifecycle_url else None,
        expiration_date_time=expiration,
        client_state=_client_state(body),
        certificate=certificate,
        certificate_text=_text(body, "encryptionCertificate") if rich else None,
        latest_tls=_tls(body),
        query_options=_text(body, "notificationQueryOptions"),
    )


def read_amendment(body: Any, *, match: Match, rich: bool, now: datetime) -> Amendment:
    """Read the body of PATCH /subscriptions/{id}; certificate and id come together or not at all.

    https://learn.microsoft.com/en-us/graph/api/subscription-update
    """
    if not isinstance(body, Mapping) or not (_text(body, "expirationDateTime") or _text(body, "notificationUrl")):
        raise invalid("The request body must contain either 'expirationDateTime' or 'notificationUrl'.")
    expiration, url = _text(body, "expirationDateTime"), _text(body, "notificationUrl")
    minutes = (match.resource.max_rich_minutes if rich else None) or match.resource.max_minutes
    with_certificate = "encryptionCertificate" in body or "encryptionCertificateId" in body
    return Amendment(
        expiration_date_time=_expiration(expiration, minutes, now) if expiration else None,
        notification_url=check_url(url, "notificationUrl") if url else None,
        certificate=_certificate(body) if with_certificate and rich else None,
        certificate_text=_text(body, "encryptionCertificate") if with_certificate and rich else None,
    )


def check_url(url: str, name: str) -> str:
    """Return the URL if it can be called: https anywhere, http (which real Graph refuses) to loopback only."""
    if url.lower().startswith("eventhub:"):
        raise invalid(f"Invalid event hub notification url={url.partition('?')[0]}")
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError as broken:
        raise invalid(f"The '{name}' is not a URL.") from broken
    if host and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        return url
    raise invalid(f"The '{name}' must be an absolute URL that uses HTTPS.")


def is_loopback(host: str) -> bool:
    """Return whether a host name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _match(resource: str) -> Match:
    match = find(resource)
    if match is None:
        raise invalid(f"Resource '{resource.partition('?')[0]}' is not supported for change notifications.")
    return match


def _change_types(text: str, resource: Resource) -> frozenset[str]:
    asked = frozenset(word.strip().lower() for word in text.split(","))
    for word in sorted(asked):
        if word not in KNOWN_CHANGE_TYPES or word not in resource.change_types:
            raise invalid(f"Invalid 'changeType' attribute: '{word}'.")
    return asked


def _expiration(text: str, max_minutes: int, now: datetime) -> datetime:
    try:
        asked = read_time(text)
    except ValueError as broken:
        raise invalid("The 'expirationDateTime' property is not a date and time.") from broken
    if asked > now + timedelta(minutes=max_minutes):
        raise invalid(f"Subscription expiration can only be {max_minutes} minutes in the future.")
    return max(asked, now + SHORTEST)


def _check_lifecycle_url(resource: Resource, url: str | None, lifetime: timedelta) -> None:
    if resource.teams and not url and lifetime > timedelta(minutes=LIFECYCLE_URL_AFTER_MINUTES):
        raise invalid(
            "lifecycleNotificationUrl is a required property for subscription creation on this resource"
            " when the expirationDateTime value is set to greater than 1 hour."
        )


def _check_rich(match: Match) -> None:
    row = match.resource
    options = urllib.parse.parse_qs(match.query)
    selected = [name.strip().lower() for text in options.get("$select", []) for name in text.split(",")]
    if row.max_rich_minutes is None:
        raise invalid(f"The workload of '{row.name}' is not enabled for rich notifications.")
    if row.teams and selected:
        raise invalid("$select is not supported for this resource.")
    if row.outlook and not selected:
        raise invalid("$select is required in the resource when includeResourceData is true.")
    if row.outlook and (NOT_SELECTABLE & set(selected) or any(name in options for name in NOT_WITH_RICH_OUTLOOK)):
        raise invalid("The query of the resource is not supported when includeResourceData is true.")


def _certificate(body: Mapping[str, Any]) -> EncryptionCertificate:
    text, label = _text(body, "encryptionCertificate"), _text(body, "encryptionCertificateId")
    if not text or not label:
        raise invalid("encryptionCertificate and encryptionCertificateId are required with includeResourceData.")
    if len(label) > CERTIFICATE_ID_LENGTH:
        raise invalid(f"encryptionCertificateId must not exceed {CERTIFICATE_ID_LENGTH} characters.")
    return read_certificate(text, label)


def _client_state(body: Mapping[str, Any]) -> str | None:
    state = _text(body, "clientState")
    if state and len(state) > CLIENT_STATE_LENGTH:
        raise invalid(f"clientState must not exceed {CLIENT_STATE_LENGTH} characters.")
    return state


def _tls(body: Mapping[str, Any]) -> str:
    version = _text(body, "latestSupportedTlsVersion") or "v1_2"
    if version not in TLS_VERSIONS:
        raise invalid(f"Invalid 'latestSupportedTlsVersion' attribute: '{version}'.")
    return version


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid(f"The '{name}' property is not a boolean.")


def _text(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None or isinstance(value, str):
        return value
    raise GraphFault(400, "BadRequest", f"The '{name}' property is not a string.")
