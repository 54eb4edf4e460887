"""`python -m local dlp`: checks a file of rules, and shows where they match in a text, a page or a message.

It shows the texts that it finds, which the app never does: it is the terminal of whoever asks. Not here: what is found, see
`shared.dlp`.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import shared.handlers
from shared.classifiers import find_classifiers
from shared.dlp.checks import CHECKS
from shared.dlp.kinds import KINDS
from shared.dlp.parts import Part, parts_of
from shared.dlp.rules import RuleSet, read_rules
from shared.dlp.values import ClassifierError, Match
from shared.errors import GraphProtocolError, SettingsError
from shared.graph.resource import Resource, read_resource

_AROUND: Final = 30
_HTML: Final = frozenset({".htm", ".html"})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which rules, and what to try them on."""
    parser.add_argument(
        "--rules", type=Path, default=Path("dlp_rules.json"), help="the rules (default: dlp_rules.json)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--text", help="a text to try them on")
    what.add_argument("--file", type=Path, help="a page (.html), a message as Graph gives it (.json), or a text")
    what.add_argument("--kinds", action="store_true", help="list the kinds and checks that rules may name")
    parser.add_argument("--resource", help="where the message lies, such as chats/19:…/messages/1, for rules that ask")
    parser.add_argument(
        "--json", action="store_true", help="write the matches as data, as the app gets them: without texts"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check and try; 1 if the rules or what they are tried on cannot be read."""
    if arguments.kinds:
        _list("kind", {name: kind.what + (" (weak)" if kind.weak else "") for name, kind in KINDS.items()})
        _list("check", CHECKS)
        return 0
    try:
        rules = read_rules(arguments.rules.read_bytes(), classifiers=find_classifiers(shared.handlers))
        content = _read_content(arguments)
        resource = read_resource(arguments.resource) if arguments.resource else None
        return _check(arguments.rules, rules) if content is None else _try(rules, content, resource, arguments)
    except SettingsError as problem:
        return _fail(problem.problems)
    except (OSError, ValueError, GraphProtocolError, ClassifierError) as problem:
        return _fail([str(problem)])


def _check(path: Path, rules: RuleSet) -> int:
    print(f"{path}: {len(rules.rules)} rules, nothing wrong with them.")
    return 0


def _try(rules: RuleSet, content: Mapping[str, Any], resource: Resource | None, arguments: argparse.Namespace) -> int:
    matches = rules.scan(content, resource=resource)
    if arguments.json:
        print(json.dumps([asdict(match) for match in matches], indent=2))
        return 0
    parts = {(part.sort, part.index): part for part in parts_of(content)}
    for match in matches:
        part = parts[match.part, match.part_index]
        print(f"{match.severity:6}  {match.rule}  {match.kind}  {_place(match)}  {_shown(part, match)}")
    print(f"{len(matches)} found by {len(rules.rules)} rules in {len(parts)} parts.")
    return 0


def _place(match: Match) -> str:
    return f"{match.part} {match.part_index}, characters {match.start} to {match.start + match.length}"


def _shown(part: Part, match: Match) -> str:
    end = match.start + match.length
    before, found, after = part.text[: match.start], part.text[match.start : end], part.text[end : end + _AROUND]
    return f"…{_line(before[-_AROUND:])}[{_line(found)}]{_line(after)}…"


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _read_content(arguments: argparse.Namespace) -> Mapping[str, Any] | None:
    if arguments.text is not None:
        return _body(arguments.text, "text")
    if arguments.file is None:
        return None
    file: Path = arguments.file
    text = file.read_text(encoding="utf-8")
    if file.suffix.lower() != ".json":
        return _body(text, "html" if file.suffix.lower() in _HTML else "text")
    content = json.loads(text)
    if not isinstance(content, dict):
        raise GraphProtocolError(f"{file} is no message: a message is a JSON object")
    return content


def _body(text: str, content_type: str) -> Mapping[str, Any]:
    return {"body": {"contentType": content_type, "content": text}}


def _list(what: str, names: Mapping[str, str]) -> None:
    for name, meaning in names.items():
        print(f"{what}  {name:26}{meaning}")


def _fail(problems: Sequence[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1
