"""Recognising who calls, with keys that may have to be fetched first."""

import logging
from datetime import datetime, timedelta

import pytest

from shared.adapters.memory import MemorySigningKeys
from shared.caller import Caller
from shared.callers import Callers
from shared.errors import NotNow, Unauthorised
from shared.token_check import TokenCheck
from tests import builders
from tests.builders import AUTHORITY, NOW, TENANT, USER, Authority, user_claims

NEWER = Authority(kids=("kid-1", "kid-2"))
TOKEN = AUTHORITY.sign(user_claims())


class Door:
    def __init__(self, authority: Authority | None = AUTHORITY) -> None:
        self.now: datetime = NOW
        self.source = MemorySigningKeys()
        self.keys = TokenCheck(builders.token_judge(authority), self.source, lambda: self.now)
        self.callers = Callers(builders.user_token_judge(None), self.keys, lambda: self.now)

    async def __call__(self, token: str = TOKEN) -> Caller:
        return await self.callers.recognise({"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("header", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer  "])
async def test_a_token_is_found_as_http_allows_it_to_be_written(header: str, scheme: str) -> None:
    door = Door()

    assert (await door.callers.recognise({"X-Other": "x", header: f"{scheme}{TOKEN}"})).user_id == USER
    assert door.callers.token({header: f"{scheme}{TOKEN}"}) == TOKEN


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"},
        {"Authorization": "Bearer é"},
        {"X-MS-CLIENT-PRINCIPAL-ID": USER},
    ],
    ids=(
        "nothing",
        "empty",
        "no token",
        "a space",
        "no scheme",
        "another scheme",
        "two tokens",
        "two headers in one",
        "not ASCII",
        "the platform's header",
    ),
)
async def test_without_one_token_nobody_is_let_in(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorised):
        await Door().callers.recognise(headers)
    with pytest.raises(Unauthorised):
        Door().callers.token(headers)


async def test_whoever_is_refused_learns_no_reason_and_the_log_does(caplog: pytest.LogCaptureFixture) -> None:
    expired, foreign = AUTHORITY.sign(user_claims(exp=1)), AUTHORITY.sign(user_claims(aud="x"))
    texts = set()
    with caplog.at_level(logging.INFO):
        for token in (expired, foreign, "garbage"):
            with pytest.raises(Unauthorised) as refused:
                await Door()(token)
            texts.add((str(refused.value), refused.value.__cause__))

    assert len(texts) == 1
    assert "outside its lifetime" in caplog.text
    assert "audience" in caplog.text
    assert all(token not in caplog.text for token in (expired, foreign))


async def test_keys_are_fetched_where_there_are_none() -> None:
    door = Door(None)
    door.source.keys = AUTHORITY.keys()

    assert (await door()).tenant_id == TENANT


async def test_a_key_that_nobody_knows_yet_is_fetched_and_one_that_stays_unknown_lets_nobody_in() -> None:
    door = Door()
    token = NEWER.sign(user_claims(), kid="kid-2")
    with pytest.raises(Unauthorised):
        await door(token)
    door.source.keys = NEWER.keys(fetched=NOW + timedelta(seconds=1))

    assert (await door(token)).user_id == USER


async def test_without_any_keys_nobody_is_told_that_they_are_a_stranger() -> None:
    with pytest.raises(NotNow):
        await Door(None)()


async def test_keys_that_are_too_old_are_trusted_no_more() -> None:
    door = Door()
    await door()
    door.now = NOW + timedelta(hours=23, minutes=59)
    long_lived = AUTHORITY.sign(user_claims(exp=(NOW + timedelta(days=3)).timestamp()))
    await door(long_lived)
    door.now = NOW + timedelta(hours=24, minutes=1)
    with pytest.raises(NotNow):
        await door(long_lived)


async def test_keys_that_are_new_to_deliveries_are_new_to_people() -> None:
    """What the old keys vouched for is forgotten, whoever fetched the new ones."""
    door = Door()
    await door()
    door.keys.judge.trust(Authority(kids=("kid-2",)).keys(fetched=NOW + timedelta(seconds=1)))
    with pytest.raises(Unauthorised):
        await door()
