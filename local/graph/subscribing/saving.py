"""Subscriptions as JSON, to be kept over a restart of the simulator: certificates and secrets as they were sent.

Not here: the file, see whoever keeps one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local.graph.catalogue.find import by_key
from local.graph.catalogue.row import Match
from local.graph.subscribing.channels import WebPush
from local.graph.subscribing.resource_data import Certificate, parse
from local.graph.subscribing.rules import Request
from local.graph.subscribing.subscription import Subscription

_TIMES = ("expiration_date_time", "created_at", "patched_at", "reauthorized_at", "orphaned_until")
_PLAIN = ("id", "number", "app_id", "tenant_id", "creator_id", "delegated", "notification_url")
_ASKED = (
    "resource",
    "change_type",
    "notification_url",
    "lifecycle_notification_url",
    "client_state",
    "latest_tls",
    "query_options",
    "url_app_id",
    "blob_store_url",
)


def save(subscription: Subscription) -> dict[str, Any]:
    """Return one subscription as JSON."""
    asked = subscription.asked
    times = {name: getattr(subscription, name) for name in _TIMES}
    return {
        **{name: getattr(subscription, name) for name in _PLAIN},
        **{name: moment and moment.isoformat() for name, moment in times.items()},
        "certificate": _save_certificate(subscription.current),
        "previous_certificate": _save_certificate(subscription.previous),
        "reach": dict(subscription.reach[2]),
        "asked": {
            **{name: getattr(asked, name) for name in _ASKED},
            "row": asked.match.row.key,
            "path": asked.match.path,
            "ids": dict(asked.match.ids),
            "query": asked.match.query,
            "options": dict(asked.options),
            "selected": sorted(asked.selected),
            "change_types": sorted(asked.change_types),
            "expiration_date_time": asked.expiration_date_time.isoformat(),
            "preferences": sorted(asked.preferences),
            "push": asked.push and [asked.push.vapid_public_key, asked.push.p256dh_public_key, asked.push.secret],
        },
    }


def restore(saved: Mapping[str, Any]) -> Subscription:
    """Return a subscription that was saved. Raises KeyError, TypeError or ValueError for what `save` never wrote."""
    current, previous = (_restore_certificate(saved[name]) for name in ("certificate", "previous_certificate"))
    asked = _restore_request(saved["asked"], current)
    times: dict[str, Any] = {name: saved[name] and datetime.fromisoformat(saved[name]) for name in _TIMES}
    return Subscription(
        **{name: saved[name] for name in _PLAIN},
        **times,
        asked=asked,
        reach=(saved["tenant_id"], asked.match.path, frozenset(saved["reach"].items())),
        heard=asked.match.row.heard(asked.change_types),
        current=current,
        previous=previous,
    )


def _restore_request(saved: Mapping[str, Any], certificate: Certificate | None) -> Request:
    push = saved["push"]
    return Request(
        **{name: saved[name] for name in _ASKED},
        match=Match(row=by_key(saved["row"]), path=saved["path"], ids=saved["ids"], query=saved["query"]),
        options=saved["options"],
        selected=frozenset(saved["selected"]),
        change_types=frozenset(saved["change_types"]),
        expiration_date_time=datetime.fromisoformat(saved["expiration_date_time"]),
        certificate=certificate,
        preferences=frozenset(saved["preferences"]),
        push=push and WebPush(vapid_public_key=push[0], p256dh_public_key=push[1], secret=push[2]),
    )


def _save_certificate(certificate: Certificate | None) -> list[str] | None:
    return [certificate.text, certificate.parsed.id] if certificate else None


def _restore_certificate(saved: list[str] | None) -> Certificate | None:
    return parse(*saved) if saved else None
