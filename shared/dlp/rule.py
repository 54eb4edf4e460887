"""One rule, compiled: when it holds, and what it finds in a text."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from shared.dlp.detectors import Detector, KeywordDetector, Span
from shared.dlp.expressions import Expression, Text
from shared.dlp.parts import PARTS, Part
from shared.dlp.people import Sender, SenderList, reaches_outside, read_sender
from shared.dlp.values import Match, Severity
from shared.graph.resource import Resource, Template

MOST_MATCHES: Final = 100
"""Matches of one rule in one part: more would tell nobody more."""

_SEPARATORS: Final = str.maketrans("", "", " .-/\n\t")


@dataclass(slots=True)
class Scene:
    """A message's circumstances, each looked up when the first rule asks for it. Without a resource, every place is meant."""

    content: Mapping[str, Any]
    resource: Resource | None
    _sender: Sender | None = None

    @property
    def sender(self) -> Sender:
        """Who wrote it."""
        if self._sender is None:
            self._sender = read_sender(self.content)
        return self._sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A match together with its text, which never leaves the scan: exceptions and counting need it."""

    match: Match
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptions:
    """What is no finding. ``texts`` are without separators and capitals."""

    texts: frozenset[str] = frozenset()
    patterns: tuple[Expression, ...] = ()
    senders: SenderList | None = None
    resources: tuple[Template, ...] = ()

    def cover(self, scene: Scene) -> bool:
        """Tell whether the whole message is excepted."""
        by_sender = self.senders is not None and scene.sender in self.senders
        return by_sender or (scene.resource is not None and lies_in(scene.resource, self.resources))

    def pardon(self, text: str) -> bool:
        """Tell whether one text is excepted."""
        return squeeze(text) in self.texts or any(pattern.fullmatch(text) for pattern in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Words near a match. ``otherwise`` is the severity where there is none; None: then it is no match."""

    words: KeywordDetector
    within: int
    otherwise: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipients:
    """Who must get a message: somebody outside of these domains. ``when_unknown``: whether the rule holds if nobody can tell."""

    domains: frozenset[str]
    when_unknown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to find, where and when."""

    name: str
    severity: Severity
    detector: Detector
    description: str = ""
    near: Near | None = None
    at_least: int = 1
    parts: frozenset[str] = frozenset(PARTS)
    recipients: Recipients | None = None
    senders: SenderList | None = None
    resources: tuple[Template, ...] = ()
    exceptions: tuple[Exceptions, ...] = ()

    def holds(self, scene: Scene) -> bool:
        """Tell whether the rule is meant for a message at all."""
        if self.senders is not None and scene.sender not in self.senders:
            return False
        if self.resources and scene.resource is not None and not lies_in(scene.resource, self.resources):
            return False
        if any(each.cover(scene) for each in self.exceptions):
            return False
        if self.recipients is None:
            return True
        outside = reaches_outside(scene.content, self.recipients.domains)
        return self.recipients.when_unknown if outside is None else outside

    def find(self, part: Part, text: Text) -> Iterator[Hit]:
        """Find matches in one part, in their order."""
        return islice(self._find(part, text), MOST_MATCHES)

    def _find(self, part: Part, text: Text) -> Iterator[Hit]:
        context: list[Span] | None = None
        for start, end in self.detector.find(text):
            found = text.characters[start:end]
            if any(each.pardon(found) for each in self.exceptions):
                continue
            severity: Severity | None = self.severity
            if self.near is not None:
                context = list(self.near.words.find(text)) if context is None else context
                severity = severity if _is_near(start, end, context, self.near.within) else self.near.otherwise
            if severity is not None:
                match = Match(
                    rule=self.name,
                    kind=self.detector.kind,
                    severity=severity,
                    part=part.sort,
                    part_index=part.index,
                    start=start,
                    length=end - start,
                )
                yield Hit(match=match, text=found)


def squeeze(text: str) -> str:
    """Write a text without separators and capitals: what makes ``4111-1111`` and ``4111 1111`` the same."""
    return text.translate(_SEPARATORS).casefold()


def lies_in(resource: Resource, templates: tuple[Template, ...]) -> bool:
    """Tell whether a resource is what one of the templates means, or lies below it."""
    return any(_lies_below(resource, template) for template in templates)


def _lies_below(resource: Resource, template: Template) -> bool:
    depth = template.text.strip("/").count("/") + 1
    return template.match(Resource(resource.segments[:depth])) is not None


def _is_near(start: int, end: int, context: list[Span], within: int) -> bool:
    """Tell whether a word ends shortly before a match, or begins shortly after it; those inside of it do not count."""
    following = bisect_left(context, (end, 0))
    if following < len(context) and context[following][0] - end <= within:
        return True
    preceding = bisect_right(context, start, key=lambda span: span[1]) - 1
    return preceding >= 0 and start - context[preceding][1] <= within
