"""The rules file, read to a RuleSet that scans; everything that is wrong with the file is said at once.

Each problem names its rule, the line and the path. Not here: when the file is read, and what is done about a match
(`shared.handlers.dlp`).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from shared.dlp.checks import CHECKS, load_check
from shared.dlp.detectors import ClassifierDetector, Detector, KeywordDetector, PatternDetector
from shared.dlp.expressions import Expression, ExpressionError, ExpressionSet, Text
from shared.dlp.kinds import KINDS, make_detector
from shared.dlp.overlaps import resolve
from shared.dlp.parts import PARTS, Part, parts_of
from shared.dlp.people import SenderList
from shared.dlp.rule import Exceptions, Hit, Near, Recipients, Rule, Scene, squeeze
from shared.dlp.text import clean
from shared.dlp.values import Classifier, Match, Severity
from shared.errors import SettingsError
from shared.graph.resource import Resource, Template
from shared.json_form import Found, problems_of_form, read_json, tell
from shared.json_places import Path as Place

NOT_READ: Final = "not-read"
"""The rule of a match that says: this part is longer than what is looked at, and the rest was not read."""

_FILE: Final = "the rules file"
_SCHEMA: Final = "dlp_rules.schema.json"
_NAMED: Final = 8
_DEFAULT_WITHIN: Final = 80
_DEFINITIONS: Final = ("kind", "pattern", "keywords", "classifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """Compiled rules. ``digest`` changes when the file says something else."""

    rules: tuple[Rule, ...]
    digest: str
    _together: ExpressionSet
    _of_pattern: tuple[int, ...]
    _always: tuple[int, ...]

    @property
    def names(self) -> Mapping[str, Severity]:
        """Every rule by which a match may be named, with its severity."""
        return {rule.name: rule.severity for rule in self.rules} | {NOT_READ: "low"}

    def scan(self, content: Mapping[str, Any], *, resource: Resource | None = None) -> tuple[Match, ...]:
        """Find everything in a Teams message or a mail as Graph gives it, in the order of its parts.

        Never raises, whatever the content is, but for a classifier that fails (ClassifierError). Without a resource, rules and
        exceptions for certain resources are taken as if the message lay there, and did not lie there.
        """
        scene = Scene(content, resource)
        holding: dict[int, bool] = {}
        hits: dict[int, list[Hit]] = {}
        unread: list[Match] = []
        for part in parts_of(content):
            if part.unread:
                unread.append(_not_read(part))
            text = Text.of(part.text)
            for number in self._suspects(text):
                rule = self.rules[number]
                if part.sort not in rule.parts:
                    continue
                if number not in holding:
                    holding[number] = rule.holds(scene)
                if holding[number]:
                    hits.setdefault(number, []).extend(rule.find(part, text))
        if not hits and not unread:
            return ()
        found = [each.match for number, some in sorted(hits.items()) if self._suffices(number, some) for each in some]
        return (*resolve(found), *unread)

    def _suspects(self, text: Text) -> Iterable[int]:
        found = self._together.suspects(text.data)
        if not found:
            return self._always
        return sorted({*(self._of_pattern[number] for number in found), *self._always})

    def _suffices(self, number: int, hits: Sequence[Hit]) -> bool:
        wanted = self.rules[number].at_least
        return wanted == 1 or len({squeeze(hit.text) for hit in hits}) >= wanted


def read_rules(text: bytes, *, classifiers: Mapping[str, Classifier]) -> RuleSet:
    """Read a rules file and compile it; ``classifiers`` are the functions that rules may name.

    Raises SettingsError with one sentence a problem, each of which names its rule, line and path.
    """
    document = read_json(text, _FILE)
    found = problems_of_form(document, _SCHEMA)
    wrong = {path[1] for path, _ in found if len(path) > 1 and path[0] == "rules"}
    entries = _entries(document)
    compiler = _Compiler(classifiers, found)
    elsewhere = any(path[:1] != ("rules",) for path, _ in found)
    general = compiler.exceptions(document, ()) if not elsewhere else None
    # a rule whose form is right is judged although its neighbour's is not: everything is said at once
    rules = [
        compiler.rule(entry, ("rules", index), general) for index, entry in enumerate(entries) if index not in wrong
    ]
    found += _problems_of_twins(entries)
    if found:
        raise SettingsError(tell(found, text, lambda path: _whose(document, path)))
    kept = tuple(rule for rule in rules if rule is not None)
    suspicions = [(number, rule.detector.suspicion) for number, rule in enumerate(kept)]
    return RuleSet(
        rules=kept,
        digest=hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest(),
        _together=ExpressionSet([suspicion for _, suspicion in suspicions if suspicion is not None]),
        _of_pattern=tuple(number for number, suspicion in suspicions if suspicion is not None),
        _always=tuple(number for number, suspicion in suspicions if suspicion is None),
    )


def _not_read(part: Part) -> Match:
    return Match(
        rule=NOT_READ,
        kind="unread",
        severity="low",
        part=part.sort,
        part_index=part.index,
        start=len(part.text),
        length=part.unread,
    )


def _entries(document: Any) -> Sequence[Any]:
    entries = document.get("rules") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else ()


def _name_of(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _whose(document: Any, path: Place) -> str:
    if len(path) < 2 or path[0] != "rules" or not isinstance(path[1], int):  # noqa: PLR2004 - "rules" and an index
        return _FILE
    name = _name_of(document["rules"][path[1]])
    return f"rule {name[:40]!r}" if name is not None else f"rule number {path[1] + 1}"


def _problems_of_twins(entries: Sequence[Any]) -> Iterator[Found]:
    names = Counter(map(_name_of, entries))
    for index, name in enumerate(map(_name_of, entries)):
        if name is not None and names[name] > 1:
            yield ("rules", index, "name"), f"the name is used {names[name]} times"
        if name == NOT_READ:
            yield ("rules", index, "name"), "the name is taken: it says that a part was too long to be read whole"


@dataclass(slots=True)
class _Compiler:
    """Makes rules of entries whose form is right, and notes what makes no sense."""

    classifiers: Mapping[str, Classifier]
    found: list[Found]

    def rule(self, entry: Mapping[str, Any], path: Place, general: Exceptions | None) -> Rule | None:
        """Compile a rule; None if something is wrong with it."""
        before = len(self.found)
        detector = self._detector(entry, path)
        own = self.exceptions(entry, path)
        near = self._near(entry["near"], (*path, "near")) if "near" in entry else None
        if detector is None or len(self.found) > before:
            return None
        recipients = entry.get("recipients")
        return Rule(
            name=entry["name"],
            description=entry.get("description", ""),
            severity=entry["severity"],
            detector=detector,
            at_least=entry.get("atLeast", 1),
            parts=frozenset(entry.get("parts", PARTS)),
            recipients=_recipients(recipients) if recipients else None,
            senders=_senders(entry),
            resources=_templates(entry),
            near=near,
            exceptions=tuple(each for each in (general, own) if each is not None),
        )

    def exceptions(self, entry: Mapping[str, Any], path: Place) -> Exceptions | None:
        """Compile what is no finding, of a rule or of all."""
        if "except" not in entry:
            return None
        what, path = entry["except"], (*path, "except")
        patterns = [
            self._expression(pattern, (*path, "patterns", index))
            for index, pattern in enumerate(what.get("patterns", ()))
        ]
        return Exceptions(
            texts=frozenset(squeeze(clean(text)) for text in what.get("texts", ())),
            patterns=tuple(each for each in patterns if each is not None),
            senders=_senders(what),
            resources=_templates(what),
        )

    def _detector(self, entry: Mapping[str, Any], path: Place) -> Detector | None:
        make: Mapping[str, Callable[[Mapping[str, Any], Place], Detector | None]] = {
            "kind": self._kind,
            "pattern": self._pattern,
            "keywords": lambda entry, path: self._keywords(entry["keywords"], (*path, "keywords")),
            "classifier": self._classifier,
        }
        if "check" in entry and "pattern" not in entry:
            self.found.append(((*path, "check"), "a check belongs to a pattern; a kind brings its own"))
        return make[next(name for name in _DEFINITIONS if name in entry)](entry, path)

    def _kind(self, entry: Mapping[str, Any], path: Place) -> Detector | None:
        return make_detector(entry["kind"]) if self._is_known("kind", entry["kind"], KINDS, path) else None

    def _pattern(self, entry: Mapping[str, Any], path: Place) -> Detector | None:
        expression = self._expression(entry["pattern"], (*path, "pattern"))
        check = entry.get("check")
        if check is not None and not self._is_known("check", check, CHECKS, path):
            return None
        if expression is None:
            return None
        return PatternDetector(expression=expression, check=load_check(check) if check is not None else None)

    def _keywords(self, words: Sequence[str], path: Place) -> KeywordDetector | None:
        try:
            return KeywordDetector(words)
        except ExpressionError as problem:
            self.found.append((path, f"the words cannot be used together: {problem}"))
            return None

    def _classifier(self, entry: Mapping[str, Any], path: Place) -> Detector | None:
        name = entry["classifier"]
        if not self._is_known("classifier", name, self.classifiers, path):
            return None
        return ClassifierDetector(name=name, function=self.classifiers[name])

    def _near(self, near: Mapping[str, Any], path: Place) -> Near | None:
        words = self._keywords(near["words"], (*path, "words"))
        if words is None:
            return None
        return Near(words=words, within=near.get("within", _DEFAULT_WITHIN), otherwise=near.get("otherwise"))

    def _expression(self, pattern: str, path: Place) -> Expression | None:
        try:
            return Expression(pattern)
        except ExpressionError as problem:
            self.found.append((path, str(problem)))
            return None

    def _is_known(self, what: str, name: str, known: Collection[str], path: Place) -> bool:
        if name in known:
            return True
        close = get_close_matches(name, known, n=1)
        some = ", ".join(sorted(known)[:_NAMED]) or "none"
        hint = f"did you mean {close[0]}?" if close else f"there are {some}{' …' if len(known) > _NAMED else ''}"
        self.found.append(((*path, what), f"there is no such {what}; {hint} (docs/dlp.md)"))
        return False


def _recipients(entry: Mapping[str, Any]) -> Recipients:
    domains = frozenset(domain.lower().strip(".") for domain in entry["outside"])
    return Recipients(domains=domains, when_unknown=entry.get("whenUnknown", "find") == "find")


def _templates(entry: Mapping[str, Any]) -> tuple[Template, ...]:
    return tuple(Template(text.rstrip("/")) for text in entry.get("resources", ()))


def _senders(entry: Mapping[str, Any]) -> SenderList | None:
    return SenderList(names=frozenset(name.lower() for name in entry["senders"])) if "senders" in entry else None
