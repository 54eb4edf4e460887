"""Graph's rarer ways to write a notification: each is turned on by itself and is legitimate."""

import re
from datetime import datetime
from typing import Any

import pytest

from local.graph.tenant import acts
from tests.local.graph.press import Press, press

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def many(desk: Press, count: int = 40) -> list[dict[str, Any]]:
    """Notifications of so many messages in one channel."""
    place = desk.world.places[0]
    changes = [acts.post(desk.world, place, f"message {number}", author=place.people[0]) for number in range(count)]
    return [item for change in changes for item in desk.told(change)]


async def test_on_a_good_day_nothing_is_odd(rich: dict[str, Any]) -> None:
    async with press() as desk:
        desk.subscribe("teams/getAllMessages", **rich)
        items = many(desk)
    names = {"subscriptionId", "changeType", "clientState", "subscriptionExpirationDateTime", "resource"}
    assert all(set(item) == names | {"resourceData", "tenantId", "encryptedContent"} for item in items)
    assert {item["changeType"] for item in items} == {"created"}
    assert all(re.fullmatch(r".{19}\.\d{7}Z", item["subscriptionExpirationDateTime"]) for item in items)


async def test_capitals_appear_in_the_change_type_and_sometimes_in_the_contents_name(rich: dict[str, Any]) -> None:
    async with press(turned={"casing": 1}) as desk:
        desk.subscribe("teams/getAllMessages", **rich)
        items = many(desk)
    assert {item["changeType"] for item in items} == {"Created"}
    assert {next(name for name in item if name.lower() == "encryptedcontent") for item in items} == {
        "encryptedContent",
        "EncryptedContent",
    }


async def test_times_have_the_offsets_that_were_seen_and_mean_the_same_moment() -> None:
    async with press(turned={"offsets": 1}) as desk:
        made = desk.subscribe("teams/getAllMessages")
        printed = [item["subscriptionExpirationDateTime"] for item in many(desk)]
        ends = made.expiration_date_time
    assert {text[-6:] for text in printed} == {"-08:00", "+05:30", "+00:00"}
    assert {len(text.partition(".")[2]) - 6 for text in printed} == {7, 3}
    moments = [datetime.fromisoformat(text) for text in printed]
    assert all(abs((moment - ends).total_seconds()) < 0.001 for moment in moments)


async def test_unknown_members_come_with_and_without_an_unknown_change_type() -> None:
    async with press(turned={"unknown": 1}) as desk:
        desk.subscribe("teams/getAllMessages")
        items = many(desk)
    assert {item["changeType"] for item in items} == {"created", "unknownFutureValue"}
    assert all("futureMember" in item for item in items)


async def test_notifications_may_have_ids_of_their_own() -> None:
    async with press(turned={"identified": 1}) as desk:
        desk.subscribe("teams/getAllMessages")
        ids = [item["id"] for item in many(desk)]
    assert len(set(ids)) == len(ids)
    assert all(GUID.fullmatch(each) for each in ids)


async def test_a_certificate_may_be_one_that_nobody_knows(rich: dict[str, Any]) -> None:
    async with press(turned={"strange_certificate_ids": 1}) as desk:
        desk.subscribe("teams/getAllMessages", **rich)
        labels = {item["encryptedContent"]["encryptionCertificateId"] for item in many(desk, 3)}
    assert len(labels) == 1
    assert labels.pop().startswith("unknown-")


@pytest.mark.parametrize("knob", ["casing", "offsets", "unknown", "identified"])
async def test_a_share_is_a_share_and_the_seed_repeats_which(knob: str) -> None:
    async def odd(seed: int) -> list[bool]:
        async with press(seed, {knob: 0.3}) as desk, press(seed) as usual:
            for each in (desk, usual):
                each.subscribe("teams/getAllMessages")
            pairs = zip(many(desk, 200), many(usual, 200), strict=True)
            return [_shape(item) != _shape(other) for item, other in pairs]

    first = await odd(1)
    assert 30 < sum(first) < 90
    assert first == await odd(1) != await odd(2)


async def test_turning_one_knob_changes_nothing_about_the_others() -> None:
    async def capitals(offsets: float) -> list[bool]:
        async with press(turned={"casing": 0.3, "offsets": offsets}) as desk:
            desk.subscribe("teams/getAllMessages")
            return [item["changeType"] == "Created" for item in many(desk, 100)]

    assert await capitals(0) == await capitals(0.7)


def _shape(item: dict[str, Any]) -> tuple[Any, ...]:
    digits = re.sub(r"\d", "0", item["subscriptionExpirationDateTime"])
    return item["changeType"], digits, sorted(item)
