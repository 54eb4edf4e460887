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
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Change, Entity

SHORT_TEXT = 60
_TAG = re.compile(r"<[^>]*>")


@dataclass(slots=True, kw_only=True, eq=False)
class Truth:
    """What one subscriber was told of one change; `acknowledged` is the real time of the first 2xx.

    `change_type` is what it was told as, which a filter can make another than what happened.
    """

    number: int
    change: Change
    change_type: str
    subscription_id: str
    rich: bool = False
    acknowledged: datetime | None = None

    def printed(self) -> dict[str, Any]:
        """Return the row for the control API."""
        entity = self.change.entity
        return {
            "n": self.number,
            "change": self.change.number,
            "at": microseconds(self.change.at),
            "changeType": self.change_type,
            "resource": entity.resource,
            "version": entity.version,
            "deleted": entity.deleted,
            "rich": self.rich,
            "subscriptionId": self.subscription_id,
            "acknowledged": microseconds(self.acknowledged) if self.acknowledged else None,
            "text": plain_text(entity)[:SHORT_TEXT],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Notice:
    """One item of a body: for whom, what it says, and whether it is the real thing, a repetition or a forgery.

    `notification` is None for a forgery that is no notification at all. `encrypted` says whether it carries a resource, and its
    body therefore a token.
    """

    subscription: Subscription
    notification: Mapping[str, Any] | None
    truth: Truth | None = None
    forged: str | None = None
    duplicate: bool = False
    encrypted: bool = False
    lifecycle: bool = False

    @property
    def genuine(self) -> bool:
        """Whether Graph itself would send it."""
        return self.forged is None


def plain_text(entity: Entity) -> str:
    """Return what an item says, without any markup."""
    body = entity.content.get("body")
    marked_up = isinstance(body, Mapping) and body.get("contentType") == "html"
    return html.unescape(_TAG.sub("", entity.summary)) if marked_up else entity.summary
