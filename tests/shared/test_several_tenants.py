"""One app in several tenants: each subscription is declared, made, renewed, deleted and heard in its own."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemoryGraph, MemorySubscriptionStore
from shared.declaration import Declaration, DeclaredSubscription, ForEach, read_declaration
from shared.errors import SettingsError
from shared.executor import Executor
from shared.fan_out import expand
from shared.graph.addresses import Addresses
from shared.graph.client_state import read_client_state
from shared.graph.subscription import LiveSubscription
from shared.group_members import GroupMembers
from shared.reconcile import Circumstances, plan, write_digest
from shared.results import Summary
from shared.tenants import Tenants
from tests import builders
from tests.builders import NAME, NOW, TENANT, client_state, notification
from tests.stand import Handler, Stand

HOME = "aaaaaaaa-0000-4000-8000-00000000000a"
OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"
STRANGER = "cccccccc-0000-4000-8000-00000000000c"
TENANTS = Tenants(home=HOME, allowed=frozenset({HOME, OTHER}))
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MAC_KEY = b"k" * 32
ENTRY: dict[str, Any] = {"name": "mail", "resource": "users/u/messages", "changeType": "created"}


def _read(*entries: Mapping[str, Any], tenants: Tenants = TENANTS) -> Declaration:
    text = json.dumps({"subscriptions": entries}, indent=1).encode()
    return read_declaration(text, known_handlers=None, tenants=tenants)


# -- declared ---------------------------------------------------------------------------------------------------------


def test_an_entry_names_its_tenant_and_our_own_is_the_same_as_none() -> None:
    other, own, none = _read(
        ENTRY | {"tenant": OTHER.upper()},
        ENTRY | {"name": "own", "resource": "users/v/messages", "tenant": HOME},
        ENTRY | {"name": "none", "resource": "users/w/messages"},
    ).subscriptions

    assert (other.tenant_id, own.tenant_id, none.tenant_id) == (OTHER, "", "")


@pytest.mark.parametrize(
    ("tenant", "tenants", "sentence"),
    [
        (STRANGER, TENANTS, "the tenant is none of ALLOWED_TENANT_IDS: whatever came from it would be dropped"),
        (OTHER, replace(TENANTS, only_home="only at home"), "only at home"),
        ("contoso.com", TENANTS, "it must have the form"),
    ],
)
def test_a_tenant_that_cannot_be_heard_is_said_with_entry_line_and_path(
    tenant: str, tenants: Tenants, sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(ENTRY | {"tenant": tenant}, tenants=tenants)

    [problem] = caught.value.problems
    assert problem.startswith(f"subscription 'mail': {sentence}")
    assert problem.endswith("(line 7, $.subscriptions[0].tenant)")


def test_the_same_resource_in_two_tenants_is_no_twin_and_in_one_it_is() -> None:
    assert len(_read(ENTRY, ENTRY | {"name": "theirs", "tenant": OTHER}).subscriptions) == 2
    with pytest.raises(SettingsError, match="hears the same as 'mail'"):
        _read(ENTRY, ENTRY | {"name": "again", "tenant": HOME})
    with pytest.raises(SettingsError, match="hears the same as 'mail'"):
        _read(ENTRY | {"tenant": OTHER}, ENTRY | {"name": "again", "tenant": OTHER})


async def test_a_group_is_asked_for_in_its_entrys_tenant() -> None:
    group = "abcdef00-0000-4000-8000-00000000000a"
    listed = {"value": [{"@odata.type": "#microsoft.graph.user", "id": "u1"}]}
    graph = MemoryGraph(pages={f"/groups/{group}/transitiveMembers?$select=id&$top=999": listed})
    entry = ENTRY | {"resource": "users/{user}/messages", "forEach": {"group": group}, "tenant": OTHER}
    declaration = _read(entry)
    keys = [each.members_of for each in declaration.subscriptions]

    members = await GroupMembers(graph, lambda: START).read(keys)

    assert set(graph.asked_in) == {OTHER}
    [instance] = expand(declaration, members, [])
    assert (instance.resource, instance.tenant_id) == ("users/u1/messages", OTHER)


def test_one_group_id_in_two_tenants_is_two_groups() -> None:
    own = DeclaredSubscription(name="a", resource="r", change_types=("created",), for_each=ForEach(group="g"))

    assert (own.members_of, replace(own, tenant_id=OTHER).members_of) == ("g", f"{OTHER}/g")


# -- made and kept ----------------------------------------------------------------------------------------------------

MAIL = DeclaredSubscription(name="mail", resource="users/u/messages", change_types=("created",))
THEIRS = replace(MAIL, name="theirs", tenant_id=OTHER)


@dataclass
class World:
    """A Graph, a table and a clock, with the executor between them."""

    graph: MemoryGraph = field(default_factory=MemoryGraph)
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    now: datetime = START
    home: str = HOME

    async def tick(self, *declared: DeclaredSubscription) -> Summary:
        executor = Executor(
            graph=self.graph,
            store=self.store,
            work=MemoryQueue(now=lambda: self.now),
            addresses=Addresses(base_url="https://a.example/api"),
            tenant_id=self.home,
            client_state_key=MAC_KEY,
            now=lambda: self.now,
        )
        here = Circumstances(
            addresses=Addresses(base_url="https://a.example/api"), tenant_id=self.home, key_fingerprint="k1"
        )
        return await executor.execute(plan(declared, await self.store.list(), self.now, circumstances=here), key=None)

    def row(self, name: str) -> LiveSubscription:
        return self.store.rows[name]

    def asked(self) -> list[tuple[str, str]]:
        return [
            (method, tenant) for (method, _, _), tenant in zip(self.graph.requests, self.graph.asked_in, strict=True)
        ]


@pytest.fixture
def world() -> World:
    return World()


def test_who_names_no_tenant_has_the_digest_of_before_there_could_be_others() -> None:
    """Else the new version would recreate everybody. The value is what the version before had for these terms."""
    here = Circumstances(addresses=Addresses(base_url="https://a/api"), tenant_id="t", key_fingerprint="k1")

    assert write_digest(MAIL, here) == "e4742a860697ef0d1a03298c771dc7d9:k1"
    assert write_digest(replace(MAIL, tenant_id="t"), here) == write_digest(MAIL, here)
    assert write_digest(replace(MAIL, tenant_id=OTHER), here) != write_digest(MAIL, here)


async def test_each_is_made_in_its_tenant_with_a_client_state_of_that_tenant(world: World) -> None:
    await world.tick(MAIL, THEIRS)

    assert sorted(world.asked()) == [("POST", ""), ("POST", OTHER)]
    for name, tenant, other in (("mail", HOME, OTHER), ("theirs", OTHER, HOME)):
        text = world.graph.subscriptions[world.row(name).subscription_id]["clientState"]
        assert read_client_state(text, [MAC_KEY], tenant_id=tenant, delivery="webhook")
        assert read_client_state(text, [MAC_KEY], tenant_id=other, delivery="webhook") is None
    assert (world.row("mail").tenant_id, world.row("theirs").tenant_id) == ("", OTHER)


async def test_renewals_second_looks_and_deletions_go_to_the_same_tenant(world: World) -> None:
    await world.tick(THEIRS)
    world.now += timedelta(days=5)
    await world.tick(THEIRS)
    assert world.asked()[-1] == ("PATCH", OTHER)
    world.graph.subscriptions.clear()
    world.now += timedelta(days=5)
    await world.tick(THEIRS)
    assert world.asked()[-3:] == [("PATCH", OTHER), ("GET", OTHER), ("POST", OTHER)]

    await world.tick()

    assert world.asked()[-1] == ("DELETE", OTHER)
    assert world.graph.subscriptions == {}


async def test_an_answer_that_got_lost_is_looked_for_in_the_same_tenant(world: World) -> None:
    world.graph.lost_answers["POST"] = 1
    await world.tick(THEIRS)
    world.now += timedelta(minutes=2)

    summary = await world.tick(THEIRS)

    assert [each.outcome for each in summary.results] == ["adopted"]
    assert set(world.graph.asked_in) == {OTHER}


@pytest.mark.parametrize(
    "resource", ["users/u/messages", "users/u/events"]
)  # within one tenant, the second would overlap
async def test_another_tenant_recreates_and_the_old_one_is_deleted_where_it_was(world: World, resource: str) -> None:
    await world.tick(MAIL)
    await world.tick(replace(MAIL, tenant_id=OTHER, resource=resource))

    assert world.asked() == [("POST", ""), ("DELETE", ""), ("POST", OTHER)]
    assert len(world.graph.subscriptions) == 1
    assert world.row("mail").tenant_id == OTHER


async def test_a_former_one_in_another_tenant_is_not_forgotten(world: World) -> None:
    """The new one was to be made first and is not there yet when the entry is declared for another tenant."""
    await world.tick(MAIL)
    former = world.row("mail").subscription_id
    world.graph.lost_answers["POST"] = 1
    world.store.rows["mail"] = replace(world.row("mail"), subscription_id="", former_id=former)

    await world.tick(replace(MAIL, tenant_id=OTHER))

    assert world.asked()[1:] == [("DELETE", ""), ("POST", OTHER)]
    assert former not in world.graph.subscriptions


async def test_our_own_tenant_may_become_another_and_those_that_name_theirs_stay(world: World) -> None:
    """Whoever moves GRAPH_TENANT_ID on names the old tenant in the entries that belong there, and nothing is recreated."""
    await world.tick(MAIL)
    [made] = world.graph.subscriptions
    world.graph.tenants[made] = (HOME, "")  # where it is, whatever our own tenant is called
    world.home, world.now = OTHER, world.now + timedelta(days=5)

    await world.tick(replace(MAIL, tenant_id=HOME))

    assert world.asked()[-1] == ("PATCH", HOME)
    assert list(world.graph.subscriptions) == [made]
    assert world.row("mail").tenant_id == HOME


# -- heard ------------------------------------------------------------------------------------------------------------

BOTH = builders.policy(allowed_tenant_ids=frozenset({TENANT, OTHER}), home_tenant_id=TENANT)
MakeStand = Callable[..., Stand]


def _stand(make: MakeStand, feed: Handler, tenant_id: str) -> Stand:
    declared = builders.declared(tenant_id=tenant_id, include_resource_data=False)
    return make(feed, policy=BOTH, declaration=builders.declaration(declared))


async def test_an_item_of_another_tenant_than_its_subscriptions_is_refused_by_the_mac(stand: MakeStand) -> None:
    """The tenant is in the MAC: a clientState of one tenant opens nothing for another, allowed or not."""
    feed = Handler("feed")
    app = _stand(stand, feed, OTHER)

    await app.receive(notification("1", tenantId=TENANT, clientState=client_state(tenant_id=OTHER)))
    await app.receive(notification("2", tenantId=OTHER, clientState=client_state(tenant_id=OTHER)))
    await app.run()

    assert [change.tenant_id for change in feed.changes] == [OTHER]


@pytest.mark.parametrize(("declared_for", "from_tenant"), [("", OTHER), (OTHER, TENANT)])
async def test_what_an_entry_heard_in_a_tenant_it_has_left_is_refused(
    stand: MakeStand, declared_for: str, from_tenant: str
) -> None:
    """Its clientState is genuine and of the generation before; its tenant is not the one that is declared now."""
    feed = Handler("feed")
    app = _stand(stand, feed, declared_for)

    reply = await app.receive(
        notification("1", tenantId=from_tenant, clientState=client_state(tenant_id=from_tenant, generation=2))
    )
    await app.run()

    assert (reply.status, feed.changes, app.dead_letters.texts) == (202, [], [])


async def test_content_is_fetched_in_the_items_tenant(stand: MakeStand) -> None:
    async def fetch(change: Any) -> None:
        await change.fetch()

    feed = Handler("feed", troubles=[fetch])
    app = _stand(stand, feed, OTHER)
    app.graph.resources = defaultdict(dict)

    await app.receive(notification("1", tenantId=OTHER, clientState=client_state(tenant_id=OTHER)))
    await app.run(until=NOW)

    assert app.graph.tenants == [OTHER]
    assert [change.subscription for change in feed.changes] == [NAME]
