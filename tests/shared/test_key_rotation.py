"""CLIENT_STATE_KEY changes: gradually while the key before is accepted, at once when it is not, and visible all the while."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.declaration import DeclaredSubscription
from shared.graph.addresses import Addresses
from shared.graph.client_state import key_fingerprint
from shared.graph.subscription import LiveSubscription, expiry_to_ask
from shared.reconcile import Circumstances, OrderCatchUp, Recreate, Renew, plan, write_digest
from shared.status import Status

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = Circumstances(addresses=Addresses(base_url="https://a/api"), tenant_id="t", key_fingerprint="k1")
NEW = replace(OLD, key_fingerprint="k2", previous_fingerprint="k1")
MAIL = DeclaredSubscription(name="mail", resource="users/u/messages", change_types=("created",))
WEEK = timedelta(minutes=10_078)


def _live(declared: DeclaredSubscription = MAIL, *, now: datetime = NOW, here: Circumstances = OLD) -> LiveSubscription:
    return LiveSubscription(
        name=declared.name,
        generation=1,
        resource=declared.resource,
        change_type=declared.change_type,
        include_resource_data=False,
        delivery="webhook",
        subscription_id=f"id-{declared.name}",
        created=now,
        expires=expiry_to_ask(declared.resource, include_resource_data=False, now=now),
        digest=write_digest(declared, here),
        etag="1",
    )


def test_an_older_key_that_is_accepted_is_no_reason_for_haste() -> None:
    assert plan([MAIL], [_live()], NOW + timedelta(minutes=1), circumstances=NEW) == ()

    [action] = plan([MAIL], [_live()], NOW + WEEK * 0.6, circumstances=NEW)

    assert isinstance(action, Recreate)
    assert (action.generation, action.reason) == (2, "its clientState has an older key")
    assert (action.overlaps, action.deaf) == (False, False)


@pytest.mark.parametrize("previous", ["", "k0"])
def test_a_key_that_is_not_accepted_any_more_is_changed_at_once(previous: str) -> None:
    """What the subscription brings is refused: every minute that it goes on is lost, and so were those before."""
    there = replace(NEW, previous_fingerprint=previous)

    [action] = plan([MAIL], [_live()], NOW + timedelta(minutes=1), circumstances=there)

    assert isinstance(action, Recreate)
    assert (action.reason, action.deaf) == ("its clientState has a key that is not accepted any more", True)
    assert not action.on_same_terms


def test_the_current_key_is_never_a_reason() -> None:
    row = _live(here=NEW)

    assert plan([MAIL], [row], NOW + timedelta(minutes=1), circumstances=replace(NEW, previous_fingerprint="")) == ()
    [action] = plan([MAIL], [row], NOW + WEEK * 0.6, circumstances=NEW)
    assert isinstance(action, Renew)


def test_where_graph_wants_everybody_renewed_every_hour_the_key_still_goes_within_a_lifetime_and_gradually() -> None:
    """A renewal that Graph asks for puts off the one that is due: were only that one to change the key, it never would."""
    names = {f"mail~{number:04}": replace(MAIL, name=f"mail~{number:04}") for number in range(400)}
    rows = {name: _live(declared) for name, declared in names.items()}
    at: dict[str, int] = {}
    for hour in range(1, 170):
        now = NOW + timedelta(hours=hour)
        forced = frozenset(names)
        for action in plan(names.values(), rows.values(), now, circumstances=NEW, forced=forced):
            later = expiry_to_ask(MAIL.resource, include_resource_data=False, now=now)
            if isinstance(action, Recreate):
                at[action.name] = hour
                rows[action.name] = _live(names[action.name], now=now, here=NEW)
            else:
                # Graph's answer takes a while, a different one every time
                took = timedelta(milliseconds=(int(action.name[-4:]) * 31 + hour * 7919) % 2_000)
                rows[action.name] = replace(rows[action.name], renewed=now + took, expires=later)

    assert at.keys() == names.keys()
    busiest = max(Counter(hour // 12 for hour in at.values()).values())
    assert busiest < 400 * 12 / 168 * 2


def test_a_storm_of_reauthorizations_changes_no_key_twice() -> None:
    row = _live()
    renewed = replace(row, renewed=NOW + WEEK * 0.3)
    just_after = NOW + WEEK * 0.3 + timedelta(minutes=1)

    actions = plan([MAIL], [renewed], just_after, circumstances=NEW, forced=frozenset({"mail"}))
    assert [action for action in actions if not isinstance(action, OrderCatchUp)] == []


async def test_the_status_says_how_many_still_have_an_older_key() -> None:
    key = key_fingerprint(b"k" * 32)
    rows = [
        replace(_live(), name="a", digest=f"terms:{key}"),
        replace(_live(), name="b", digest="terms:another"),
        replace(_live(), name="c", digest="terms:another", subscription_id=""),
    ]
    status = Status(
        parts={}, store=MemorySubscriptionStore({row.name: row for row in rows}), now=lambda: NOW, client_state_key=key
    )

    assert json.loads((await status.full())[1])["clientState"] == {"olderKey": 1}


async def test_the_status_says_in_which_other_tenant_a_subscription_is() -> None:
    rows = [replace(_live(), name="home"), replace(_live(), name="away", tenant_id="b")]
    status = Status(parts={}, store=MemorySubscriptionStore({row.name: row for row in rows}), now=lambda: NOW)

    home, away = json.loads((await status.full())[1])["subscriptions"]

    assert ("tenantId" in home, away["tenantId"]) == (False, "b")


def test_a_fingerprint_tells_keys_apart_and_is_none() -> None:
    assert key_fingerprint(b"") == ""
    assert key_fingerprint(b"k" * 32) == key_fingerprint(b"k" * 32) != key_fingerprint(b"l" * 32)
    assert len(key_fingerprint(b"k" * 32)) == 16
