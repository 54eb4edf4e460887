"""Tokens of people: renewed in time, by whoever comes first, and thrown away when they are good for nothing."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.memory_mailboxes import MemoryMailboxStore, MemoryUserSignIn
from shared.caller import Caller
from shared.errors import SignInError, UserSignedOut
from shared.ports import Mailbox
from shared.token_sealing import Unreadable
from shared.user_tokens import UserTokens, mailbox_name
from tests.builders import NOW

ADA = Caller(user_id="00000000-0000-4000-8000-00000000aaaa", tenant_id="7e4a0000-0000-4000-8000-000000007e4a")
BOB = Caller(user_id="00000000-0000-4000-8000-00000000bbbb", tenant_id=ADA.tenant_id)
KEY, BEFORE = b"k" * 32, b"b" * 32


@dataclass
class Bench:
    """Any number of processes over one table and one authority, on one clock."""

    now: datetime = NOW
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryMailboxStore()
        self.sign_in = MemoryUserSignIn(now=lambda: self.now)

    def process(self, *keys: bytes) -> UserTokens:
        numbers = iter(range(1_000_000))

        async def ended(name: str) -> None:
            self.ended.append(name)

        return UserTokens(
            store=self.store,
            sign_in=self.sign_in,
            keys=keys or (KEY,),
            now=lambda: self.now,
            random=lambda count: next(numbers).to_bytes(count),
            ended=ended,
        )

    async def connect(self, caller: Caller, tokens: UserTokens) -> Mailbox:
        grant = await tokens.exchange(caller, caller.user_id)
        name = mailbox_name(caller.user_id)
        there = self.store.rows.get(name)
        row = Mailbox(
            name=name,
            user_id=caller.user_id,
            tenant_id=caller.tenant_id,
            state="connected",
            since=self.now,
            sealed=tokens.sealed(grant, caller.tenant_id),
            etag=there.etag if there else "",
        )
        saved = await self.store.save(row)
        assert saved is not None
        return saved

    def row(self, caller: Caller = ADA) -> Mailbox:
        return self.store.rows[mailbox_name(caller.user_id)]


async def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)

    first = await tokens.token(ADA.user_id)
    bench.now += timedelta(minutes=54)
    assert await tokens.token(ADA.user_id) == first
    bench.now += timedelta(minutes=2)
    assert await tokens.token(ADA.user_id) != first
    assert bench.sign_in.minted == 2


async def test_another_process_takes_what_the_first_has_kept() -> None:
    bench = Bench()
    await bench.connect(ADA, bench.process())
    bench.now += timedelta(hours=2)
    first = await bench.process().token(ADA.user_id)

    assert await bench.process().token(ADA.user_id) == first


async def test_a_token_that_was_refused_is_replaced_once_for_all_who_had_it() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)
    first = await tokens.token(ADA.user_id)

    others = await asyncio.gather(*(tokens.token(ADA.user_id, first) for _ in range(5)))

    assert len(set(others)) == 1
    assert others[0] != first
    assert bench.sign_in.minted == 2


async def test_two_processes_that_renew_at_once_lose_no_refresh_token() -> None:
    """What is in the table in the end is what one of them was given, whole; the other one's is let go."""
    bench = Bench()
    processes = [bench.process() for _ in range(4)]
    await bench.connect(ADA, processes[0])
    bench.now += timedelta(hours=2)

    given = await asyncio.gather(*(each.token(ADA.user_id) for each in processes))
    bench.now += timedelta(minutes=1)
    kept = await bench.process().token(ADA.user_id)

    assert kept in given
    assert bench.row().state == "connected"


async def test_a_refusal_of_older_tokens_does_not_end_what_was_connected_anew() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)
    bench.now += timedelta(hours=2)
    bench.sign_in.withdrawn.add(ADA.user_id)

    async def connect_meanwhile() -> None:
        bench.sign_in.withdrawn.clear()
        await bench.connect(ADA, bench.process())

    bench.sign_in.before_refusal = connect_meanwhile

    assert await tokens.token(ADA.user_id)
    assert bench.row().state == "connected"


async def test_tokens_are_thrown_away_when_their_person_withdraws() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)
    bench.now += timedelta(hours=2)
    bench.sign_in.withdrawn.add(ADA.user_id)

    with pytest.raises(UserSignedOut, match="withdrawn"):
        await tokens.token(ADA.user_id)

    assert (bench.row().state, bench.row().sealed) == ("ended", b"")
    assert bench.row().problem == "they have withdrawn what they had allowed"
    assert bench.ended == [mailbox_name(ADA.user_id)]
    with pytest.raises(UserSignedOut, match="withdrawn"):
        await bench.process().token(ADA.user_id)


async def test_an_authority_that_is_away_ends_nothing() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)
    bench.now += timedelta(hours=2)
    bench.sign_in.away = True

    with pytest.raises(SignInError) as caught:
        await tokens.token(ADA.user_id)

    assert not isinstance(caught.value, UserSignedOut)
    assert (bench.row().state, bench.row().sealed != b"", bench.ended) == ("connected", True, [])


async def test_a_key_that_is_gone_throws_nothing_away() -> None:
    bench = Bench()
    await bench.connect(ADA, bench.process())
    before = bench.row()

    with pytest.raises(Unreadable):
        await bench.process(b"x" * 32).token(ADA.user_id)

    assert bench.row() == before
    assert await bench.process().token(ADA.user_id)


async def test_what_the_key_before_has_sealed_is_sealed_anew_with_the_next_use() -> None:
    bench = Bench()
    await bench.connect(ADA, bench.process(BEFORE))
    await bench.process(KEY, BEFORE).token(ADA.user_id)

    assert await bench.process(KEY).token(ADA.user_id)


async def test_who_never_connected_has_no_token() -> None:
    bench = Bench()
    await bench.connect(ADA, bench.process())

    with pytest.raises(UserSignedOut, match="not connected"):
        await bench.process().token(BOB.user_id)


async def test_a_row_copied_to_somebody_elses_place_is_nobodys() -> None:
    bench = Bench()
    tokens = bench.process()
    row = await bench.connect(ADA, tokens)
    name = mailbox_name(BOB.user_id)
    bench.store.rows[name] = replace(row, name=name)
    with pytest.raises(UserSignedOut):
        await tokens.token(BOB.user_id)
    bench.store.rows[name] = replace(row, name=name, user_id=BOB.user_id)

    with pytest.raises(Unreadable):
        await tokens.token(BOB.user_id)


async def test_an_authority_that_answers_about_somebody_else_is_not_believed() -> None:
    bench = Bench()

    with pytest.raises(UserSignedOut, match="somebody else"):
        await bench.process().exchange(ADA, BOB.user_id)


async def test_no_token_shows_in_a_row() -> None:
    bench = Bench()
    tokens = bench.process()
    await bench.connect(ADA, tokens)
    token = await tokens.token(ADA.user_id)

    assert token not in repr(bench.row())
    assert token.encode() not in bench.row().sealed
