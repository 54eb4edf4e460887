"""The memory of tokens that passed: bounded, an hour at most, never past their expiry. The checks are in test_intake."""

import base64
from typing import Any

import pytest

from shared.errors import GraphProtocolError
from shared.graph.signed_token import TrustedKeys, UnknownSigningKey, read_signing_keys
from shared.graph.validation_token import TokenJudge, claimed_tenant
from tests import builders
from tests.builders import AUTHORITY, NOW, OTHER_TENANT, TENANT, Authority, rsa_key, token_judge

AT = NOW.timestamp()
HOUR = 3600.0


def remembers(judge: TokenJudge, token: str, *, at: float) -> bool:
    """A judge that lost its key for a token knows the token only if it remembers it."""
    keys = judge._keys
    judge._keys = None
    try:
        judge.check(token, at=at)
    except UnknownSigningKey:
        return False
    finally:
        judge._keys = keys
    return True


def test_a_token_is_remembered_for_an_hour() -> None:
    judge, token = token_judge(), AUTHORITY.token()
    judge.check(token, at=AT)

    assert remembers(judge, token, at=AT + HOUR - 1)
    assert not remembers(judge, token, at=AT + HOUR)


def test_a_token_is_never_remembered_past_its_expiry() -> None:
    judge, token = token_judge(), AUTHORITY.token(exp=AT + 600)
    judge.check(token, at=AT)

    assert remembers(judge, token, at=AT + 599)
    assert not remembers(judge, token, at=AT + 600)


def test_a_remembered_token_is_still_held_against_its_lifetime() -> None:
    judge, token = token_judge(), AUTHORITY.token(nbf=AT, exp=AT + HOUR)
    judge.check(token, at=AT)

    with pytest.raises(GraphProtocolError):
        judge.check(token, at=AT - 61)
    with pytest.raises(GraphProtocolError):
        judge.check(token, at=AT + HOUR + 60)


def test_clocks_may_differ_by_a_minute() -> None:
    judge, token = token_judge(), AUTHORITY.token(nbf=AT, exp=AT + HOUR)

    assert judge.check(token, at=AT - 60).tenant_id == TENANT
    assert judge.check(token, at=AT + HOUR + 59).tenant_id == TENANT


def test_new_keys_empty_the_memory() -> None:
    judge, token = token_judge(), AUTHORITY.token()
    judge.check(token, at=AT)
    judge.trust(Authority(kids=("kid-2",)).keys())

    with pytest.raises(UnknownSigningKey):
        judge.check(token, at=AT)


def test_forgotten_keys_leave_every_token_undecided() -> None:
    judge, token = token_judge(), AUTHORITY.token()
    judge.check(token, at=AT)
    judge.forget_keys()

    with pytest.raises(UnknownSigningKey):
        judge.check(token, at=AT)


def test_the_memory_is_bounded() -> None:
    judge, first = token_judge(), AUTHORITY.token()
    judge.check(first, at=AT)
    for number in range(1024):
        assert remembers(judge, first, at=AT)
        judge.check(AUTHORITY.token(n=number), at=AT)

    assert not remembers(judge, first, at=AT)


def test_a_token_with_another_signature_is_not_the_one_that_is_remembered() -> None:
    judge, token = token_judge(), AUTHORITY.token()
    judge.check(token, at=AT)
    head, _, signature = token.rpartition(".")

    with pytest.raises(GraphProtocolError):
        judge.check(f"{head}.{signature[:-4]}AAAA", at=AT)


def test_a_short_key_of_the_authoritys_is_not_trusted() -> None:
    weak = TrustedKeys(by_kid={"kid-1": rsa_key("weak", 1024).public_key()}, issuers=builders.ISSUERS, fetched=AT)
    judge = token_judge(None)
    judge.trust(weak)

    with pytest.raises(GraphProtocolError):
        judge.check(AUTHORITY.token(), at=AT)


def test_the_publisher_has_no_case_and_is_a_setting() -> None:
    judge = TokenJudge(audiences=frozenset({builders.CLIENT_ID}), publisher_app_id="ABC")
    judge.trust(AUTHORITY.keys())

    assert judge.check(AUTHORITY.token(appid="abc"), at=AT).tenant_id == TENANT
    with pytest.raises(GraphProtocolError):
        judge.check(AUTHORITY.token(), at=AT)


def test_a_version_whose_issuer_is_unknown_is_refused() -> None:
    judge = token_judge(Authority(issuers={"1.0": builders.ISSUERS["1.0"]}))

    assert judge.check(AUTHORITY.token("1.0"), at=AT).tenant_id == TENANT
    with pytest.raises(GraphProtocolError):
        judge.check(AUTHORITY.token("2.0"), at=AT)


def test_the_claimed_tenant_is_read_without_trust() -> None:
    assert claimed_tenant(Authority().token(tid=OTHER_TENANT.upper(), kid="unknown")) == OTHER_TENANT


@pytest.mark.parametrize("token", ["", "x", "a.b.c", AUTHORITY.token() + "\u00e9", AUTHORITY.token(odd="x" * 20_000)])
def test_what_is_no_token_claims_no_tenant(token: str) -> None:
    assert not claimed_tenant(token)


def test_only_rsa_keys_with_a_kid_are_read_from_a_key_document() -> None:
    numbers = rsa_key("kid-1").public_key().public_numbers()
    good = {"kty": "RSA", "kid": "a", "n": _unsigned(numbers.n), "e": _unsigned(numbers.e), "use": "sig"}
    others: list[Any] = [
        {"kty": "EC", "kid": "b"},
        {"kty": "RSA"},
        {"kty": "RSA", "kid": "c", "n": "?"},
        None,
        "text",
        {"kid": []},
    ]

    assert list(read_signing_keys({"keys": [*others, good]})) == ["a"]


@pytest.mark.parametrize("document", [None, [], {}, {"keys": None}, {"keys": {}}])
def test_what_is_no_key_document_is_an_error(document: object) -> None:
    with pytest.raises(GraphProtocolError):
        read_signing_keys(document)


def _unsigned(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
