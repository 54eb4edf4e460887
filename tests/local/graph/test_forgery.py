"""Every kind of forgery: wrong in exactly what its sentence says, and right in everything else."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature

from local.graph.catalogue.find import CATALOGUE, by_key
from local.graph.delivery.forgery import KINDS, ONLY_RICH, USUAL_IN_HUBS, Forgery
from local.graph.delivery.notices import Notice
from local.graph.delivery.tally import Tally
from local.graph.tenant import acts
from tests.local.graph.press import TENANT, Press, opened, press
from tests.local.graph.stand import Key

NOT_INVENTED = {"replayed", "null-item"}
RIGHT = {"clientState": "our secret", "tenantId": TENANT, "changeType": "created"}
SPOILT: Mapping[str, frozenset[str]] = {
    "wrong-client-state": frozenset({"clientState"}),
    "wrong-mac": frozenset({"clientState"}),
    "other-client-state": frozenset({"clientState"}),
    "foreign-tenant": frozenset({"tenantId"}),
}
"""Which of the right values each kind spoils."""


def pattern(desk: Press, rich: Mapping[str, Any]) -> Notice:
    """A real notice in one channel, of a subscription to all of them."""
    desk.subscribe("teams/getAllMessages", **rich)
    place = desk.world.places[0]
    (notice,) = desk.publisher.notices(acts.post(desk.world, place, "hello", author=place.people[0]))
    return notice


def read(forgery: Forgery) -> dict[str, Any]:
    return dict(forgery.notice.notification or {})


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NOT_INVENTED))
async def test_a_forgery_is_wrong_only_in_what_its_name_says_and_says_that_it_is_forged(
    kind: str, rich: dict[str, Any]
) -> None:
    async with press() as desk:
        real = pattern(desk, rich)
        other = desk.subscribe(f"users/{desk.world.people[0].id}/messages", clientState="theirs")
        forgery = desk.forger.make(kind, real, [real.subscription, other])
        item = read(forgery)
    assert forgery.notice.forged == kind
    assert forgery.notice.truth is None
    assert item["subscriptionId"] == real.subscription.id
    assert "FORGED" in item["resource"]
    assert item["resource"] == item["resourceData"]["@odata.id"]
    wrong = {name for name, value in RIGHT.items() if item[name] != value}
    assert wrong == SPOILT.get(kind, frozenset())
    assert kind != "other-client-state" or item["clientState"] == "theirs"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NOT_INVENTED - ONLY_RICH))
async def test_what_needs_no_resource_data_is_encrypted_where_the_real_thing_is(
    kind: str, rich: dict[str, Any], key: Key
) -> None:
    async with press() as desk:
        content = opened(read(desk.forger.make(kind, pattern(desk, rich)))["encryptedContent"], key)
    assert content["body"]["content"] == "FORGED: send me your passwords"


async def test_what_is_tampered_with_fails_only_by_its_signature(rich: dict[str, Any], key: Key) -> None:
    async with press() as desk:
        real = pattern(desk, rich)
        for _ in range(4):
            with pytest.raises(InvalidSignature):
                opened(read(desk.forger.make("tampered", real))["encryptedContent"], key)


async def test_a_signature_may_be_missing_and_a_certificate_unknown(rich: dict[str, Any]) -> None:
    async with press() as desk:
        real = pattern(desk, rich)
        unsigned = read(desk.forger.make("missing-signature", real))["encryptedContent"]
        strange = read(desk.forger.make("unknown-certificate", real))["encryptedContent"]
    assert {"data", "dataKey"} <= unsigned.keys()
    assert "dataSignature" not in unsigned
    assert strange["encryptionCertificateId"] == "FORGED"
    assert len(strange["encryptionCertificateThumbprint"]) == 40


async def test_a_replay_is_the_real_thing_byte_for_byte_with_a_good_token(rich: dict[str, Any]) -> None:
    async with press() as desk:
        real = pattern(desk, rich)
        forgery = desk.forger.make("replayed", real)
    assert forgery.notice.notification is real.notification
    assert forgery.tokens is not None
    assert len(forgery.tokens) == 1


async def test_an_item_may_be_null() -> None:
    async with press() as desk:
        forgery = desk.forger.make("null-item", pattern(desk, {}))
    assert forgery.notice.notification is None
    assert forgery.tokens is None


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("token:publisher", "publisher"),
        ("token:audience", "audience"),
        ("token:signature", "signature"),
        ("token:expired", "lifetime"),
        ("token-of-other-tenant", "tenant"),
    ],
)
async def test_a_forged_token_is_wrong_in_one_respect_only(kind: str, wrong: str, rich: dict[str, Any]) -> None:
    async with press() as desk:
        tokens = desk.forger.make(kind, pattern(desk, rich)).tokens
        public = desk.authority.keys[0].private.public_key()
    assert tokens is not None
    (token,) = tokens
    claims = jwt.decode(token, options={"verify_signature": False})
    right = {
        "publisher": (claims.get("azp") or claims.get("appid")) == "0bf30f3b-4a52-48df-9a82-234910c4a086",
        "audience": claims["aud"] == "a99e0000-0000-4000-8000-00000000a99e",
        "tenant": claims["tid"] == TENANT,
        "lifetime": claims["exp"] > time.time(),
        "signature": _is_signed(token, public),
    }
    assert [name for name, holds in right.items() if not holds] == [wrong]


async def test_tokens_may_be_missing_altogether(rich: dict[str, Any]) -> None:
    async with press() as desk:
        assert desk.forger.make("missing-tokens", pattern(desk, rich)).tokens == ()


def _is_signed(token: str, public: Any) -> bool:
    try:
        jwt.decode(token, public, algorithms=["RS256"], options={"verify_exp": False, "verify_aud": False})
    except jwt.InvalidSignatureError:
        return False
    return True


@pytest.mark.parametrize("key_of_row", sorted({row.key for row in CATALOGUE if row.max_rich_minutes and row.paths}))
async def test_every_kind_of_item_with_resource_data_can_be_forged(key_of_row: str, rich: dict[str, Any]) -> None:
    row = by_key(key_of_row)
    async with press() as desk:
        select = "?$select=subject" if row.family == "outlook" else ""
        path = row.paths[0]
        for name in ("user", "chat", "team", "channel", "folder", "app", "meeting", "policy"):
            path = path.replace(f"{{{name}}}", f"{name}-1")
        desk.subscribe(path + select, changeType=",".join(sorted(row.change_types)), **rich)
        change = desk.create(row, subject="x")
        (real,) = desk.publisher.notices(
            change if "created" in row.change_types else desk.world.update(change.entity, {"subject": "y"})
        )
        for kind in KINDS:
            assert kind in NOT_INVENTED or "FORGED" in read(desk.forger.make(kind, real))["resource"]


async def test_the_usual_kinds_suit_the_subscription_and_the_seed_repeats_them(rich: dict[str, Any]) -> None:
    async def story(seed: int, more: Mapping[str, Any]) -> list[str | None]:
        async with press(seed) as desk:
            real = pattern(desk, more)
            return [desk.forger.forge(real, [])[0].forged for _ in range(60)]

    basic, full = await story(1, {}), await story(1, rich)
    assert set(basic) == {"wrong-client-state", "wrong-mac", "other-client-state", "foreign-tenant"}
    assert set(full) == set(basic) | {"tampered"} | {kind for kind in KINDS if ":" in kind}
    assert full == await story(1, rich) != await story(2, rich)


async def test_a_kind_that_makes_no_sense_is_refused() -> None:
    async with press() as desk:
        real = pattern(desk, {})
        for kind in ("nonsense", *ONLY_RICH):
            with pytest.raises(ValueError, match=r"kind must be one of|needs a subscription with resource data"):
                desk.forger.make(kind, real)


async def test_forgeries_are_counted_by_kind() -> None:
    async with press() as desk:
        real, tally = pattern(desk, {}), Tally()
        desk.publisher.post([desk.forger.make("wrong-mac", real).notice], tally)
        desk.publisher.post_with([desk.forger.make("replayed", real).notice], [], tally)
    assert tally.forged == {"wrong-mac": 1, "replayed": 1}
    assert (tally.sent, tally.duplicates) == (0, 0)


@pytest.mark.parametrize("setting", ["missing", "wrong"])
async def test_a_knob_takes_the_tokens_away_or_spoils_them(setting: str, rich: dict[str, Any]) -> None:
    async with press(turned={"validation_tokens": setting}) as desk:
        real = pattern(desk, rich)
        tokens = desk.publisher.tokens.of([real], 1)
    assert len(tokens) == (setting == "wrong")


IN_A_HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"


def pattern_in_a_hub(desk: Press, rich: Mapping[str, Any]) -> Notice:
    desk.subscribe("teams/getAllMessages", notificationUrl=IN_A_HUB, **rich)
    place = desk.world.places[0]
    (notice,) = desk.publisher.notices(acts.post(desk.world, place, "hello", author=place.people[0]))
    return notice


async def test_what_is_usually_forged_in_an_event_hub_has_nothing_to_do_with_tokens(rich: dict[str, Any]) -> None:
    async with press() as desk:
        real = pattern_in_a_hub(desk, rich)
        forged = [desk.forger.forge(real, [real.subscription]) for _ in range(60)]

    assert {notice.forged for notice, _ in forged} == set(USUAL_IN_HUBS)
    assert {token for _, token in forged} == {None}


@pytest.mark.parametrize("kind", ["token:expired", "missing-tokens", "replayed"])
async def test_an_event_hub_has_no_body_of_its_own_for_a_forgery(kind: str, rich: dict[str, Any]) -> None:
    async with press() as desk:
        real = pattern_in_a_hub(desk, rich)
        with pytest.raises(ValueError, match="needs a webhook"):
            desk.forger.make(kind, real)
