"""How bodies are seen through: repeated, held back, thrown away, kept for a while, and never quietly."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from local.graph.clock import Clock
from local.graph.delivery.attempts import Attempt
from local.graph.delivery.health import ENOUGH_ANSWERS, SAMPLES
from local.graph.delivery.hub_producer import HubRefused
from local.graph.delivery.notices import Notice
from local.graph.delivery.publisher import again
from local.graph.delivery.tally import Tally
from local.graph.lifecycle.payload import write_lifecycle
from local.graph.subscribing.store import Subscription
from local.graph.tenant import acts
from tests.local.graph.press import Press, press
from tests.local.graph.stand import Receiver

ALL = "teams/getAllMessages"
MINUTE = timedelta(minutes=1)
HUB = "EventHub:https://ns.servicebus.windows.net/eventhubname/hub?tenantId=contoso.com"


def impatient(patience: float = 0.02) -> Clock:
    """A clock with which three seconds are sixty milliseconds."""
    return Clock(patience=patience)


def missed(desk: Press) -> list[Subscription]:
    told: list[Subscription] = []
    desk.courier.missed = told.append
    return told


async def announce(desk: Press, count: int, tally: Tally) -> None:
    """Let so many messages be told of, each in a body of its own, and see them set out."""
    for change in desk.say(count):
        desk.publisher.announce(change, tally)
    await asyncio.sleep(0)


async def until_still(receiver: Receiver, tally: Tally) -> None:
    await receiver.until(lambda: not tally.pending)


async def test_what_is_refused_for_four_hours_is_given_up_and_noted_as_missed(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=20_000)) as desk:
        made, tally, lost = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications"), Tally(), missed(desk)
        receiver.answers = [web.Response(status=500) for _ in range(100)]
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
    assert (tally.gave_up, tally.acknowledged) == (1, 0)
    assert lost == [made]
    assert 5 < tally.statuses["500"] < 40
    assert len({json.dumps(body) for body in receiver.bodies}) == 1


async def test_a_receiver_that_comes_back_gets_what_waited_at_the_next_attempt(receiver: Receiver) -> None:
    async with press() as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        receiver.answers = [web.Response(status=500)]
        await announce(desk, 1, tally)
        await receiver.until(lambda: bool(tally.statuses))
        desk.clock.advance(3 * 60 * MINUTE)
        await until_still(receiver, tally)
    assert tally.acknowledged == 1


@pytest.mark.parametrize(
    ("status", "rules"),
    [(204, []), (301, ["redirect"]), (404, ["good-batch-refused"]), (503, ["failed"])],
)
async def test_an_answer_is_judged_by_its_status(receiver: Receiver, status: int, rules: list[str]) -> None:
    async with press(clock=Clock(time_scale=1000)) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        receiver.answers = [web.Response(status=status)]
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
        assert [found["rule"] for found in desk.judge.printed()] == rules


async def test_a_repetition_has_ten_seconds_and_is_judged_by_them(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=10_000, patience=0.02)) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        receiver.delay = 1.0
        tally = Tally()
        await announce(desk, 1, tally)
        await receiver.until(lambda: len(desk.courier.attempts) > 1)
        assert [found["rule"] for found in desk.judge.printed()] == ["late", "late-again"]
        first, second = list(desk.courier.attempts)[:2]
        assert first.ms < second.ms >= 190  # three seconds and ten, a fiftieth each


async def test_a_lifecycle_notification_that_is_refused_is_judged_as_such(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=1000)) as desk:
        made = desk.subscribe(ALL, lifecycleNotificationUrl=f"{receiver.url}/lifecycle")
        receiver.answers = [web.Response(status=404)]
        notice = Notice(subscription=made, notification=write_lifecycle(made, "missed"), lifecycle=True)
        tally = Tally()
        desk.courier.send(f"{receiver.url}/lifecycle", [notice], [], tally)
        await until_still(receiver, tally)
        assert [found["rule"] for found in desk.judge.printed()] == ["refused"]


async def test_nothing_but_forgeries_may_be_refused_but_not_beside_something_genuine(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=1000)) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        (real,) = desk.publisher.notices(desk.say()[0])
        forged = desk.forger.make("wrong-mac", real).notice
        receiver.answers = [web.Response(status=401)]
        desk.publisher.post([forged], tally)
        await until_still(receiver, tally)
        assert desk.judge.verdict()["ok"]
        receiver.answers = [web.Response(status=401)]
        desk.publisher.post([forged, again(real)], tally)
        await until_still(receiver, tally)
        assert [found["rule"] for found in desk.judge.printed()] == ["good-batch-refused"]


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text='{"clientState":"our secret"}'),
        web.Response(headers={"X-Debug": "state=our secret"}),
    ],
)
async def test_a_secret_must_appear_neither_in_a_body_nor_in_a_header(receiver: Receiver, answer: web.Response) -> None:
    async with press() as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        receiver.answers = [answer]
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
        (found,) = desk.judge.printed()
    assert found["rule"] == "secret"
    assert "our secret" not in json.dumps(found)


async def test_every_attempt_is_told_with_all_that_is_known_of_it(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=1000)) as desk:
        made = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications?code=secret")
        heard: list[Attempt] = []
        desk.courier.on_attempt.append(heard.append)
        receiver.answers = [web.Response(status=500)]
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
        assert heard == list(desk.courier.attempts)
    rows = [attempt.printed() for attempt in heard]
    host = receiver.url.split("/")[2]
    for number, (row, status, rule) in enumerate(zip(rows, (500, 202), ("failed", None), strict=True), start=1):
        assert row.pop("at").endswith("Z")
        assert row.pop("ms") > 0
        assert row == {
            "url": f"{receiver.url}/notifications",
            "host": host,
            "body": 1,
            "attempt": number,
            "items": 1,
            "subscriptions": [made.id],
            "status": status,
            "rule": rule,
        }


async def test_nobody_there_is_unreachable_and_comes_again() -> None:
    async with press(clock=Clock(time_scale=1000)) as desk:
        desk.subscribe(ALL, notificationUrl="http://127.0.0.1:9/hook")
        tally = Tally()
        await announce(desk, 1, tally)
        async with asyncio.timeout(10):
            while tally.statuses["unreachable"] < 3:  # noqa: ASYNC110 - it watches a counter, which nobody announces
                await asyncio.sleep(0.01)
        assert [found["rule"] for found in desk.judge.printed()] == ["unreachable"]


async def test_a_slow_host_gets_what_is_new_ten_minutes_later(receiver: Receiver) -> None:
    async with press(clock=impatient(0.1)) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally, later = Tally(), Tally()
        receiver.delay = 0.5
        await announce(desk, ENOUGH_ANSWERS, tally)
        await receiver.until(lambda: tally.statuses["timeout"] >= ENOUGH_ANSWERS)
        receiver.delay = 0
        (state,) = desk.courier.printed_health().values()
        assert state["state"] == "slow"
        desk.clock.advance(MINUTE)
        await until_still(receiver, tally)
        await announce(desk, 2, later)
        desk.clock.advance(8 * MINUTE)
        await asyncio.sleep(0)
        assert later.acknowledged == 0
        desk.clock.advance(4 * MINUTE)
        await until_still(receiver, later)
        assert later.acknowledged == 2
        live = Tally()
        await announce(desk, SAMPLES, live)
        await until_still(receiver, live)
        (state,) = desk.courier.printed_health().values()
        assert state["state"] == "well"


async def test_a_host_that_does_not_answer_in_time_at_all_gets_nothing_and_misses_it(receiver: Receiver) -> None:
    async with press(clock=impatient(0.005)) as desk:
        made, lost = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications"), missed(desk)
        tally, later = Tally(), Tally()
        receiver.delay = 0.2
        await announce(desk, ENOUGH_ANSWERS, tally)
        await receiver.until(lambda: tally.statuses["timeout"] >= ENOUGH_ANSWERS)
        for _ in range(10):
            desk.clock.advance(MINUTE / 4)
            await asyncio.sleep(0.05)
        await receiver.until(lambda: "drop" in {each["state"] for each in desk.courier.printed_health().values()})
        await announce(desk, 3, later)
        await until_still(receiver, later)
        assert (later.discarded, later.acknowledged, lost) == (3, 0, [made] * 3)


@pytest.mark.parametrize(("per", "other"), [("host", False), ("url", True)])
async def test_a_late_url_slows_its_host_down_or_only_itself(receiver: Receiver, per: str, *, other: bool) -> None:
    async with press(clock=impatient(0.1), turned={"states_per": per}) as desk:
        late = f"{receiver.url}/notifications"
        desk.subscribe(ALL, notificationUrl=f"{late}?code=word")
        receiver.delay = 0.5
        tally = Tally()
        await announce(desk, ENOUGH_ANSWERS, tally)
        await receiver.until(lambda: tally.statuses["timeout"] >= ENOUGH_ANSWERS)
        receiver.delay = 0
        ((name, state),) = desk.courier.printed_health().items()
        assert (state["state"], name == late, "word" in name) == ("slow", other, False)
        person, live = desk.world.people[0], Tally()
        desk.subscribe(f"users/{person.id}/messages", notificationUrl=f"{receiver.url}/lifecycle")
        mail = acts.receive_mail(desk.world, person, subject=None, text="hello", author=person)
        desk.publisher.announce(mail, live)
        await asyncio.sleep(0)
        if other:
            await until_still(receiver, live)
        assert (live.acknowledged == 1, live.pending == 0) == (other, other)


async def test_without_states_a_late_receiver_is_only_late(receiver: Receiver) -> None:
    async with press(clock=impatient(), turned={"states": False}) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        receiver.delay = 0.1
        await announce(desk, ENOUGH_ANSWERS, tally)
        await receiver.until(lambda: tally.statuses["timeout"] >= ENOUGH_ANSWERS)
        assert desk.courier.printed_health() == {}
        assert tally.late == ENOUGH_ANSWERS


@pytest.mark.parametrize("lose", [False, True])
async def test_an_outage_is_silent_and_then_everything_comes_or_nothing(receiver: Receiver, *, lose: bool) -> None:
    async with press() as desk:
        desk.subscribe(ALL, minutes=120, notificationUrl=f"{receiver.url}/notifications")
        tally, after, told = Tally(), Tally(), missed(desk)
        desk.courier.outage(3600, lose=lose)
        await announce(desk, 3, tally)
        await asyncio.sleep(0.05)
        assert receiver.bodies == []
        desk.clock.advance(61 * MINUTE)
        await announce(desk, 1, after)
        await until_still(receiver, tally)
        await until_still(receiver, after)
        assert (tally.acknowledged, tally.lost, after.acknowledged) == ((0, 3, 1) if lose else (3, 0, 1))
        assert told == []
        assert desk.judge.verdict()["ok"]


async def test_a_lapsed_subscription_holds_up_nobody_else_and_gets_its_own_when_it_is_renewed_in_time(
    receiver: Receiver,
) -> None:
    async with press() as desk:
        lapsed = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications", app="b")
        closed, tally = {lapsed.id}, Tally()
        desk.courier.authorized = lambda subscription: subscription.id not in closed
        await announce(desk, 1, tally)
        await receiver.until(lambda: tally.acknowledged == 1)
        desk.clock.advance(60 * MINUTE)
        await asyncio.sleep(0.05)
        assert len(receiver.bodies) == 1
        closed.clear()
        desk.clock.advance(11 * MINUTE)
        await until_still(receiver, tally)
        assert tally.acknowledged == 2


async def test_what_belongs_to_a_lapsed_subscription_is_thrown_away_after_four_hours(receiver: Receiver) -> None:
    async with press(clock=Clock(time_scale=20_000)) as desk:
        made, told = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications"), missed(desk)
        tally = Tally()
        desk.courier.authorized = lambda _: False
        await announce(desk, 2, tally)
        await until_still(receiver, tally)
        assert (tally.discarded, tally.acknowledged, receiver.bodies) == (2, 0, [])
        assert told == [made, made]


class Hub:
    """An event hub that keeps what it gets, and first refuses as often as it is told."""

    def __init__(self, *refusals: HubRefused) -> None:
        self.refusals = list(refusals)
        self.bodies: list[dict[str, Any]] = []

    async def send(self, url: str, body: bytes) -> None:
        assert url == HUB
        if self.refusals:
            raise self.refusals.pop(0)
        self.bodies.append(json.loads(body))


async def test_an_event_hub_gets_the_same_collection_without_tokens_however_often_it_refuses(
    receiver: Receiver, rich: dict[str, Any]
) -> None:
    hub = Hub(HubRefused("busy"), HubRefused("busy"))
    async with press(clock=Clock(time_scale=1000), hub=hub) as desk:
        desk.subscribe(ALL, notificationUrl=HUB, **rich)
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
        assert (tally.acknowledged, tally.statuses) == (1, Counter({"not sent": 2, "sent": 1}))
        assert desk.courier.attempts[0].host == "ns.servicebus.windows.net"
        assert desk.courier.printed_health() == {}
    (body,) = hub.bodies
    assert set(body) == {"value"}
    assert "encryptedContent" in body["value"][0]


async def test_what_no_event_hub_can_hold_is_not_tried_again(receiver: Receiver, rich: dict[str, Any]) -> None:
    async with press(hub=Hub(HubRefused("too large", final=True))) as desk:
        made, told = desk.subscribe(ALL, notificationUrl=HUB, **rich), missed(desk)
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
    assert (tally.gave_up, tally.acknowledged, told) == (1, 0, [made])


async def test_what_is_too_large_together_goes_into_an_event_each(receiver: Receiver, rich: dict[str, Any]) -> None:
    hub = Hub()
    async with press(hub=hub) as desk:
        desk.subscribe(ALL, notificationUrl=HUB, **rich)
        tally, place = Tally(), desk.world.places[0]
        changes = [acts.post(desk.world, place, letter * 500_000, author=place.people[0]) for letter in "abc"]
        desk.publisher.post([notice for change in changes for notice in desk.publisher.notices(change)], tally)
        await until_still(receiver, tally)
    assert (tally.acknowledged, tally.bodies) == (3, 3)
    assert [len(body["value"]) for body in hub.bodies] == [1, 1, 1]


async def test_without_hubs_what_goes_to_one_waits(receiver: Receiver, rich: dict[str, Any]) -> None:
    async with press() as desk:
        desk.subscribe(ALL, notificationUrl=HUB, **rich)
        tally = Tally()
        await announce(desk, 1, tally)
        await receiver.until(lambda: tally.statuses["not sent"] == 1)
        assert tally.pending == 1


async def bodies_of(desk: Press, receiver: Receiver, count: int) -> list[list[int]]:
    """What the receiver got of so many messages that were told at once: numbers of messages, body by body."""
    tally, changes = Tally(), desk.say(count)
    numbers = {change.entity.resource: number for number, change in enumerate(changes)}
    receiver.bodies.clear()
    desk.publisher.post([notice for change in changes for notice in desk.publisher.notices(change)], tally)
    await until_still(receiver, tally)
    return sorted([numbers[item["resource"]] for item in body["value"]] for body in receiver.bodies)


async def test_a_body_holds_no_more_than_graph_puts_into_one(receiver: Receiver) -> None:
    async with press(turned={"batch_max": 4}) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        assert await bodies_of(desk, receiver, 10) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_bodies_may_be_shuffled_and_the_seed_repeats_how(receiver: Receiver) -> None:
    async def stream(seed: int) -> Sequence[Sequence[int]]:
        async with press(seed, {"batch_max": 8, "disorder": 0.5, "lost": 0.2}) as desk:
            desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
            return await bodies_of(desk, receiver, 80)

    first = await stream(3)
    orders = [body == sorted(body) for body in first]
    assert {True, False} == set(orders)
    assert 40 < sum(map(len, first)) < 80
    assert first == await stream(3) != await stream(4)


async def test_what_happens_within_a_while_can_be_gathered_into_one_body(receiver: Receiver) -> None:
    async with press(turned={"batch_seconds": 20}) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        await announce(desk, 5, tally)
        await asyncio.sleep(0.02)
        assert (receiver.bodies, tally.pending) == ([], 1)
        desk.clock.advance(timedelta(seconds=20))
        await until_still(receiver, tally)
        assert [len(body["value"]) for body in receiver.bodies] == [5]


async def test_repetitions_come_in_later_bodies_and_are_counted_apart(receiver: Receiver) -> None:
    async with press(turned={"duplicates": 0.5}, clock=Clock(time_scale=1000)) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        await announce(desk, 40, tally)
        await until_still(receiver, tally)
    assert tally.sent == tally.acknowledged == 40
    assert 8 < tally.duplicates < 32
    assert len(receiver.items) == 40 + tally.duplicates
    copies = Counter(json.dumps(item) for item in receiver.items)
    assert sorted(copies.values()) == [1] * (40 - tally.duplicates) + [2] * tally.duplicates


async def test_what_is_late_comes_all_the_same(receiver: Receiver) -> None:
    async with press(turned={"delayed": 1, "delay_seconds": 600}) as desk:
        desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications")
        tally = Tally()
        await announce(desk, 10, tally)
        desk.clock.advance(5 * MINUTE)
        await receiver.until(lambda: 0 < tally.acknowledged == 10 - tally.pending)
        assert tally.pending
        desk.clock.advance(5 * MINUTE)
        await until_still(receiver, tally)
    assert tally.acknowledged == 10


async def test_what_graph_loses_stays_in_the_truth_and_is_noted_as_missed(receiver: Receiver) -> None:
    async with press(turned={"lost": 1}) as desk:
        made, told = desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications"), missed(desk)
        tally = Tally()
        await announce(desk, 3, tally)
        await until_still(receiver, tally)
        assert (tally.lost, tally.sent, receiver.bodies, told) == (3, 0, [], [made] * 3)
        assert [truth.acknowledged for truth in desk.publisher.truths] == [None] * 3


async def test_one_body_mixes_apps_and_carries_a_token_for_each_that_has_encrypted_items(
    receiver: Receiver, rich: dict[str, Any]
) -> None:
    async with press() as desk:
        for app, more in (("a", rich), ("b", rich), ("c", {})):
            desk.subscribe(ALL, notificationUrl=f"{receiver.url}/notifications", app=app, **more)
        tally = Tally()
        await announce(desk, 1, tally)
        await until_still(receiver, tally)
    (body,) = receiver.bodies
    assert len(body["value"]) == 3
    assert len(body["validationTokens"]) == 2
