"""Sharing a file: who is told of it, where it can be read, and that delta does not know."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from local.graph.dice import Dice
from local.graph.simulator import Simulator
from local.graph.subscribing.preferences import SECURITY_WEBHOOKS
from local.graph.tenant import acts
from local.graph.tenant.entity import Entity
from local.graph.tenant.saving import restore, save
from local.graph.tenant.world import World
from tests.local.graph.asking import Asker
from tests.local.graph.press import press
from tests.local.graph.stand import Receiver, Wanted

DRIVE = "users/adele.vance@contoso.com/drive"
MEGAN = "megan.bowen@contoso.com"
INVITATION: dict[str, Any] = {"recipients": [{"email": MEGAN}], "roles": ["read"], "requireSignIn": True}


@pytest.fixture
async def asker(graph: Simulator) -> AsyncIterator[Asker]:
    async with aiohttp.ClientSession() as session:
        yield Asker.for_app(session, graph)


def save_file(world: World, name: str = "Plan.docx") -> Entity:
    return acts.upload(world, world.people[0], name, 10).entity


@pytest.mark.parametrize("resource", [f"{DRIVE}/root", "drives/{drive}/root"])
async def test_only_those_hear_of_sharing_who_asked_for_it(resource: str) -> None:
    async with press() as stand:
        file = save_file(stand.world)
        where = resource.replace("{drive}", file.ids["drive"])
        ordinary = stand.subscribe(where, changeType="updated")
        security = stand.subscribe(where, changeType="updated", preferences=frozenset({SECURITY_WEBHOOKS}))
        shared = stand.told(acts.share(stand.world, file, stand.world.people[1]))
        assert [(item["subscriptionId"], item["changeType"]) for item in shared] == [(security.id, "updated")]
        told = stand.told(stand.world.update(stand.world.entities[file.key], {"size": 11}))
        assert {item["subscriptionId"] for item in told} == {ordinary.id, security.id}


async def test_an_invitation_is_heard_over_http(
    graph: Simulator, asker: Asker, receiver: Receiver, wanted: Wanted
) -> None:
    file = save_file(graph.world)
    body = wanted(resource=f"/{DRIVE}/root", changeType="updated")
    status, made = await asker.ask("POST", "subscriptions", body, Prefer=SECURITY_WEBHOOKS)
    assert status == 201, made
    status, answer = await asker.ask("POST", f"{DRIVE}/items/{file.id}/invite", INVITATION)
    assert status == 200
    (given,) = answer["value"]
    assert given["roles"] == ["read"]
    assert given["grantedToV2"]["user"]["email"] == MEGAN
    await receiver.until(lambda: len(receiver.items) == 1)
    assert receiver.items[0]["subscriptionId"] == made["id"]


async def test_permissions_can_be_read_one_by_one_and_all_together(graph: Simulator, asker: Asker) -> None:
    file = save_file(graph.world)
    path = f"drives/{file.ids['drive']}/items/{file.id}"
    (owner,) = await asker.listed(f"{path}/permissions")
    assert owner["roles"] == ["owner"]
    acts.share(graph.world, file, graph.world.people[1])
    acts.share(graph.world, file, graph.world.people[1], role="write")
    listed = await asker.listed(f"{path}/permissions")
    assert [each["roles"] for each in listed] == [["owner"], ["write"]]
    for each in listed:
        found = await asker.get(f"{path}/permissions/{each['id']}")
        assert found.pop("@odata.context").endswith("/permissions/$entity")
        assert found == each
    assert await asker.listed(f"{DRIVE}/root:/Plan.docx:/permissions") == listed
    assert [each["roles"] for each in await asker.listed(f"{DRIVE}/root/permissions")] == [["owner"]]
    assert await asker.refused("GET", f"{path}/permissions/nobody") == (404, "itemNotFound")
    assert await asker.refused("GET", f"drives/{file.ids['drive']}/items/none/permissions") == (404, "itemNotFound")


async def test_delta_says_nothing_of_sharing_but_of_the_next_real_change(graph: Simulator, asker: Asker) -> None:
    graph.knobs.turn({"delta_lag_seconds": 0})
    file = save_file(graph.world)
    first = await asker.get(f"{DRIVE}/root/delta")
    before = await asker.get(f"{DRIVE}/items/{file.id}")
    assert (await asker.ask("POST", f"{DRIVE}/items/{file.id}/invite", INVITATION))[0] == 200
    second = await asker.get(first["@odata.deltaLink"])
    assert second["value"] == []
    assert await asker.get(f"{DRIVE}/items/{file.id}") == before | {"shared": {"scope": "users"}}
    graph.world.update(graph.world.entities[file.key], {"size": 11})
    (item,) = (await asker.get(second["@odata.deltaLink"]))["value"]
    assert (item["id"], item["shared"]) == (file.id, {"scope": "users"})


@pytest.mark.parametrize(
    "spoilt",
    [
        {"recipients": []},
        {"recipients": None},
        {"recipients": [{"email": "nobody@elsewhere.example"}]},
        {"recipients": [{}]},
        {"recipients": [MEGAN]},
        {"roles": []},
        {"roles": ["reign"]},
        {"roles": "read"},
        {"message": "x" * 2001},
        {"requireSignIn": "yes"},
        {"unheard": 1},
    ],
)
async def test_a_wrong_invitation_is_refused_and_lets_nobody_in(
    graph: Simulator, asker: Asker, spoilt: dict[str, Any]
) -> None:
    file = save_file(graph.world)
    status, _ = await asker.refused("POST", f"{DRIVE}/items/{file.id}/invite", INVITATION | spoilt)
    assert status == 400
    assert len(await asker.listed(f"{DRIVE}/items/{file.id}/permissions")) == 1


async def test_nobody_is_invited_to_what_is_not_there(asker: Asker) -> None:
    assert await asker.refused("POST", f"{DRIVE}/items/none/invite", INVITATION) == (404, "itemNotFound")
    for missing in ("recipients", "roles"):
        body = {name: value for name, value in INVITATION.items() if name != missing}
        assert (await asker.refused("POST", f"{DRIVE}/root/invite", body))[0] == 400


async def test_who_was_let_in_is_saved_with_the_tenant() -> None:
    async with press() as stand:
        file = save_file(stand.world)
        acts.share(stand.world, file, stand.world.people[1])
        saved = json.loads(json.dumps(save(stand.world)))
        again = restore(saved, clock=stand.clock, dice=Dice(1), numbers=stand.world.numbers)
        assert again.permissions == stand.world.permissions
        assert again.entities[file.key].content["shared"] == {"scope": "users"}
