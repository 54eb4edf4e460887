"""What the app may read, derived from subscriptions.json: the least of Graph's application permissions for each entry.

An entry needs what Graph asks of a subscription to its resource, what reading the changed items takes where a handler wants them,
and what catch-up reads to find what went unheard. Pure. Not here: granting, see `entra`; whether the file is right in every other
way, which the app says.
https://learn.microsoft.com/graph/api/subscription-post-subscriptions (2026-09)
https://learn.microsoft.com/graph/permissions-reference (2026-09)
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import GraphProtocolError
from shared.graph.catalogue import CatalogueEntry, find
from shared.graph.resource import is_guid, read_resource

_API: Final = "https://learn.microsoft.com/graph/api"
_TEAMS: Final = "https://learn.microsoft.com/graph/teams-changenotifications"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What one type of resource takes.

    ``hear`` is for subscribing and for finding what went unheard; ``read`` for the content, where that takes more. Without
    ``hear`` an app cannot subscribe at all.
    """

    hear: str
    page: str
    read: str = ""


_CHANNEL_MESSAGES: Final = Access(hear="ChannelMessage.Read.All", page=f"{_TEAMS}-chatmessage")
_CHATS: Final = Access(hear="Chat.Read.All", page=f"{_TEAMS}-chatmessage")
_SHIFTS: Final = Access(hear="Schedule.Read.All", page=f"{_API}/subscription-post-subscriptions")

BY_TYPE: Final[Mapping[str, Access]] = {
    "message": Access(hear="Mail.ReadBasic.All", read="Mail.Read", page=f"{_API}/message-get"),
    "event": Access(hear="Calendars.ReadBasic.All", read="Calendars.Read", page=f"{_API}/event-get"),
    "contact": Access(hear="Contacts.Read", page=f"{_API}/contact-get"),
    "todoTask": Access(hear="Tasks.ReadWrite.All", page=f"{_API}/subscription-post-subscriptions"),
    "conversation": Access(hear="", page=f"{_API}/subscription-post-subscriptions"),
    "user": Access(hear="User.Read.All", page=f"{_API}/user-delta"),
    "group": Access(hear="Group.Read.All", page=f"{_API}/subscription-post-subscriptions"),
    "driveItem": Access(hear="Files.ReadWrite.All", page=f"{_API}/subscription-post-subscriptions"),
    "list": Access(hear="Sites.Read.All", page=f"{_API}/subscription-post-subscriptions"),
    "alert": Access(hear="SecurityEvents.ReadWrite.All", page=f"{_API}/subscription-post-subscriptions"),
    "healthMonitoringAlert": Access(hear="HealthMonitoringAlert.Read.All", page=f"{_API}/healthmonitoring-alert-get"),
    "chat": Access(hear="Chat.ReadBasic.All", page=f"{_TEAMS}-chat"),
    "channel": Access(hear="Channel.ReadBasic.All", page=f"{_TEAMS}-team-and-channel"),
    "team": Access(hear="Team.ReadBasic.All", page=f"{_TEAMS}-team-and-channel"),
    "sharedWithChannelTeamInfo": Access(hear="Channel.ReadBasic.All", page=f"{_TEAMS}-channelsharedwithteaminfo"),
    "teamsAppInstallation": Access(hear="TeamsAppInstallation.Read.All", page=f"{_TEAMS}-teamsappinstallation"),
    "callRecord": Access(hear="CallRecords.Read.All", page=f"{_API}/resources/callrecords-api-overview"),
    "callRecording": Access(hear="OnlineMeetingRecording.Read.All", page=f"{_TEAMS}-callrecording-and-calltranscript"),
    "callTranscript": Access(
        hear="OnlineMeetingTranscript.Read.All", page=f"{_TEAMS}-callrecording-and-calltranscript"
    ),
    "presence": Access(hear="", page=f"{_API}/subscription-post-subscriptions"),
    "virtualEvent": Access(hear="VirtualEvent.Read.All", page=f"{_API}/resources/virtualeventsroot"),
    "offerShiftRequest": _SHIFTS,
    "openShiftChangeRequest": _SHIFTS,
    "shift": _SHIFTS,
    "swapShiftsChangeRequest": _SHIFTS,
    "timeOffRequest": _SHIFTS,
    "approvalItem": Access(hear="", page=f"{_API}/subscription-post-subscriptions"),
    "aiInteraction": Access(
        hear="AiEnterpriseInteraction.Read.All",
        page="https://learn.microsoft.com/microsoft-365-copilot/extensibility/api/ai-services/interaction-export/aiinteractionhistory-getallenterpriseinteractions",
    ),
    "callAiInsight": Access(
        hear="OnlineMeetingAiInsight.Read.All",
        page="https://learn.microsoft.com/microsoft-365-copilot/extensibility/api/ai-services/meeting-insights/overview",
    ),
    "printJob": Access(hear="Printer.Read.All", page=f"{_API}/subscription-post-subscriptions"),
    "printTask": Access(hear="PrintTaskDefinition.ReadWrite.All", page=f"{_API}/subscription-post-subscriptions"),
}
"""By the catalogue's type, where all its paths take the same."""

BY_PATH: Final[Mapping[str, Access]] = {
    "teams/getAllMessages": _CHANNEL_MESSAGES,
    "teams/{team}/channels/{channel}/messages": _CHANNEL_MESSAGES,
    "chats/getAllMessages": _CHATS,
    "chats/{chat}/messages": _CHATS,
    "users/{user}/chats/getAllMessages": _CHATS,
    "appCatalogs/teamsApps/{app}/installedToChats/getAllMessages": Access(
        hear="Chat.Read.WhereInstalled", page=f"{_TEAMS}-chatmessage"
    ),
    "appCatalogs/teamsApps/{app}/installedToChats": Access(hear="Chat.ReadBasic.WhereInstalled", page=f"{_TEAMS}-chat"),
    "teams/getAllMembers": Access(hear="TeamMember.Read.All", page=f"{_TEAMS}-teammembership"),
    "teams/{team}/members": Access(hear="TeamMember.Read.All", page=f"{_TEAMS}-teammembership"),
    "teams/getAllChannels/getAllMembers": Access(hear="ChannelMember.Read.All", page=f"{_TEAMS}-channelmembership"),
    "teams/{team}/channels/getAllMembers": Access(hear="ChannelMember.Read.All", page=f"{_TEAMS}-channelmembership"),
    "chats/getAllMembers": Access(hear="ChatMember.Read.All", page=f"{_TEAMS}-chatmembership"),
    "chats/{chat}/members": Access(hear="ChatMember.Read.All", page=f"{_TEAMS}-chatmembership"),
}
"""By the catalogue's path, before the type is looked at."""

TO_FIND: Final[Mapping[str, Access]] = {
    "teams": Access(hear="Team.ReadBasic.All", page=f"{_API}/teams-list"),
    "teams/{team}/channels": Access(hear="Channel.ReadBasic.All", page=f"{_API}/channel-list"),
}
"""What catch-up lists to find where to look, by the paths that it asks for and that the entry's own permission does not open."""

WALKS: Final[Mapping[str, Sequence[str]]] = {"teams/getAllMessages": ("teams", "teams/{team}/channels")}
"""Which of these an entry's catch-up lists."""

USER_BY_NAME: Final = Access(hear="User.Read.All", page=f"{_API}/user-get")
"""Notifications name people by id, so that a person declared by name is looked up. User.ReadBasic.All exists for apps, but no
operation takes it: https://learn.microsoft.com/answers/questions/6019739 (2026-09)."""

GROUP_MEMBERS: Final = Access(hear="GroupMember.Read.All", page=f"{_API}/group-list-transitivemembers")

POLICY_VIOLATION: Final[Mapping[str, str]] = {
    "teams": "ChannelMessage.UpdatePolicyViolation.All",
    "chats": "Chat.UpdatePolicyViolation.All",
}
"""What marking a message takes, in channels and in chats. https://learn.microsoft.com/graph/api/chatmessage-update (2026-02)"""

MEMBERS: Final[Mapping[str, Access]] = {
    "teams": Access(hear="ChannelMember.Read.All", page=f"{_API}/channel-list-allmembers"),
    "chats": Access(hear="ChatMember.Read.All", page=f"{_API}/chat-list-members"),
}
"""What it takes to see who is in a channel or chat, and so may see its feed: the least that no team or chat has to agree to by itself."""

TITLES: Final[Sequence[Access]] = (
    Access(hear="Channel.ReadBasic.All", page=f"{_API}/channel-get"),
    Access(hear="Team.ReadBasic.All", page=f"{_API}/team-get"),
)
"""What it takes to call a channel and its team by their names. A chat has its topic from whoever may read it, else the names of those
in it, which `MEMBERS` shows; a mail folder is named to whoever may hear its mail. Nothing is asked for to have the owners of mailboxes named."""

_SHOWS_MEMBERS: Final = frozenset({"Chat.Read.All"})
"""Who may read all chats is also shown who is in them, by the page above; of channels nothing of the kind is said."""

_CHAT_MESSAGE: Final = "chatMessage"
_FEED: Final = "feed"
_PLACEHOLDER: Final = "{user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A permission, which entry needs it, what for, and the page that says so."""

    permission: str
    entry: str
    purpose: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What follows from a file: permissions with their reasons, and sentences about what does not follow."""

    reasons: tuple[Reason, ...]
    notes: tuple[str, ...]
    tenants: frozenset[str] = frozenset()
    """Other tenants whose data is heard, where somebody has to consent by hand."""
    pulls: bool = False
    """Whether anything comes by Event Hubs."""
    surely: frozenset[str] = frozenset()
    """Entries that have a subscription as soon as the app runs; a group may have nobody in it."""

    @property
    def permissions(self) -> tuple[str, ...]:
        """Their names, each once."""
        return tuple(sorted({each.permission for each in self.reasons}))


def derive(declaration: str, *, live: bool = False) -> Derived:
    """Read subscriptions.json as far as permissions go; with ``live``, feeds are shown to whoever is in the channel or chat.

    Raises ValueError with a sentence if it is no such file.
    """
    try:
        file = json.loads(declaration)
    except RecursionError as deep:
        raise ValueError("it is nested too deeply") from deep
    entries = file.get("subscriptions") if isinstance(file, dict) else None
    if not isinstance(entries, list) or not all(_is_entry(each) for each in entries):
        raise ValueError("it needs a list 'subscriptions' of objects with 'name' and 'resource'")
    reasons: list[Reason] = []
    notes: list[str] = []
    for entry in entries:
        for each in _derive_entry(entry, live=live):
            (notes if isinstance(each, str) else reasons).append(each)  # type: ignore[arg-type]
    return Derived(
        reasons=tuple(dict.fromkeys(reasons)),
        notes=tuple(dict.fromkeys(notes)),
        tenants=frozenset(str(each["tenant"]).lower() for each in entries if each.get("tenant")),
        pulls=any(each.get("delivery") == "eventhub" for each in entries),
        surely=frozenset(each["name"] for each in entries if not _whom(each).get("group")),
    )


def access_of(entry: CatalogueEntry) -> Access:
    """Give what a row of the catalogue takes."""
    return BY_PATH.get(entry.name) or BY_TYPE[entry.odata_type]


def _is_entry(each: Any) -> bool:
    return isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("resource"), str)


def _derive_entry(entry: Mapping[str, Any], *, live: bool) -> Iterator[Reason | str]:
    name, resource = entry["name"], entry["resource"].strip().lstrip("/")
    known = find(resource)
    if known is None:
        yield (
            f"{name}: no row of our table has {resource!r}. Look its permission up under {_API}/subscription-post-subscriptions "
            "and name it: --permission <Name>"
        )
        return
    access = access_of(known)
    if not access.hear:
        yield f"{name}: Graph lets no app subscribe to {known.name}, only people who sign in ({access.page})"
        return
    reads = bool(access.read) and _reads_content(entry)
    purpose = "to read what changed" if reads else "to hear of changes"
    yield Reason(permission=access.read if reads else access.hear, entry=name, purpose=purpose, page=access.page)
    for path in WALKS.get(known.name, ()):
        found = TO_FIND[path]
        yield Reason(permission=found.hear, entry=name, purpose="to find what went unheard", page=found.page)
    yield from _derive_people(entry, known)
    yield from _derive_handlers(entry, known)
    if live:
        yield from _derive_people_who_look(entry, known, access)


def _reads_content(entry: Mapping[str, Any]) -> bool:
    """Tell whether somebody wants more than that something changed: `forward` alone sends on what came, and fetches nothing."""
    names = _handlers_of(entry)
    return bool(entry.get("includeResourceData")) or names is None or bool(names - {"forward"})


def _handlers_of(entry: Mapping[str, Any]) -> frozenset[str] | None:
    """Name an entry's handlers; None for every one that there is."""
    handlers = entry.get("handlers")
    return frozenset(_name(each) for each in handlers) if isinstance(handlers, list) else None


def _derive_people(entry: Mapping[str, Any], known: CatalogueEntry) -> Iterator[Reason]:
    whom = _whom(entry)
    if whom.get("group"):
        yield _because(GROUP_MEMBERS, entry, "to know who is in the group")
    users = whom.get("users")
    named = [str(each) for each in users] if isinstance(users, list) else []
    if not named and (user := _user_of(entry["resource"], known)):
        named = [user]
    if any(not is_guid(each) for each in named):
        yield _because(USER_BY_NAME, entry, "to look up the id of somebody declared by name")


def _whom(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    whom = entry.get("forEach")
    return whom if isinstance(whom, dict) else {}


def _user_of(resource: str, known: CatalogueEntry) -> str:
    try:
        path = read_resource(resource.strip().lstrip("/").partition("?")[0])
    except GraphProtocolError:
        return ""
    user = (known.pattern.match(path) or {}).get("user", "")
    return "" if user == _PLACEHOLDER else user


def _derive_handlers(entry: Mapping[str, Any], known: CatalogueEntry) -> Iterator[Reason]:
    handlers = entry.get("handlers")
    for each in handlers if isinstance(handlers, list) else ():
        options = each.get("dlp") if isinstance(each, dict) else None
        if known.odata_type == _CHAT_MESSAGE and isinstance(options, dict) and _marks(options):
            marking = Access(hear=POLICY_VIOLATION[_place_of(known)], page=f"{_API}/chatmessage-update")
            yield _because(marking, entry, "to mark messages that break a rule")


def _derive_people_who_look(entry: Mapping[str, Any], known: CatalogueEntry, access: Access) -> Iterator[Reason]:
    """List what shows who is in a channel or chat, and what it is called.

    A mailbox is its owner's, without asking; no other feed is shown to anybody.
    """
    names = _handlers_of(entry)
    if known.odata_type != _CHAT_MESSAGE or (names is not None and _FEED not in names):
        return
    if access.hear not in _SHOWS_MEMBERS:
        yield _because(MEMBERS[_place_of(known)], entry, "to show a feed only to those who are in it")
    if _place_of(known) == "teams":
        for each in TITLES:
            yield _because(each, entry, "to call a feed by its name")


def _place_of(messages: CatalogueEntry) -> str:
    return "teams" if messages.name.startswith("teams/") else "chats"


def _marks(options: Mapping[str, Any]) -> bool:
    return options.get("policyViolation", False) not in (None, False)  # an empty object takes every default


def _because(access: Access, entry: Mapping[str, Any], purpose: str) -> Reason:
    return Reason(permission=access.hear, entry=entry["name"], purpose=purpose, page=access.page)


def _name(handler: Any) -> str:
    return next(iter(handler), "") if isinstance(handler, dict) else str(handler)
