"""Who calls Graph and for what, as far as a limit wants to know: read off the request in microseconds, before anything is checked.

Not here: whether the token is any good, see `identity.callers`; how much is allowed, see `limits`.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

Family = Literal["subscription-writes", "reauthorize", "subscription", "subscription-list", "outlook", "other"]

TOKENS_REMEMBERED = 1_024
SCHEME = "Bearer "

_SUBSCRIPTIONS = re.compile(r"/[^/]+/subscriptions(?P<one>/[^/]+)?(?P<action>/reauthorize)?/?", re.IGNORECASE)
_MAILBOX = re.compile(
    r"/[^/]+/(?:me|users[/(]'?(?P<user>[^/')]+)'?\)?)/"
    r"(?:messages|mailfolders|events|calendar|calendars|calendargroups|calendarview|contacts|contactfolders|sendmail)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """An app in a tenant, and the object id that stands for it (or for its user) there."""

    app_id: str
    tenant_id: str
    object_id: str


@dataclass(frozen=True, slots=True)
class Target:
    """What kind of call it is; `mailbox` is as the path spells it, empty outside Outlook and for `me`."""

    family: Family
    mailbox: str = ""


def read_origin(authorization: str) -> Origin | None:
    """Return who an Authorization header says is calling; None for one that cannot be read, which will be refused anyway."""
    return _origin(authorization) if authorization.startswith(SCHEME) else None


def read_target(method: str, path: str) -> Target:
    """Return the family of limits that a call belongs to."""
    match = _SUBSCRIPTIONS.fullmatch(path)
    if match:
        return Target(_subscription_family(method, one=bool(match["one"]), action=bool(match["action"])))
    match = _MAILBOX.match(path)
    return Target("outlook", (match["user"] or "").lower()) if match else Target("other")


def _subscription_family(method: str, *, one: bool, action: bool) -> Family:
    if method == "POST" and action:
        return "reauthorize"
    if method in {"GET", "HEAD"}:
        return "subscription" if one else "subscription-list"
    return "subscription-writes"


@lru_cache(maxsize=TOKENS_REMEMBERED)
def _origin(authorization: str) -> Origin | None:
    parts = authorization.split(".")
    try:
        claims: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
        return Origin(str(claims["azp"]), str(claims["tid"]), str(claims["oid"]))
    except (IndexError, KeyError, TypeError, ValueError, RecursionError, binascii.Error):
        return None
