"""What becomes of notifications on their way out: echoes, the usual latency, and moves in bulk of which nobody is told one by one."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from local.graph.catalogue.find import CATALOGUE
from local.graph.delivery.bulk import WITHIN_SECONDS
from local.graph.delivery.fate import AGAIN_WITHIN_SECONDS, usual_latency
from local.graph.delivery.tally import Tally
from local.graph.subscribing.store import Subscription
from local.graph.tenant import acts
from local.graph.tenant.entity import Change, Entity
from tests.local.graph.press import Press, opened, press
from tests.local.graph.stand import Key, Receiver

MAIL, EVENT, CONTACT = "users/{user}/messages", "users/{user}/events", "users/{user}/contacts"


def subscribe(desk: Press, receiver: Receiver, resource: str, **changes: Any) -> Subscription:
    path = resource.replace("{user}", desk.world.people[0].id)
    return desk.subscribe(path, notificationUrl=f"{receiver.url}/notifications", **changes)


def arrive(desk: Press) -> Change:
    first, second = desk.world.people[:2]
    return acts.receive_mail(desk.world, first, subject="Hi", text="hello", author=second)


async def tell(desk: Press, receiver: Receiver, changes: Sequence[Change], tally: Tally, *, after: float) -> None:
    """Let everybody hear of changes, and see through what has come so many seconds later."""
    for change in changes:
        desk.publisher.announce(change, tally)
    await asyncio.sleep(0)
    desk.clock.advance(timedelta(seconds=after))
    await receiver.until(lambda: not tally.pending)


def made_of(desk: Press, what: str) -> tuple[Change, Change]:
    """Something new in Outlook, and its edit."""
    person = desk.world.people[0]
    first = {
        MAIL: lambda: arrive(desk),
        EVENT: lambda: acts.add_event(desk.world, person, "Planning"),
        CONTACT: lambda: acts.add_contact(desk.world, person, "Ada Lovelace"),
    }[what]()
    return first, acts.edit(desk.world, first.entity, "another")


@pytest.mark.parametrize(("what", "updates"), [(MAIL, 1 + 1), (CONTACT, 1 + 1), (EVENT, 1 + 3)])
async def test_what_is_new_has_one_echo_and_an_events_edit_comes_thrice(
    receiver: Receiver, what: str, updates: int
) -> None:
    async with press(turned={"echoes": 1}) as desk:
        subscribe(desk, receiver, what)
        tally = Tally()
        await tell(desk, receiver, made_of(desk, what), tally, after=AGAIN_WITHIN_SECONDS)
        told = Counter(item["changeType"] for item in receiver.items)
        assert told == {"created": 1, "updated": updates}
        assert (tally.sent, tally.duplicates) == (2, updates - 1)
        assert [truth.change_type for truth in desk.publisher.truths] == ["created", "updated"], "the truth has no echo"


async def test_an_echo_tells_the_same_version_and_its_data_can_be_opened(
    receiver: Receiver, rich: dict[str, Any], key: Key
) -> None:
    async with press(turned={"echoes": 1}) as desk:
        subscribe(desk, receiver, f"{MAIL}?$select=subject", **rich)
        await tell(desk, receiver, [arrive(desk)], Tally(), after=AGAIN_WITHIN_SECONDS)
    first, echo = (opened(item["encryptedContent"], key) for item in receiver.items)
    assert first == echo
    assert [item["changeType"] for item in receiver.items] == ["created", "updated"]
    assert all(body["validationTokens"] for body in receiver.bodies)


@pytest.mark.parametrize(
    ("resource", "changes"), [(MAIL, {"changeType": "created"}), ("teams/getAllMessages", {})], ids=["deaf", "Teams"]
)
async def test_there_is_no_echo_for_who_asked_for_no_updates_nor_of_anything_but_outlook(
    receiver: Receiver, resource: str, changes: dict[str, Any]
) -> None:
    async with press(turned={"echoes": 1}) as desk:
        subscribe(desk, receiver, resource, **changes)
        tally = Tally()
        await tell(desk, receiver, [arrive(desk), *desk.say(1)], tally, after=AGAIN_WITHIN_SECONDS)
    assert (tally.sent, tally.duplicates, len(receiver.items)) == (1, 0, 1)


async def test_a_share_of_echoes_is_a_share_and_the_seed_repeats_which(receiver: Receiver) -> None:
    async def echoed(seed: int) -> int:
        async with press(seed, {"echoes": 0.5}) as desk:
            subscribe(desk, receiver, MAIL)
            tally = Tally()
            await tell(desk, receiver, [arrive(desk) for _ in range(100)], tally, after=AGAIN_WITHIN_SECONDS)
            return tally.duplicates

    assert await echoed(1) == await echoed(1)
    assert 30 < await echoed(2) < 70


async def test_a_mail_is_on_its_way_for_as_long_as_graph_states_and_no_longer(receiver: Receiver) -> None:
    average, most = next(row.latency_seconds for row in CATALOGUE if row.key == "message") or (0, 0)
    async with press(turned={"latency": True}) as desk:
        subscribe(desk, receiver, MAIL)
        tally = Tally()
        for change in [arrive(desk) for _ in range(20)]:
            desk.publisher.announce(change, tally)
        assert tally.pending == 20, "nothing is there at once"
        await asyncio.sleep(0)
        desk.clock.advance(timedelta(seconds=average))
        await receiver.until(lambda: 0 < tally.acknowledged == 20 - tally.pending)
        assert tally.acknowledged < 20
        desk.clock.advance(timedelta(seconds=most - average))
        await receiver.until(lambda: not tally.pending)
    assert tally.acknowledged == 20


async def test_latency_is_the_average_in_the_middle_and_never_above_the_maximum() -> None:
    lots = [number / 100 for number in range(100)]
    async with press() as desk:
        for resource in (MAIL, "teams/getAllMessages", "users/{user}/drive/root"):
            made = desk.subscribe(resource.replace("{user}", desk.world.people[0].id), changeType="updated", minutes=50)
            stated = made.asked.match.row.latency_seconds
            assert stated, resource
            assert usual_latency(made, 0.5) == stated[0]
            assert all(0 <= usual_latency(made, lot) <= stated[1] for lot in lots)
        people = desk.subscribe("users", changeType="updated")
        assert (people.asked.match.row.latency_seconds, usual_latency(people, 1)) == (None, 0)


def moved(desk: Press, count: int) -> list[Change]:
    """Let so many mails arrive unheard, and be filed."""
    mails: list[Entity] = [arrive(desk).entity for _ in range(count)]
    return [end for mail in mails for end in acts.move_mail(desk.world, mail, "archive")]


async def test_beyond_a_number_of_moves_within_a_minute_graph_only_says_that_something_was_missed(
    receiver: Receiver,
) -> None:
    async with press(turned={"bulk_limit": 25}) as desk:
        made = subscribe(desk, receiver, "users/{user}/mailFolders/inbox/messages")
        missed: list[Subscription] = []
        desk.courier.missed = missed.append
        tally = Tally()
        await tell(desk, receiver, moved(desk, 30), tally, after=WITHIN_SECONDS)
        assert (tally.sent, tally.lost, len(receiver.items)) == (25, 5, 25)
        assert missed == [made] * 5
        assert len(desk.publisher.truths) == 30, "the truth knows of every one"
        await tell(desk, receiver, moved(desk, 5), tally, after=1)
        assert (tally.sent, tally.lost) == (30, 5), "a minute later it begins anew"


async def test_only_moves_are_counted_and_each_mailbox_by_itself(receiver: Receiver) -> None:
    async with press(turned={"bulk_limit": 2}) as desk:
        subscribe(desk, receiver, "users/{user}/mailFolders/inbox/messages")
        second = desk.world.people[1]
        others = [acts.receive_mail(desk.world, second, subject=None, text="x", author=second).entity for _ in range(3)]
        elsewhere = [end for mail in others for end in acts.move_mail(desk.world, mail, "archive")]
        gone = [acts.delete(desk.world, arrive(desk).entity) for _ in range(3)]
        tally = Tally()
        await tell(desk, receiver, [*elsewhere, *gone, *moved(desk, 2)], tally, after=1)
    assert (tally.sent, tally.lost) == (5, 0)
