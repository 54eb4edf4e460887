"""A reply goes out once for its key, wherever it is broken off and however often it is asked for."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.memory_mailboxes import MemoryMailActionStore
from shared.errors import GraphApiError
from shared.mail_replying import REMEMBERED, KeyReused, MailReplying, UnderWay
from shared.mail_requests import Reply
from shared.own_mailbox import OwnMailbox
from tests.builders import NOW

USER = "00000000-0000-4000-8000-00000000aaaa"
REPLY = Reply(comment="Gladly")


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Outlook:
    """A mailbox as far as drafts go: each is sent once. A step is before and after each thing done outside; one may be the last."""

    drafts: dict[str, str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    troubles: list[GraphApiError] = field(default_factory=list)
    actors: set[str] = field(default_factory=set)
    steps: int = 0
    dies_at: int = -1

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.dies_at:
            raise Crash

    async def request(self, method: str, path: str, *, actor: str = "", **options: Any) -> Mapping[str, Any]:
        self.actors.add(actor)
        self.step()
        await asyncio.sleep(0)
        if self.troubles:
            raise self.troubles.pop(0)
        answer = self._do(method, path.partition("?")[0].split("/")[3:], options.get("body"))
        self.step()
        return answer

    def _do(self, method: str, segments: list[str], body: Any) -> Mapping[str, Any]:
        match method, segments:
            case "POST", [_, "createReply" | "createReplyAll"]:
                draft = f"draft{len(self.drafts) + len(self.sent) + 1}"
                self.drafts[draft] = body["comment"]
                return {"id": draft, "isDraft": True}
            case "POST", [draft, "send"] if draft in self.drafts:
                self.sent.append(self.drafts.pop(draft))
                return {}
            case "GET", [draft] if draft in self.drafts:
                return {"id": draft, "isDraft": True}
        raise GraphApiError(f"{method} /me/messages", status=404, code="ErrorItemNotFound")


@dataclass
class Bench:
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.outlook = Outlook()
        self.actions = MemoryMailActionStore()

    @property
    def replying(self) -> MailReplying:
        return MailReplying(OwnMailbox(self.outlook), self.actions, lambda: self.now)

    async def reply(self, key: str = "k", reply: Reply = REPLY, message: str = "m") -> bool:
        return await self.replying.reply(USER, message, reply, key)


async def test_a_reply_is_sent_as_the_person_and_once_for_its_key() -> None:
    bench = Bench()

    assert [await bench.reply() for _ in range(3)] == [True, False, False]
    assert (bench.outlook.sent, bench.outlook.drafts) == (["Gladly"], {})
    assert bench.outlook.actors == {f"user:{USER}"}


async def test_another_key_is_another_reply_and_without_one_each_is() -> None:
    bench = Bench()
    for key in ("a", "b", "", ""):
        assert await bench.reply(key)

    assert len(bench.outlook.sent) == 4


@pytest.mark.parametrize(
    "other", [{"reply": Reply(comment="No")}, {"message": "m2"}, {"reply": Reply(comment="Gladly", everybody=True)}]
)
async def test_a_key_that_was_another_replys_is_refused(other: dict[str, Any]) -> None:
    bench = Bench()
    await bench.reply()

    with pytest.raises(KeyReused):
        await bench.reply(**other)
    assert bench.outlook.sent == ["Gladly"]


async def test_of_two_at_once_one_is_told_to_wait() -> None:
    """Two tabs, or a repetition before the first answer came."""
    bench = Bench()
    outcomes = await asyncio.gather(*(bench.reply() for _ in range(5)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["UnderWay"] * 4 + ["bool"]
    assert bench.outlook.sent == ["Gladly"]
    assert await bench.reply() is False


async def test_a_refusal_can_be_tried_again_at_once_and_goes_on_where_it_was() -> None:
    bench = Bench()
    full = GraphApiError("POST /me/messages/x/send", status=403, code="ErrorMessageSizeExceeded")
    bench.outlook.troubles = [full]
    with pytest.raises(GraphApiError):
        await bench.reply()

    assert await bench.reply() is True
    assert (bench.outlook.sent, bench.outlook.drafts) == (["Gladly"], {})


async def test_what_is_old_is_forgotten_with_the_next_reply() -> None:
    bench = Bench()
    await bench.reply("old")
    bench.now += REMEMBERED + timedelta(hours=1)
    await bench.reply("new")

    assert {key for _, key in bench.actions.rows} == {"new"}


async def test_nothing_of_what_is_said_is_kept() -> None:
    bench = Bench()
    await bench.reply(reply=Reply(comment="canary"))

    assert "canary" not in repr(bench.actions.rows)
    assert "canary" not in repr(Reply(comment="canary"))


async def _count_steps() -> int:
    bench = Bench()
    await bench.reply()
    return bench.outlook.steps


STEPS = asyncio.run(_count_steps())


@pytest.mark.parametrize("number", range(1, STEPS + 1))
async def test_broken_off_anywhere_it_is_sent_once(number: int) -> None:
    bench = Bench()
    bench.outlook.dies_at = number
    with pytest.raises(Crash):
        await bench.reply()
    with pytest.raises(UnderWay):
        await bench.reply()  # nobody knows yet that it died
    bench.now += timedelta(minutes=3)
    await bench.reply()

    assert bench.outlook.sent == ["Gladly"]
    assert await bench.reply() is False


@pytest.mark.parametrize("failing", range(1, 6))
async def test_with_storage_failing_at_any_write_it_is_sent_once(failing: int) -> None:
    bench = Bench()
    save, writes = bench.actions.save, 0

    class Failing(MemoryMailActionStore):
        async def save(self, action: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == failing:
                raise Crash
            return await save(action)

    broken = Failing(rows=bench.actions.rows)
    with_failure = MailReplying(OwnMailbox(bench.outlook), broken, lambda: bench.now)
    died = False
    try:
        await with_failure.reply(USER, "m", REPLY, "k")
    except Crash:
        died = True
    bench.now += timedelta(minutes=3)
    await bench.reply()

    assert died is (failing <= 3)
    assert bench.outlook.sent == ["Gladly"]
