"""What a rule found in a message, and how the findings of one message change as it is edited and deleted. Pure.

`merge` takes up one scan of one version. It gives the same whatever the order in which versions arrive and however often, because
everything it keeps is a greatest value: the newest state of the message, the newest one that could be read, and for each finding
the newest version that still had it. What a finding is then said to be (`MessageState.status`) follows from the three.

Nothing here holds what was found, or a hash of it: a card number has so few digits that its hash is as good as the number.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal, get_args

from shared.dlp.values import SEVERITIES, Match, Severity
from shared.graph.resource import Resource

Status = Literal["open", "edited-away", "message-deleted"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

MOST_MATCHES: Final = 200
"""What one scan may add to a message's findings, the gravest first: a mail with ten thousand numbers is one incident."""
MOST_FINDINGS: Final = 800
"""What a message may have over all its versions: at worst 0.7 of the 1 MiB that a row may have."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND: Final = 10**18 - 1
_LAST_DAY: Final = 99_999_999
_PLACE: Final = re.compile(r"[0-9]{18}~(?:[0-9a-f]{32}|~)")
_PLACES: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Version:
    """One state of a message. Versions are ordered by when the message says that it changed, then by number where they have one.

    Mail says so to the second, and its versions are no numbers: of two in one second nobody can tell the newer. ``name`` makes
    their order the same everywhere, and `precedes` does not go by it. ``text`` is a mark of the text alone, the same for two
    versions whose text is known to be the same (a reaction makes a version and changes no text); empty where nobody knows.
    """

    changed: datetime
    number: int = 0
    deleted: bool = False
    name: str = ""
    text: str = field(default="", compare=False)

    def precedes(self, other: "Version") -> bool:
        """Tell whether this is known to be the older one, of another text as far as anybody knows."""
        older = (self.changed, self.number) < (other.changed, other.number)
        return older and not (self.text and self.text == other.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Whose finding it is: what stays the same in every version of a message.

    ``sender`` is an object id or an address: personal data, kept because without it nobody can act. ``key`` names the message
    for one subscription and one file of rules.
    """

    key: str
    subscription: str
    tenant_id: str
    resource: str
    feed: str
    sender: str = ""
    sent: datetime | None = None
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One place in a message where a rule found something.

    ``seen`` is the newest version that had it there. ``told``: its alert is out, or nobody wants one.
    """

    id: str
    rule: str
    kind: str
    severity: Severity
    part: str
    part_index: int
    start: int
    length: int
    found: datetime
    change_key: str
    seen: Version
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One version of a message, scanned. A deletion has no matches. ``tell``: somebody wants to hear of what is new."""

    message: Message
    version: Version
    matches: Sequence[Match]
    change_key: str
    at: datetime
    tell: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageState:
    """What is known of one message. ``shown`` is its newest version that was no deletion.

    ``revision`` grows with every change; ``verdict`` is the action that we had Teams take, empty if we never did.
    """

    message: Message
    newest: Version
    shown: Version | None = None
    findings: tuple[Finding, ...] = ()
    verdict: str = ""
    revision: int = 1
    etag: str = ""

    def status(self, finding: Finding) -> Status:
        """Say what became of a finding."""
        if self.shown is not None and finding.seen.precedes(self.shown):
            return "edited-away"
        return "message-deleted" if self.newest.deleted else "open"

    def listed(self) -> Iterator["ListedFinding"]:
        """Give each finding as it is listed."""
        for each in self.findings:
            yield ListedFinding(message=self.message, finding=each, status=self.status(each))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFinding:
    """One finding as people read it."""

    message: Message
    finding: Finding
    status: Status

    @property
    def place(self) -> str:
        """Where it stands in the list of all findings."""
        return place_of(self.finding.found, self.finding.id)

    @property
    def printed(self) -> dict[str, object]:
        """What an alert and the list of findings say alike: which rule, how grave, and where in the message."""
        return {
            "rule": self.finding.rule,
            "kind": self.finding.kind,
            "severity": self.finding.severity,
            "status": self.status,
            "part": self.finding.part,
            "partIndex": self.finding.part_index,
            "start": self.finding.start,
            "length": self.finding.length,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings are asked for: ``since`` is part of the time, ``until`` is not; empty texts ask for nothing.

    ``feed`` is that of ``resource``, so that a channel's path finds what is in its messages.
    """

    since: datetime | None = None
    until: datetime | None = None
    rule: str = ""
    severity: str = ""
    status: str = ""
    subscription: str = ""
    sender: str = ""
    resource: str = ""
    feed: str = ""

    def wants(self, listed: ListedFinding) -> bool:
        """Tell whether a finding is asked for."""
        found, message = listed.finding, listed.message
        return (
            (self.since is None or found.found >= self.since)
            and (self.until is None or found.found < self.until)
            and self.rule in {"", found.rule}
            and self.severity in {"", found.severity}
            and self.status in {"", listed.status}
            and self.subscription in {"", message.subscription}
            and self.sender in {"", message.sender}
            and (not self.resource or message.resource == self.resource or message.feed == self.feed)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    """Findings, the newest first. ``after`` is where to go on, empty at the end; a page may be short, or empty, and not the last."""

    findings: Sequence[ListedFinding]
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCounts:
    """How many there are by (rule, severity, status). ``complete``: nothing was left out for being too much."""

    counts: Mapping[tuple[str, str, str], int]
    complete: bool = True


def message_key(*, tenant_id: str, subscription: str, rules: str, resource: Resource) -> str:
    """Name a message for one subscription and one file of rules: two of them never close each other's findings."""
    parts = "\n".join((tenant_id.lower(), subscription, rules, *resource.segments))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def merge(known: MessageState | None, scan: Scan) -> MessageState:
    """Take one scan up into what is known; the same object if it says nothing new.

    A finding is the same in two versions if it has the same rule and kind, is in the same part, and has the same place in the
    order of those: words written before it move it and make no new one.
    """
    version = scan.version
    shown = None if version.deleted else version
    message = scan.message
    named = dict(_named(message.key, scan.matches))
    if known is None:
        findings = tuple(_new_finding(name, match, scan) for name, match in named.items())
        return MessageState(message=message, newest=version, shown=shown, findings=findings)
    kept = [_seen_again(each, named.get(each.id), version) for each in known.findings]
    before = {each.id for each in known.findings}
    fresh = [_new_finding(name, match, scan) for name, match in named.items() if name not in before]
    merged = replace(
        known,
        # a deletion seldom says whose message it was
        message=message if scan.matches and (not known.findings or _is_newest(shown, known.shown)) else known.message,
        newest=max(known.newest, version),
        shown=max((each for each in (known.shown, shown) if each is not None), default=None),
        findings=(*kept, *fresh)[:MOST_FINDINGS],
    )
    return known if merged == known else replace(merged, revision=known.revision + 1)


def settle(state: MessageState, *, told: Collection[str], verdict: str | None) -> MessageState:
    """Note which alerts are out and, unless None, what we had Teams do; the same object if that is known."""
    findings = tuple(replace(each, told=True) if each.id in told else each for each in state.findings)
    settled = replace(state, findings=findings, verdict=state.verdict if verdict is None else verdict)
    return state if settled == state else settled


def gravest(severities: Collection[Severity]) -> Severity | None:
    """Pick the gravest; None of none."""
    return max(severities, key=SEVERITIES.index, default=None)


# -- the list of all findings -----------------------------------------------------------------------------------------


def place_of(found: datetime, finding: str) -> str:
    """Give a finding's place: places sort as the list does, the newest first."""
    return f"{_inverted(found)}~{finding}"


def place_at(moment: datetime) -> str:
    """Give the place of a moment: before it stands what was found then and later, behind it what was found earlier."""
    return f"{_inverted(moment)}~~"


def day_of(place: str) -> str:
    """Give the day on which a place is, in a form in which the newer of two days comes first."""
    return write_day((_EPOCH + timedelta(microseconds=_LAST_MICROSECOND - int(place[:_PLACES]))).date())


def write_day(day: date) -> str:
    """Write a day so that the newer of two comes first."""
    return f"{_LAST_DAY - int(day.strftime('%Y%m%d')):08d}"


def end_of_day(written: str) -> str:
    """Give the place behind everything that was found on a day, as `write_day` wrote it."""
    digits = f"{_LAST_DAY - int(written):08d}"
    return place_at(datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:]), tzinfo=UTC))


def write_continuation(place: str) -> str:
    """Write a place for the address of the next page."""
    return base64.urlsafe_b64encode(place.encode("ascii")).decode("ascii").rstrip("=")


def read_continuation(text: str) -> str:
    """Read a place. Raises ValueError for anything that `write_continuation` did not write."""
    place = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
    if not _PLACE.fullmatch(place) or write_continuation(place) != text:
        raise ValueError("it is not one of ours")
    day_of(place)  # a time that there is
    return place


def _inverted(moment: datetime) -> str:
    return f"{_LAST_MICROSECOND - (moment - _EPOCH) // timedelta(microseconds=1):0{_PLACES}d}"


# -- one message ------------------------------------------------------------------------------------------------------


def _named(key: str, matches: Sequence[Match]) -> Iterator[tuple[str, Match]]:
    """Give each match with its finding's id."""
    gravest_first = sorted(matches, key=lambda each: (-SEVERITIES.index(each.severity), _position(each)))
    before: Counter[tuple[str, str, str, int]] = Counter()
    for match in sorted(gravest_first[:MOST_MATCHES], key=_position):
        sort = (match.rule, match.kind, match.part, match.part_index)
        named = "\n".join((key, *map(str, sort), str(before[sort])))
        before[sort] += 1
        yield hashlib.sha256(named.encode()).hexdigest()[:32], match


def _position(match: Match) -> tuple[str, int, int, int, str, str]:
    return (match.part, match.part_index, match.start, match.length, match.rule, match.kind)


def _new_finding(name: str, match: Match, scan: Scan) -> Finding:
    return Finding(
        id=name,
        rule=match.rule,
        kind=match.kind,
        severity=match.severity,
        part=match.part,
        part_index=match.part_index,
        start=match.start,
        length=match.length,
        found=scan.at,
        change_key=scan.change_key,
        seen=scan.version,
        told=not scan.tell,
    )


def _seen_again(finding: Finding, match: Match | None, version: Version) -> Finding:
    if match is None or version <= finding.seen:
        return finding
    return replace(finding, seen=version, severity=match.severity, start=match.start, length=match.length)


def _is_newest(shown: Version | None, known: Version | None) -> bool:
    return shown is not None and (known is None or shown >= known)
