"""One entry for many users → one declared subscription for each. Pure.

Not here: who is in a group (`shared.group_members`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from shared.declaration import CONNECTED, USER, Declaration, DeclaredSubscription
from shared.graph.subscription import LiveSubscription


def instance_name(name: str, user: str) -> str:
    """Name the instance of an entry for one user: 64 bits, so that a hundred thousand users never share one."""
    return f"{name}~{hashlib.sha256(user.lower().encode()).hexdigest()[:16]}"


def expand(
    declaration: Declaration, members: Mapping[str, Sequence[str]], live: Iterable[LiveSubscription]
) -> tuple[DeclaredSubscription, ...]:
    """Give every subscription that is declared, entries for many users as their instances.

    Who has connected a mailbox is known by the rows. ``members`` are the users of a group by what its entry has as ``members_of``. Where nothing is known of a group, its instances are those that live: not to know is no reason to delete.
    """
    rows = _rows_by_entry(live)
    return tuple(
        instance
        for each in (*declaration.subscriptions, CONNECTED)
        for instance in _instances(each, members, rows.get(each.name, ()))
    )


def instance_of(declared: DeclaredSubscription, row: LiveSubscription | None) -> DeclaredSubscription:
    """Give the instance that a row belongs to, from nothing but its entry and the row; an ordinary one as it is."""
    if declared.for_each is None or row is None:
        return declared
    tenant_id = row.tenant_id if declared.for_each.connected else declared.tenant_id
    return replace(declared, name=row.name, resource=row.resource, for_each=None, tenant_id=tenant_id, actor=row.actor)


def shared_instance(
    declared: DeclaredSubscription, name: str, resource: str, row: LiveSubscription | None
) -> DeclaredSubscription | None:
    """Give the instance that a share of a comparison names. A connected mailbox has nothing but its row to say whose it is."""
    if declared.for_each is not None and declared.for_each.connected:
        return instance_of(declared, row) if row is not None else None
    return replace(declared, name=name, resource=resource, for_each=None)


def _instances(
    declared: DeclaredSubscription, members: Mapping[str, Sequence[str]], rows: Iterable[LiveSubscription]
) -> Iterator[DeclaredSubscription]:
    whom = declared.for_each
    if whom is None:
        yield declared
    elif whom.connected or (whom.group and declared.members_of not in members):
        yield from (instance_of(declared, row) for row in rows)
    else:
        users = {user.lower(): user for user in (members[declared.members_of] if whom.group else whom.users)}
        yield from (_instance(declared, user) for user in users.values())


def _instance(declared: DeclaredSubscription, user: str) -> DeclaredSubscription:
    resource = declared.resource.replace(USER, quote(user, safe="@"))
    return replace(declared, name=instance_name(declared.name, user), resource=resource, for_each=None)


def _rows_by_entry(live: Iterable[LiveSubscription]) -> Mapping[str, Sequence[LiveSubscription]]:
    rows: dict[str, list[LiveSubscription]] = {}
    for row in live:
        entry, tilde, _ = row.name.partition("~")
        if tilde:
            rows.setdefault(entry, []).append(row)
    return rows
