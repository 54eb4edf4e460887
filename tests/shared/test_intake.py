"""Judging deliveries: nothing forged gets in, nothing genuine is lost, and no body makes it raise."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.envelope import LARGEST_ENVELOPE, Envelope, read_envelope
from shared.graph.validation_token import TokenJudge
from shared.intake import Verdict, judge
from tests import builders, strategies
from tests.builders import AUTHORITY, NOW, OTHER_TENANT, TENANT, Authority, notification, rich_notification

STRANGERS_KEY = b"a key of a stranger, also 32 long"
RICH = rich_notification()


def judged(body: bytes, *, tokens: TokenJudge | None = None, **policy: Any) -> Verdict:
    return judge(
        body,
        received=NOW,
        delivery_id="d",
        policy=builders.policy(**policy),
        tokens=tokens or builders.token_judge(),
    )


def kept(verdict: Verdict) -> list[Mapping[str, Any] | None]:
    return [item.notification for envelope in envelopes(verdict) for item in envelope.items]


def envelopes(verdict: Verdict) -> list[Envelope]:
    return [read_envelope(text.encode("ascii")) for text in verdict.envelopes]


# -- any body ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(data: bytes) -> None:
    assert judged(data).status in {202, 400}


@given(strategies.JSON_VALUES)
def test_any_json_gets_an_answer(document: Any) -> None:
    assert judged(json.dumps(document).encode()).status in {202, 400}


@given(st.lists(strategies.STRANGE_ITEMS | strategies.SPOILED_ITEMS, max_size=6), strategies.JSON_VALUES)
def test_every_item_that_was_read_is_accepted_or_refused(items: list[Any], tokens: Any) -> None:
    verdict = judged(json.dumps({"value": items, "validationTokens": tokens}).encode())

    assert verdict.status == 202
    assert verdict.accepted + sum(verdict.refused.values()) == len(items)
    assert verdict.accepted == len(kept(verdict)) + len(verdict.payloads) + len(verdict.work)


@given(st.lists(strategies.STRANGE_ITEMS, max_size=4), st.lists(strategies.STRANGE_ITEMS, max_size=4))
def test_a_bad_item_never_costs_a_good_one(before: list[Any], after: list[Any]) -> None:
    good = notification("good")

    assert kept(judged(builders.body(*before, good, *after))) == [good]


@pytest.mark.parametrize(
    "bad", [None, 0, "text", [], {}, {"value": []}, {"subscriptionId": 1}, {"tenantId": {}}], ids=str
)
def test_null_and_other_nonsense_beside_a_good_item_is_dropped(bad: object) -> None:
    verdict = judged(builders.body(bad, notification("good")))

    assert (verdict.status, verdict.accepted, dict(verdict.refused)) == (202, 1, {"malformed": 1})


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"value":null}',
        b'{"value":{}}',
        b'{"value":"[]"}',
        b'{"value":[NaN]}',
        b'{"value":[Infinity]}',
        b"\xff\xfe",
        b'{"value":[' + b"9" * 5000 + b"]}",
        b'{"value":' + b"[" * 100_000,
        b'{"value":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
    ],
    ids=lambda document: repr(document[:20]),
)
def test_what_is_not_a_collection_is_a_bad_request(document: bytes) -> None:
    assert judged(document) == Verdict(status=400, refused={"not a collection": 1})


def test_an_empty_collection_is_accepted() -> None:
    assert judged(b'{"value":[]}') == Verdict(status=202)


def test_a_body_beyond_the_limit_is_not_even_read() -> None:
    body = builders.body(notification())

    assert judged(body, max_body_bytes=len(body) - 1) == Verdict(status=413, refused={"too large": 1})
    assert judged(body, max_body_bytes=len(body)).status == 202


def test_a_number_beyond_all_floats_costs_only_its_item() -> None:
    """``1e999`` is JSON and becomes infinity, which is not JSON any more."""
    body = builders.body(notification("bad", odd=12345), notification("good")).replace(b"12345", b"1e999")
    verdict = judged(body)

    assert [each and each["resource"] for each in kept(verdict)] == [notification("good")["resource"]]
    assert verdict.refused == {"malformed": 1}


def test_large_whole_numbers_are_kept_to_the_digit() -> None:
    ticks = 636784480202455800
    [found] = kept(judged(builders.body(notification(resourceData={"sequenceNumber": ticks}))))

    assert found is not None
    assert found["resourceData"]["sequenceNumber"] == ticks


@pytest.mark.parametrize("depth", [100, 400, 800, 990, 5000, 100_000])
def test_nesting_of_any_depth_is_kept_readable_or_refused(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = builders.body(notification(odd=12345), notification("good")).replace(b"12345", nested)
    verdict = judged(body)

    assert verdict.status in {202, 400}
    if verdict.status == 202:
        assert verdict.accepted == len(kept(verdict))


def test_of_duplicate_properties_the_last_one_counts_everywhere() -> None:
    body = builders.body(notification()).replace(b'{"subscriptionId"', b'{"clientState":"forged","subscriptionId"')

    assert kept(judged(body)) == [notification()]


@pytest.mark.parametrize("name", ["clientState", "tenantId", "resource", "changeType", "subscriptionId", "odd"])
def test_half_a_surrogate_pair_neither_raises_nor_gets_lost(name: str) -> None:
    verdict = judged(builders.body(notification(**{name: "\ud800"}), notification("good")))

    assert verdict.status == 202
    assert notification("good") in kept(verdict)


def test_a_hundred_thousand_items_of_nothing_are_no_burden() -> None:
    body = b'{"value":[' + b",".join([b"null"] * 100_000) + b"]}"
    started = time.process_time()
    verdict = judged(body)

    assert verdict.refused == {"malformed": 100_000}
    assert time.process_time() - started < 5


def test_a_hundred_thousand_tokens_of_nothing_are_no_burden() -> None:
    """Not even where somebody inside has a good clientState, and no signing key is at hand."""
    started = time.process_time()
    verdict = judged(builders.body(RICH, tokens=["x"] * 100_000), tokens=builders.token_judge(None))

    assert verdict.refused == {"validation token": 1}
    assert time.process_time() - started < 5


# -- clientState and tenant -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        None,
        "",
        1,
        "secret",
        builders.client_state()[:-1],
        builders.client_state() + "A",
        builders.client_state() + "\n",
        " " + builders.client_state(),
        builders.client_state().replace("1.", "2.", 1),
        builders.client_state().replace(builders.NAME, "other-name"),
        builders.client_state().replace(".3.", ".4."),
        builders.client_state().replace(".3.", ".03."),
        builders.client_state().upper(),
        builders.client_state(key=STRANGERS_KEY),
        builders.client_state(tenant_id=OTHER_TENANT),
        builders.client_state(delivery="eventhub"),
        "x" * 100_000,
    ],
)
def test_a_forged_client_state_is_refused_without_a_hint(state: object) -> None:
    verdict = judged(builders.body(notification(clientState=state)))

    assert (verdict.status, verdict.accepted, verdict.envelopes) == (202, 0, ())


@given(st.integers(0, len(builders.client_state()) - 1), st.characters(codec="ascii"))
def test_a_client_state_with_any_character_changed_is_refused(position: int, character: str) -> None:
    genuine = builders.client_state()
    forged = genuine[:position] + character + genuine[position + 1 :]
    accepted = judged(builders.body(notification(clientState=forged))).accepted

    # the last digit of the MAC has two spare bits, but is compared as text
    assert accepted == (forged == genuine)


def test_the_previous_key_is_accepted_while_it_is_named() -> None:
    old = notification(clientState=builders.client_state(key=builders.PREVIOUS_CLIENT_STATE_KEY))

    assert judged(builders.body(old)).accepted == 1
    assert judged(builders.body(old), client_state_keys=(builders.CLIENT_STATE_KEY,)).accepted == 0


def test_an_item_is_accepted_although_its_subscription_id_is_unknown() -> None:
    """A trickle after a recreation is real; clientState names the subscription."""
    assert judged(builders.body(notification(subscriptionId="unheard-of"))).accepted == 1


@pytest.mark.parametrize("delivery", ["webhook", "eventhub"])
def test_a_lifecycle_event_is_taken_whichever_way_the_changes_of_its_subscription_come(delivery: Any) -> None:
    """Subscriptions into a hub have their lifecycle events sent to the webhook, with the clientState that they have there."""
    verdict = judged(
        builders.body(builders.lifecycle_notification(clientState=builders.client_state(delivery=delivery)))
    )

    assert (verdict.status, verdict.accepted, verdict.lifecycle, dict(verdict.refused)) == (202, 1, 1, {})


def test_what_was_read_from_a_hub_opens_nothing_else_at_the_webhook() -> None:
    state = builders.client_state(delivery="eventhub")
    tokens = [AUTHORITY.sign(builders.claims())]

    verdict = judged(
        builders.body(notification(clientState=state), rich_notification(clientState=state), tokens=tokens)
    )

    assert (verdict.accepted, dict(verdict.refused)) == (0, {"clientState": 2})


def test_a_lifecycle_event_with_a_hub_s_client_state_of_another_tenant_is_refused() -> None:
    state = builders.client_state(delivery="eventhub", tenant_id=OTHER_TENANT)

    verdict = judged(builders.body(builders.lifecycle_notification(clientState=state)))

    assert dict(verdict.refused) == {"clientState": 1}


def test_the_webhook_s_client_state_opens_nothing_that_comes_over_a_hub() -> None:
    verdict = judged(builders.body(builders.lifecycle_notification(), notification()), delivery="eventhub")

    assert dict(verdict.refused) == {"clientState": 2}


def test_a_foreign_tenant_is_refused_even_with_a_client_state_of_its_own() -> None:
    foreign = notification(tenantId=OTHER_TENANT, clientState=builders.client_state(tenant_id=OTHER_TENANT))

    assert judged(builders.body(foreign)).refused == {"tenant": 1}
    assert judged(builders.body(foreign), allowed_tenant_ids=frozenset({TENANT, OTHER_TENANT})).accepted == 1


def test_one_tenants_client_state_does_not_open_another_tenant() -> None:
    forged = notification(tenantId=OTHER_TENANT)

    assert judged(builders.body(forged), allowed_tenant_ids=frozenset({TENANT, OTHER_TENANT})).accepted == 0


@pytest.mark.parametrize("changes", [{"tenantId": None}, {"tenantId": ""}, {"tenantId": 7}])
def test_an_item_without_a_tenant_is_malformed(changes: dict[str, Any]) -> None:
    assert judged(builders.body(notification(**changes))).accepted == 0


def test_a_tenant_has_no_case() -> None:
    assert judged(builders.body(notification(tenantId=TENANT.upper()))).accepted == 1


# -- validation tokens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_genuine_token_covers_its_tenants_encrypted_items(version: str) -> None:
    verdict = judged(builders.body(RICH, tokens=[AUTHORITY.token(version)]))

    assert (verdict.accepted, verdict.unchecked, kept(verdict)) == (1, 0, [RICH])


@pytest.mark.parametrize("tokens", [None, [], [""], ["a.b.c"], ["x" * 100_000], ["\ud800"], ["."], [".."]])
def test_an_encrypted_item_without_a_token_is_dropped(tokens: list[str] | None) -> None:
    verdict = judged(builders.body(RICH, notification("basic"), tokens=tokens))

    assert verdict.refused == {"validation token": 1}
    assert kept(verdict) == [notification("basic")]


@pytest.mark.parametrize("tokens", [None, 1, "token", {}, [1, None, {}]])
def test_tokens_that_are_no_list_of_text_cover_nothing(tokens: object) -> None:
    body = json.dumps({"value": [RICH], "validationTokens": tokens}).encode()

    assert judged(body).refused == {"validation token": 1}


SPOILED_CLAIMS: list[dict[str, Any]] = [
    {"aud": None},
    {"aud": "somebody else"},
    {"aud": []},
    {"aud": {"a": 1}},
    {"iss": None},
    {"iss": builders.ISSUERS["1.0"].replace("{tenantid}", OTHER_TENANT)},
    {"iss": builders.ISSUERS["2.0"].replace("{tenantid}", OTHER_TENANT)},
    {"iss": "https://sts.windows.net/"},
    {"iss": "https://evil.example/"},
    {"exp": None},
    {"exp": NOW.timestamp() - 3600},
    {"exp": "soon"},
    {"exp": []},
    {"nbf": None},
    {"nbf": NOW.timestamp() + 3600},
    {"nbf": {}},
    {"tid": None},
    {"tid": 1},
    {"tid": ["x"]},
    {"ver": None},
    {"ver": "3.0"},
    {"ver": 1.0},
    {"ver": ["1.0"]},
    {"ver": {}},
    {"appid": None, "azp": None},
    {"appid": "someone", "azp": "someone"},
    {"appid": 1, "azp": 1},
]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("spoiled", SPOILED_CLAIMS, ids=str)
def test_a_token_with_one_claim_spoiled_covers_nothing(version: str, spoiled: dict[str, Any]) -> None:
    stated = {name: value for name, value in (builders.claims(version) | spoiled).items() if value is not None}
    verdict = judged(builders.body(RICH, tokens=[AUTHORITY.sign(stated)]))

    assert (verdict.accepted, dict(verdict.refused)) == (0, {"validation token": 1})


def test_a_token_of_one_version_may_not_have_the_issuer_or_publisher_of_the_other() -> None:
    first, second = builders.claims("1.0"), builders.claims("2.0")
    mixed = [
        first | {"iss": second["iss"]},
        second | {"iss": first["iss"]},
        {name: value for name, value in first.items() if name != "appid"} | {"azp": first["appid"]},
        {name: value for name, value in second.items() if name != "azp"} | {"appid": second["azp"]},
    ]

    assert judged(builders.body(RICH, tokens=[AUTHORITY.sign(each) for each in mixed])).accepted == 0


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _signed_with_the_public_key_as_secret() -> str:
    """The classic: HS256 with the public key's PEM as the secret."""
    public = builders.rsa_key("kid-1").public_key()
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - used by this forgery alone

    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_part({'alg': 'HS256', 'kid': 'kid-1', 'typ': 'JWT'})}.{_part(builders.claims())}"
    mac = hmac.digest(pem, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def _without(token: str) -> str:
    return token.rpartition(".")[0] + "."


FORGERIES = {
    "no algorithm": lambda: jwt.encode(builders.claims(), "", algorithm="none", headers={"kid": "kid-1"}),
    "no algorithm, in capitals": lambda: f"{_part({'alg': 'NONE', 'kid': 'kid-1'})}.{_part(builders.claims())}.",
    "HS256 with the public key": _signed_with_the_public_key_as_secret,
    "RS384": lambda: AUTHORITY.sign(builders.claims(), algorithm="RS384"),
    "RS512": lambda: AUTHORITY.sign(builders.claims(), algorithm="RS512"),
    "PS256": lambda: AUTHORITY.sign(builders.claims(), algorithm="PS256"),
    "no kid": lambda: jwt.encode(builders.claims(), builders.rsa_key("kid-1"), algorithm="RS256"),
    "the signature of another key": lambda: jwt.encode(
        builders.claims(), builders.rsa_key("stranger"), algorithm="RS256", headers={"kid": "kid-1"}
    ),
    "no signature": lambda: _without(AUTHORITY.token()),
    "another payload": lambda: ".".join(
        [AUTHORITY.token().split(".")[0], _part(builders.claims(aud="x")), AUTHORITY.token().split(".")[2]]
    ),
    "a key of its own": lambda: (
        f"{_part({'alg': 'RS256', 'kid': 'kid-1', 'jwk': {'kty': 'RSA'}})}.{_part(builders.claims())}.AAAA"
    ),
    "a kid that is a list": lambda: f"{_part({'alg': 'RS256', 'kid': ['kid-1']})}.{_part(builders.claims())}.AAAA",
    "claims that are a list": lambda: f"{_part({'alg': 'RS256', 'kid': 'kid-1'})}.{_part([])}.AAAA",
    "a header that is a list": lambda: f"{_part([])}.{_part(builders.claims())}.AAAA",
    "a header nested too deep": lambda: (
        base64.urlsafe_b64encode(b"[" * 9000).rstrip(b"=").decode() + f".{_part(builders.claims())}.AAAA"
    ),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_covers_nothing(forge: Any) -> None:
    verdict = judged(builders.body(RICH, tokens=[forge()]))

    assert (verdict.accepted, verdict.wants_keys, dict(verdict.refused)) == (0, False, {"validation token": 1})


def test_a_bad_token_does_not_undo_a_good_one() -> None:
    assert judged(builders.body(RICH, tokens=["garbage", AUTHORITY.token()])).accepted == 1


def test_one_tenants_token_covers_only_its_own_items() -> None:
    both = frozenset({TENANT, OTHER_TENANT})
    foreign = rich_notification(tenantId=OTHER_TENANT, clientState=builders.client_state(tenant_id=OTHER_TENANT))
    items = builders.body(RICH, foreign, tokens=[AUTHORITY.token()])

    assert kept(judged(items, allowed_tenant_ids=both)) == [RICH]


def test_a_token_with_an_unknown_key_leaves_its_items_unchecked() -> None:
    token = Authority(kids=("kid-2",)).token(kid="kid-2")
    verdict = judged(builders.body(RICH, notification("basic"), tokens=[token]))
    [envelope] = envelopes(verdict)
    waiting, basic = envelope.items

    assert (verdict.accepted, verdict.unchecked, verdict.wants_keys) == (2, 1, True)
    assert (waiting.checked, waiting.validation_tokens) == (False, (token,))
    assert (basic.checked, basic.validation_tokens) == (True, ())


def test_without_any_keys_an_encrypted_item_waits_with_the_tokens_of_its_tenant() -> None:
    ours, theirs = AUTHORITY.token(), AUTHORITY.token(tid=OTHER_TENANT)
    verdict = judged(builders.body(RICH, tokens=[theirs, ours, "garbage"]), tokens=builders.token_judge(None))
    [envelope] = envelopes(verdict)

    assert envelope.items[0].validation_tokens == (ours,)
    assert verdict.wants_keys


def test_judging_again_with_newer_keys_checks_what_was_left_unchecked() -> None:
    newer = Authority(kids=("kid-1", "kid-2"))
    body = builders.body(RICH, tokens=[newer.token(kid="kid-2")])
    tokens = builders.token_judge()
    before = judged(body, tokens=tokens)
    tokens.trust(newer.keys())
    after = judged(body, tokens=tokens)

    assert (before.unchecked, after.unchecked, after.wants_keys) == (1, 0, False)


def test_what_an_unchecked_item_carries_in_tokens_is_bounded() -> None:
    """Somebody inside could otherwise blow one item up beyond what a message holds."""
    padded = [AUTHORITY.token(odd="x" * 8000, n=number) for number in range(20)]
    verdict = judged(builders.body(*[RICH] * 3, tokens=padded), tokens=builders.token_judge(None))

    assert verdict.unchecked == 3
    assert all(len(text) <= LARGEST_ENVELOPE for text in verdict.envelopes)


def test_tokens_that_swell_when_they_are_written_never_burst_a_message() -> None:
    swollen = AUTHORITY.token() + "\U0001f600" * 8000
    verdict = judged(builders.body(RICH, tokens=[swollen]), tokens=builders.token_judge(None))

    assert all(len(text) <= LARGEST_ENVELOPE for text in verdict.envelopes)


def test_basic_items_need_no_token() -> None:
    assert judged(builders.body(notification()), tokens=builders.token_judge(None)).accepted == 1


@given(st.text(max_size=50) | strategies.SURROGATES_INCLUDED)
def test_any_text_may_pose_as_a_token(token: str) -> None:
    for keys in (AUTHORITY, None):
        assert judged(builders.body(RICH, tokens=[token]), tokens=builders.token_judge(keys)).accepted == 0


@given(st.dictionaries(st.sampled_from(list(builders.claims("2.0"))), strategies.JSON_VALUES, min_size=1, max_size=3))
def test_a_signed_token_with_any_claims_never_raises(stated: dict[str, Any]) -> None:
    signed = f"{_part({'alg': 'RS256', 'kid': 'kid-1'})}.{_part(builders.claims('2.0') | stated)}"
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - used by this property alone
    from cryptography.hazmat.primitives.asymmetric import padding  # noqa: PLC0415

    signature = builders.rsa_key("kid-1").sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    assert judged(builders.body(RICH, tokens=[token])).status == 202


# -- what is kept, and how --------------------------------------------------------------------------------------------


def test_an_item_too_large_for_a_message_becomes_a_claim_check() -> None:
    large = notification("large", odd="x" * 70_000)
    verdict = judged(builders.body(notification("a"), large, notification("b")))
    items = [item for envelope in envelopes(verdict) for item in envelope.items]
    [(name, data)] = verdict.payloads

    assert [item.item_id for item in items] == ["d-0", "d-1", "d-2"]
    assert items[1].payload == name == "live/2026-11-20/d-1.json"
    assert json.loads(data) == large


def test_a_large_item_that_is_unchecked_keeps_its_tokens_in_the_envelope() -> None:
    large = rich_notification(odd="x" * 70_000)
    verdict = judged(builders.body(large, tokens=[AUTHORITY.token()]), tokens=builders.token_judge(None))
    [envelope] = envelopes(verdict)

    assert (envelope.items[0].payload is not None, len(envelope.items[0].validation_tokens)) == (True, 1)
    assert len(verdict.payloads) == 1


@given(st.lists(st.integers(0, 70_000), max_size=25))
def test_items_are_packed_in_order_into_envelopes_that_fit(sizes: list[int]) -> None:
    items = [notification(str(number), odd="é" * (size // 6)) for number, size in enumerate(sizes)]
    verdict = judged(builders.body(*items))
    packed = [item for envelope in envelopes(verdict) for item in envelope.items]
    payloads = dict(verdict.payloads)
    found = [item.notification or json.loads(payloads[item.payload or ""]) for item in packed]

    assert found == items
    assert all(text.isascii() and len(text) <= LARGEST_ENVELOPE for text in verdict.envelopes)
    assert [item.item_id for item in packed] == [f"d-{number}" for number in range(len(items))]


def test_sixty_notifications_are_one_message() -> None:
    assert len(judged(builders.body(*(notification(str(number)) for number in range(60)))).envelopes) == 1


def test_every_envelope_says_when_and_how_it_came() -> None:
    [envelope] = envelopes(judged(builders.body(notification())))

    assert (envelope.via, envelope.received) == ("webhook", NOW)


def test_received_is_written_in_utc() -> None:
    elsewhere = NOW.astimezone(UTC) + timedelta(microseconds=1)
    verdict = judge(
        builders.body(notification()),
        received=elsewhere,
        delivery_id="d",
        policy=builders.policy(),
        tokens=builders.token_judge(),
    )

    assert '"received":"2026-11-20T12:00:00.000001Z"' in verdict.envelopes[0]


@given(
    st.lists(strategies.JSON_VALUES, min_size=1, max_size=4),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_however_a_body_is_written_the_same_is_kept(
    oddities: list[Any], indent: int | None, escaped: Any, encoding: str
) -> None:
    items = [notification(str(number), odd=odd) for number, odd in enumerate(oddities)]
    text = json.dumps({"a": [1], "value": items, "validationTokens": None}, indent=indent, ensure_ascii=escaped)
    body = text.encode(encoding, "surrogatepass")
    verdict = judged(body)
    payloads = dict(verdict.payloads)
    found = [
        item.notification or json.loads(payloads[item.payload or ""])
        for each in envelopes(verdict)
        for item in each.items
    ]

    assert found == json.loads(body)["value"]
    assert all(each.isascii() for each in verdict.envelopes)


# -- lifecycle and the samples of others ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        builders.lifecycle_notification(),
        {("OrganizationId" if name == "organizationId" else name): value
         for name, value in builders.lifecycle_notification().items()},
        {name[0].upper() + name[1:]: value for name, value in builders.lifecycle_notification().items()},
        builders.payload("lifecycle_as_sent")["value"][0],
    ],
)  # fmt: skip
def test_a_lifecycle_event_becomes_work(item: dict[str, Any]) -> None:
    verdict = judged(builders.body(item))

    assert (verdict.accepted, verdict.lifecycle, verdict.envelopes) == (1, 1, ())
    assert json.loads(verdict.work[0]) == {
        "earshot": 1,
        "lifecycleEvent": "reauthorizationRequired",
        "name": builders.NAME,
        "generation": builders.GENERATION,
        "subscriptionId": builders.SUBSCRIPTION_ID,
        "received": "2026-11-20T12:00:00Z",
    }


def test_the_documented_form_of_a_lifecycle_event_is_read_as_well() -> None:
    body = json.dumps(builders.payload("lifecycle_as_documented")).encode()

    assert json.loads(judged(body).work[0])["lifecycleEvent"] == "missed"


def test_lifecycle_events_and_notifications_may_come_in_one_body() -> None:
    verdict = judged(builders.body(builders.lifecycle_notification("missed"), notification(), None))

    assert (len(verdict.work), len(kept(verdict)), verdict.accepted) == (1, 1, 2)


def test_a_forged_lifecycle_event_is_refused() -> None:
    forged = builders.lifecycle_notification(clientState=builders.client_state(key=STRANGERS_KEY))

    assert judged(builders.body(forged)).refused == {"clientState": 1}


def test_a_lifecycle_event_that_we_do_not_know_is_passed_on_in_bounded_length() -> None:
    [work] = judged(builders.body(builders.lifecycle_notification("x" * 1000))).work

    assert len(json.loads(work)["lifecycleEvent"]) == 64


@pytest.mark.parametrize("sample", ["message", "group", "chat_message"])
def test_samples_from_documentation_are_accepted(sample: str) -> None:
    document = builders.payload(sample)
    document["validationTokens"] = [AUTHORITY.token()]

    assert judged(json.dumps(document).encode()).accepted == 1


# -- secrets ----------------------------------------------------------------------------------------------------------


def test_a_verdict_prints_no_secret() -> None:
    verdict = judged(builders.body(RICH, builders.lifecycle_notification(), tokens=[AUTHORITY.token()]))

    assert builders.client_state() not in repr(verdict)
    assert RICH["encryptedContent"]["data"] not in repr(verdict)
    assert repr(builders.CLIENT_STATE_KEY) not in repr(builders.policy())
