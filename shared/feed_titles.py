"""What people call a feed: "General" in the team "Sales", a chat's topic or who else is in it, "Inbox". Asked of Graph as the app.

Names seldom change: they are remembered for hours, and an old one is shown until a newer one is known. Nobody waits for them longer than
a moment, and nothing fails without them: a feed whose name is not known yet has none, and is likely to have one the next time.

For channel, chat and folder the app has what it takes anyway or little more; the owner of a mailbox is named to operators only where the
app may read people. Chats take no ``$select``; of a channel it spares Graph the e-mail address, which is slow.
https://learn.microsoft.com/graph/api/channel-get, …/team-get, …/chat-get, …/mailfolder-get, …/user-get (versions up to 2024-09)

Not here: who may see a feed (`shared.membership`). Names are only for those who may.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from shared.caller import Caller
from shared.errors import GraphApiError, GraphProtocolError
from shared.feeds import NAMELESS, FeedTitle
from shared.graph.resource import Resource, Template, read_resource
from shared.membership import MOST_NAMED, NOBODY, Membership, Participants, tenant_to_ask
from shared.ports import Clock, FeedSummary, Graph
from shared.remembering import Remembered
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)

REMEMBERED: Final = timedelta(hours=4)
REFUSED: Final = timedelta(hours=1)
"""How long a refusal is believed: somebody may grant the permission."""
FAILED: Final = timedelta(minutes=5)
"""How long Graph is left alone with a name that it could not tell."""

_CHANNEL: Final = Template("teams/{team}/channels/{channel}")
_CHAT: Final = Template("chats/{chat}")
_FOLDER: Final = Template("users/{user}/mailFolders/{folder}")
_MAILBOX: Final = Template("users/{user}")

_BUDGET: Final = timedelta(seconds=1.5)
_AT_ONCE: Final = 4
"""In the whole process: whoever is let in or not is more urgent than what it is called, and Graph is asked by few threads."""
_MOST_REMEMBERED: Final = 20_000
"""Names, some 10 MB."""
_LONGEST: Final = 200
_MOST_SHOWN: Final = MOST_NAMED - 1
_NOT_FOR_US: Final = frozenset({403, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """What Graph calls something; for a chat without a topic, who is in it. ``lasts`` is how long that is believed."""

    text: str | None = None
    participants: Participants = NOBODY
    lasts: timedelta = REMEMBERED


class FeedTitles:
    """One process's view of what feeds are called."""

    def __init__(
        self, graph: Graph, membership: Membership, now: Clock, *, home_tenant_id: str, budget: timedelta = _BUDGET
    ) -> None:
        self._graph = graph
        self._membership = membership
        self._home = home_tenant_id
        self._budget = budget.total_seconds()
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._names = Remembered[_Name](now, most=_MOST_REMEMBERED, weigh=lambda _: 1, lasts=lambda name: name.lasts)

    async def find(self, feeds: Sequence[FeedSummary], caller: Caller | None = None) -> Mapping[str, FeedTitle]:
        """Say what feeds are called, by their ids, to somebody who may see them all; without a caller, to an operator.

        Never raises, and takes no longer than the budget: what Graph has not told by then is asked for in vain this time.
        """
        tenant_id = tenant_to_ask(caller, self._home) if caller else ""
        named = {feed.feed: _read_named(feed) for feed in feeds}
        wanted = dict.fromkeys(each for resource in named.values() for each in _to_ask(resource, caller))
        await self._learn([each for each in wanted if not self._names.is_believed(_key(each, tenant_id))], tenant_id)
        return {feed: self._call(resource, caller, tenant_id) for feed, resource in named.items()}

    async def _learn(self, wanted: Sequence[Resource], tenant_id: str) -> None:
        """Ask for names, a few at a time, until the time is up. What is under way then goes on, for whoever asks next."""
        waiting = iter(wanted)

        async def ask() -> None:
            for each in waiting:
                key = _key(each, tenant_id)
                await self._names.get(key, lambda each=each, key=key: self._ask(each, key, tenant_id))  # type: ignore[misc]

        try:
            async with asyncio.timeout(self._budget):
                await asyncio.gather(*(ask() for _ in range(min(_AT_ONCE, len(wanted)))))
        except TimeoutError:
            pass

    async def _ask(self, resource: Resource, key: str, tenant_id: str) -> _Name:
        try:
            async with self._gate:
                return await self._read(resource, tenant_id)
        except (GraphApiError, GraphProtocolError) as problem:
            log_line(_LOGGER, logging.INFO, "what a feed is called is not told", {"name": key, "why": str(problem)})
            if isinstance(problem, GraphApiError) and problem.status in _NOT_FOR_US:
                return _Name(lasts=REFUSED)
            return replace(self._names.last(key) or _Name(), lasts=FAILED)

    async def _read(self, resource: Resource, tenant_id: str) -> _Name:
        if _CHAT.match(resource) is None:
            answer = await self._graph.request("GET", f"/{resource.path}?$select=displayName", tenant_id=tenant_id)
            return _Name(text=_text(answer, "displayName"))
        topic = await self._topic(resource, tenant_id)
        if topic is not None:
            return _Name(text=topic)
        return _Name(participants=await self._membership.participants(resource, tenant_id))

    async def _topic(self, chat: Resource, tenant_id: str) -> str | None:
        """Read a chat's topic; None also where the app may see who is in it and no more."""
        try:
            return _text(await self._graph.request("GET", f"/{chat.path}", tenant_id=tenant_id), "topic")
        except GraphApiError as problem:
            if problem.status in _NOT_FOR_US:
                return None
            raise

    def _call(self, resource: Resource | None, caller: Caller | None, tenant_id: str) -> FeedTitle:
        if resource is None:
            return NAMELESS
        if caller is not None and _MAILBOX.match(resource) is not None:
            return FeedTitle(title=_clean(caller.name))  # who may see it is its owner
        name = self._names.last(_key(resource, tenant_id)) or _Name()
        title = name.text or _call_participants(name.participants, caller)
        if _CHANNEL.match(resource) is None:
            return FeedTitle(title=title)
        team = self._names.last(_key(_team_of(resource), tenant_id)) or _Name()
        return FeedTitle(title=title, team=team.text)


def _read_named(feed: FeedSummary) -> Resource | None:
    """Read the resource of a feed that has a name; None for any other."""
    try:
        resource = read_resource(feed.resource)
    except GraphProtocolError:
        return None
    return resource if any(each.match(resource) for each in (_CHANNEL, _CHAT, _FOLDER, _MAILBOX)) else None


def _to_ask(resource: Resource | None, caller: Caller | None) -> Sequence[Resource]:
    """List whose names make a feed's title. Whoever looks at their own mailbox has told theirs."""
    if resource is None or (caller is not None and _MAILBOX.match(resource) is not None):
        return ()
    return (resource, _team_of(resource)) if _CHANNEL.match(resource) is not None else (resource,)


def _team_of(channel: Resource) -> Resource:
    return channel.parent


def _key(resource: Resource, tenant_id: str) -> str:
    return f"{tenant_id}/{resource}"


def _call_participants(participants: Participants, caller: Caller | None) -> str | None:
    """Call a chat by who else is in it: the first few, and how many more; that is no sentence of any language."""
    me = caller.user_id if caller is not None else None
    shown = [name for user, name in participants.named if user != me][:_MOST_SHOWN]
    more = participants.count - (caller is not None) - len(shown)
    return f"{', '.join(shown)}{f' +{more}' if more > 0 else ''}" if shown else None


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    return _clean(answer.get(name))


def _clean(text: object) -> str | None:
    return (" ".join(text.split())[:_LONGEST].strip() or None) if isinstance(text, str) else None
