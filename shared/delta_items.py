"""What a delta tells, as notifications of our own: by reference, under the key that Graph's own notification has.

Nothing of an item's content travels: the path, the version, and that it is gone. Its clientState is minted anew, so that the
processor checks it like any other. Whether something was created or updated a delta does not say; by its times it is one, the
other, or both, and the ledger sees to it that a handler runs once. Not here: asking Graph (`shared.catch_up`).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from shared.change_key import read_version
from shared.envelope import write_json, write_new_item
from shared.errors import GraphProtocolError
from shared.graph.delta_page import DeltaItem, read_items
from shared.graph.following import Ids, Step
from shared.graph.resource import Resource, read_resource
from shared.graph.timestamp import read_timestamp, write_timestamp

LAG: Final = timedelta(minutes=5)
"""A delta may be so far behind: what was created shortly before the last round began may be told by this one."""
_LATE_REPLIES: Final = timedelta(hours=1)
"""A reply brings its thread back. One that has not changed for so long before the last round is not told again."""
_CREATED: Final = "createdDateTime"
_MODIFIED: Final = "lastModifiedDateTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round is about: since when it tells, and what it is called. ``since`` is None where that is not known.

    ``anew``: it lists everything, of which what changed before ``since``, less a ``margin``, is left out.
    """

    mark: str
    since: datetime | None
    anew: bool = False
    margin: timedelta = LAG


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that changed. ``change_types`` has what may have happened to it; ``changed`` is when, if it says."""

    resource: Resource
    item_id: str
    change_types: tuple[str, ...]
    version: str
    changed: datetime | None
    since: datetime | None
    mark: str
    gone: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


def tell(
    step: Step, ids: Ids, items: Sequence[DeltaItem], about: Round, *, change_types: Sequence[str], subscribed: Resource
) -> Iterator[Told]:
    """Tell what has changed, in order, as far as the subscription hears of it. Never raises.

    Of what only says that something below changed, there is one for a page.
    """
    if step.whole:
        # what goes by one name is one change for each round; a round that lists everything cannot tell what is gone
        if (items or about.anew) and "updated" in change_types:
            yield Told(
                resource=subscribed,
                item_id="",
                change_types=("updated",),
                version="",
                changed=None,
                since=about.since,
                mark=about.mark,
            )
        return
    for item in items:
        yield from _tell(step, ids, item, about, change_types)
        if step.replies:
            below = Step(
                kind=step.kind, path=step.path, item=f"{step.item.replace('{id}', '{replyToId}')}/replies/{{id}}"
            )
            for reply in read_items(item.content.get("replies")):
                named = DeltaItem(id=reply.id, content={"replyToId": item.id, **reply.content}, gone=reply.gone)
                if not _is_old(named, about, _LATE_REPLIES):
                    yield from _tell(below, ids, named, about, change_types)


def _tell(step: Step, ids: Ids, item: DeltaItem, about: Round, wanted: Sequence[str]) -> Iterator[Told]:
    if item.content.get("type") == "occurrence":
        return  # its series is told, and it has no version of its own
    if (about.anew and _is_old(item, about, about.margin)) or (step.replies and _is_old(item, about, _LATE_REPLIES)):
        return
    resource = _path_of(step, ids, item)
    if resource is None:
        return
    possible = _change_types(item, about)
    heard = tuple(each for each in possible if each in wanted)
    if heard:
        removed = "@removed" in item.content
        yield Told(
            resource=resource,
            item_id=item.id,
            change_types=heard,
            version="" if removed else read_version({}, item.content),
            changed=_time(item, "deletedDateTime") or _time(item, _MODIFIED),
            since=_told_since(item, about),
            mark=about.mark,
            gone=item.gone,
        )


def _change_types(item: DeltaItem, about: Round) -> tuple[str, ...]:
    """Give what may have happened, the likeliest first."""
    if item.gone == "deleted":
        return ("deleted",)
    if item.gone == "changed":
        return ("updated",)  # as its notification says: it can be restored, or has left a filter or a window
    created, modified = _time(item, _CREATED), _time(item, _MODIFIED)
    if created is None or about.since is None:
        return ("updated", "created")
    if created < about.since - LAG:
        return ("updated",)
    return ("created", "updated") if modified is None or modified > created else ("created",)


def _told_since(item: DeltaItem, about: Round) -> datetime | None:
    """Say since when a deletion may have happened: Teams says exactly when."""
    deleted = _time(item, "deletedDateTime") if item.gone == "deleted" else None
    return max(filter(None, (deleted, about.since)), default=None)


def _is_old(item: DeltaItem, about: Round, margin: timedelta) -> bool:
    """Tell whether an item says that it changed before the round's time; what only says when it was created may be new."""
    changed = max(filter(None, (_time(item, name) for name in (_MODIFIED, "deletedDateTime"))), default=None)
    return changed is not None and about.since is not None and changed < about.since - margin


def _path_of(step: Step, ids: Ids, item: DeltaItem) -> Resource | None:
    known = {name: value for name, value in item.content.items() if isinstance(value, str)}
    values: Mapping[str, Any] = {**known, **ids, "id": item.id}
    try:
        segments = tuple(each.format_map(values) for each in step.item.split("/"))
        return read_resource(str(Resource(segments)))
    except (KeyError, ValueError, GraphProtocolError):
        return None  # it does not say where it is, or what it says is no path


def _time(item: DeltaItem, name: str) -> datetime | None:
    try:
        return read_timestamp(item.content.get(name))
    except GraphProtocolError:
        return None


def mark_of(path: str, link: str) -> str:
    """Name a round by where it began: what is told again after a crash has the same name, and the next round another."""
    return hashlib.sha256(f"{path}\n{link}".encode("utf-8", "surrogatepass")).hexdigest()[:24]


def write_told(
    told: Told, *, item_id: str, odata_type: str, tenant_id: str, subscription_id: str, client_state: str
) -> Iterator[str]:
    """Write the items that travel in an envelope: one for each change type."""
    data: dict[str, Any] = {"@odata.type": f"#microsoft.graph.{odata_type}", "@odata.id": str(told.resource)}
    if told.item_id:
        data["id"] = told.item_id
    if told.version:
        data["@odata.etag"] = told.version
    if told.gone:
        data["@removed"] = {"reason": told.gone}
    delta: dict[str, Any] = {"round": told.mark}
    if told.since is not None:
        delta["since"] = write_timestamp(told.since)
    for number, change_type in enumerate(told.change_types):
        notification = {
            "subscriptionId": subscription_id,
            "clientState": client_state,
            "changeType": change_type,
            "resource": str(told.resource),
            "tenantId": tenant_id,
            "resourceData": data,
            "delta": delta,
        }
        yield write_new_item(f"{item_id}-{number}" if number else item_id, write_json(notification))
