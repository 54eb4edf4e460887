"""Reads findings for the security team: pages of them, newest first, as JSON or CSV, and counts for a time.

What is asked is checked before anybody looks: a filter whose name is misspelt would otherwise show everything. There is no way to
delete here: findings are evidence, and who may remove them has the table.
"""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from shared.dlp.values import SEVERITIES
from shared.errors import GraphProtocolError, StorageError
from shared.feeds import feed_id
from shared.findings import (
    STATUSES,
    FindingPage,
    FindingQuery,
    ListedFinding,
    read_continuation,
    write_continuation,
)
from shared.graph.resource import read_resource
from shared.graph.timestamp import read_timestamp, write_timestamp
from shared.ports import Clock, FindingStore

_DEFAULT_TOP: Final = 100
_LARGEST_TOP: Final = 1000
_LONGEST: Final = 1024
_USUAL_TIME: Final = timedelta(days=7)
_LONGEST_TIME: Final = timedelta(days=92)
_MOST_COUNTED: Final = 100_000
_OF_THE_HOST: Final = frozenset({"code", "clientid"})
"""The function key's own parameters: never looked at, and never in a link that we write."""
_FILTERS: Final = ("since", "until", "rule", "severity", "status", "subscription", "sender", "resource")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_OLDEST: Final = 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer. ``link`` leads to the next page, relative to the address that was asked; empty at the end."""

    status: int
    body: str
    content_type: str = "application/json"
    link: str = ""


@dataclass(slots=True)
class _Asked:
    """Reads parameters, and collects what is wrong with them."""

    query: Mapping[str, str]
    problems: dict[str, str] = field(default_factory=dict)

    def read(self, name: str, read: Callable[[str], Any], default: Any) -> Any:
        text = self.query.get(name)
        if text is None:
            return default
        if not text or len(text) > _LONGEST:
            self.problems[name] = f"it has 1 to {_LONGEST} characters"
            return default
        try:
            return read(text)
        except (GraphProtocolError, ValueError) as problem:
            self.problems[name] = str(problem)
        return default

    def check_names(self, known: Sequence[str]) -> None:
        for name in self.query:
            if name not in known and name.lower() not in _OF_THE_HOST:
                self.problems[name[:40]] = f"there is no such parameter; there are {', '.join(known)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingReading:
    """Answers of the findings API."""

    store: FindingStore
    now: Clock

    async def page(self, query: Mapping[str, str], *, accept: str) -> Answer:
        """Read one page."""
        asked = _Asked(query)
        asked.check_names((*_FILTERS, "top", "continuation", "format"))
        wanted = _read_query(asked)
        top = asked.read("top", _top, _DEFAULT_TOP)
        after = asked.read("continuation", _continuation, "")
        shape = asked.read("format", _one_of("json", "csv"), _shape(accept))
        if asked.problems:
            return _bad_request(asked.problems)
        try:
            page = await self.store.page(wanted, after=after, top=top)
        except StorageError as problem:
            return _unavailable(problem)
        link = _next_link(query, page)
        if shape == "csv":
            return Answer(status=200, body=write_csv(page.findings), content_type="text/csv", link=link)
        body: dict[str, Any] = {"findings": [_printed(each) for each in page.findings]}
        if page.after:
            body["continuation"] = write_continuation(page.after)
        return Answer(status=200, body=json.dumps(body), link=link)

    async def summary(self, query: Mapping[str, str]) -> Answer:
        """Count findings of a time, by rule and severity: the last seven days unless said otherwise."""
        asked = _Asked(query)
        asked.check_names(("since", "until"))
        until = asked.read("until", _moment, self.now())
        since = asked.read("since", _moment, _earlier(until))
        if not asked.problems and not timedelta(0) < until - since <= _LONGEST_TIME:
            asked.problems["since"] = f"it is before 'until', by at most {_LONGEST_TIME.days} days"
        if asked.problems:
            return _bad_request(asked.problems)
        try:
            found = await self.store.count(FindingQuery(since=since, until=until), most=_MOST_COUNTED)
        except StorageError as problem:
            return _unavailable(problem)
        body = {
            "since": write_timestamp(since),
            "until": write_timestamp(until),
            "complete": found.complete,
            "findings": sum(found.counts.values()),
            "rules": list(_by_rule(found.counts)),
        }
        return Answer(status=200, body=json.dumps(body))


# -- what is asked ----------------------------------------------------------------------------------------------------


def _read_query(asked: _Asked) -> FindingQuery:
    resource, feed = asked.read("resource", _resource, ("", ""))
    return FindingQuery(
        since=asked.read("since", _moment, None),
        until=asked.read("until", _moment, None),
        rule=asked.read("rule", str, ""),
        severity=asked.read("severity", _one_of(*SEVERITIES), ""),
        status=asked.read("status", _one_of(*STATUSES), ""),
        subscription=asked.read("subscription", str, ""),
        sender=asked.read("sender", str.lower, ""),
        resource=resource,
        feed=feed,
    )


def _moment(text: str) -> datetime:
    # a plus that nobody encoded has become a space
    moment = read_timestamp(text.replace(" ", "+") if "T" in text else text)
    if moment.year < _OLDEST:
        raise ValueError(f"it is before {_OLDEST}")
    return moment


def _earlier(until: datetime) -> datetime:
    try:
        return until - _USUAL_TIME
    except OverflowError:
        return until


def _resource(text: str) -> tuple[str, str]:
    """Read a message's path, or that of a channel, chat, folder or mailbox; what is in it is in the feed of that."""
    resource = read_resource(text)
    return str(resource), feed_id(resource)


def _top(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= _LARGEST_TOP:
        raise ValueError(f"it is a whole number from 1 to {_LARGEST_TOP}")
    return int(text)


def _continuation(text: str) -> str:
    try:
        return read_continuation(text)
    except (ValueError, OverflowError) as problem:
        raise ValueError("it is none that a page of ours had") from problem


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is one of {', '.join(choices)}")
        return text

    return read


def _shape(accept: str) -> str:
    """Choose by what the caller accepts: CSV only where it is named, and JSON is not."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in accept.split(",")]
    return "csv" if "text/csv" in kinds and "application/json" not in kinds else "json"


# -- what is answered -------------------------------------------------------------------------------------------------


def _printed(listed: ListedFinding) -> dict[str, Any]:
    message, finding = listed.message, listed.finding
    return {
        "id": finding.id,
        "found": write_timestamp(finding.found),
        **listed.printed,
        "sender": message.sender,
        "sent": write_timestamp(message.sent) if message.sent else None,
        "subscription": message.subscription,
        "tenantId": message.tenant_id,
        "resource": message.resource,
        "feed": message.feed,
        "link": message.link,
        "version": finding.seen.name,
        "changeKey": finding.change_key,
    }


COLUMNS: Final = (
    "id",
    "found",
    "rule",
    "kind",
    "severity",
    "status",
    "part",
    "partIndex",
    "start",
    "length",
    "sender",
    "sent",
    "subscription",
    "tenantId",
    "resource",
    "feed",
    "link",
    "version",
    "changeKey",
)


def write_csv(findings: Sequence[ListedFinding]) -> str:
    """Write a table with a header (RFC 4180). No cell begins as a formula does: senders choose their addresses, not our spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for each in findings:
        printed = _printed(each)
        writer.writerow([_cell(printed[name]) for name in COLUMNS])
    return text.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    # https://owasp.org/www-community/attacks/CSV_Injection
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _next_link(query: Mapping[str, str], page: FindingPage) -> str:
    """Write the header by which the next page is found (RFC 8288); the function key, which was in the address, is not in it."""
    if not page.after:
        return ""
    kept = {name: query[name] for name in (*_FILTERS, "top", "format") if name in query}
    return f'<?{urlencode({**kept, "continuation": write_continuation(page.after)})}>; rel="next"'


def _by_rule(counts: Mapping[tuple[str, str, str], int]) -> Iterator[dict[str, Any]]:
    rows: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATUSES, 0))
    for (rule, severity, status), number in counts.items():
        rows[rule, severity][status] = number
    for (rule, severity), by_status in sorted(rows.items()):
        yield {"rule": rule, "severity": severity, "findings": sum(by_status.values()), "byStatus": by_status}


def _bad_request(problems: Mapping[str, str]) -> Answer:
    details = [{"target": name, "message": problem} for name, problem in problems.items()]
    message = "; ".join(f"'{name}': {problem}" for name, problem in problems.items())
    body = {"error": {"code": "BadRequest", "message": message, "details": details}}
    return Answer(status=400, body=json.dumps(body))


def _unavailable(problem: StorageError) -> Answer:
    body = {"error": {"code": "ServiceUnavailable", "message": str(problem)}}
    return Answer(status=503, body=json.dumps(body))
