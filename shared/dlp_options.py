"""What a subscription's ``handlers`` list tells `dlp`: which rules, whom to alert, what Teams is to do. Pure.

``{"dlp": {"rules": "dlp_rules.json", "alert": {"to": "https://…"}, "policyViolation": true}}``; every option may be left out.
``alert`` is what `forward` takes. ``policyViolation`` may be an object, ``{"actions": {"medium": "none"}, "text": "…", "url":
"https://…"}``, whose parts replace the defaults.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from shared.dlp.values import SEVERITIES
from shared.errors import SettingsError

DEFAULT_RULES: Final = "dlp_rules.json"

ACTIONS: Final = ("none", "notifySender", "blockAccessExternal", "blockAccess")
"""What Teams can do with a message, from the mildest: https://learn.microsoft.com/graph/api/resources/chatmessagepolicyviolation"""
DEFAULT_ACTIONS: Final[Mapping[str, str]] = {"low": "none", "medium": "notifySender", "high": "blockAccess"}
DEFAULT_TEXT: Final = "This message seems to hold something that may not be sent."

_KNOWN: Final = {"rules", "alert", "policyViolation"}
_KNOWN_OF_VIOLATION: Final = {"actions", "text", "url"}
_LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationPolicy:
    """What Teams is to do with a message, by the gravest of its open findings, and what its sender reads there."""

    actions: Mapping[str, str]
    text: str = DEFAULT_TEXT
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DlpOptions:
    """The options of one `dlp`. ``alert`` is None where nobody is told, ``violation`` where Teams does nothing."""

    rules: str = DEFAULT_RULES
    alert: Mapping[str, Any] | None = field(default=None, repr=False)
    violation: ViolationPolicy | None = None


def read_dlp_options(options: Mapping[str, Any]) -> DlpOptions:
    """Read the options; what is in ``alert`` is read by who sends it.

    Raises SettingsError that names every problem.
    """
    problems = [f"dlp: unknown option {name!r}" for name in sorted(options.keys() - _KNOWN)]
    rules, alert = options.get("rules", DEFAULT_RULES), options.get("alert")
    if not isinstance(rules, str) or not _inside(rules):
        problems.append(
            "dlp: 'rules' is the path of a JSON file in the folder of the subscriptions file, such as dlp_rules.json"
        )
    if "alert" in options and not isinstance(alert, dict):
        problems.append("dlp: 'alert' is an object with the options of forward, such as {'to': 'https://...'}")
    wanted = options.get("policyViolation", False)
    problems += _problems_with_violation(wanted)
    if problems:
        raise SettingsError(problems)
    return DlpOptions(rules=rules, alert=alert, violation=_read_violation(wanted))


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    plain = "\\" not in path and ":" not in path and path.isprintable()
    return plain and pure.suffix == ".json" and not pure.is_absolute() and ".." not in pure.parts


def _problems_with_violation(wanted: Any) -> Iterator[str]:
    if isinstance(wanted, bool):
        return
    if not isinstance(wanted, dict):
        yield "dlp: 'policyViolation' is true, false or an object"
        return
    yield from (
        f"dlp, policyViolation: unknown option {name!r}" for name in sorted(wanted.keys() - _KNOWN_OF_VIOLATION)
    )
    actions = wanted.get("actions", {})
    if not isinstance(actions, dict) or not all(
        name in SEVERITIES and action in ACTIONS for name, action in actions.items()
    ):
        yield f"dlp, policyViolation: 'actions' gives {', '.join(SEVERITIES)} one of {', '.join(ACTIONS)}"
    text = wanted.get("text", DEFAULT_TEXT)
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST_TEXT:
        yield f"dlp, policyViolation: 'text' has 1 to {_LONGEST_TEXT} characters"
    if not _is_https(wanted.get("url", "https://contoso.com")):
        yield "dlp, policyViolation: 'url' is an https URL"


def _is_https(url: Any) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return False
    return parts is not None and parts.scheme == "https" and bool(parts.hostname)


def _read_violation(wanted: Any) -> ViolationPolicy | None:
    if not wanted and wanted != {}:
        return None
    told = wanted if isinstance(wanted, dict) else {}
    return ViolationPolicy(
        actions={**DEFAULT_ACTIONS, **told.get("actions", {})},
        text=told.get("text", DEFAULT_TEXT),
        url=told.get("url", ""),
    )
