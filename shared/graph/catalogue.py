"""What Graph lets us subscribe to: one row per path, with change types, longest lifetimes and rules.

Not here: the rules' sentences (`shared.graph.terms`); resources whose path carries a function's parameters (`getEmergencyEventsByPolicy(…)`, `meetingCallEvents`), whose
spelling in notifications no page shows; `/me/…`, which is a signed-in user's; delta paths, which are catch-up's.
Lifetimes: https://learn.microsoft.com/graph/api/resources/subscription (2026-09). Change types and rich notifications:
https://learn.microsoft.com/graph/change-notifications-overview and the workloads' own pages (2026-09).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from shared.errors import GraphProtocolError
from shared.graph.resource import Resource, Template, is_guid, read_resource

_DIRECTORY = timedelta(minutes=41_760)
_FILES = timedelta(minutes=42_300)
_MAIL = timedelta(minutes=10_080)
_MAIL_RICH = timedelta(minutes=1_440)
_RECORDS = timedelta(minutes=4_230)
_TEAMS = timedelta(minutes=4_320)

UNKNOWN_LIFETIME = timedelta(minutes=60)
"""What is asked for a resource without a row: no resource's maximum is shorter (presence)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What all paths to one type of resource have in common.

    ``longest_rich`` is None where ``includeResourceData`` is refused. ``needs_select``: rich subscriptions must name their
    properties in ``$select``. ``needs_lifecycle_url``: Graph insists on one for more than an hour. ``takes_select``: a
    subscription may carry ``$select`` at all. ``immutable_ids``: notifications can carry ids that survive a move.
    ``query_options``: ``notificationQueryOptions`` means something. ``coexists``: one app may have two subscriptions that
    overlap and differ in resource or change type; where it is False some quota or unwritten rule allows only one.
    """

    odata_type: str
    change_types: frozenset[str]
    longest: timedelta
    longest_rich: timedelta | None = None
    needs_select: bool = False
    needs_lifecycle_url: bool = False
    takes_select: bool = False
    immutable_ids: bool = False
    query_options: bool = False
    coexists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """One path that can be subscribed to, and the paths that its notifications may name.

    A placeholder that pattern and item share stands for the same id.
    """

    pattern: Template
    items: tuple[Template, ...]
    kind: Kind

    @property
    def name(self) -> str:
        """The path as Graph's pages write it."""
        return self.pattern.text

    @property
    def odata_type(self) -> str:
        """The type's name, such as ``chatMessage``."""
        return self.kind.odata_type


_ALL = frozenset({"created", "updated", "deleted"})
_CREATED = frozenset({"created"})
_UPDATED = frozenset({"updated"})


def _outlook(odata_type: str) -> Kind:
    return Kind(
        odata_type=odata_type,
        change_types=_ALL,
        longest=_MAIL,
        longest_rich=_MAIL_RICH,
        needs_select=True,
        takes_select=True,
        immutable_ids=True,
        coexists=True,
    )


def _teams(odata_type: str, change_types: frozenset[str] = _ALL) -> Kind:
    return Kind(
        odata_type=odata_type,
        change_types=change_types,
        longest=_TEAMS,
        longest_rich=_TEAMS,
        needs_lifecycle_url=True,
    )


def _basic(
    odata_type: str,
    change_types: frozenset[str],
    longest: timedelta,
    *,
    query_options: bool = False,
    coexists: bool = False,
) -> Kind:
    return Kind(
        odata_type=odata_type,
        change_types=change_types,
        longest=longest,
        query_options=query_options,
        coexists=coexists,
    )


_IN_CHANNEL = (
    "teams/{team}/channels/{channel}/messages/{message}",
    "teams/{team}/channels/{channel}/messages/{message}/replies/{reply}",
)
_IN_CHAT = ("chats/{chat}/messages/{message}",)
# a declared folder is often a well-known name such as inbox, which notifications replace by its id or leave out
_MAILS = ("users/{user}/messages/{message}", "users/{user}/mailFolders/{where}/messages/{message}")
_CONTACTS = ("users/{user}/contacts/{contact}", "users/{user}/contactFolders/{where}/contacts/{contact}")
_CHANNEL_MEMBERS = ("teams/{team}/channels/{channel}/members/{member}",)
_INSTALLATIONS = tuple(f"{place}/installedApps/{{id}}" for place in ("teams/{t}", "chats/{c}", "users/{u}/teamwork"))
_RECORDINGS = tuple(
    f"{place}/onlineMeetings/{{meeting}}/recordings/{{id}}" for place in ("users/{user}", "communications")
)
_TRANSCRIPTS = tuple(
    f"{place}/onlineMeetings/{{meeting}}/transcripts/{{id}}" for place in ("users/{user}", "communications")
)
_INTERACTIONS = ("copilot/users/{user}/interactionHistory/interactions/{id}",)
_VIRTUAL_EVENTS = tuple(f"solutions/virtualEvents/{each}/{{event}}" for each in ("events", "webinars", "townhalls"))

# kind -> what can be subscribed to -> what its notifications name
_ROWS: Sequence[tuple[Kind, Mapping[str, tuple[str, ...]]]] = (
    (
        _outlook("message"),
        {"users/{user}/messages": _MAILS, "users/{user}/mailFolders/{folder}/messages": _MAILS},
    ),
    (_outlook("event"), {"users/{user}/events": ("users/{user}/events/{event}",)}),
    (
        _outlook("contact"),
        {"users/{user}/contacts": _CONTACTS, "users/{user}/contactFolders/{folder}/contacts": _CONTACTS},
    ),
    (
        _basic("todoTask", _ALL, _RECORDS),
        {"users/{user}/todo/lists/{list}/tasks": ("users/{user}/todo/lists/{list}/tasks/{task}",)},
    ),
    (
        _basic("conversation", _ALL, _RECORDS),
        {"groups/{group}/conversations": ("groups/{group}/conversations/{conversation}",)},
    ),
    # `created` is answered with 201, but nothing ever comes (https://learn.microsoft.com/answers/questions/5844980, 2026-03):
    # a creation arrives as `updated`
    (
        _basic("user", frozenset({"updated", "deleted"}), _DIRECTORY, coexists=True),
        {"users": ("users/{user}",), "users/{user}": ("users/{user}",)},
    ),
    (
        _basic("group", frozenset({"updated", "deleted"}), _DIRECTORY, coexists=True),
        {
            "groups": ("groups/{group}",),
            "groups/{group}": ("groups/{group}",),
            "groups/{group}/members": ("groups/{group}", "groups/{group}/members/{member}"),
            "groups/{group}/owners": ("groups/{group}", "groups/{group}/owners/{owner}"),
        },
    ),
    # these say only that something below changed: the item is the subscribed path itself
    (
        _basic("driveItem", _UPDATED, _FILES, coexists=True),
        {
            "drives/{drive}/root": ("drives/{drive}/root",),
            "users/{user}/drive/root": ("users/{user}/drive/root",),
        },
    ),
    (
        _basic("list", _UPDATED, _FILES, coexists=True),
        {"sites/{site}/lists/{list}": ("sites/{site}/lists/{list}",)},
    ),
    (
        _basic("alert", frozenset({"created", "updated"}), timedelta(minutes=43_200)),
        {"security/alerts": ("security/alerts/{alert}",), "security/alerts/{alert}": ("security/alerts/{alert}",)},
    ),
    (
        _basic("healthMonitoringAlert", frozenset({"created", "updated"}), _FILES, query_options=True),
        {"reports/healthmonitoring/alerts": ("reports/healthmonitoring/alerts/{alert}",)},
    ),
    (
        _teams("chatMessage"),
        {
            "teams/getAllMessages": _IN_CHANNEL,
            "teams/{team}/channels/{channel}/messages": _IN_CHANNEL,
            "chats/getAllMessages": _IN_CHAT,
            "chats/{chat}/messages": _IN_CHAT,
            "users/{user}/chats/getAllMessages": (*_IN_CHAT, "users/{user}/chats/{chat}/messages/{message}"),
            "appCatalogs/teamsApps/{app}/installedToChats/getAllMessages": _IN_CHAT,
        },
    ),
    (
        _teams("chat"),
        {
            "chats": ("chats/{chat}",),
            "chats/{chat}": ("chats/{chat}",),
            "users/{user}/chats": ("chats/{chat}", "users/{user}/chats/{chat}"),
            "appCatalogs/teamsApps/{app}/installedToChats": ("chats/{chat}",),
        },
    ),
    (
        _teams("channel"),
        {
            "teams/getAllChannels": ("teams/{team}/channels/{channel}",),
            "teams/{team}/channels": ("teams/{team}/channels/{channel}",),
        },
    ),
    (_teams("team"), {"teams": ("teams/{team}",), "teams/{team}": ("teams/{team}",)}),
    (
        _teams("conversationMember"),
        {
            "teams/getAllMembers": ("teams/{team}/members/{member}",),
            "teams/{team}/members": ("teams/{team}/members/{member}",),
            "teams/getAllChannels/getAllMembers": _CHANNEL_MEMBERS,
            "teams/{team}/channels/getAllMembers": _CHANNEL_MEMBERS,
            "chats/getAllMembers": ("chats/{chat}/members/{member}",),
            "chats/{chat}/members": ("chats/{chat}/members/{member}",),
        },
    ),
    (
        _teams("sharedWithChannelTeamInfo", frozenset({"created", "deleted"})),
        {
            "teams/{team}/channels/{channel}/sharedWithTeams": (
                "teams/{team}/channels/{channel}/sharedWithTeams/{shared}",
            )
        },
    ),
    (_teams("teamsAppInstallation"), {"appCatalogs/teamsApps/{app}/installations": _INSTALLATIONS}),
    (
        _basic("callRecord", frozenset({"created", "updated"}), _RECORDS),
        {"communications/callRecords": ("communications/callRecords/{record}",)},
    ),
    (
        _teams("callRecording", _CREATED),
        {
            "communications/onlineMeetings/getAllRecordings": _RECORDINGS,
            "communications/onlineMeetings/{meeting}/recordings": _RECORDINGS,
            "users/{user}/onlineMeetings/getAllRecordings": _RECORDINGS,
        },
    ),
    (
        _teams("callTranscript", _CREATED),
        {
            "communications/onlineMeetings/getAllTranscripts": _TRANSCRIPTS,
            "communications/onlineMeetings/{meeting}/transcripts": _TRANSCRIPTS,
            "users/{user}/onlineMeetings/getAllTranscripts": _TRANSCRIPTS,
        },
    ),
    (
        Kind(
            odata_type="presence",
            change_types=_UPDATED,
            longest=UNKNOWN_LIFETIME,
            longest_rich=UNKNOWN_LIFETIME,
            needs_lifecycle_url=True,
        ),
        {
            "communications/presences": ("communications/presences/{user}",),
            "communications/presences/{user}": ("communications/presences/{user}",),
        },
    ),
    # the collection tells of new events, an event of its own changes
    (_basic("virtualEvent", _CREATED, _MAIL_RICH), {"solutions/virtualEvents/events": _VIRTUAL_EVENTS}),
    (
        _basic("virtualEvent", _UPDATED, _MAIL_RICH),
        {
            "solutions/virtualEvents/webinars/{event}": ("solutions/virtualEvents/webinars/{event}",),
            "solutions/virtualEvents/townhalls/{event}": ("solutions/virtualEvents/townhalls/{event}",),
        },
    ),
    *(
        (
            _basic(odata_type, _ALL, timedelta(minutes=360)),
            {f"teams/{{team}}/schedule/{odata_type}s": (f"teams/{{team}}/schedule/{odata_type}s/{{id}}",)},
        )
        for odata_type in (
            "offerShiftRequest",
            "openShiftChangeRequest",
            "shift",
            "swapShiftsChangeRequest",
            "timeOffRequest",
        )
    ),
    (
        _basic("approvalItem", frozenset({"created", "updated"}), timedelta(minutes=43_200)),
        {"solutions/approval/approvalItems": ("solutions/approval/approvalItems/{item}",)},
    ),
    (
        _teams("aiInteraction"),
        {
            "copilot/users/{user}/interactionHistory/getAllEnterpriseInteractions": _INTERACTIONS,
            "copilot/interactionHistory/getAllEnterpriseInteractions": _INTERACTIONS,
        },
    ),
    # no page states this lifetime; the other Teams workloads' is assumed
    (
        _basic("callAiInsight", _CREATED, _TEAMS),
        {
            "copilot/users/{user}/onlineMeetings/getAllAiInsights": (
                "copilot/users/{user}/onlineMeetings/{meeting}/aiInsights/{insight}",
            ),
            "copilot/users/{user}/onlineMeetings/{meeting}/aiInsights": (
                "copilot/users/{user}/onlineMeetings/{meeting}/aiInsights/{insight}",
            ),
        },
    ),
    (
        _basic("printJob", _UPDATED, _RECORDS, query_options=True),
        {"print/printers/{printer}/jobs": ("print/printers/{printer}/jobs/{job}",)},
    ),
    (
        _basic("printTask", _CREATED, _RECORDS),
        {"print/taskDefinitions/{definition}/tasks": ("print/taskDefinitions/{definition}/tasks/{task}",)},
    ),
)


def _entries() -> Iterator[CatalogueEntry]:
    for kind, paths in _ROWS:
        for pattern, items in paths.items():
            yield CatalogueEntry(pattern=Template(pattern), items=tuple(Template(item) for item in items), kind=kind)


# words before placeholders, so that teams/getAllMessages is not the team of that name
CATALOGUE = tuple(sorted(_entries(), key=lambda entry: (entry.name.count("{"), entry.name)))
"""Every path that can be subscribed to."""


def find(resource: str) -> CatalogueEntry | None:
    """Find a subscription's resource, in either spelling; its query does not matter. None if no row has it."""
    _, entry, _ = _look_up(resource)
    return entry


def longest_lifetime(resource: str, *, include_resource_data: bool) -> timedelta:
    """Return the longest lifetime that may be asked for a resource; an hour for one that no row has."""
    entry = find(resource)
    if entry is None:
        return UNKNOWN_LIFETIME
    return (entry.kind.longest_rich if include_resource_data else None) or entry.kind.longest


_ANY_ITEM = "{item}"


def concerns(declared_resource: str, item: Resource) -> bool:
    """Tell whether a notification's resource belongs to what a subscription declares.

    The check against a confused deputy: without it, whoever may speak for one subscription could have anything fetched.
    Ids that are declared must be the item's. A user who is declared by name is taken on trust, because notifications name
    users by their object id.
    """
    declared, _, _ = _look_up(declared_resource)
    if declared is None:
        return False
    if item.segments[: len(declared.segments)] == declared.segments:
        return True
    if len(item.segments) <= len(declared.segments):
        return _has_template(declared_resource, item.segments)
    # the declaration ends before the id of the item itself, which is the one part that is new every time
    return _has_template(declared_resource, (*item.segments[:-1], _ANY_ITEM))


@lru_cache(maxsize=4096)
def _has_template(declared_resource: str, segments: tuple[str, ...]) -> bool:
    _, entry, ids = _look_up(declared_resource)
    templates = entry.items if entry else ()
    matches = (template.match(Resource(segments)) for template in templates)
    return any(_agree(ids, named) for named in matches if named is not None)


@lru_cache(maxsize=4096)  # asked for every item, and it walks the whole table
def _look_up(resource: str) -> tuple[Resource | None, CatalogueEntry | None, Mapping[str, str]]:
    try:
        path = read_resource(resource.partition("?")[0])
    except GraphProtocolError:
        return None, None, {}
    matches = ((entry, entry.pattern.match(path)) for entry in CATALOGUE)
    return next(((path, entry, ids) for entry, ids in matches if ids is not None), (path, None, {}))


def _agree(declared: Mapping[str, str], named: Mapping[str, str]) -> bool:
    return all(
        _same_user(id_, named[name]) if name == "user" else id_ == named[name]
        for name, id_ in declared.items()
        if name in named
    )


def _same_user(declared: str, named: str) -> bool:
    if is_guid(declared):
        # rich samples write user@tenant
        return declared == named.lower().partition("@")[0]
    return declared.lower() == named.lower() or is_guid(named.partition("@")[0])
