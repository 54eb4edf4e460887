"""What is found under a path: one thing, or a list, by any name that Graph has for it.

Not here: requests and pages, see `routes`; delta, see `delta_reading`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from local.graph.catalogue.find import find
from local.graph.content.flavours import flavour_of
from local.graph.content.odata.comparing import follow
from local.graph.content.odata.lexing import read_moment
from local.graph.content.odata.query import Order, Query
from local.graph.faults import GraphFault, bad_request
from local.graph.tenant.entity import Entity
from local.graph.tenant.world import SOFT, World

Listing = Callable[[World, Query, str], Iterable[Entity]]
"""Finds what is listed: the world, what is asked for, and the id in the path."""

BIN = "directory/deleteditems"
GET_ALL = re.compile(r"(getAll\w+)\([^/]*\)", re.IGNORECASE)
# https://learn.microsoft.com/en-us/graph/onedrive-addressing-driveitems#path-based-addressing; all files lie in the root here
FILE_BY_PATH = re.compile(r"drives/([^/]+)/(?:items/)?root:/([^/:]+):?", re.IGNORECASE)
CHAT_MESSAGES = re.compile(r"chats/[^/]+/messages")

NEWEST_FIRST: Mapping[str, Order] = {
    "message": Order(("receivedDateTime",), descending=True),
    "channel-message": Order(("createdDateTime",), descending=True),
    "chat-message": Order(("createdDateTime",), descending=True),
}
"""How lists of these are ordered unless the caller says otherwise."""

WINDOW_MISSING = (
    "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime."
)


def own_path(path: str, user_id: str | None) -> str:
    """Return a path with `me` replaced by who that is, and functions that list everything without their parameters.

    Raises 400 for an app that acts for nobody.
    """
    path = GET_ALL.sub(r"\1", path)
    first, _, rest = path.strip("/").partition("/")
    if first.lower() != "me":
        return path
    if user_id is None:
        raise GraphFault(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
    return f"users/{user_id}/{rest}".rstrip("/")


def read_entity(world: World, key: str) -> Entity | None:
    """Return what a canonical path names, if it can (still) be read."""
    key = _alias(world, key)
    if key.startswith(f"{BIN}/"):
        return next((each for each in deleted(world) if each.id == key.rpartition("/")[2]), None)
    entity = world.entities.get(key)
    return entity if entity and (not entity.deleted or entity.row.key in SOFT) else None


def need_entity(world: World, key: str) -> Entity:
    """Return what a canonical path names. Raises the workload's 404."""
    entity = read_entity(world, key)
    if entity is None:
        raise flavour_of(key).not_found(key.rpartition("/")[2])
    return entity


def read_list(world: World, key: str, query: Query) -> list[Entity] | None:
    """Return what a canonical path lists and the query keeps, in order; None if nothing is ever listed there."""
    found = _found(world, key, query)
    if found is None:
        return None
    if CHAT_MESSAGES.fullmatch(key):
        query = _as_in_chats(query)
    kept = [entity for entity in found if query.allows(entity.content)]
    orders = query.orders
    if kept and not orders and kept[0].row.key in NEWEST_FIRST:
        # of those that came in the same second, the later ones come first, too
        kept, orders = kept[::-1], (NEWEST_FIRST[kept[0].row.key],)
    return Query(orders=orders).ordered((entity.content, entity) for entity in kept)


def _as_in_chats(query: Query) -> Query:
    """Return what a query means to a chat: newest first always, and a filter only on what is ordered by.

    https://learn.microsoft.com/en-us/graph/api/chat-list-messages
    """
    for order in query.orders:
        if not order.descending:
            name = "/".join(order.path)
            raise bad_request(f"QueryOptions to order by '{name}' in 'Ascending' direction is not supported.")
    filtered = query.texts.get("filter", "").lower()
    same = any("/".join(order.path).lower() in filtered for order in query.orders)
    return query if same else replace(query, keep=None)


def replies(world: World, message: Entity) -> list[Entity]:
    """Return the replies to a channel message, oldest first."""
    listed = world.collections.get(f"{message.key}/replies")
    return world.members(listed) if listed else []


def deleted(world: World) -> list[Entity]:
    """Return users and groups that are deleted but can still be restored."""
    last = {event.key: event.gone for name in ("users", "groups") for event in world.collections[name].log}
    return [world.entities[key] for key, gone in last.items() if gone == "changed"]


def people_of(world: World, group_id: str) -> list[Entity]:
    """Return the users who are in a group: those who are in its team."""
    return _users(world, _members(world, f"teams/{group_id}/members"))


def in_window(query: Query) -> Callable[[Mapping[str, Any]], bool]:
    """Return whether an event overlaps the window asked for. Raises 400 without a window."""
    start = read_moment(query.texts.get("startdatetime", ""))
    end = read_moment(query.texts.get("enddatetime", ""))
    if start is None or end is None:
        raise GraphFault(400, "ErrorInvalidParameter", WINDOW_MISSING)

    def overlaps(content: Mapping[str, Any]) -> bool:
        begins, ends = (read_moment(str(follow(content, (name, "dateTime")))) for name in ("start", "end"))
        return begins is not None and ends is not None and begins < end and ends > start

    return overlaps


def _found(world: World, key: str, query: Query) -> Iterable[Entity] | None:
    for pattern, listing in _DERIVED:
        if fits := pattern.fullmatch(key):
            return listing(world, query, fits[1] if fits.groups() else "")
    listed = world.collections.get(key)
    if listed is not None:
        return world.members(listed)
    # things that were put here singly, such as call records, have no list of their own
    singly = [
        entity for name, entity in world.entities.items() if name.rpartition("/")[0] == key and not entity.deleted
    ]
    return singly if singly or _could_have(key) else None


def _could_have(key: str) -> bool:
    """Say whether a tenant has a list, be it empty, of which nobody's id is part."""
    match = find(key)
    return match is not None and not match.ids


def _alias(world: World, key: str) -> str:
    if re.fullmatch(r"drives/[^/]+/root", key):
        return key.replace("/root", "/items/root")
    if fits := FILE_BY_PATH.fullmatch(key):
        files = _members(world, f"drives/{fits[1]}/items/root/children")
        return next((each.key for each in files if each.content["name"].lower() == fits[2].lower()), key)
    if re.fullmatch(r"users/[^/]+/calendar", key):
        return next(iter(world.collections[f"{key}s"].members), key) if f"{key}s" in world.collections else key
    return key


def _members(world: World, key: str) -> list[Entity]:
    listed = world.collections.get(key)
    return world.members(listed) if listed else []


def _chat_messages(world: World, _query: Query, user_id: str) -> Iterable[Entity]:
    chats = _members(world, f"users/{user_id}/chats")
    return [message for chat in chats for message in _members(world, f"{chat.key}/messages")]


def _channel_messages(world: World, _query: Query, team_id: str) -> Iterable[Entity]:
    channels = _members(world, f"teams/{team_id}/channels")
    roots = [message for channel in channels for message in _members(world, f"{channel.key}/messages")]
    return [each for root in roots for each in (root, *replies(world, root))]


def _calendar(world: World, query: Query, user_id: str) -> Iterable[Entity]:
    overlaps = in_window(query)
    return [event for event in _members(world, f"users/{user_id}/events") if overlaps(event.content)]


def _channel_members(world: World, _query: Query, channel: str) -> Iterable[Entity]:
    """Return everybody who is in a channel: those of its team where it is a standard one.

    https://learn.microsoft.com/en-us/graph/api/channel-list-allmembers
    """
    found = need_entity(world, f"teams/{channel}")
    standard = found.content.get("membershipType") == "standard"
    return _members(world, f"{found.key.partition('/channels/')[0] if standard else found.key}/members")


def _group_owners(world: World, _query: Query, group_id: str) -> Iterable[Entity]:
    members = _members(world, f"teams/{group_id}/members")
    return _users(world, [each for each in members if "owner" in each.content["roles"]])


def _users(world: World, members: Sequence[Entity]) -> list[Entity]:
    """Return the users behind memberships; guests of other tenants are no users here."""
    found = (read_entity(world, f"users/{each.content['userId']}") for each in members)
    return [user for user in found if user]


def _of_kind(kind: str) -> Listing:
    return lambda world, _query, _id: [each for each in deleted(world) if each.row.key == kind]


_DERIVED: Sequence[tuple[re.Pattern[str], Listing]] = tuple(
    (re.compile(pattern, re.IGNORECASE), listing)
    for pattern, listing in (
        (r"users/([^/]+)/chats/getallmessages", _chat_messages),
        (r"teams/([^/]+)/channels/getallmessages", _channel_messages),
        (r"teams/([^/]+/channels/[^/]+)/(?:all)?members", _channel_members),
        (r"users/([^/]+)/calendarview", _calendar),
        (r"groups/([^/]+)/members", lambda world, _query, group_id: people_of(world, group_id)),
        (r"groups/([^/]+)/owners", _group_owners),
        (rf"{BIN}/(?:microsoft\.)?graph\.user", _of_kind("user")),
        (rf"{BIN}/(?:microsoft\.)?graph\.group", _of_kind("group")),
    )
)
