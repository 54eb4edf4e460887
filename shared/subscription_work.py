"""What travels on queue ``subscription-work``: lifecycle events, catch-ups, mailboxes, and shares of a comparison. Values and text.

Plain ASCII JSON, read as strictly as any other stranger's. Not here: what is done about it (`shared.subscriptions`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.envelope import write_json
from shared.errors import EnvelopeError, GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp

MOST_SHARES: Final = 50
"""Subscriptions in one message: some seconds of work, and with the longest names and resources half of what a message holds."""

_LARGEST_SHARE: Final = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleWork:
    """What Graph said about one subscription."""

    lifecycle_event: str
    name: str
    subscription_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUpWork:
    """What may have gone unheard of one subscription is to be looked for; ``since`` is None where the last look tells.

    ``lap`` counts the messages that one catch-up has taken so far.
    """

    name: str
    reason: str
    since: datetime | None = None
    lap: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileWork:
    """A share of a comparison: subscriptions with the resource that each is to hear, and those that are declared no more.

    ``digest`` is the comparison's: what an older one ordered is not done any more.
    """

    digest: str
    wanted: Mapping[str, str]
    gone: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownWork:
    """The search for subscriptions that nobody knows goes on with the next page; ``path`` is relative to Graph's root.

    Its ``tenant_id`` is empty for GRAPH_TENANT_ID, as everywhere.
    """

    path: str
    tenant_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxWork:
    """Somebody has connected or disconnected their mailbox, or it has ended: what is live has to follow."""

    name: str


Work = LifecycleWork | CatchUpWork | ReconcileWork | UnknownWork | MailboxWork


def write_work(work: CatchUpWork | ReconcileWork | UnknownWork | MailboxWork) -> str:
    """Write a message; lifecycle events are written where they are judged (`shared.intake`)."""
    match work:
        case CatchUpWork(name=name, reason=reason, since=since, lap=lap):
            body: dict[str, Any] = {"catchUp": reason, "name": name, "lap": lap}
            if since is not None:
                body["since"] = write_timestamp(since)
        case ReconcileWork(digest=digest, wanted=wanted, gone=gone):
            body = {"reconcile": dict(wanted), "gone": list(gone), "digest": digest}
        case UnknownWork(path=path, tenant_id=tenant_id):
            body = {"unknown": path, "tenant": tenant_id}
        case MailboxWork(name=name):
            body = {"mailbox": name}
    return write_json({"earshot": 1} | body)


def read_work(message: bytes) -> Work:
    """Read a message of queue ``subscription-work``. Raises EnvelopeError, and nothing else."""
    try:
        work = json.loads(message)
    except (ValueError, RecursionError) as problem:
        raise EnvelopeError("a message on subscription-work is not JSON") from problem
    if not isinstance(work, dict) or work.get("earshot") != 1:
        raise EnvelopeError("a message on subscription-work is not ours, or of a later version")
    if "catchUp" in work:
        return _read_catch_up(work)
    if "reconcile" in work:
        return _read_share(work)
    if "unknown" in work:
        tenant_id = work.get("tenant")
        return UnknownWork(path=_texts(work, "unknown")[0], tenant_id=tenant_id if isinstance(tenant_id, str) else "")
    if "mailbox" in work:
        return MailboxWork(name=_texts(work, "mailbox")[0])
    lifecycle_event, name, subscription_id = _texts(work, "lifecycleEvent", "name", "subscriptionId")
    return LifecycleWork(lifecycle_event=lifecycle_event, name=name, subscription_id=subscription_id)


def share_out(digest: str, wanted: Mapping[str, str], gone: Sequence[str]) -> Iterator[ReconcileWork]:
    """Divide what a comparison found among messages, in order."""
    names = [*gone, *wanted]
    share: list[str] = []
    size = 0
    for name in names:
        length = len(name) + 6 * len(wanted.get(name, ""))  # every character may become an escape
        if share and (len(share) == MOST_SHARES or size + length > _LARGEST_SHARE):
            yield _share(digest, share, wanted)
            share, size = [], 0
        share.append(name)
        size += length
    if share:
        yield _share(digest, share, wanted)


def _share(digest: str, names: Sequence[str], wanted: Mapping[str, str]) -> ReconcileWork:
    return ReconcileWork(
        digest=digest,
        wanted={name: wanted[name] for name in names if name in wanted},
        gone=tuple(name for name in names if name not in wanted),
    )


def _read_catch_up(work: Mapping[str, Any]) -> CatchUpWork:
    reason, name = _texts(work, "catchUp", "name")
    lap = work.get("lap", 1)
    try:
        since = read_timestamp(work["since"]) if "since" in work else None
    except GraphProtocolError as problem:
        raise EnvelopeError("a catch-up on subscription-work says not since when") from problem
    return CatchUpWork(name=name, reason=reason, since=since, lap=lap if type(lap) is int and lap > 0 else 1)


def _read_share(work: Mapping[str, Any]) -> ReconcileWork:
    wanted, gone = work.get("reconcile"), work.get("gone", [])
    if not isinstance(wanted, dict) or not isinstance(gone, list):
        raise EnvelopeError("a share of a comparison on subscription-work names no subscriptions")
    if not all(isinstance(each, str) for each in (*wanted.values(), *gone)):
        raise EnvelopeError("a share of a comparison on subscription-work names something else than subscriptions")
    return ReconcileWork(digest=_texts(work, "digest")[0], wanted=wanted, gone=tuple(gone))


def _texts(work: Mapping[str, Any], *names: str) -> Sequence[str]:
    values = [work.get(name) for name in names]
    if not all(isinstance(value, str) and value for value in values):
        raise EnvelopeError(f"a message on subscription-work lacks {' or '.join(names)}")
    return [str(value) for value in values]
