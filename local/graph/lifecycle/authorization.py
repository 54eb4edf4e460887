"""How long a subscription is allowed to deliver: the access token behind it, and the permissions of its app.

Pure but for the one set of apps whose permission was revoked. Not here: telling anybody, see `keeper`.
https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from local.graph.clock import later
from local.graph.faults import denied
from local.graph.knobs import Knobs


class Authorized(Protocol):
    """As much of a subscription as matters here."""

    @property
    def app_id(self) -> str:
        """The app that made it."""

    @property
    def created_at(self) -> datetime:
        """When POST made it."""

    @property
    def patched_at(self) -> datetime | None:
        """When PATCH renewed it last."""

    @property
    def reauthorized_at(self) -> datetime | None:
        """When it was reauthorized last."""


@dataclass(slots=True)
class Authorizations:
    """The token clock of every subscription, and the apps that may not renew.

    A token is taken afresh by POST, PATCH and reauthorize, and is good for `access_token_minutes`, whether an app or a user is
    behind it. When the schedule of lifecycle notifications is turned off, nobody would be told, so that tokens do not end then.
    """

    knobs: Knobs
    _revoked: set[str] = field(default_factory=set)

    def renewed(self, subscription: Authorized) -> datetime:
        """Return when the token behind a subscription was taken."""
        return max(filter(None, (subscription.created_at, subscription.patched_at, subscription.reauthorized_at)))

    def until(self, subscription: Authorized) -> datetime:
        """Return when the token behind a subscription ends."""
        return later(self.renewed(subscription), self.knobs.access_token_minutes * 60)

    def open(self, subscription: Authorized, now: datetime) -> bool:
        """Return whether notifications of this subscription may go out; if not, they are kept trying for four hours."""
        tokens_end = self.knobs.lifecycle_schedule or subscription.app_id in self._revoked
        return not tokens_end or now < self.until(subscription)

    def revoke(self, app_id: str) -> None:
        """Take an app's permission away: what it has delivers on until its token ends and cannot be renewed."""
        self._revoked.add(app_id)

    def restore(self, app_id: str) -> None:
        """Give an app its permission back."""
        self._revoked.discard(app_id)

    @property
    def revoked(self) -> frozenset[str]:
        """The apps whose permission is taken away."""
        return frozenset(self._revoked)

    def check(self, app_id: str) -> None:
        """Raise the 403 that creating, renewing and reauthorizing are answered while the permission is gone."""
        if app_id in self._revoked:
            raise denied()
