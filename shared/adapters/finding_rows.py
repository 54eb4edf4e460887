"""Rows of table ``findings`` and the values they hold.

A message's row is what is true of it: its versions and all its findings, in pieces of a property's 32 Ki characters. A finding's row
is a copy for the list, in the partition of the day on which it was found; its key has the time turned round, so that keys sort
from the newest. ``Revision`` is that of the message's row from which it was copied.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from shared.findings import Finding, FindingQuery, ListedFinding, Message, MessageState, Version, day_of, place_at
from shared.graph.timestamp import read_timestamp, write_timestamp

Row = dict[str, str | bool]

COUNTED: Final = ("Rule", "Severity", "Status")
_PIECE: Final = 30_000
_MOST_PIECES: Final = 16
_ROW: Final = "message"


# -- a message --------------------------------------------------------------------------------------------------------


def message_partition(key: str) -> tuple[str, str]:
    """Give the partition and row key of a message's row: a partition of its own, which nobody else waits for."""
    return f"message~{key}", _ROW


def message_row(state: MessageState) -> Row:
    """Write what is known of a message."""
    partition, key = message_partition(state.message.key)
    row: Row = {
        "PartitionKey": partition,
        "RowKey": key,
        "Revision": str(state.revision),
        "Verdict": state.verdict,
        "Sender": state.message.sender,  # by which, as in the list, everything about a person is found
        "Message": json.dumps(_write_message(state.message)),
        "Newest": json.dumps(_write_version(state.newest)),
        "Shown": json.dumps(_write_version(state.shown)) if state.shown else "",
    }
    text = json.dumps([_write_finding(each) for each in state.findings], separators=(",", ":"))
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    return row | {f"Findings{index}": piece for index, piece in enumerate(pieces)}


def read_message(row: Mapping[str, Any], etag: str) -> MessageState:
    """Read what is known of a message."""
    text = "".join(str(row[name]) for name in (f"Findings{index}" for index in range(_MOST_PIECES)) if name in row)
    return MessageState(
        message=_read_message(json.loads(row["Message"])),
        newest=_read_version(json.loads(row["Newest"])),
        shown=_read_version(json.loads(row["Shown"])) if row["Shown"] else None,
        findings=tuple(_read_finding(each) for each in json.loads(text)),
        verdict=row["Verdict"],
        revision=int(row["Revision"]),
        etag=etag,
    )


def _write_message(message: Message) -> list[str | None]:
    sent = write_timestamp(message.sent) if message.sent else None
    return [
        message.key,
        message.subscription,
        message.tenant_id,
        message.resource,
        message.feed,
        message.sender,
        sent,
        message.link,
    ]


def _read_message(told: list[Any]) -> Message:
    key, subscription, tenant_id, resource, feed, sender, sent, link = told
    return Message(
        key=key,
        subscription=subscription,
        tenant_id=tenant_id,
        resource=resource,
        feed=feed,
        sender=sender,
        sent=read_timestamp(sent) if sent else None,
        link=link,
    )


def _write_version(version: Version) -> list[Any]:
    # a number beyond what JSON's readers agree on is text
    return [write_timestamp(version.changed), str(version.number), version.deleted, version.name, version.text]


def _read_version(told: list[Any]) -> Version:
    changed, number, deleted, name, text = told
    return Version(changed=read_timestamp(changed), number=int(number), deleted=deleted, name=name, text=text)


def _write_finding(each: Finding) -> list[Any]:
    place = [each.part, each.part_index, each.start, each.length]
    seen = _write_version(each.seen)
    return [
        each.id,
        each.rule,
        each.kind,
        each.severity,
        *place,
        write_timestamp(each.found),
        each.change_key,
        each.told,
        seen,
    ]


def _read_finding(told: list[Any]) -> Finding:
    name, rule, kind, severity, part, part_index, start, length, found, change_key, is_told, seen = told
    return Finding(
        id=name,
        rule=rule,
        kind=kind,
        severity=severity,
        part=part,
        part_index=part_index,
        start=start,
        length=length,
        found=read_timestamp(found),
        change_key=change_key,
        told=is_told,
        seen=_read_version(seen),
    )


# -- the list ---------------------------------------------------------------------------------------------------------


def day_partition(day: str) -> str:
    """Give the partition of a day, as `shared.findings.day_of` wrote it."""
    return f"day~{day}"


def finding_rows(state: MessageState) -> Iterator[Row]:
    """Write the copies of a message's findings for the list."""
    for listed in state.listed():
        yield _finding_row(listed, state.revision)


def _finding_row(listed: ListedFinding, revision: int) -> Row:
    message, finding = listed.message, listed.finding
    return {
        "PartitionKey": day_partition(day_of(listed.place)),
        "RowKey": listed.place,
        "Revision": str(revision),
        "Rule": finding.rule,
        "Severity": finding.severity,
        "Status": listed.status,
        "Subscription": message.subscription,
        "Sender": message.sender,
        "Resource": message.resource,
        "Feed": message.feed,
        "Message": json.dumps(_write_message(message)),
        "Finding": json.dumps(_write_finding(finding), separators=(",", ":")),
    }


def read_listed(row: Mapping[str, Any]) -> ListedFinding:
    """Read a finding of the list."""
    return ListedFinding(
        message=_read_message(json.loads(row["Message"])),
        finding=_read_finding(json.loads(row["Finding"])),
        status=row["Status"],
    )


def write_filter(query: FindingQuery) -> tuple[str, dict[str, str]]:
    """Write what is asked for, but for its partition, as storage's own filter and its parameters."""
    asked = {
        "Rule": query.rule,
        "Severity": query.severity,
        "Status": query.status,
        "Subscription": query.subscription,
        "Sender": query.sender,
    }
    clauses = [f"{name} eq @{name}" for name, value in asked.items() if value]
    parameters = {name: value for name, value in asked.items() if value}
    if query.resource:
        # the SDK puts values in for words, which end at a space
        clauses.append("(Resource eq @Resource or Feed eq @Feed )")
        parameters |= {"Resource": query.resource, "Feed": query.feed}
    clauses += _between(query.since, query.until)
    return " and ".join(clauses), parameters


def _between(since: datetime | None, until: datetime | None) -> Iterator[str]:
    if until is not None:
        yield f"RowKey gt '{place_at(until)}'"
    if since is not None:
        yield f"RowKey lt '{place_at(since)}'"
