"""Where `forward` sends events: what a subscription's ``handlers`` entry says, read and checked. Pure.

``{"to": "https://...", "signingKey": "NAME_OF_A_SETTING"}`` is an HTTP endpoint (http only to loopback), signed with
that setting's key and, during a rotation, also with the one in ``<NAME>_PREVIOUS``.
``{"to": "queue:<name>", "connection": "NAME_OF_A_SETTING", "encoding": "base64"}`` is a Storage Queue: in the app's own
account unless a setting with another connection string is named, base64 unless ``none`` is asked for.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shared.errors import SettingsError

DEFAULT_SIGNING_KEY = "FORWARD_SIGNING_KEY"

_QUEUE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_KNOWN_OPTIONS = {"to", "signingKey", "connection", "encoding"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEndpoint:
    """An HTTP target and the secrets that sign for it, the current one first."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEndpoint:
    """A Storage Queue; an empty connection is the app's own account."""

    name: str
    connection: str = field(repr=False)
    encoding: str


def read_endpoint(options: Mapping[str, Any], environ: Mapping[str, str]) -> HttpEndpoint | QueueEndpoint:
    """Read the options of one `forward`.

    Raises SettingsError that names every problem.
    """
    problems = [f"forward: unknown option {name!r}" for name in sorted(options.keys() - _KNOWN_OPTIONS)]
    to = options.get("to")
    if not isinstance(to, str) or not to:
        raise SettingsError([*problems, "forward: 'to' is missing: an https URL, or queue:<name>"])
    endpoint = (
        _queue(to, options, environ, problems) if to.startswith("queue:") else _http(to, options, environ, problems)
    )
    if problems:
        raise SettingsError(problems)
    return endpoint


def _http(to: str, options: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]) -> HttpEndpoint:
    host, secure = _reach(to)
    if not secure:
        problems.append(f"forward: {host or to[:80]!r} must be an https URL (http is for loopback only)")
    name = str(options.get("signingKey", DEFAULT_SIGNING_KEY))
    secrets = tuple(filter(None, (environ.get(name, ""), environ.get(f"{name}_PREVIOUS", ""))))
    if not environ.get(name):
        problems.append(f"forward to {host}: setting {name} is missing; it signs what is sent there")
    problems.extend(
        f"forward to {host}: {name} is not whsec_ and base64" for secret in secrets if not _is_secret(secret)
    )
    return HttpEndpoint(url=to, secrets=secrets)


def _reach(to: str) -> tuple[str, bool]:
    try:
        parts = urlsplit(to)
    except ValueError:
        return "", False
    host = parts.hostname or ""
    return host, bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def _queue(to: str, options: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]) -> QueueEndpoint:
    name = to.removeprefix("queue:")
    if not _QUEUE_NAME.fullmatch(name):
        problems.append(f"forward: {name!r} is not a queue's name (3 to 63 of a-z, 0-9 and single dashes)")
    encoding = options.get("encoding", "base64")
    if encoding not in ("base64", "none"):
        problems.append(f"forward to {to}: encoding is base64 (what a Functions consumer expects) or none")
    setting = str(options.get("connection", ""))
    if setting and not environ.get(setting):
        problems.append(f"forward to {to}: setting {setting} is missing")
    return QueueEndpoint(name=name, connection=environ.get(setting, "") if setting else "", encoding=str(encoding))


def _is_secret(secret: str) -> bool:
    prefix, _, encoded = secret.partition("_")
    try:
        return prefix == "whsec" and bool(base64.b64decode(encoded, validate=True))
    except ValueError:
        return False
