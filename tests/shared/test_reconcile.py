"""Plans: what is due is done, what is not is left alone, and a plan that was carried out leaves nothing to plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.declaration import DeclaredSubscription
from shared.graph.addresses import Addresses
from shared.graph.subscription import LiveSubscription, expiry_to_ask
from shared.reconcile import (
    Action,
    Circumstances,
    Create,
    Delete,
    OrderCatchUp,
    Recreate,
    Renew,
    Retire,
    due_at,
    plan,
    renewal_point,
    write_digest,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = Circumstances(
    addresses=Addresses(base_url="https://a/api"), tenant_id="t", key_fingerprint="k1", certificate_id="key-1"
)
TEAMS = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))
RICH = replace(TEAMS, name="rich", resource="chats/getAllMessages", include_resource_data=True)


def _live(declared: DeclaredSubscription, *, now: datetime = NOW, here: Circumstances = HERE) -> LiveSubscription:
    rich = declared.include_resource_data
    return LiveSubscription(
        name=declared.name,
        generation=3,
        resource=declared.resource,
        change_type=declared.change_type,
        include_resource_data=rich,
        delivery=declared.delivery,
        subscription_id=f"id-of-{declared.name}",
        created=now,
        expires=expiry_to_ask(declared.resource, include_resource_data=rich, now=now, lifetime=declared.lifetime),
        lifetime_minutes=declared.lifetime_minutes,
        immutable_ids=declared.immutable_ids,
        notification_query_options=declared.notification_query_options,
        certificate_id=here.certificate_id if rich else "",
        digest=write_digest(declared, here),
        etag="1",
    )


def _apply(rows: list[LiveSubscription], actions: tuple[Action, ...], now: datetime) -> list[LiveSubscription]:
    """Carry a plan out as if Graph granted everything."""
    after = {row.name: row for row in rows}
    for action in actions:
        match action:
            case Create(declared=declared, generation=generation) | Recreate(declared=declared, generation=generation):
                after[action.name] = replace(_live(declared, now=now), generation=generation)
            case Renew(row=row, declared=declared):
                rich, lifetime = row.include_resource_data, declared.lifetime
                after[row.name] = replace(
                    row,
                    renewed=now,
                    expires=expiry_to_ask(row.resource, include_resource_data=rich, now=now, lifetime=lifetime),
                    lifetime_minutes=declared.lifetime_minutes,
                    certificate_id=HERE.certificate_id if rich else "",
                    former_id="",
                    attempts=0,
                )
            case Retire(row=row):
                after[row.name] = replace(row, former_id="")
            case Delete(row=row):
                del after[row.name]
    return list(after.values())


def test_what_is_declared_and_not_there_is_created() -> None:
    [action] = plan([TEAMS], [], NOW, circumstances=HERE)

    assert isinstance(action, Create)
    assert (action.generation, action.orphan_possible) == (1, False)


def test_what_is_there_and_not_declared_is_deleted_first() -> None:
    actions = plan([TEAMS], [_live(RICH)], NOW, circumstances=HERE)

    assert [type(action) for action in actions] == [Delete, Create]


def test_a_fresh_subscription_is_left_alone() -> None:
    assert plan([TEAMS, RICH], [_live(TEAMS), _live(RICH)], NOW, circumstances=HERE) == ()


@given(name=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True), part=st.floats(0, 1))
def test_nothing_is_renewed_before_45_percent_and_everything_by_70_percent(name: str, part: float) -> None:
    declared = replace(TEAMS, name=name)
    row = _live(declared)
    assert row.expires
    moment = NOW + (row.expires - NOW) * part

    actions = plan([declared], [row], moment, circumstances=HERE)

    if part < 0.45:
        assert [action for action in actions if not isinstance(action, OrderCatchUp)] == []
    elif part >= 0.70 and moment < row.expires:
        assert [type(action) for action in actions] == [Renew]


def test_even_an_hour_is_renewed_by_70_percent_with_a_tick_every_5_minutes() -> None:
    presence = replace(TEAMS, resource="communications/presences/p", change_types=("updated",))
    for number in range(200):
        row = _live(replace(presence, name=f"p{number}"))
        point = renewal_point(row)
        assert point
        assert row.expires
        assert point + timedelta(minutes=5) <= NOW + (row.expires - NOW) * 0.70


def test_renewals_are_spread() -> None:
    points = {renewal_point(_live(replace(TEAMS, name=f"n{number}"))) for number in range(50)}

    assert len(points) == 50


@pytest.mark.parametrize(
    "changed",
    [
        replace(TEAMS, resource="chats/getAllMessages"),
        replace(TEAMS, change_types=("created", "deleted")),
        replace(TEAMS, include_resource_data=True),
        replace(TEAMS, immutable_ids=True),
        replace(TEAMS, notification_query_options="$filter = isFetchable eq true"),
    ],
)
def test_what_no_patch_can_change_is_recreated(changed: DeclaredSubscription) -> None:
    [action] = plan([changed], [_live(TEAMS)], NOW, circumstances=HERE)

    assert isinstance(action, Recreate)
    assert action.generation == 4


def test_another_lifetime_is_patched_and_then_left_alone() -> None:
    shorter = replace(TEAMS, lifetime=timedelta(hours=2))

    [action] = plan([shorter], [_live(TEAMS)], NOW, circumstances=HERE)
    [row] = _apply([_live(TEAMS)], (action,), NOW)

    assert isinstance(action, Renew)
    assert row.expires == NOW + timedelta(hours=2)
    assert plan([shorter], [row], NOW, circumstances=HERE) == ()
    assert [type(each) for each in plan([TEAMS], [row], NOW, circumstances=HERE)] == [Renew]


MAIL = DeclaredSubscription(name="mail", resource="users/u/messages", change_types=("created",))


@pytest.mark.parametrize(
    ("before", "after", "overlaps"),
    [
        (MAIL, replace(MAIL, change_types=("created", "deleted")), True),
        (MAIL, replace(MAIL, resource="users/u/mailFolders/inbox/messages"), True),
        (MAIL, replace(MAIL, immutable_ids=True), False),  # Graph would answer 409: the same resource, the same changes
        (MAIL, replace(MAIL, resource="teams/getAllMessages"), False),
        (TEAMS, replace(TEAMS, change_types=("created", "deleted")), False),  # a quota of one
        (replace(MAIL, resource="brandNew"), replace(MAIL, resource="brandNew/things"), False),
    ],
)
def test_a_new_one_is_made_first_only_where_two_may_coexist(
    before: DeclaredSubscription, after: DeclaredSubscription, *, overlaps: bool
) -> None:
    [action] = plan([after], [_live(before)], NOW, circumstances=HERE)

    assert isinstance(action, Recreate)
    assert action.overlaps is overlaps


def test_what_is_gone_overlaps_nothing() -> None:
    row, wanted = _live(MAIL), replace(MAIL, change_types=("deleted",))
    assert row.expires

    for actions in (
        plan([wanted], [row], NOW, circumstances=HERE, removed=frozenset({"mail"})),
        plan([wanted], [row], row.expires, circumstances=HERE),
        plan([wanted], [replace(row, former_id="f")], NOW, circumstances=HERE),
    ):
        [action] = actions
        assert isinstance(action, Recreate)
        assert not action.overlaps


def test_a_former_subscription_is_deleted_when_nothing_else_is_due() -> None:
    [action] = plan([MAIL], [replace(_live(MAIL), former_id="former")], NOW, circumstances=HERE)

    assert isinstance(action, Retire)


def test_another_base_url_means_recreating_because_the_lifecycle_url_cannot_be_patched() -> None:
    [action] = plan(
        [TEAMS], [_live(TEAMS)], NOW, circumstances=replace(HERE, addresses=Addresses(base_url="https://b/api"))
    )

    assert isinstance(action, Recreate)


def test_another_client_state_key_means_recreating_when_it_is_due_anyway() -> None:
    there = replace(HERE, key_fingerprint="k2", previous_fingerprint="k1")
    row = _live(TEAMS)
    point = renewal_point(row)
    assert point

    assert plan([TEAMS], [row], NOW, circumstances=there) == ()
    [action] = plan([TEAMS], [row], point, circumstances=there)
    assert isinstance(action, Recreate)


def test_an_expired_subscription_is_recreated() -> None:
    row = _live(TEAMS)
    assert row.expires

    [action] = plan([TEAMS], [row], row.expires, circumstances=HERE)

    assert isinstance(action, Recreate)


def test_a_new_certificate_is_given_to_rich_subscriptions_only() -> None:
    actions = plan([TEAMS, RICH], [_live(TEAMS), _live(RICH)], NOW, circumstances=replace(HERE, certificate_id="key-2"))

    assert [(type(action), action.name) for action in actions] == [(Renew, "rich")]


def test_without_a_current_key_a_rich_subscription_is_still_kept() -> None:
    assert plan([RICH], [_live(RICH)], NOW, circumstances=replace(HERE, certificate_id="")) == ()


def test_reauthorization_means_one_renewal_in_ten_minutes() -> None:
    row, forced = _live(TEAMS), frozenset({"teams"})

    actions = plan([TEAMS], [row], NOW, circumstances=HERE, forced=forced)
    [renewed] = _apply([row], actions, NOW)

    assert [type(action) for action in actions] == [Renew]
    soon, later = NOW + timedelta(minutes=9), NOW + timedelta(minutes=10)
    assert plan([TEAMS], [renewed], soon, circumstances=HERE, forced=forced) == ()
    assert len(plan([TEAMS], [renewed], later, circumstances=HERE, forced=forced)) == 1


def test_what_graph_has_removed_is_recreated() -> None:
    [action] = plan([TEAMS], [_live(TEAMS)], NOW, circumstances=HERE, removed=frozenset({"teams"}))

    assert isinstance(action, Recreate)


def test_an_intent_that_somebody_is_at_is_left_alone_and_then_taken_up() -> None:
    intent = replace(_live(TEAMS), subscription_id="", expires=None, not_before=NOW + timedelta(minutes=2), attempts=1)

    assert plan([TEAMS], [intent], NOW, circumstances=HERE) == ()
    [action] = plan([TEAMS], [intent], NOW + timedelta(minutes=2), circumstances=HERE)
    assert isinstance(action, Create)
    assert (action.generation, action.orphan_possible) == (3, True)


def test_after_a_definite_no_there_can_be_no_orphan() -> None:
    intent = replace(_live(TEAMS), subscription_id="", expires=None, refused=True, attempts=1)

    [action] = plan([TEAMS], [intent], NOW, circumstances=HERE)

    assert isinstance(action, Create)
    assert not action.orphan_possible


def test_a_pause_is_kept_unless_somebody_has_answered_the_problem() -> None:
    row = replace(_live(TEAMS), problem="400", attempts=3, not_before=NOW + timedelta(hours=1))

    assert plan([TEAMS], [row], NOW, circumstances=HERE) == ()
    assert plan([], [row], NOW, circumstances=HERE) == ()
    changed = replace(TEAMS, change_types=("deleted",))
    assert len(plan([changed], [row], NOW, circumstances=HERE)) == 1
    at_work = replace(row, problem="")
    assert plan([changed], [at_work], NOW, circumstances=HERE) == ()


def test_what_was_begun_and_not_finished_is_done_again() -> None:
    row = replace(_live(TEAMS), attempts=1, not_before=NOW - timedelta(seconds=1))

    assert [type(action) for action in plan([TEAMS], [row], NOW, circumstances=HERE)] == [Renew]


NAMES = st.sampled_from(["a", "b", "c", "d"])
DECLARED = st.builds(
    DeclaredSubscription,
    name=NAMES,
    resource=st.sampled_from(["teams/getAllMessages", "users/u/messages", "brandNew"]),
    change_types=st.sampled_from([("created",), ("created", "deleted")]),
    include_resource_data=st.booleans(),
    lifetime=st.sampled_from([None, timedelta(hours=2)]),
    immutable_ids=st.booleans(),
    notification_query_options=st.sampled_from(["", "$filter = x"]),
)
MOMENTS = st.none() | st.integers(-9000, 9000).map(lambda minutes: NOW + timedelta(minutes=minutes))
ROWS = st.builds(
    LiveSubscription,
    name=NAMES,
    generation=st.integers(1, 5),
    resource=st.sampled_from(["teams/getAllMessages", "users/u/messages"]),
    change_type=st.just("created"),
    lifetime_minutes=st.sampled_from([0, 120]),
    former_id=st.sampled_from(["", "former"]),
    include_resource_data=st.booleans(),
    delivery=st.just("webhook"),
    subscription_id=st.sampled_from(["", "id"]),
    expires=MOMENTS,
    created=MOMENTS,
    renewed=MOMENTS,
    certificate_id=st.sampled_from(["", "key-0", "key-1"]),
    digest=st.sampled_from(["", "x:k1", write_digest(replace(TEAMS, name="a"), HERE)]),
    problem=st.sampled_from(["", "400"]),
    refused=st.booleans(),
    attempts=st.integers(0, 7),
    not_before=MOMENTS,
    etag=st.just("1"),
)


@given(
    declared=st.lists(DECLARED, unique_by=lambda each: each.name),
    rows=st.lists(ROWS, unique_by=lambda each: each.name),
    forced=st.frozensets(NAMES),
    removed=st.frozensets(NAMES),
)
def test_planning_after_applying_yields_nothing(
    declared: list[DeclaredSubscription],
    rows: list[LiveSubscription],
    forced: frozenset[str],
    removed: frozenset[str],
) -> None:
    actions = plan(declared, rows, NOW, circumstances=HERE, forced=forced, removed=removed)
    after = _apply(rows, actions, NOW)

    assert plan(declared, after, NOW, circumstances=HERE) == ()
    assert len({action.name for action in actions}) == len(actions)
    waiting = {row.name for row in rows if row.not_before and row.not_before > NOW and not row.problem}
    assert not waiting & {action.name for action in actions}


def test_what_is_being_left_is_deleted_whatever_is_declared_and_is_due_at_once() -> None:
    row = replace(_live(TEAMS), leaving=True)

    assert plan([TEAMS], [row], NOW, circumstances=HERE) == (Delete(row=row),)
    assert due_at(row) < NOW


def test_what_is_being_left_waits_like_any_other_after_a_failure() -> None:
    row = replace(_live(TEAMS), leaving=True, problem="Graph is away", not_before=NOW + timedelta(minutes=1))

    assert plan([TEAMS], [row], NOW, circumstances=HERE) == ()
    assert due_at(row) == NOW + timedelta(minutes=1)
