"""The executor dies before or after each of its calls, and whoever comes after it makes everything as it is declared.

The real executor against the simulator over HTTP; table and queue are the twins that keep the real ones' contracts. Both
clocks are the simulator's.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from local.graph.simulator import Simulator
from shared.adapters.credential import Credential
from shared.adapters.graph_api import GraphApi
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.declaration import DeclaredSubscription
from shared.executor import Executor
from shared.graph.addresses import Addresses
from shared.graph.client_state import read_client_state
from shared.graph.encrypted_content import EncryptionKey
from shared.reconcile import Circumstances, plan
from tests import builders

pytestmark = pytest.mark.scenario

APP = "a99e0000-0000-4000-8000-00000000a99e"
MAC_KEY = b"k" * 32
LEASE = timedelta(minutes=2, seconds=1)
TEAMS = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))
RICH = replace(TEAMS, include_resource_data=True)
MORE_TEAMS = replace(TEAMS, change_types=("created", "deleted"))
MAIL = DeclaredSubscription(name="mail", resource="users/adele.vance@contoso.com/messages", change_types=("created",))
MORE_MAIL = replace(MAIL, change_types=("created", "deleted"))
BYSTANDER = DeclaredSubscription(name="chats", resource="chats/getAllMessages", change_types=("updated",))
MOST_CALLS = 40
MOST_ROUNDS = 30


class Killed(BaseException):
    """The end of the process: nothing in it gets to see it, let alone to handle it."""


@dataclass
class Doom:
    """When the process dies: before or after its call with this number, or its first one that begins like this.

    From then on none of its calls does anything.
    """

    call: int = MOST_CALLS
    at: str = "no call begins like this"
    after: bool = False
    calls: list[str] = field(default_factory=list)
    dead: bool = False

    def over(self, port: Any) -> Any:
        return _Mortal(port, self)


class _Mortal:
    def __init__(self, port: Any, doom: Doom) -> None:
        self._port = port
        self._doom = doom

    def __getattr__(self, name: str) -> Callable[..., Any]:
        does, doom = getattr(self._port, name), self._doom

        async def call(*arguments: Any, **options: Any) -> Any:
            if doom.dead:
                raise Killed
            doom.calls.append(" ".join([name, *(each for each in arguments if isinstance(each, str))])[:60])
            last = len(doom.calls) == doom.call or doom.calls[-1].startswith(doom.at)
            if last and not doom.after:
                doom.dead = True
                raise Killed
            try:
                return await does(*arguments, **options)
            finally:
                if last or doom.dead:
                    doom.dead = True
                    raise Killed

        return call


@dataclass
class World:
    """A tenant, a table and a queue. Processes come and go."""

    simulator: Simulator
    api: GraphApi
    base_url: str
    store: MemorySubscriptionStore = field(default_factory=MemorySubscriptionStore)
    key: EncryptionKey | None = None
    declared: tuple[DeclaredSubscription, ...] = ()

    def __post_init__(self) -> None:
        self.work = MemoryQueue(now=self.now)

    def now(self) -> datetime:
        return self.simulator.clock.now()

    def pass_by(self, time: timedelta) -> None:
        self.simulator.clock.advance(time)

    def executor(self, doom: Doom) -> Executor:
        return Executor(
            graph=doom.over(self.api),
            store=doom.over(self.store),
            work=doom.over(self.work),
            addresses=Addresses(base_url=self.base_url),
            tenant_id=self.simulator.tenant_id,
            client_state_key=MAC_KEY,
            now=self.now,
        )

    async def actions(self, **pointers: Any) -> Sequence[Any]:
        here = Circumstances(
            addresses=Addresses(base_url=self.base_url),
            tenant_id=self.simulator.tenant_id,
            key_fingerprint="k1",
            certificate_id=self.key.certificate_id if self.key else "",
        )
        return plan(self.declared, await self.store.list(), self.now(), circumstances=here, **pointers)

    async def live_on(self, doom: Doom, **pointers: Any) -> bool:
        """One process plans and carries out; whether it survived."""
        try:
            await self.executor(doom).execute(await self.actions(**pointers), key=self.key)
        except Killed:
            return False
        return True

    async def settle(self) -> list[str]:
        """Processes that live do what is to be done until nothing is; what that was."""
        done: list[str] = []
        for _ in range(MOST_ROUNDS):
            self.pass_by(LEASE)
            actions = await self.actions()
            if not actions and all(row.not_before is None or row.subscription_id for row in self.store.rows.values()):
                return done
            done += [type(each).__name__ for each in actions]
            await self.live_on(Doom())
        raise AssertionError(f"it never settles: {done}, {self.store.rows}")

    async def objections(self) -> list[str]:
        """Everything that is not as it should be after all is done."""
        rows, live = self.store.rows, self.simulator.subscriptions.live(now=self.now())
        found = [f"{row.name} still has a former one" for row in rows.values() if row.former_id]
        found += [f"{row.name} still owes {row.owed}" for row in rows.values() if row.owed]
        found += [f"{row.name}: {row.problem}" for row in rows.values() if row.problem or row.attempts]
        if sorted(rows) != sorted(each.name for each in self.declared):
            found.append(f"there are rows of {sorted(rows)}")
        if sorted(each.id for each in live) != sorted(row.subscription_id for row in rows.values()):
            found.append(f"Graph has {[(each.asked.match.path, each.id) for each in live]}, the rows {rows}")
        by_id = {row.subscription_id: row for row in rows.values()}
        for each in live:
            state = read_client_state(
                each.client_state, [MAC_KEY], tenant_id=self.simulator.tenant_id, delivery="webhook"
            )
            row = by_id.get(each.id)
            if row and (state is None or state.name != row.name or row.generation - state.generation not in {0, 1}):
                found.append(f"{row.name} has generation {row.generation}, its clientState is {state}")
        if again := await self.actions():
            found.append(f"planning again gives {again}")
        return found


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


async def _echo(request: web.Request) -> web.Response:
    return web.Response(text=request.query["validationToken"])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    app = web.Application()
    app.router.add_post("/api/{name}", _echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with Simulator() as simulator:
        simulator.knobs.throttling = False
        simulator.knobs.lifecycle_schedule = False
        token = simulator.authority.access_token(
            audience="https://graph.microsoft.com", app_id=APP, tenant_id=simulator.tenant_id, roles=[]
        )
        credential = Credential(lambda: lambda _: (token, 9e9))
        api = GraphApi(endpoint=simulator.http_url, credential=credential, scope="any")
        yield World(simulator=simulator, api=api, base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/api")
        api.close()
    await runner.cleanup()


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is declared at first and then, and what happens in between; ``doing`` is the actions that must be among the plan's."""

    first: tuple[DeclaredSubscription, ...]
    then: tuple[DeclaredSubscription, ...]
    doing: str
    between: Callable[[World], Any] = lambda _world: None
    pointers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What a lifecycle event says; its message comes again until somebody has lived to see it done."""


def _later(**span: float) -> Callable[[World], None]:
    return lambda world: world.pass_by(timedelta(**span))


def _removed(world: World) -> None:
    """Graph has ended it, and nobody was told."""
    [subscription] = [
        each
        for each in world.simulator.subscriptions.live(now=world.now())
        if each.id == world.store.rows["teams"].subscription_id
    ]
    world.simulator.subscriptions.remove(subscription)


def _removed_and_later(world: World) -> None:
    _removed(world)
    world.pass_by(timedelta(days=2))


def _killed(at: str, *then: DeclaredSubscription, after: bool) -> Callable[[World], Awaitable[None]]:
    """An earlier process has died at such a call, and its lease is over."""

    async def kill(world: World) -> None:
        world.declared = (*then, BYSTANDER)
        assert not await world.live_on(Doom(at=at, after=after))
        world.pass_by(LEASE)

    return kill


def _in_turn(*steps: Callable[[World], Any]) -> Callable[[World], Awaitable[None]]:
    async def take(world: World) -> None:
        for step in steps:
            await _finish(step(world))

    return take


async def _finish(what: Any) -> None:
    if what is not None:
        await what


STORIES = {
    "create": Story(first=(), then=(TEAMS,), doing="Create"),
    "create a rich one": Story(first=(), then=(RICH,), doing="Create"),
    "renew": Story(first=(TEAMS,), then=(TEAMS,), doing="Renew", between=_later(days=2)),
    "renew a rich one with a new certificate": Story(
        first=(RICH,),
        then=(RICH,),
        doing="Renew",
        between=lambda world: setattr(world, "key", builders.encryption_key("next")),
    ),
    "renew because Graph wants it": Story(
        first=(TEAMS,),
        then=(TEAMS,),
        doing="Renew",
        between=_later(hours=1),
        pointers={"forced": frozenset({"teams"})},
    ),
    "renew one that is gone": Story(first=(TEAMS,), then=(TEAMS,), doing="Renew", between=_removed_and_later),
    "recreate one that has expired": Story(first=(TEAMS,), then=(TEAMS,), doing="Recreate", between=_later(days=4)),
    "recreate one that Graph has removed": Story(
        first=(TEAMS,),
        then=(TEAMS,),
        doing="Recreate",
        between=_removed,
        pointers={"removed": frozenset({"teams"})},
    ),
    "recreate, the old one first": Story(first=(TEAMS,), then=(MORE_TEAMS,), doing="Recreate"),
    "recreate a basic one as a rich one": Story(first=(TEAMS,), then=(RICH,), doing="Recreate"),
    "create after an intent": Story(
        first=(), then=(TEAMS,), doing="Create", between=_killed("request POST", TEAMS, after=False)
    ),
    "create after an intent whose answer was lost": Story(
        first=(), then=(TEAMS,), doing="Create", between=_killed("request POST", TEAMS, after=True)
    ),
    "create a rich one after an intent whose answer was lost": Story(
        first=(), then=(RICH,), doing="Create", between=_killed("request POST", RICH, after=True)
    ),
    "create other than was intended": Story(
        first=(), then=(MORE_TEAMS,), doing="Create", between=_killed("request POST", TEAMS, after=True)
    ),
    "create other than was intended, of another resource": Story(
        first=(),
        then=(replace(TEAMS, resource=MAIL.resource),),
        doing="Create",
        between=_killed("request POST", TEAMS, after=True),
    ),
    "recreate, the new one first": Story(first=(MAIL,), then=(MORE_MAIL,), doing="Recreate"),
    "recreate after an intent, the new one first": Story(
        first=(MAIL,), then=(MORE_MAIL,), doing="Create", between=_killed("request POST", MORE_MAIL, after=False)
    ),
    "recreate after an intent whose answer was lost": Story(
        first=(MAIL,), then=(MORE_MAIL,), doing="Create", between=_killed("request POST", MORE_MAIL, after=True)
    ),
    "recreate what was to become something else": Story(
        first=(MAIL,), then=(MAIL,), doing="Create", between=_killed("request POST", MORE_MAIL, after=False)
    ),
    "recreate what has become something else, but nobody knows": Story(
        first=(MAIL,), then=(MAIL,), doing="Create", between=_killed("request POST", MORE_MAIL, after=True)
    ),
    "recreate as a third thing what has become something else": Story(
        first=(MAIL,),
        then=(replace(MAIL, change_types=("updated",)),),
        doing="Create",
        between=_killed("request POST", MORE_MAIL, after=True),
    ),
    "retire": Story(
        first=(MAIL,), then=(MORE_MAIL,), doing="Retire", between=_killed("request DELETE", MORE_MAIL, after=False)
    ),
    "retire what is gone": Story(
        first=(MAIL,), then=(MORE_MAIL,), doing="Retire", between=_killed("request DELETE", MORE_MAIL, after=True)
    ),
    "recreate one that still has a former one": Story(
        first=(MAIL,),
        then=(replace(MAIL, change_types=("updated",)),),
        doing="Recreate",
        between=_killed("request DELETE", MORE_MAIL, after=False),
    ),
    "renew one that still has a former one": Story(
        first=(MAIL,),
        then=(MORE_MAIL,),
        doing="Renew",
        between=_in_turn(_killed("request DELETE", MORE_MAIL, after=False), _later(days=4)),
    ),
    "delete one that still has a former one": Story(
        first=(MAIL,), then=(), doing="Delete", between=_killed("request DELETE", MORE_MAIL, after=False)
    ),
    "delete an intent": Story(first=(), then=(), doing="Delete", between=_killed("request POST", TEAMS, after=False)),
    "delete an intent whose answer was lost": Story(
        first=(), then=(), doing="Delete", between=_killed("request POST", TEAMS, after=True)
    ),
    "delete what is gone": Story(first=(TEAMS,), then=(), doing="Delete", between=_removed),
    "delete": Story(first=(TEAMS,), then=(), doing="Delete"),
    "rename": Story(first=(TEAMS,), then=(replace(TEAMS, name="renamed"),), doing="Delete"),
}


async def _tell(world: World, story: Story, doom: Doom) -> bool:
    world.declared = (*story.first, BYSTANDER)
    await world.settle()
    await _finish(story.between(world))
    world.declared = (*story.then, BYSTANDER)
    row = world.store.rows.get("teams")
    assert story.doing in [type(each).__name__ for each in await world.actions(**story.pointers)]
    survived = await world.live_on(doom, **story.pointers)
    if story.pointers and not survived:
        world.pass_by(LEASE)
        known = world.store.rows.get("teams")
        if row and known and known.subscription_id == row.subscription_id:
            await world.live_on(Doom(), **story.pointers)
    return survived


async def _start_over(world: World) -> None:
    world.declared = ()
    await world.settle()
    assert await world.objections() == []
    world.key = builders.encryption_key()
    world.work.messages.clear()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", STORIES)
async def test_whoever_comes_after_a_crash_makes_everything_as_declared(
    world: World, name: str, *, after: bool
) -> None:
    story, broken = STORIES[name], []
    for call in range(1, MOST_CALLS):
        await _start_over(world)
        doom = Doom(call=call, after=after)
        survived = await _tell(world, story, doom)
        done = await world.settle()
        if objections := await world.objections():
            broken.append((f"killed {'after' if after else 'before'} {doom.calls}", f"then {done}", objections))
            await _wipe(world)
        if survived:
            break
    else:
        raise AssertionError("it never gets to its end")
    assert call > 1
    assert not broken, "\n".join(map(str, broken))


async def _wipe(world: World) -> None:
    for each in world.simulator.subscriptions.live(now=world.now()):
        world.simulator.subscriptions.remove(each)
    world.store.rows.clear()
