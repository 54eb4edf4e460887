"""How the changes of a resource can be followed without notifications: one row for each path of the catalogue.

Most have a delta of their own, or one for each folder or channel, which are found first. Some can only be listed by time. Of the
rest it is said what to do instead. Not here: reading pages (`shared.graph.delta_page`), when and how far it is followed
(`shared.catch_up`).
https://learn.microsoft.com/graph/delta-query-overview (2026-03); a delta's own path is on its resource's page
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

from shared.errors import GraphProtocolError
from shared.graph.catalogue import CATALOGUE, CatalogueEntry, find
from shared.graph.resource import read_resource
from shared.graph.timestamp import write_timestamp

BASELINE_REACH: Final = timedelta(days=30)
"""How far back the first round of a mailbox looks. What arrived before is not followed: a hundred thousand mailboxes are not
walked from their beginning."""

CALENDAR_AHEAD: Final = timedelta(days=365)
WINDOW_LIFETIME: Final = timedelta(days=30)
"""After which a calendar's window is opened anew: its ends are fixed by the first request."""

Ids = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One listing on the way to what changed; ``{…}`` in its texts are ids, or a time.

    A *find* has the ids of the next step's ``finds``; ``also`` is one that its list leaves out. A *delta* begins with ``latest``
    where Graph can begin with now, else with a walk that ``bound`` keeps short. A *window* lists what changed ``{since}`` a moment,
    less ``overlap``. ``item`` is the path of what is listed, as notifications name it, where ``{id}`` and other members of the item
    stand; for ``whole`` ones it is the subscribed path, because notifications say no more than that something below it changed.
    ``ageing``: the link is good for WINDOW_LIFETIME. ``wanders``: what left one list may be in another.
    """

    kind: Literal["find", "delta", "window"]
    path: str
    query: str = ""
    latest: str = ""
    bound: str = ""
    item: str = ""
    finds: str = ""
    also: str = ""
    whole: bool = False
    ageing: bool = False
    wanders: bool = False
    replies: bool = False
    overlap: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """The steps for one path of the catalogue, and what they do not show; without steps, what to do instead."""

    steps: tuple[Step, ...] = ()
    limit: str = ""

    @property
    def how(self) -> str:
        """In a word or two, for people: what a gap report says."""
        if not self.steps:
            return f"not possible: {self.limit}"
        return "window" if self.steps[-1].kind == "window" else "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A subscription's resource with the ids that it names, and how it is followed."""

    resource: str
    entry: CatalogueEntry
    following: Following
    ids: Ids


_SLIM: Final = "$select=id,createdDateTime,lastModifiedDateTime"
_MAIL: Final = Step(
    kind="delta",
    path="users/{user}/mailFolders/{folder}/messages/delta",
    query=_SLIM,
    bound="$filter=receivedDateTime ge {reach}",
    item="users/{user}/messages/{id}",
)
_MAIL_LIMIT: Final = "mails that were received 30 days or more before the first round are not followed"
_CONTACT: Final = Step(
    kind="delta",
    path="users/{user}/contactFolders/{folder}/contacts/delta",
    query=_SLIM,
    item="users/{user}/contacts/{id}",
)
_CHANNEL: Final = Step(
    kind="delta",
    path="teams/{team}/channels/{channel}/messages/delta",
    # without their replies, messages do not tell of them
    query="$expand=replies",
    item="teams/{team}/channels/{channel}/messages/{id}",
    replies=True,
)
_CHANNEL_LIMIT: Final = "Graph tells of the last eight months only"
_NO_DELETIONS: Final = "what was deleted is in no list"


def _wandering(step: Step) -> Step:
    return Step(
        kind=step.kind, path=step.path, query=step.query, bound=step.bound, item=step.item, finds="folder", wanders=True
    )


def _directory(collection: str, member: str = "", query: str = "") -> Following:
    only = f"$filter=id eq '{{{member}}}'" if member else ""
    both = "&".join(filter(None, (only, query)))
    step = Step(
        kind="delta", path=f"{collection}/delta", query=both, latest="$deltatoken=latest", item=f"{collection}/{{id}}"
    )
    return Following(
        steps=(step,),
        limit="notifications and delta name no common version: a change that was heard by both ways is handled twice",
    )


def _files(path: str, whole: str) -> Following:
    return Following(
        steps=(Step(kind="delta", path=path, latest="token=latest", item=whole, whole=True),),
        limit="one notification tells that something below changed, as Graph's own do; delta does not tell of sharing alone",
    )


def _window(path: str, query: str, item: str, *, limit: str = _NO_DELETIONS, hours: float = 1 / 6) -> Following:
    step = Step(kind="window", path=path, query=query, item=item, overlap=timedelta(hours=hours))
    return Following(steps=(step,), limit=limit)


def _recordings(kind: str) -> Following:
    function = f"getAll{kind.capitalize()}(meetingOrganizerUserId='{{user}}')"
    item = f"communications/onlineMeetings/{{meetingId}}/{kind}/{{id}}"
    step = Step(kind="delta", path=f"users/{{user}}/onlineMeetings/{function}/delta", item=item)
    return Following(
        steps=(step,), limit="notifications carry no version: one that was heard by both ways is handled twice"
    )


def _not(instead: str) -> Following:
    return Following(limit=instead)


_BY_ORGANIZER: Final = "Graph's delta is by organizer: declare users/{user}/onlineMeetings/getAll… for each of them"
_COMPARE: Final = "Graph keeps no history of these: list them and compare"
_MEMBERS: Final = "Graph keeps no history of members: list them and compare, or follow groups, which has a delta"

FOLLOWING: Final[Mapping[str, Following]] = {
    # Outlook: https://learn.microsoft.com/graph/delta-query-messages and …-events
    "users/{user}/messages": Following(
        steps=(
            Step(kind="find", path="users/{user}/mailFolders/delta", query="$select=id"),
            _wandering(_MAIL),
        ),
        limit=_MAIL_LIMIT,
    ),
    "users/{user}/mailFolders/{folder}/messages": Following(steps=(_MAIL,), limit=_MAIL_LIMIT),
    "users/{user}/events": Following(
        steps=(
            Step(
                kind="delta",
                path="users/{user}/calendarView/delta",
                query="startDateTime={reach}&endDateTime={ahead}",  # fixed by the first request; no other option is taken
                item="users/{user}/events/{id}",
                ageing=True,
            ),
        ),
        limit="the default calendar only, from 30 days before to a year after its window was opened",
    ),
    "users/{user}/contacts": Following(
        steps=(
            Step(
                kind="find",
                path="users/{user}/contactFolders",
                query="$select=id",
                also="users/{user}/contactFolders/contacts",  # the default one, which the list leaves out
            ),
            _wandering(_CONTACT),
        ),
        limit="folders within folders are not found",
    ),
    "users/{user}/contactFolders/{folder}/contacts": Following(steps=(_CONTACT,)),
    "users/{user}/todo/lists/{list}/tasks": Following(
        steps=(
            Step(
                kind="delta",
                path="users/{user}/todo/lists/{list}/tasks/delta",
                item="users/{user}/todo/lists/{list}/tasks/{id}",
            ),
        ),
        limit="notifications carry no version: one that was heard by both ways may be handled twice",
    ),
    "groups/{group}/conversations": _not("an app may not read them"),
    # directory: https://learn.microsoft.com/graph/delta-query-users and …-groups
    "users": _directory("users"),
    "users/{user}": _directory("users", "user"),
    "groups": _directory("groups"),
    "groups/{group}": _directory("groups", "group"),
    "groups/{group}/members": _directory("groups", "group", "$select=members"),
    "groups/{group}/owners": _directory("groups", "group", "$select=owners"),
    # files: https://learn.microsoft.com/graph/api/driveitem-delta and listitem-delta
    "drives/{drive}/root": _files("drives/{drive}/root/delta", "drives/{drive}/root"),
    "users/{user}/drive/root": _files("users/{user}/drive/root/delta", "users/{user}/drive/root"),
    "sites/{site}/lists/{list}": _files("sites/{site}/lists/{list}/items/delta", "sites/{site}/lists/{list}"),
    "security/alerts": _window(
        "security/alerts", "$filter=lastModifiedDateTime ge {since}", "security/alerts/{id}", hours=1
    ),
    "security/alerts/{alert}": _not("ask for that one alert: the answer is its present state"),
    "reports/healthmonitoring/alerts": _not(_COMPARE),
    # Teams: https://learn.microsoft.com/graph/api/chatmessage-delta
    "teams/getAllMessages": Following(
        steps=(
            Step(kind="find", path="teams", query="$select=id"),
            Step(kind="find", path="teams/{team}/channels", query="$select=id", finds="team"),
            Step(
                kind="delta",
                path=_CHANNEL.path,
                query=_CHANNEL.query,
                item=_CHANNEL.item,
                replies=True,
                finds="channel",
            ),
        ),
        limit=_CHANNEL_LIMIT,
    ),
    "teams/{team}/channels/{channel}/messages": Following(steps=(_CHANNEL,), limit=_CHANNEL_LIMIT),
    # https://learn.microsoft.com/graph/api/chat-list-messages: a filter needs the same property in $orderby
    "chats/{chat}/messages": _window(
        "chats/{chat}/messages",
        "$top=50&$orderby=lastModifiedDateTime desc&$filter=lastModifiedDateTime gt {since}",
        "chats/{chat}/messages/{id}",
        limit="deleted messages are listed, with the time at which that happened",
    ),
    # https://learn.microsoft.com/graph/api/chats-getallmessages: protected, and metered once
    "users/{user}/chats/getAllMessages": _window(
        "users/{user}/chats/getAllMessages",
        "$top=50&$filter=lastModifiedDateTime gt {since}",
        "chats/{chatId}/messages/{id}",
        limit="a protected API: the app needs Microsoft's approval",
    ),
    "chats/getAllMessages": _not(
        "Graph lists chats by user only: declare users/{user}/chats/getAllMessages with forEach, or chats/{chat}/messages"
    ),
    "appCatalogs/teamsApps/{app}/installedToChats/getAllMessages": _not(
        "Graph does not list where an app is installed: declare chats/{chat}/messages for those that are known"
    ),
    "chats": _not(_COMPARE),
    "chats/{chat}": _not("ask for that one chat: the answer is its present state"),
    "users/{user}/chats": _not(_COMPARE),
    "appCatalogs/teamsApps/{app}/installedToChats": _not(_COMPARE),
    "teams/getAllChannels": _not(_COMPARE),
    "teams/{team}/channels": _not(_COMPARE),
    "teams": _not("declare groups, which has a delta: every team is a group"),
    "teams/{team}": _not("ask for that one team: the answer is its present state"),
    "teams/getAllMembers": _not(_MEMBERS),
    "teams/{team}/members": _not(_MEMBERS),
    "teams/getAllChannels/getAllMembers": _not(_MEMBERS),
    "teams/{team}/channels/getAllMembers": _not(_MEMBERS),
    "chats/getAllMembers": _not(_MEMBERS),
    "chats/{chat}/members": _not(_MEMBERS),
    "teams/{team}/channels/{channel}/sharedWithTeams": _not(_COMPARE),
    "appCatalogs/teamsApps/{app}/installations": _not(_COMPARE),
    # a call's record comes up to 150 minutes after its end: https://learn.microsoft.com/graph/api/callrecords-cloudcommunications-list-callrecords
    "communications/callRecords": _window(
        "communications/callRecords",
        "$filter=startDateTime ge {since}",
        "communications/callRecords/{id}",
        limit="calls that began a day or more before the gap are not found",
        hours=24,
    ),
    "communications/onlineMeetings/getAllRecordings": _not(_BY_ORGANIZER),
    "communications/onlineMeetings/getAllTranscripts": _not(_BY_ORGANIZER),
    "communications/onlineMeetings/{meeting}/recordings": _not(_BY_ORGANIZER),
    "communications/onlineMeetings/{meeting}/transcripts": _not(_BY_ORGANIZER),
    "users/{user}/onlineMeetings/getAllRecordings": _recordings("recordings"),
    "users/{user}/onlineMeetings/getAllTranscripts": _recordings("transcripts"),
    "communications/presences": _not("what somebody's presence was is kept nowhere: ask what it is"),
    "communications/presences/{user}": _not("what somebody's presence was is kept nowhere: ask what it is"),
    "solutions/virtualEvents/events": _not(_COMPARE),
    "solutions/virtualEvents/webinars/{event}": _not("ask for that one webinar: the answer is its present state"),
    "solutions/virtualEvents/townhalls/{event}": _not("ask for that one town hall: the answer is its present state"),
    "teams/{team}/schedule/offerShiftRequests": _not(_COMPARE),
    "teams/{team}/schedule/openShiftChangeRequests": _not(_COMPARE),
    "teams/{team}/schedule/shifts": _not(_COMPARE),
    "teams/{team}/schedule/swapShiftsChangeRequests": _not(_COMPARE),
    "teams/{team}/schedule/timeOffRequests": _not(_COMPARE),
    "solutions/approval/approvalItems": _not("an app may not read them"),
    # https://learn.microsoft.com/microsoft-365-copilot/extensibility/api/ai-services/interaction-export/aiinteractionhistory-getallenterpriseinteractions
    "copilot/users/{user}/interactionHistory/getAllEnterpriseInteractions": _window(
        "copilot/users/{user}/interactionHistory/getAllEnterpriseInteractions",
        "$filter=createdDateTime gt {since}",
        "copilot/users/{user}/interactionHistory/interactions/{id}",
        limit="what was changed or deleted later is not found",
    ),
    "copilot/interactionHistory/getAllEnterpriseInteractions": _not(
        "Graph lists interactions by user only: declare copilot/users/{user}/… with forEach"
    ),
    "copilot/users/{user}/onlineMeetings/getAllAiInsights": _not(_COMPARE),
    "copilot/users/{user}/onlineMeetings/{meeting}/aiInsights": _not(_COMPARE),
    "print/printers/{printer}/jobs": _not(_COMPARE),
    "print/taskDefinitions/{definition}/tasks": _not(_COMPARE),
}
"""By the catalogue's name. A ``$filter`` that a subscription has of its own is not applied: more is told then, never less."""

_UNKNOWN: Final = Following(limit="the catalogue does not know this resource")


def follow(resource: str) -> Followed | None:
    """Say how a declared resource is followed, in either spelling; None if no row of the catalogue has it."""
    entry = find(resource)
    if entry is None:
        return None
    try:
        path = read_resource(resource.partition("?")[0])
    except GraphProtocolError:
        return None
    ids = dict(entry.pattern.match(path) or {})
    following = FOLLOWING.get(entry.name, _UNKNOWN)
    return Followed(resource=str(path), entry=entry, following=following, ids=ids)


def fill(text: str, ids: Ids) -> str:
    """Fill ids into a step's path, percent-encoded; in a function's parameters they are encoded alike."""
    return "/" + text.format_map({name: quote(value, safe="@:=_-.~") for name, value in ids.items()}).lstrip("/")


def begin_with_now(step: Step, ids: Ids) -> str:
    """Give the request that begins a delta with this moment; empty where Graph has none."""
    if not step.latest:
        return ""
    return _with_query(fill(step.path, ids), (step.query, step.latest), ids)


def begin(step: Step, ids: Ids, *, now: datetime, since: datetime | None = None) -> str:
    """Give the first request of a listing, which shows what there is, or what changed since.

    A mailbox's shows what was received in the last 30 days, or since then if that is longer ago.
    """
    reach = min(now - BASELINE_REACH, (since or now) - step.overlap)
    times = {"reach": _moment(reach), "ahead": _moment(now + CALENDAR_AHEAD)}
    if since is not None:
        times["since"] = _moment(since - step.overlap)
    return _with_query(fill(step.path, ids), (step.query, step.bound), {**ids, **times})


def _moment(moment: datetime) -> str:
    return write_timestamp(moment.replace(microsecond=0))


def _with_query(path: str, parts: Sequence[str], values: Ids) -> str:
    options = [part for text in parts for part in text.split("&") if part]
    written: list[str] = []
    for option in options:
        name, _, value = option.partition("=")
        quoted = {key: text.replace("'", "''") for key, text in values.items()}
        written.append(f"{name}={quote(value.format_map(quoted), safe=',:')}")
    return f"{path}?{'&'.join(written)}" if written else path


def names() -> Sequence[str]:
    """Give the catalogue's names, for whoever wants to see that each has a row here."""
    return [entry.name for entry in CATALOGUE]
