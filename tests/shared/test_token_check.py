"""Checking tokens with keys that may have to be fetched first."""

from datetime import datetime, timedelta

import pytest

from shared.adapters.memory import MemorySigningKeys
from shared.opening import Refused, Unopenable
from shared.token_check import CheckLater, TokenCheck
from tests.builders import AUTHORITY, NOW, OTHER_TENANT, TENANT, Authority, token_judge

NEWER = Authority(kids=("kid-1", "kid-2"))
UNKNOWN = NEWER.token(kid="kid-2")


class Check:
    def __init__(self, authority: Authority | None = AUTHORITY) -> None:
        self.now: datetime = NOW
        self.source = MemorySigningKeys()
        self.tokens = TokenCheck(token_judge(authority), self.source, lambda: self.now)

    async def __call__(self, *tokens: str, received: datetime = NOW) -> None:
        await self.tokens.check(tokens, tenant_id=TENANT, received=received)


async def test_a_token_that_covers_the_item_is_enough_and_nothing_is_fetched() -> None:
    check = Check()
    await check("garbage", AUTHORITY.token(tid=OTHER_TENANT), AUTHORITY.token())

    assert check.source.fetches == 0


@pytest.mark.parametrize(
    "tokens", [(), ("garbage",), (AUTHORITY.token(tid=OTHER_TENANT),), (AUTHORITY.token(aud="x"),)]
)
async def test_tokens_that_cover_nothing_refuse_the_item_at_once(tokens: tuple[str, ...]) -> None:
    check = Check()
    with pytest.raises(Refused):
        await check(*tokens)

    assert check.source.fetches == 0


async def test_an_unknown_key_is_fetched() -> None:
    check = Check()
    check.source.keys = NEWER.keys(fetched=NOW + timedelta(seconds=1))
    await check(UNKNOWN)


async def test_keys_that_cannot_be_had_are_waited_for_longer_than_refetches_are_apart() -> None:
    with pytest.raises(CheckLater) as later:
        await Check()(UNKNOWN)

    assert later.value.after > timedelta(minutes=1)


async def test_keys_fetched_after_the_item_came_that_lack_its_key_refuse_it() -> None:
    check = Check()
    check.source.keys = AUTHORITY.keys(fetched=NOW + timedelta(seconds=1))
    with pytest.raises(Refused):
        await check(UNKNOWN)


async def test_keys_fetched_before_the_item_came_do_not_refuse_it() -> None:
    check = Check()
    check.source.keys = AUTHORITY.keys(fetched=NOW - timedelta(seconds=1))
    with pytest.raises(CheckLater):
        await check(UNKNOWN)


@pytest.mark.parametrize(("hours", "problem"), [(23, CheckLater), (25, Unopenable)])
async def test_after_a_day_without_keys_a_person_has_to_look(hours: int, problem: type[Exception]) -> None:
    check = Check(None)
    check.now += timedelta(hours=hours)
    with pytest.raises(problem):
        await check(UNKNOWN)


async def test_warming_fetches_keys_only_where_there_are_none() -> None:
    cold, warm = Check(None), Check()
    cold.source.keys = AUTHORITY.keys()
    await cold.tokens.warm()
    await warm.tokens.warm()

    assert cold.tokens.judge.keys is cold.source.keys
    assert (cold.source.fetches, warm.source.fetches) == (1, 0)


async def test_older_keys_never_replace_newer_ones() -> None:
    check = Check()
    newer = NEWER.keys(fetched=NOW + timedelta(hours=1))
    check.source.keys = newer
    assert await check.tokens.refresh(timedelta(seconds=1))
    check.source.keys = AUTHORITY.keys()
    assert await check.tokens.refresh(timedelta(seconds=1))

    assert check.tokens.judge.keys is newer


async def test_keys_are_trusted_for_a_day() -> None:
    check = Check()
    check.now += timedelta(hours=24)
    assert check.tokens.current_judge().keys is not None
    check.now += timedelta(seconds=1)
    assert check.tokens.current_judge().keys is None
