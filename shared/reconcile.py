"""(declared, live, now) → the actions that make the one into the other. Pure: planning after applying yields nothing.

Every timer tick, lifecycle event and correction ends here, so that none of them needs rules of its own. Not here: carrying
actions out (`shared.executor`).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.declaration import DeclaredSubscription
from shared.graph.addresses import Addresses
from shared.graph.catalogue import find
from shared.graph.subscription import LiveSubscription

RENEWAL_GAP: Final = timedelta(minutes=10)
"""At least this long between two renewals that Graph asks for.
https://learn.microsoft.com/graph/change-notifications-lifecycle-events (2026-04)"""

_EARLIEST_RENEWAL = 0.48
_LATEST_RENEWAL = 0.60
"""Parts of the lifetime between which a subscription's renewal point lies: nothing before 45 %, and with a tick every
5 minutes even the shortest lifetime, an hour, is renewed by 70 %."""

SWEEP_EVERY: Final = timedelta(days=1)
"""At most this long between two looks for what may have gone unheard: most resources have no `missed`, and Graph has been
silent for an hour and a half without a word of it (https://learn.microsoft.com/answers/questions/5825832, 2026-03)."""

AT_ONCE: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""The time of what was due before it was written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a live subscription depends on besides its declaration.

    ``key_fingerprint`` tells one CLIENT_STATE_KEY from another without being it, ``previous_fingerprint`` is that of the one
    before, empty if no other is accepted; ``certificate_id`` is that of the current encryption key, empty if there is none.
    """

    addresses: Addresses
    tenant_id: str
    key_fingerprint: str
    previous_fingerprint: str = ""
    certificate_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a subscription; ``row`` is the intent of an earlier try."""

    declared: DeclaredSubscription
    generation: int
    digest: str
    row: LiveSubscription | None = None

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.declared.name

    @property
    def orphan_possible(self) -> bool:
        """Whether an earlier try may have succeeded, on these very terms, without our learning of it."""
        return self.row is not None and not self.row.refused and self.row.digest == self.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """Give a subscription a later expiry and, if it is rich, the current certificate.

    The declaration comes along because a subscription that turns out to be gone is recreated.
    """

    row: LiveSubscription
    declared: DeclaredSubscription
    digest: str

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Recreate:
    """Make a subscription anew under the next generation, and delete the one that is there.

    ``overlaps``: the new one may be made first, so that nothing goes unheard; else the old one goes first. ``removed``: Graph
    said that it has ended it, at some time before. ``deaf``: since some time before, what it brings is refused.
    """

    row: LiveSubscription
    declared: DeclaredSubscription
    generation: int
    digest: str
    reason: str
    overlaps: bool = False
    removed: bool = False
    deaf: bool = False

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.row.name

    @property
    def on_same_terms(self) -> bool:
        """Whether the one that is there does for now, so that it is renewed where the new one cannot be made."""
        return not (self.removed or self.deaf) and _terms(self.row.digest) == _terms(self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete a subscription that is no longer declared, and its row."""

    row: LiveSubscription

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Delete the former subscription of one that has taken over from it."""

    row: LiveSubscription

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.row.name


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCatchUp:
    """Have what may have gone unheard looked up by delta; ``since`` is None where that is what the last look left."""

    row: LiveSubscription
    reason: str
    since: datetime | None = None

    @property
    def name(self) -> str:
        """Whose action it is."""
        return self.row.name


Action = Create | Renew | Recreate | Retire | OrderCatchUp | Delete


def plan(
    declared: Iterable[DeclaredSubscription],
    live: Iterable[LiveSubscription],
    now: datetime,
    *,
    circumstances: Circumstances,
    forced: frozenset[str] = frozenset(),
    removed: frozenset[str] = frozenset(),
) -> tuple[Action, ...]:
    """Compare what is declared with what is live; deletions first, because they free quotas, then what expires first.

    ``forced`` names subscriptions that Graph wants reauthorized, ``removed`` those that it says it has ended.
    """
    rows = {row.name: row for row in live}
    leaving = {name for name, row in rows.items() if row.leaving}
    wanted = {each.name: each for each in declared if each.name not in leaving}
    deletions = [Delete(row=row) for name, row in rows.items() if name not in wanted and not _waits(row, now)]
    others: list[tuple[datetime, Action]] = []
    for name, each in wanted.items():
        row = rows.get(name)
        action = _act(each, row, now, circumstances, forced=name in forced, removed=name in removed)
        if action is not None:
            others.append(((row.expires if row else None) or now, action))
    others.sort(key=lambda pair: (pair[0], pair[1].name))
    return (*deletions, *(action for _, action in others))


def renewal_point(row: LiveSubscription) -> datetime | None:
    """Return when a subscription is renewed: about half its lifetime, shifted by its name so that not all come at once."""
    start = row.renewed or row.created
    if start is None or row.expires is None:
        return None
    share = _EARLIEST_RENEWAL + spread_of(row.name) * (_LATEST_RENEWAL - _EARLIEST_RENEWAL)
    return start + (row.expires - start) * share


def due_at(row: LiveSubscription) -> datetime:
    """Return when a row is to be looked at again, as far as the row alone can tell: `plan` never acts on it before.

    But for a lifecycle event, another declaration or another key, which look at rows by themselves.
    """
    if row.not_before is not None:
        return row.not_before
    point = renewal_point(row)
    unsettled = row.former_id or row.owed or row.attempts or row.leaving
    if not row.subscription_id or unsettled or point is None:
        return AT_ONCE
    return min(point, _sweep_point(row) or point)


def index_time(row: LiveSubscription) -> datetime | None:
    """Return for when a store's index shall have a row that is about to be written; None if its entry may stay as it is.

    While somebody is at a row its entry stays where it was: should they never come back, the next tick finds it.
    """
    due = due_at(row)
    at_work = row.not_before is not None and not row.problem
    if row.indexed is None or due < row.indexed or (due > row.indexed and not at_work):
        return due
    return None


def _sweep_point(row: LiveSubscription) -> datetime | None:
    """Return when everything that a subscription may have missed is looked for, though nothing tells of a loss."""
    last = row.swept or row.created
    return None if last is None else last + SWEEP_EVERY * (1 - spread_of(row.name) / 4)


def spread_of(name: str) -> float:
    """Spread things over a time, by the name: a number from 0 up to 1, the same every time."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) / 2**32


def write_digest(declared: DeclaredSubscription, circumstances: Circumstances) -> str:
    """Write down what no PATCH can change: the terms, and after a colon the key of the clientState.

    The key stands apart because it is changed gradually: both keys are accepted for as long as one lifetime. What an
    entry need not say is left out where it does not, so that learning a new property recreates nobody.
    """
    terms = [
        declared.resource,
        declared.change_type,
        str(declared.include_resource_data),
        declared.delivery,
        circumstances.addresses.fixed(declared.delivery, declared.lifecycle),
        declared.tenant_id or circumstances.tenant_id,
    ]
    if declared.immutable_ids:
        terms.append("immutable ids")
    if declared.notification_query_options:
        terms.append(f"options {declared.notification_query_options}")
    digest = hashlib.sha256("\n".join(terms).encode()).hexdigest()[:32]
    return f"{digest}:{circumstances.key_fingerprint}"


def _waits(row: LiveSubscription, now: datetime) -> bool:
    return row.not_before is not None and now < row.not_before


def _act(
    declared: DeclaredSubscription,
    row: LiveSubscription | None,
    now: datetime,
    circumstances: Circumstances,
    *,
    forced: bool,
    removed: bool,
) -> Action | None:
    digest = write_digest(declared, circumstances)
    if row is None:
        return Create(declared=declared, generation=1, digest=digest)
    terms_changed = _terms(row.digest) != _terms(digest)
    # a failure that somebody has answered by declaring it differently is over; somebody at work (no problem) is not
    if _waits(row, now) and not (terms_changed and row.problem):
        return None
    if not row.subscription_id:
        return _go_on(row, declared, digest)
    wanted = forced and _may_renew_again(row, now)
    deaf = _key(row.digest) not in {circumstances.key_fingerprint, circumstances.previous_fingerprint}
    turn = _is_due(row, now) or (wanted and _turn_has_come(row, now))
    reason = _reason_to_recreate(row, digest, now, turn=turn, deaf=deaf, removed=removed)
    if reason:
        return Recreate(
            row=row,
            declared=declared,
            generation=row.generation + 1,
            digest=digest,
            reason=reason,
            overlaps=not removed and _may_overlap(declared, row, now),
            removed=removed,
            deaf=deaf,
        )
    if wanted or _wants_renewal(row, declared, now, circumstances):
        return Renew(row=row, declared=declared, digest=digest)
    return _left_to_do(row, now)


def _go_on(row: LiveSubscription, declared: DeclaredSubscription, digest: str) -> Action:
    """Make what was intended before, under the same generation, however often.

    Were it counted up, what the last one has left in the queue, and what comes from a subscription whose creation we never
    saw confirmed, would soon be neither current nor previous.
    """
    if row.former_id and row.tenant_id != declared.tenant_id:
        # the former one, in its own tenant, is deleted before that is forgotten
        reason = "it is declared for another tenant"
        return Recreate(row=row, declared=declared, generation=row.generation, digest=digest, reason=reason)
    return Create(declared=declared, generation=row.generation, digest=digest, row=row)


def _wants_renewal(
    row: LiveSubscription, declared: DeclaredSubscription, now: datetime, circumstances: Circumstances
) -> bool:
    unfinished, resized = row.attempts > 0, row.lifetime_minutes != declared.lifetime_minutes
    return unfinished or resized or _is_due(row, now) or _lacks_certificate(row, circumstances)


def _left_to_do(row: LiveSubscription, now: datetime) -> Action | None:
    """Name what a subscription that is as it should be has left behind, or is due once in a while."""
    if row.former_id:
        return Retire(row=row)
    if row.owed:
        return OrderCatchUp(row=row, reason=row.owed, since=row.owed_since)
    sweep = _sweep_point(row)
    return OrderCatchUp(row=row, reason="sweep") if sweep is not None and sweep <= now else None


def _terms(digest: str) -> str:
    return digest.partition(":")[0]


def _key(digest: str) -> str:
    return digest.partition(":")[2]


def _reason_to_recreate(
    row: LiveSubscription, digest: str, now: datetime, *, turn: bool, deaf: bool, removed: bool
) -> str:
    """Say why what is there will not do. An older key is no hurry: that is changed when the renewal would be due."""
    if removed:
        return "Graph has removed it"
    if _terms(row.digest) != _terms(digest):
        return "it is declared differently"
    if row.expires is None or row.expires <= now:
        return "it has expired"
    if deaf:
        return "its clientState has a key that is not accepted any more"
    if row.digest != digest and turn:
        return "its clientState has an older key"
    return ""


def _may_overlap(declared: DeclaredSubscription, row: LiveSubscription, now: datetime) -> bool:
    """Tell whether the new subscription can be made while the old one lives.

    Graph refuses a second one for the same resource and change types (409); the catalogue knows where a quota of one, or
    an unwritten rule, refuses more than that. From one tenant to another there is no overlap: a row knows only one.
    """
    same = (row.resource, row.change_type) == (declared.resource, declared.change_type)
    alive = row.expires is not None and row.expires > now
    if same or not alive or row.former_id or row.tenant_id != declared.tenant_id:
        return False
    return all(entry is not None and entry.kind.coexists for entry in map(find, (row.resource, declared.resource)))


def _is_due(row: LiveSubscription, now: datetime) -> bool:
    point = renewal_point(row)
    return point is not None and point <= now


def _turn_has_come(row: LiveSubscription, now: datetime) -> bool:
    """Tell whether a moment that comes once a lifetime, another for each name, lies between its last renewal and now.

    Where Graph wants everybody renewed every hour no renewal is ever due by itself, and yet an older key is to go gradually.
    """
    start = row.renewed or row.created
    if start is None or row.expires is None:
        return True
    minutes = max(
        round((row.expires - start) / timedelta(minutes=1)), 1
    )  # whole ones: an answer takes some of the first
    before, after = ((moment - AT_ONCE) / timedelta(minutes=minutes) + spread_of(row.name) for moment in (start, now))
    return int(after) > int(before)


def _lacks_certificate(row: LiveSubscription, circumstances: Circumstances) -> bool:
    return row.include_resource_data and circumstances.certificate_id not in {"", row.certificate_id}


def _may_renew_again(row: LiveSubscription, now: datetime) -> bool:
    return row.renewed is None or now - row.renewed >= RENEWAL_GAP
