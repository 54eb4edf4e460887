"""What one subscriber is told of one change, and the truth about it: what happened, and when the receiver said that it had it.

Not here: what a notification says, see `writing`; sending, see `courier`.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.graph.clock import microseconds
from local.graph.subscribing.preferences import IMMUTABLE_IDS
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Change, Entity
from local.graph.tenant.immutable_ids import under_immutable_id

SHORT_TEXT = 60
_TAG = re.compile(r"<[^>]*>")


@dataclass(slots=True, kw_only=True, eq=False)
class Truth:
    """What one subscriber was told of one change; `acknowledged` is the real time of the first 2xx.

    `change` is the change's number and `change_type` what it was told as, which a filter can make another than what happened. Rows
    are kept for good, and therefore hold no more than is printed.
    """

    number: int
    change: int
    at: datetime
    change_type: str
    resource: str
    version: str
    deleted: bool
    text: str
    subscription_id: str
    rich: bool = False
    acknowledged: datetime | None = None

    def printed(self) -> dict[str, Any]:
        """Return the row for the control API."""
        return {
            "n": self.number,
            "change": self.change,
            "at": microseconds(self.at),
            "changeType": self.change_type,
            "resource": self.resource,
            "version": self.version,
            "deleted": self.deleted,
            "rich": self.rich,
            "subscriptionId": self.subscription_id,
            "acknowledged": microseconds(self.acknowledged) if self.acknowledged else None,
            "text": self.text,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Notice:
    """One item of a body: for whom, what it says, and whether it is the real thing, a repetition or a forgery.

    `notification` is None for a forgery that is no notification at all. `encrypted` says whether it carries a resource, and its
    body therefore a token.
    """

    subscription: Subscription
    notification: Mapping[str, Any] | None
    change: Change | None = None
    truth: Truth | None = None
    forged: str | None = None
    duplicate: bool = False
    encrypted: bool = False
    lifecycle: bool = False

    @property
    def genuine(self) -> bool:
        """Whether Graph itself would send it."""
        return self.forged is None


def note(number: int, change: Change, subscription: Subscription, *, told: str, rich: bool) -> Truth:
    """Return the row that says what a subscriber was told."""
    chosen = IMMUTABLE_IDS in subscription.preferences
    entity = under_immutable_id(change.entity) if chosen else change.entity
    return Truth(
        number=number,
        change=change.number,
        at=change.at,
        change_type=told,
        resource=entity.resource,
        version=entity.version,
        deleted=entity.deleted,
        text=plain_text(entity)[:SHORT_TEXT],
        subscription_id=subscription.id,
        rich=rich,
    )


def plain_text(entity: Entity) -> str:
    """Return what an item says, without any markup."""
    body = entity.content.get("body")
    marked_up = isinstance(body, Mapping) and body.get("contentType") == "html"
    return html.unescape(_TAG.sub("", entity.summary)) if marked_up else entity.summary
