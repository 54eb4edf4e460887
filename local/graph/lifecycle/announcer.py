"""Lifecycle notifications on their way out: those of one moment for one URL go together in one body.

Graph's page says that they can be batched, each with an event of its own. Bodies that concern rich subscriptions carry validation
tokens (seen in microsoft-graph-docs-contrib issue 84), although nothing in them is encrypted. Not here: attempts, see `courier`.
"""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC

from local.graph.clock import PACIFIC
from local.graph.delivery.attempts import known_channel
from local.graph.delivery.courier import Courier
from local.graph.delivery.hub import write_hub_bodies
from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.delivery.validation import ValidationTokens
from local.graph.dice import Dice
from local.graph.knobs import Knobs
from local.graph.lifecycle.payload import Event, write_lifecycle
from local.graph.subscribing.store import Subscription

IN_PACIFIC_TIME = 0.5
"""The share of notifications whose times have Pacific's offset; captures show both."""


@dataclass(slots=True, kw_only=True)
class Announcer:
    """Gathers what is announced in one turn of the event loop, and hands bodies to the courier."""

    courier: Courier
    tokens: ValidationTokens
    knobs: Knobs
    dice: Dice
    tally: Tally = field(default_factory=Tally)
    _waiting: dict[str, list[Notice]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def announce(self, subscription: Subscription, event: Event) -> None:
        """Send an event to where a subscription wants such, or to its notification URL if it named nothing else."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        in_pacific = self.dice.lot("lifecycle", next(self._numbers)) < IN_PACIFIC_TIME
        form, offset = self.knobs.lifecycle_form, PACIFIC if in_pacific else UTC
        notification = write_lifecycle(subscription, event, form=form, offset=offset)
        # what makes a body carry a token is that it concerns a rich subscription, as if the item itself were encrypted
        notice = Notice(
            subscription=subscription, notification=notification, lifecycle=True, encrypted=subscription.rich
        )
        self._waiting.setdefault(subscription.lifecycle_url or subscription.notification_url, []).append(notice)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for url, notices in waiting.items():
            for start in range(0, len(notices), self.knobs.batch_max):
                self._send(url, notices[start : start + self.knobs.batch_max])

    def _send(self, url: str, notices: list[Notice]) -> None:
        self.tally.sent += len(notices)
        if known_channel(url) == "hub":
            parts = write_hub_bodies([notice.notification for notice in notices])
            self.courier.send_to_hub(url, notices, parts, self.tally)
        else:
            self.courier.send(url, notices, self.tokens.of(notices, next(self._numbers)), self.tally)
