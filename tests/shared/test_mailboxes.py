"""Connecting and disconnecting a mailbox: broken off at every step, it ends as its person wants; what is theirs goes with it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_mailboxes import MemoryMailActionStore, MemoryMailboxStore, MemoryUserSignIn
from shared.adapters.memory_subscriptions import MemoryEncryptionKeys
from shared.caller import Caller
from shared.declaration import CONNECTED
from shared.errors import GraphApiError, UserSignedOut
from shared.graph.client_state import ClientState
from shared.known_subscriptions import KnownSubscriptions
from shared.mailboxes import Mailboxes, order_of
from shared.settings import Settings
from shared.silence import Silence
from shared.subscriptions import Subscriptions
from shared.user_tokens import UserTokens, mailbox_name
from tests.keeper import ENVIRON, World, mail_of
from tests.stand import memory_catch_up

HOME = ENVIRON["GRAPH_TENANT_ID"]
ADA = Caller(user_id="00000000-0000-4000-8000-00000000aaaa", tenant_id=HOME)
BOB = Caller(user_id="00000000-0000-4000-8000-00000000bbbb", tenant_id=HOME)
NAME = mailbox_name(ADA.user_id)


class Crash(BaseException):
    """The process dies here."""


@dataclass
class Bench(World):
    """The app's subscriptions and mailboxes over memory twins. Each thing done outside is a step, at which the process may die."""

    steps: int = 0
    dies_at: int = -1
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mailbox_store = MemoryMailboxStore()
        self.action_store = MemoryMailActionStore()
        self.sign_in = MemoryUserSignIn(now=lambda: self.now)
        super().__post_init__()

    def start(self) -> None:
        self.dies_at, queue = -1, _Counted(self, self.queue)
        store = _Counted(self, self.mailbox_store)
        rows = _Counted(self, self.store)
        self.tokens = UserTokens(
            store=store,
            sign_in=self.sign_in,
            keys=[b"k" * 32],
            now=lambda: self.now,
            random=bytes,
            ended=order_of(queue),
        )
        self.mailboxes = Mailboxes(
            store=store,
            subscriptions=rows,
            tokens=self.tokens,
            work=queue,
            home_tenant_id=HOME,
            now=lambda: self.now,
            actions=_Counted(self, self.action_store),
            forget=[self._forget],
        )
        self.subscriptions = Subscriptions(
            declared=self.declared,
            settings=Settings.from_environ({**ENVIRON, **self.environ}),
            graph=_AsThePerson(self),
            store=rows,
            work=queue,
            catch_up=memory_catch_up(self.graph, MemoryQueue(now=lambda: self.now), lambda: self.now),
            silence=Silence(self.heard_store, lambda: self.now),
            keys=MemoryEncryptionKeys(),
            now=lambda: self.now,
            mailboxes=self.mailboxes,
            pause=self._pause,
        )

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.dies_at:
            raise Crash

    async def _forget(self, name: str) -> None:
        self.step()
        self.forgotten.append(name)

    async def connect(self, caller: Caller = ADA) -> None:
        await self.mailboxes.connect(caller, caller.user_id)

    async def settle_down(self) -> None:
        """Let a new process do what is ordered and what is due, until nothing is left to do."""
        self.start()
        for _ in range(4):
            await self.work_off()
            await self.tick()

    @property
    def heard_by(self) -> Mapping[str, str]:
        """What is subscribed at Graph, with as whom it is."""
        return {each["resource"]: self.graph.tenants[key][1] for key, each in self.graph.subscriptions.items()}


@dataclass
class _Counted:
    """A port each of whose calls is a step, before it is made and before its answer comes."""

    bench: Bench
    port: Any

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)

        async def counted(*arguments: Any, **named: Any) -> Any:
            self.bench.step()
            answer = await method(*arguments, **named)
            self.bench.step()
            return answer

        return counted


@dataclass
class _AsThePerson:
    """Graph, which takes what is asked as a person only with a token of theirs."""

    bench: Bench

    async def request(self, method: str, path: str, **options: Any) -> Mapping[str, Any]:
        if actor := options.get("actor"):
            await self.bench.tokens.token(actor.removeprefix("user:"))
        self.bench.step()
        answer = await self.bench.graph.request(method, path, **options)
        self.bench.step()
        return answer


RESOURCE = f"users/{ADA.user_id}/mailFolders('inbox')/messages"


async def test_a_mailbox_that_is_connected_is_heard_as_its_owner() -> None:
    bench = Bench()
    await bench.connect()
    await bench.work_off()

    assert bench.heard_by == {RESOURCE: f"user:{ADA.user_id}"}
    row = bench.store.rows[NAME]
    assert (row.actor, row.generation, row.immutable_ids) == (f"user:{ADA.user_id}", 1, True)
    assert (await bench.mailboxes.report(ADA))["state"] == "connected"
    assert (await bench.mailboxes.report(BOB))["state"] == "none"


async def test_it_is_renewed_with_its_owners_token_and_what_is_the_apps_with_the_apps() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    before = bench.store.rows[NAME]
    for _ in range(20):
        bench.now += timedelta(hours=12)
        await bench.tick()
        await bench.work_off()
    asked = {
        (method, actor)
        for (method, path, _), actor in zip(bench.graph.requests, bench.graph.asked_as, strict=True)
        if method == "PATCH" and before.subscription_id in path
    }

    assert asked == {("PATCH", f"user:{ADA.user_id}")}
    assert bench.store.rows[NAME].subscription_id == before.subscription_id
    assert bench.heard_by["teams/getAllMessages"] == ""


async def test_a_mailbox_that_is_disconnected_leaves_nothing_behind() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    await bench.mailboxes.disconnect(ADA)
    await bench.work_off()

    assert RESOURCE not in bench.heard_by
    assert NAME not in bench.store.rows
    assert bench.mailbox_store.rows == {}
    assert NAME in bench.forgotten
    assert (await bench.mailboxes.report(ADA))["state"] == "none"
    with pytest.raises(UserSignedOut):
        await bench.tokens.token(ADA.user_id)


async def test_from_disconnecting_on_nothing_is_heard_although_graph_is_away() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    away = GraphApiError("DELETE /subscriptions/x", status=0)
    bench.graph.troubles["DELETE"] = [away] * 3
    bench.graph.troubles["GET"] = [away] * 3
    await bench.mailboxes.disconnect(ADA)
    await bench.subscriptions.work((await bench.queue.take(1))[0].text.encode())
    known = KnownSubscriptions(bench.declared, bench.store, lambda: bench.now)

    assert await known.find(ClientState(name=NAME, generation=1)) is None
    await bench.settle_down()
    assert (RESOURCE in bench.heard_by, NAME in bench.store.rows, bench.mailbox_store.rows) == (False, False, {})


@pytest.mark.parametrize(
    "refusal",
    [
        GraphApiError("DELETE /subscriptions/x", status=403, code="ErrorAccessDenied"),
        GraphApiError("DELETE /subscriptions/x", status=0),
    ],
    ids=["a no", "away for a week"],
)
async def test_tokens_are_not_kept_for_a_subscription_that_cannot_be_deleted(refusal: GraphApiError) -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    bench.graph.troubles["DELETE"] = [refusal] * 1_000
    await bench.mailboxes.disconnect(ADA)
    await bench.settle_down()
    kept_while_it_may_pass = NAME in bench.mailbox_store.rows
    bench.now += timedelta(days=8)
    await bench.settle_down()

    assert kept_while_it_may_pass is (refusal.status == 0)
    assert (NAME in bench.store.rows, bench.mailbox_store.rows) == (False, {})


async def test_what_comes_from_a_mailbox_that_is_connected_is_taken_in_its_generation() -> None:
    bench = Bench()
    await bench.connect()
    await bench.work_off()
    known = KnownSubscriptions(bench.declared, bench.store, lambda: bench.now)

    declared = await known.find(ClientState(name=NAME, generation=1))
    assert declared is not None
    assert (declared.name, declared.resource, declared.actor) == (NAME, RESOURCE, f"user:{ADA.user_id}")
    assert await known.find(ClientState(name=NAME, generation=5)) is None
    assert await known.find(ClientState(name=mailbox_name(BOB.user_id), generation=1)) is None


async def test_who_withdraws_what_they_allowed_is_told_so_and_everything_ends() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    bench.sign_in.withdrawn.add(ADA.user_id)
    bench.now += timedelta(days=5)
    await bench.settle_down()

    assert NAME not in bench.store.rows
    assert bench.mailbox_store.rows[NAME].sealed == b""
    report = await bench.mailboxes.report(ADA)
    assert (report["state"], report["live"]) == ("ended", False)
    assert "withdrawn" in report["message"]
    bench.sign_in.withdrawn.clear()
    await bench.connect()
    await bench.settle_down()
    assert (await bench.mailboxes.report(ADA))["state"] == "connected"


async def test_who_comes_back_does_not_end_what_another_deployment_hears_for_them() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    await bench.mailboxes.disconnect(ADA)
    await bench.settle_down()
    body = {
        "resource": RESOURCE,
        "changeType": CONNECTED.change_type,
        "notificationUrl": "https://b.example/api/notifications",
    }
    theirs = await bench.graph.request(
        "POST",
        "/subscriptions",
        body=body | {"expirationDateTime": "2027-11-20T12:00:00Z"},
        actor=f"user:{ADA.user_id}",
    )
    await bench.connect()
    await bench.settle_down()

    assert theirs["id"] in bench.graph.subscriptions
    assert bench.store.rows[NAME].problem


async def test_who_is_connected_and_not_heard_is_told_so() -> None:
    bench = Bench()
    bench.graph.troubles["POST"] = [GraphApiError("POST /subscriptions", status=403, code="ErrorAccessDenied")] * 9
    await bench.connect()
    await bench.work_off()
    report = await bench.mailboxes.report(ADA)

    assert (report["state"], report["live"]) == ("connecting", False)
    assert "asked again" in report["message"]


async def test_connecting_twice_changes_nothing_but_the_tokens() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    before = bench.store.rows[NAME]
    sealed = bench.mailbox_store.rows[NAME].sealed
    await bench.connect()
    await bench.settle_down()

    assert (bench.store.rows[NAME].subscription_id, bench.store.rows[NAME].generation) == (before.subscription_id, 1)
    assert bench.mailbox_store.rows[NAME].sealed != sealed


async def test_who_comes_back_while_they_are_leaving_is_connected() -> None:
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    await bench.mailboxes.disconnect(ADA)
    await bench.connect()
    await bench.settle_down()

    assert (await bench.mailboxes.report(ADA))["state"] == "connected"
    assert bench.heard_by[RESOURCE] == f"user:{ADA.user_id}"


async def test_disconnecting_what_is_not_connected_says_so() -> None:
    assert await Bench().mailboxes.disconnect(ADA) is False


async def test_a_refusal_at_sign_in_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.sign_in.withdrawn.add(ADA.user_id)
    with pytest.raises(UserSignedOut):
        await bench.connect()

    assert (bench.mailbox_store.rows, dict(bench.queue.messages)) == ({}, {})


async def test_a_file_of_any_kind_leaves_mailboxes_alone() -> None:
    """Whatever is declared, and however often everything is compared with everything."""
    bench = Bench()
    await bench.connect()
    await bench.settle_down()
    bench.declare(mail_of(300))
    await bench.settle_down()
    bench.declare()
    bench.now += timedelta(days=1)
    await bench.settle_down()

    assert bench.heard_by == {RESOURCE: f"user:{ADA.user_id}"}


async def test_nobody_is_connected_by_a_tick_that_has_nothing_to_do() -> None:
    bench = Bench()
    for number in range(300):
        caller = Caller(user_id=f"0000{number:04d}-0000-4000-8000-000000000000", tenant_id=HOME)
        await bench.connect(caller)
    await bench.settle_down()
    for _ in range(3):
        bench.now += timedelta(hours=6)  # baselines are over
        await bench.tick()
        await bench.work_off()
    reads = bench.store.reads
    await bench.tick()

    assert len(bench.heard_by) == 301
    assert bench.store.reads - reads < 50


WRITTEN = 7
"""The step at which a request to disconnect is written down: broken off before, it is as if it had never come."""

CONNECTING, LEAVING, ENDING = "connecting", "leaving", "ending"


async def _prepare(bench: Bench, what: str) -> None:
    if what != CONNECTING:
        await bench.connect()
        await bench.settle_down()
    if what == ENDING:
        bench.sign_in.withdrawn.add(ADA.user_id)
        bench.now += timedelta(days=5)
    bench.start()
    bench.steps = 0


async def _do(bench: Bench, what: str) -> None:
    if what == CONNECTING:
        await bench.connect()
    if what == LEAVING:
        await bench.mailboxes.disconnect(ADA)
    if what == ENDING:
        await bench.tick()
    await bench.work_off()


async def _count_steps(what: str) -> int:
    bench = Bench()
    await _prepare(bench, what)
    await _do(bench, what)
    return bench.steps


STEPS = {what: asyncio.run(_count_steps(what)) for what in (CONNECTING, LEAVING, ENDING)}


def test_there_are_steps_to_die_at() -> None:
    assert all(count > 15 for count in STEPS.values()), STEPS


@pytest.mark.parametrize("what", STEPS)
async def test_broken_off_at_every_step_it_ends_as_its_person_wants(what: str) -> None:
    """Whoever is told nothing asks again; what was ordered is done by the next process, and no half of anything stays."""
    for number in range(1, STEPS[what] + 1):
        bench = Bench()
        await _prepare(bench, what)
        bench.dies_at = number
        died = False
        try:
            await _do(bench, what)
        except Crash:
            died = True
        assert died, f"step {number} is none"
        await bench.settle_down()
        for _ in range(3):  # what was left to a timer
            bench.now += timedelta(minutes=5)
            await bench.settle_down()

        mailbox, row = bench.mailbox_store.rows.get(NAME), bench.store.rows.get(NAME)
        at_graph = RESOURCE in bench.heard_by
        whole = f"{what}, step {number}: {mailbox}, {row}"
        if mailbox is not None and mailbox.state == "connected":
            assert (row is not None and row.subscription_id in bench.graph.subscriptions, at_graph) == (True, True), (
                whole
            )
            assert mailbox.sealed, whole
            assert what != ENDING, whole
        else:
            assert row is None, whole
            assert mailbox is None or (mailbox.state, mailbox.sealed) == ("ended", b""), whole
            assert not at_graph or what == ENDING, whole  # nobody is left who could delete it
        if what == LEAVING and number > WRITTEN:
            assert mailbox is None, whole
