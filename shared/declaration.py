"""The declared subscriptions: subscriptions.json read to values, with everything that is wrong with it said at once.

Each problem names its subscription, the line and the path. Not here: what Graph allows (`shared.graph.terms`), whose
subscriptions an entry for many users becomes (`shared.fan_out`), when the file is read (`shared.declared_state`), and what is
done about it (`shared.reconcile`).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from shared.errors import GraphProtocolError, SettingsError
from shared.graph.catalogue import find
from shared.graph.client_state import Delivery
from shared.graph.resource import read_resource
from shared.graph.terms import Terms, problems_with
from shared.json_form import Found, problems_of_form, read_json, tell
from shared.json_places import Path as Place
from shared.pull_mode import PullMode
from shared.routing import HandlerChoice
from shared.tenants import Tenants

USER: Final = "{user}"
"""What stands for the user in the resource of an entry for many."""

CheckHandler = Callable[[HandlerChoice, "DeclaredSubscription"], Iterable[str]]
"""Says what is wrong with one entry of a ``handlers`` list: its name, or its options, for this subscription."""

_SCHEMA = "subscriptions.schema.json"
_FILE = "the subscriptions file"
_CHANGE_TYPES = ("created", "updated", "deleted")
_USER_SEGMENT = re.compile(r"(?:^|/)\{user\}(?:/|$)|\('\{user\}'\)")
_ANY_TENANT: Final = Tenants()
_ANY_HUB: Final = PullMode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach:
    """Whom an entry is meant for: users by object id or name, the members of one group, or whoever has ``connected`` their mailbox."""

    users: tuple[str, ...] = ()
    group: str = ""
    connected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredSubscription:
    """One entry of subscriptions.json, or one instance of an entry for many users.

    ``handlers`` is None where every handler that matches is meant, ``lifetime`` where the longest one is, ``quiet_after`` where
    its rhythm is learnt. ``tenant_id`` is empty for our own tenant, ``actor`` for the app.
    """

    name: str
    resource: str
    change_types: tuple[str, ...]
    include_resource_data: bool = False
    delivery: Delivery = "webhook"
    lifecycle: Delivery = "webhook"
    handlers: tuple[HandlerChoice, ...] | None = None
    lifetime: timedelta | None = None
    notification_query_options: str = ""
    immutable_ids: bool = False
    for_each: ForEach | None = None
    tenant_id: str = ""
    actor: str = ""
    quiet_after: timedelta | None = None

    @property
    def members_of(self) -> str:
        """The group whose members the entry is for, behind its tenant if that is another than ours; empty if it is for none."""
        group = self.for_each.group if self.for_each else ""
        return f"{self.tenant_id}/{group}" if group and self.tenant_id else group

    @property
    def change_type(self) -> str:
        """The change types as Graph wants them: one text, always in the same order."""
        return ",".join(self.change_types)

    @property
    def lifetime_minutes(self) -> int:
        """The declared lifetime in minutes, 0 for the longest."""
        return self.lifetime // timedelta(minutes=1) if self.lifetime else 0


CONNECTED: Final = DeclaredSubscription(
    name="connected-mailbox",
    resource=f"users/{USER}/mailFolders('inbox')/messages",
    change_types=_CHANGE_TYPES,
    handlers=(HandlerChoice(name="mailbox"),),
    immutable_ids=True,
    for_each=ForEach(connected=True),
)
"""The entry that stands in no file: the inbox of everybody who has connected it. Whose they are is in the rows alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Everything that is to be heard; `CONNECTED` comes with it, unsaid. ``digest`` changes when the file says something else."""

    subscriptions: tuple[DeclaredSubscription, ...]
    digest: str
    _by_name: Mapping[str, DeclaredSubscription] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {each.name: each for each in (*self.subscriptions, CONNECTED)})

    def find(self, name: str) -> DeclaredSubscription | None:
        """Find a subscription by its name; an instance (``name~instance``) by that of its entry, which is returned."""
        return self._by_name.get(name) or self._by_name.get(name.partition("~")[0])


def read_declaration(
    text: bytes,
    *,
    known_handlers: frozenset[str] | None,
    check_handler: CheckHandler | None = None,
    tenants: Tenants = _ANY_TENANT,
    pull_mode: PullMode = _ANY_HUB,
) -> Declaration:
    """Read subscriptions.json; handler names are checked unless ``known_handlers`` is None.

    Raises SettingsError with one sentence a problem, each of which names its subscription, line and path.
    """
    document = read_json(text, _FILE)
    found = problems_of_form(document, _SCHEMA)
    wrong = {path[1] for path, _ in found if len(path) > 1}
    entries = _entries(document)
    # an entry whose form is right is judged although its neighbour's is not: everything is said at once
    read = {index: _read_entry(entry, tenants) for index, entry in enumerate(entries) if index not in wrong}
    found += _problems_of_twins(read)
    for index, declared in read.items():
        unchecked = entries[index].get("unchecked", False)
        sense = (
            *_problems_with_placeholder(declared),
            *(((name,), sentence) for name, sentence in problems_with(_terms(declared), unchecked=unchecked)),
            *_problems_with_handlers(declared, known_handlers, check_handler),
            *_problems_with_delivery(declared, pull_mode),
            *((("tenant",), sentence) for sentence in tenants.problems_with(declared.tenant_id)),
        )
        found += [(("subscriptions", index, *path), sentence) for path, sentence in sense]
    if found:
        raise SettingsError(tell(found, text, lambda path: _whose(document, path)))
    canonical = json.dumps(entries, sort_keys=True, separators=(",", ":"))
    return Declaration(subscriptions=tuple(read.values()), digest=hashlib.sha256(canonical.encode()).hexdigest())


def _entries(document: Any) -> Sequence[Any]:
    entries = document.get("subscriptions") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else ()


def _whose(document: Any, path: Place) -> str:
    if len(path) < 2 or not isinstance(path[1], int):  # noqa: PLR2004 - "subscriptions" and an index
        return _FILE
    entry = document["subscriptions"][path[1]]
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"subscription {name[:40]!r}" if isinstance(name, str) else f"subscription number {path[1] + 1}"


def _read_entry(entry: Mapping[str, Any], tenants: Tenants) -> DeclaredSubscription:
    asked = {word.strip() for word in entry["changeType"].split(",")}
    resource = entry["resource"].strip().lstrip("/")
    known = find(resource)
    return DeclaredSubscription(
        name=entry["name"],
        resource=resource,
        change_types=tuple(word for word in _CHANGE_TYPES if word in asked),
        include_resource_data=entry.get("includeResourceData", False),
        delivery=entry.get("delivery", "webhook"),
        lifecycle=entry.get("lifecycle", "webhook"),
        handlers=tuple(_read_handler(choice) for choice in entry["handlers"]) if "handlers" in entry else None,
        lifetime=_minutes(entry, "lifetimeMinutes"),
        notification_query_options=entry.get("notificationQueryOptions", ""),
        immutable_ids=entry.get("immutableIds", known is not None and known.kind.immutable_ids),
        for_each=_read_for_each(entry["forEach"]) if "forEach" in entry else None,
        tenant_id=tenants.read(entry.get("tenant", "")),
        quiet_after=_minutes(entry, "quietAfterMinutes"),
    )


def _minutes(entry: Mapping[str, Any], name: str) -> timedelta | None:
    return timedelta(minutes=entry[name]) if name in entry else None


def _read_for_each(whom: Mapping[str, Any]) -> ForEach:
    return ForEach(users=tuple(whom.get("users", ())), group=whom.get("group", "").lower())


def _read_handler(choice: str | Mapping[str, Any]) -> HandlerChoice:
    if isinstance(choice, str):
        return HandlerChoice(name=choice)
    [(name, options)] = choice.items()
    return HandlerChoice(name=name, options=options)


# -- the sense --------------------------------------------------------------------------------------------------------


def _terms(declared: DeclaredSubscription) -> Terms:
    return Terms(
        resource=declared.resource,
        change_types=declared.change_types,
        include_resource_data=declared.include_resource_data,
        lifetime=declared.lifetime,
        notification_query_options=declared.notification_query_options,
        immutable_ids=declared.immutable_ids,
    )


def _problems_of_twins(read: Mapping[int, DeclaredSubscription]) -> Iterator[Found]:
    names = Counter(each.name for each in read.values())
    heard: dict[tuple[str, str, str], str] = {}
    for index, each in read.items():
        if names[each.name] > 1:
            yield ("subscriptions", index, "name"), f"the name is used {names[each.name]} times"
        if each.name == CONNECTED.name:
            yield ("subscriptions", index, "name"), "the name is kept for the mailboxes that people connect"
        twins = {
            heard.setdefault((each.tenant_id, resource, each.change_type), each.name) for resource in _resources(each)
        }
        for first in sorted(twins - {each.name}):
            sentence = f"it hears the same as {first!r}, and Graph takes only one: give that one both lists of handlers"
            yield ("subscriptions", index, "resource"), sentence


def _resources(declared: DeclaredSubscription) -> Iterator[str]:
    """Give what an entry hears, as far as the file tells: the members of a group are not known yet."""
    resource = _canonical(declared.resource)
    users = declared.for_each.users if declared.for_each else ()
    yield from (resource.replace(USER, user.lower()) for user in users)
    if not users:
        yield resource


def _canonical(resource: str) -> str:
    path, question, query = resource.partition("?")
    try:
        return "/".join(read_resource(path).segments) + question + query
    except GraphProtocolError:
        return resource  # said elsewhere


def _problems_with_placeholder(declared: DeclaredSubscription) -> Iterator[Found]:
    found = len(_USER_SEGMENT.findall(declared.resource.partition("?")[0]))
    if declared.for_each is None and found:
        yield ("resource",), f"{USER} stands for somebody only together with forEach"
    if declared.for_each is not None and found != 1:
        yield ("resource",), f"with forEach the resource needs {USER} once, as in users/{USER}/messages"


def _problems_with_delivery(declared: DeclaredSubscription, pull_mode: PullMode) -> Iterator[Found]:
    if declared.delivery == "eventhub":
        yield from ((("delivery",), sentence) for sentence in pull_mode.problems())
    if declared.lifecycle != "eventhub":
        return
    if declared.delivery != "eventhub":
        yield (
            ("lifecycle",),
            "lifecycle events come over the hub only where changes do: leave it out, or say delivery eventhub",
        )
    known = find(declared.resource)
    if known is not None and known.kind.needs_lifecycle_url:
        yield ("lifecycle",), f"{known.name} is Teams', whose lifecycle events come to the webhook: leave it out"


def _problems_with_handlers(
    declared: DeclaredSubscription, known: frozenset[str] | None, check: CheckHandler | None
) -> Iterator[Found]:
    choices: Sequence[HandlerChoice] = declared.handlers or ()
    for index, choice in enumerate(choices):
        if known is not None and choice.name not in known:
            sentence = f"there is no handler {choice.name!r}; there are {', '.join(sorted(known)) or 'none'}"
            yield ("handlers", index), sentence
        else:
            yield from ((("handlers", index), sentence) for sentence in (check(choice, declared) if check else ()))
