"""Who may see a feed: asked of Graph as the app, and remembered for five minutes. A mailbox is its owner's, without asking.

Whoever was let out is a stranger within that time; whoever was let in may wait as long. While Graph does not answer nobody is told
yes, and what is remembered is not stretched: NotNow says so.

For channels it is ``allMembers``, which knows the members of teams that a shared channel is shared with; ``members`` names only those
who are in the channel itself. Neither gives more than 999 at a time, and of ``allMembers`` no second page is promised: in a channel
of that many, a person who is not among them is asked for by name.
https://learn.microsoft.com/graph/api/channel-list-allmembers (2026-04)
https://learn.microsoft.com/graph/api/chat-list-members (2026-04)

Not here: who somebody is (`shared.callers`).
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from shared.caller import Caller
from shared.errors import GraphApiError, GraphProtocolError, NotNow
from shared.graph.links import relative_path
from shared.graph.resource import Resource, Template, is_guid, read_resource
from shared.ports import Clock, FeedSummary, Graph
from shared.remembering import Remembered
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)

REMEMBERED: Final = timedelta(minutes=5)
"""How long an answer of Graph's is believed."""

_CHANNEL: Final = Template("teams/{team}/channels/{channel}")
_CHAT: Final = Template("chats/{chat}")
_MAILBOXES: Final = (Template("users/{user}"), Template("users/{user}/mailFolders/{folder}"))
_MOST_LISTED: Final = 999
_MOST_PAGES: Final = 50
_MOST_REMEMBERED: Final = 250_000
"""Members of all the lists together, some 25 MB; the lists that nobody asked about for longest are forgotten first."""
_AT_ONCE: Final = 8
_PATIENCE: Final = timedelta(seconds=8)
_BUDGET: Final = timedelta(seconds=10)
"""For all the feeds of one list; the others are untold, and what was learnt is remembered for the next time."""
_NOT_FOUND: Final = 404
_PERSON: Final = "#microsoft.graph.aadUserConversationMember"

MOST_NAMED: Final = 4
"""As many names of a chat's members are kept: three beside whoever is looking."""
_LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """Some of those in a chat, (user, name) in Graph's order, the user empty where it names none; and how many they all are."""

    named: tuple[tuple[str, str], ...] = ()
    count: int = 0


NOBODY: Final = Participants()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Members:
    """Who is in a channel or chat: (tenant, user), the tenant empty where Graph names none. ``complete`` unless there may be more."""

    people: frozenset[tuple[str, str]]
    complete: bool = True
    participants: Participants = NOBODY

    def has(self, caller: Caller) -> bool:
        return not self.people.isdisjoint({(caller.tenant_id, caller.user_id), ("", caller.user_id)})


class Membership:
    """One process's view of who may see which feed."""

    def __init__(
        self,
        graph: Graph,
        now: Clock,
        *,
        home_tenant_id: str,
        patience: timedelta = _PATIENCE,
        budget: timedelta = _BUDGET,
    ) -> None:
        self._graph = graph
        self._home = home_tenant_id
        self._patience = patience.total_seconds()
        self._budget = budget.total_seconds()
        self._lists = Remembered[_Members](now, most=_MOST_REMEMBERED, weigh=_weigh, lasts=lambda _: REMEMBERED)
        self._singly = Remembered[bool](now, most=_MOST_REMEMBERED, weigh=lambda _: 1, lasts=lambda _: REMEMBERED)

    async def may_see(self, caller: Caller, feed: FeedSummary) -> bool:
        """Tell whether somebody may see a feed. Raises NotNow when that cannot be told."""
        home = _find_home(caller, feed)
        if isinstance(home, bool):
            return home
        try:
            async with asyncio.timeout(self._patience):
                return await self._is_member(caller, home)
        except (GraphApiError, GraphProtocolError, TimeoutError) as problem:
            why = str(problem) or "Graph did not answer in time"
            log_line(_LOGGER, logging.WARNING, "who may see a feed cannot be told", {"feed": feed.feed, "why": why})
            raise NotNow("who may see this feed cannot be told right now: try again in a minute") from problem

    async def choose(
        self, caller: Caller, feeds: Sequence[FeedSummary]
    ) -> tuple[Sequence[FeedSummary], Sequence[FeedSummary]]:
        """Choose the feeds that somebody may see, and name those of which that cannot be told; a few are asked about at a time."""
        gate, loop = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop()
        until = loop.time() + self._budget

        async def ask(feed: FeedSummary) -> bool | None:
            async with gate:
                if loop.time() >= until and not isinstance(_find_home(caller, feed), bool):
                    return None
                try:
                    return await self.may_see(caller, feed)
                except NotNow:
                    return None

        answers = await asyncio.gather(*(ask(feed) for feed in feeds))
        told = list(zip(feeds, answers, strict=True))
        return [feed for feed, answer in told if answer], [feed for feed, answer in told if answer is None]

    async def participants(self, chat: Resource, tenant_id: str) -> Participants:
        """Name some of those in a chat, as a tenant sees it ("" for our own), from what is remembered if it is. Raises what Graph raises."""
        listed = await self._lists.get(f"{tenant_id}/{chat}", lambda: self._list(chat, tenant_id))
        return listed.participants

    async def _is_member(self, caller: Caller, home: Resource) -> bool:
        tenant_id = tenant_to_ask(caller, self._home)
        key = f"{tenant_id}/{home}"
        listed = await self._lists.get(key, lambda: self._list(home, tenant_id))
        if listed.complete or listed.has(caller):
            return listed.has(caller)
        return await self._singly.get(f"{key}/{caller.user_id}", lambda: self._find(caller, home, tenant_id))

    async def _list(self, home: Resource, tenant_id: str) -> _Members:
        in_channel = _CHANNEL.match(home) is not None
        path = f"/{home.path}/{'allMembers' if in_channel else 'members'}"
        people: set[tuple[str, str]] = set()
        named: list[tuple[str, str]] = []
        count = 0
        for _ in range(_MOST_PAGES):
            answer = await self._read(path, tenant_id)
            if answer is None:
                return _Members(people=frozenset())
            found = _values(answer)
            count += len(found)
            people |= {person for each in found if (person := _person(each))}
            if not in_channel:
                named += [name for each in found if (name := _name(each))][: MOST_NAMED - len(named)]
            following = answer.get("@odata.nextLink")
            if following is None:
                break
            path = relative_path(following)
        else:
            raise GraphProtocolError(f"{home} has more than {_MOST_PAGES} pages of members")
        complete = not (in_channel and count >= _MOST_LISTED)
        participants = Participants(named=tuple(named), count=count)
        return _Members(people=frozenset(people), complete=complete, participants=participants)

    async def _find(self, caller: Caller, channel: Resource, tenant_id: str) -> bool:
        if not is_guid(caller.user_id):
            return False
        wanted = f"(microsoft.graph.aadUserConversationMember/userId%20eq%20'{caller.user_id}')"
        answer = await self._read(f"/{channel.path}/allMembers?$filter={wanted}", tenant_id)
        people = frozenset(person for each in _values(answer or {"value": []}) if (person := _person(each)))
        return _Members(people=people).has(caller)

    async def _read(self, path: str, tenant_id: str) -> Mapping[str, Any] | None:
        """Read one page; None where the channel or chat is gone, or was never one that this tenant can see."""
        try:
            return await self._graph.request("GET", path, tenant_id=tenant_id)
        except GraphApiError as problem:
            if problem.status == _NOT_FOUND:
                return None
            raise


def tenant_to_ask(caller: Caller, home_tenant_id: str) -> str:
    """Say in which tenant Graph is asked: that of whoever looks, so that what it does not show there, they do not see here."""
    return "" if caller.tenant_id == home_tenant_id else caller.tenant_id


def _weigh(members: _Members) -> int:
    return len(members.people) + len(members.participants.named) + 1


def _find_home(caller: Caller, feed: FeedSummary) -> Resource | bool:
    """Find the channel or chat whose members may see a feed, or say at once whether the caller may: a mailbox has its owner."""
    try:
        resource = read_resource(feed.resource)
    except GraphProtocolError:
        return False
    for template in _MAILBOXES:
        mailbox = template.match(resource)
        if mailbox is not None:
            return mailbox["user"].lower() == caller.user_id
    if _CHANNEL.match(resource) is None and _CHAT.match(resource) is None:
        return False  # nobody has said yet who may see such a thing
    return resource


def _values(answer: Mapping[str, Any]) -> Sequence[Any]:
    values = answer.get("value")
    if not isinstance(values, list):
        raise GraphProtocolError("a page of members has no value")
    return values


def _person(member: object) -> tuple[str, str] | None:
    """Read a member who has an account in a tenant; bots, guests without a name and private accounts have nobody to sign in."""
    if not isinstance(member, dict) or str(member.get("@odata.type")).lower() != _PERSON.lower():
        return None
    user_id, tenant_id = member.get("userId"), member.get("tenantId")
    if not isinstance(user_id, str) or not user_id:
        return None
    return (tenant_id.lower() if isinstance(tenant_id, str) else "", user_id.lower())


def _name(member: object) -> tuple[str, str] | None:
    """Read what a member is called, whoever or whatever it is."""
    if not isinstance(member, dict):
        return None
    user_id, name = member.get("userId"), member.get("displayName")
    if not isinstance(name, str) or not name.strip():
        return None
    return (user_id.lower() if isinstance(user_id, str) else "", " ".join(name.split())[:_LONGEST_NAME].strip())
