"""The rules that Graph applies to a subscription, on POST and on PATCH.

Pure: a body and a time go in, a value or a `GraphFault` comes out. Not here: quotas and duplicates, see `store`; the handshake, see
`handshake`; the types and lengths of single properties, see `properties`.
https://learn.microsoft.com/en-us/graph/api/subscription-post-subscriptions
"""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from local.graph.catalogue.find import ME, find, unsupported
from local.graph.catalogue.row import Match, Row
from local.graph.clock import read_time
from local.graph.content.flavours import flavour_of
from local.graph.faults import bad_request, denied, invalid
from local.graph.subscribing.channels import Channel, WebPush, channel_of, check_url, read_blob_store, read_push
from local.graph.subscribing.properties import (
    CERTIFICATE_PROPERTIES,
    CHANGEABLE,
    CLIENT_STATE_LENGTH,
    check_names,
    read_flag,
    read_required,
    read_text,
)
from local.graph.subscribing.resource_data import Certificate, check_basic, check_rich, read_pair

KNOWN_CHANGE_TYPES = frozenset({"created", "updated", "deleted"})
TLS_VERSIONS = frozenset({"v1_0", "v1_1", "v1_2", "v1_3"})
DEFAULT_TLS = "v1_2"
SHORTEST = timedelta(minutes=45)
LIFECYCLE_URL_AFTER = timedelta(minutes=60)
"""Teams' resources need a lifecycle URL beyond: https://learn.microsoft.com/en-us/graph/api/resources/subscription (2026-09)."""
MOST_PRESENCES = 650
"""Users in one subscription: https://learn.microsoft.com/en-us/graph/change-notifications-overview."""
SHOWN = 200

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE)
_ID_LIST = re.compile(r"\s*id\s+in\s+\((?P<ids>.*)\)\s*", re.IGNORECASE | re.DOTALL)
_NOT_IN_QUOTES = re.compile(r"'[^']*'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A subscription as asked for, after every rule has been applied.

    `options` are those of the resource's query, by name in lower case; `selected` the properties that `$select` names, lower-cased.
    """

    resource: str
    match: Match
    options: Mapping[str, str]
    selected: frozenset[str]
    change_types: frozenset[str]
    change_type: str
    notification_url: str
    lifecycle_notification_url: str | None
    expiration_date_time: datetime
    client_state: str | None = field(repr=False)
    certificate: Certificate | None
    latest_tls: str | None
    query_options: str | None
    url_app_id: str | None
    blob_store_url: str | None
    push: WebPush | None
    preferences: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a PATCH changes; None leaves a property as it is."""

    expiration_date_time: datetime | None
    notification_url: str | None
    certificate: Certificate | None


def read_request(
    body: Any,
    *,
    now: datetime,
    user_id: str | None = None,
    preferences: frozenset[str] = frozenset(),
    supported_only: bool = True,
) -> Request:
    """Read the body of POST /subscriptions; `user_id` is for whom a delegated caller acts.

    `supported_only` refuses what Graph has, but no notifications for. Raises the fault that Graph answers for the first rule broken.
    """
    if not isinstance(body, Mapping):
        raise invalid("The request body is not a subscription.")
    check_names(body)
    change_type, url = read_required(body, "changeType"), read_required(body, "notificationUrl")
    resource, until = read_required(body, "resource"), read_required(body, "expirationDateTime")
    match = _match(resource, user_id, supported_only=supported_only)
    options = _options(match.query)
    selected = frozenset(name.strip().lower() for name in options.get("$select", "").split(",") if name.strip())
    change_types = _change_types(change_type, match.row)
    _check_options(match, options)
    rich = read_flag(body, "includeResourceData")
    if rich:
        check_rich(match.row, options, selected)
    else:
        check_basic(match.row)
    expiration = _expiration(until, _longest(match.row, rich=rich), now)
    lifecycle_url = read_text(body, "lifecycleNotificationUrl")
    check_lifecycle_url(match.row, lifecycle_url, expiration - now)
    channel = channel_of(check_url(url, "notificationUrl"))
    return Request(
        resource=resource,
        match=match,
        options=options,
        selected=selected,
        change_types=change_types,
        change_type=change_type,
        notification_url=url,
        lifecycle_notification_url=check_url(lifecycle_url, "lifecycleNotificationUrl") if lifecycle_url else None,
        expiration_date_time=expiration,
        client_state=read_text(body, "clientState", at_most=CLIENT_STATE_LENGTH),
        certificate=read_pair(body) if rich else None,
        latest_tls=_tls(body, channel),
        query_options=read_text(body, "notificationQueryOptions"),
        url_app_id=read_text(body, "notificationUrlAppId"),
        blob_store_url=read_blob_store(body, channel),
        push=read_push(body, channel),
        preferences=preferences,
    )


def read_amendment(body: Any, *, asked: Request, now: datetime) -> Amendment:
    """Read the body of PATCH /subscriptions/{id}; certificate and id come together or not at all.

    https://learn.microsoft.com/en-us/graph/api/subscription-update
    """
    if not isinstance(body, Mapping):
        raise invalid("The request body is not a subscription.")
    check_names(body)
    until, url = read_text(body, "expirationDateTime"), read_text(body, "notificationUrl")
    if not until and not url:
        raise invalid("The request body must contain either 'expirationDateTime' or 'notificationUrl'.")
    fixed = sorted(name for name in body if name not in CHANGEABLE and "@" not in name)
    if fixed:
        raise invalid(f"The '{fixed[0]}' property cannot be changed. Create a new subscription instead.")
    rich = asked.certificate is not None
    pair = read_pair(body) if CERTIFICATE_PROPERTIES & set(body) else None
    if pair and not rich:
        raise invalid("An encryption certificate is only for subscriptions with includeResourceData.")
    expiration = _expiration(until, _longest(asked.match.row, rich=rich), now) if until else None
    if expiration:
        check_lifecycle_url(asked.match.row, asked.lifecycle_notification_url, expiration - now)
    if url:
        _check_move(check_url(url, "notificationUrl"), asked)
    return Amendment(expiration_date_time=expiration, notification_url=url, certificate=pair)


def check_lifecycle_url(row: Row, url: str | None, lifetime: timedelta) -> None:
    """Refuse a subscription to Teams that lives long and has nowhere to be told of its end."""
    if row.family == "teams" and not url and lifetime > LIFECYCLE_URL_AFTER:
        raise invalid(
            "lifecycleNotificationUrl is a required property for subscription creation on this resource"
            " when the expirationDateTime value is set to greater than 1 hour."
        )


def _match(resource: str, user_id: str | None, *, supported_only: bool) -> Match:
    match = find(resource) or (None if supported_only else _unsupported(resource))
    if match is None:
        raise invalid(f"Resource '{resource.partition('?')[0][:SHOWN]}' is not supported for change notifications.")
    if match.ids.get("user", "").lower() == ME:
        if user_id is None:
            raise bad_request("/me request is only valid with delegated authentication flow.")
        match = replace(match, ids={**match.ids, "user": user_id})
    if match.row.delegated_only and user_id is None:
        raise denied()
    return match


def _unsupported(resource: str) -> Match | None:
    """Return a resource that Graph has although it cannot notify of it. Raises 400 for what it does not have at all."""
    match = unsupported(resource)
    if match:
        flavour_of(match.path)
    return match


def _options(query: str) -> Mapping[str, str]:
    """Return the options of a resource's query; the first of several with one name counts."""
    pairs = urllib.parse.parse_qsl(query.replace("+", "%2B"), keep_blank_values=True)
    return {name.strip().lower(): value for name, value in reversed(pairs)}


def _check_options(match: Match, options: Mapping[str, str]) -> None:
    where = options.get("$filter")
    if match.path == "communications/presences":
        found = _ID_LIST.fullmatch(where or "")
        if found is None:
            raise invalid("A subscription to presences names its users: $filter=id in ('...').")
        if found["ids"].count(",") >= MOST_PRESENCES:
            raise invalid(f"A subscription to presences must not name more than {MOST_PRESENCES} users.")
    # https://learn.microsoft.com/en-us/graph/aiinteraction-changenotifications
    if match.row.key == "ai-interaction" and "/" in _NOT_IN_QUOTES.sub("", where or ""):
        raise invalid("$filter is supported for top-level properties of aiInteraction only.")


def _change_types(text: str, row: Row) -> frozenset[str]:
    asked = frozenset(word.strip().lower() for word in text.split(","))
    for word in sorted(asked):
        if word not in KNOWN_CHANGE_TYPES or word not in row.change_types:
            raise invalid(f"Invalid 'changeType' attribute: '{word[:SHOWN]}'.")
    return asked


def _longest(row: Row, *, rich: bool) -> int:
    return row.max_rich_minutes if rich and row.max_rich_minutes else row.max_minutes


def _expiration(text: str, max_minutes: int, now: datetime) -> datetime:
    """Return when a subscription ends: what was asked for, at least 45 minutes, at most what the resource allows."""
    try:
        asked = read_time(text) if _MOMENT.fullmatch(text) else None
    except (ValueError, OverflowError):
        asked = None
    if asked is None:
        raise invalid("The 'expirationDateTime' property is not a date and time.")
    if asked <= now:
        raise invalid("The 'expirationDateTime' property must be in the future.")
    if asked > now + timedelta(minutes=max_minutes):
        raise invalid(f"Subscription expiration can only be {max_minutes} minutes in the future.")
    return max(asked, now + SHORTEST)


def _tls(body: Mapping[str, Any], channel: Channel) -> str | None:
    """Return the version for a webhook; an event hub has none of its own."""
    version = read_text(body, "latestSupportedTlsVersion")
    if version is not None and version not in TLS_VERSIONS:
        raise invalid(f"Invalid 'latestSupportedTlsVersion' attribute: '{version[:SHOWN]}'.")
    return version or (None if channel == "hub" else DEFAULT_TLS)


def _check_move(url: str, asked: Request) -> None:
    """Refuse a new URL that would need properties which PATCH cannot bring along."""
    channel = channel_of(url)
    if (channel == "push") != (asked.push is not None):
        raise invalid("The properties of Web Push cannot be changed. Create a new subscription instead.")
    if asked.blob_store_url and channel != "hub":
        raise invalid("The 'blobStoreUrl' property is only for Event Hubs.")
