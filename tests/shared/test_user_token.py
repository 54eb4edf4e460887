"""Tokens of people: delegated ones for our API alone, of our tenants, and nothing forged."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.caller import Caller
from shared.errors import GraphProtocolError
from shared.graph.signed_token import UnknownSigningKey
from tests import builders
from tests.builders import AUTHORITY, NOW, OTHER_TENANT, TENANT, USER, user_claims
from tests.shared.test_intake import FORGERIES

AT = NOW.timestamp()


def read(token: str, *, at: float = AT) -> Caller:
    return builders.user_token_judge().check(token, at=at).caller


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_person_is_known_by_a_token_of_either_version(version: str) -> None:
    token = AUTHORITY.sign(user_claims(version))

    assert read(token) == Caller(user_id=USER, tenant_id=TENANT, name="Adele Vance")


def test_ids_have_no_case_and_a_name_is_not_needed() -> None:
    token = AUTHORITY.sign(user_claims(oid=USER.upper(), name=None))

    assert read(token) == Caller(user_id=USER, tenant_id=TENANT)


SPOILED: dict[str, dict[str, Any]] = {
    "another audience": {"aud": "00000003-0000-0000-c000-000000000000"},
    "several audiences, none ours": {"aud": ["x", "y"]},
    "no audience": {"aud": None},
    "an issuer of its own": {"iss": "https://login.example/v2.0"},
    "the issuer of another tenant": {"iss": builders.ISSUERS["2.0"].replace("{tenantid}", OTHER_TENANT)},
    "a tenant that is none of ours": {"tid": OTHER_TENANT},
    "no tenant": {"tid": None},
    "a tenant that is a number": {"tid": 1, "iss": "https://login.microsoftonline.com/1/v2.0"},
    "a version that nobody knows": {"ver": "3.0"},
    "no version": {"ver": None},
    "no scope: an app's own": {"scp": None},
    "no scope but roles": {"scp": None, "roles": ["access_as_user"]},
    "an app's own that has a scope": {"idtyp": "app"},
    "another scope": {"scp": "openid Mail.Read"},
    "a scope that begins as ours": {"scp": "access_as_user.some"},
    "a scope in other letters": {"scp": "Access_As_User"},
    "scopes in a list": {"scp": ["access_as_user"]},
    "nobody": {"oid": None},
    "an empty user": {"oid": ""},
    "a user that is a list": {"oid": [USER]},
    "no expiry": {"exp": None},
    "an expiry that is a text": {"exp": "tomorrow"},
    "an expiry in the past": {"exp": AT - 61},
    "no beginning": {"nbf": None},
    "a beginning in the future": {"nbf": AT + 61},
}


@pytest.mark.parametrize("changes", SPOILED.values(), ids=SPOILED.keys())
def test_a_token_with_one_thing_wrong_is_nobodys(changes: dict[str, Any]) -> None:
    with pytest.raises(GraphProtocolError):
        read(AUTHORITY.sign(user_claims(**changes)))


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_token_is_nobodys(forge: Any) -> None:
    with pytest.raises(GraphProtocolError):
        read(forge())


def test_what_graph_shows_us_lets_nobody_in() -> None:
    with pytest.raises(GraphProtocolError):
        read(AUTHORITY.token())


def test_a_remembered_token_expires_all_the_same() -> None:
    judge, token = builders.user_token_judge(), AUTHORITY.sign(user_claims(exp=AT + 600))
    judge.check(token, at=AT)

    assert judge.check(token, at=AT + 659).caller.user_id == USER
    with pytest.raises(GraphProtocolError):
        judge.check(token, at=AT + 660)


@given(st.text() | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]*"))
def test_any_text_is_refused_or_undecided_and_no_more(token: str) -> None:
    with pytest.raises((GraphProtocolError, UnknownSigningKey)):
        read(token)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=2))
            for name in ("aud", "iss", "tid", "ver", "oid", "scp", "exp", "nbf", "idtyp", "name")
        },
    )
)
def test_no_claims_make_it_raise_anything_else(changes: dict[str, Any]) -> None:
    text = json.dumps(user_claims() | changes).encode()
    try:
        read(jwt.api_jws.encode(text, builders.rsa_key("kid-1"), "RS256", {"kid": "kid-1"}))
    except GraphProtocolError:
        return
    assert set(changes) <= {"idtyp", "name", "nbf", "exp", "oid"}


def test_the_log_gets_no_claim_of_a_token_that_was_refused() -> None:
    with pytest.raises(GraphProtocolError) as refused:
        read(AUTHORITY.sign(user_claims(aud="canary", name="canary")))

    assert "canary" not in str(refused.value)
