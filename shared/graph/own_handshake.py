"""The handshake as our own webhook should answer it: what Graph would ask, and what is wrong with an answer. Pure.

Each sentence says what was met and what to do. Not here: the asking (`shared.adapters.own_endpoint`).
https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation (2026-04)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus, urlsplit

ANSWER_SECONDS: Final = 10.0
"""How long Graph waits, which nobody can change."""

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_FAILURES: Final = range(500, 600)
_SIGN_IN: Final = (
    "something in front of the app wants people to sign in (App Service authentication?): "
    "leave /api/notifications and /api/lifecycle out of it, Graph signs in nowhere"
)
_HINTS: Final[Mapping[int, str]] = {
    401: _SIGN_IN,
    403: "something in front of the app turns callers away (access restrictions, a firewall, client certificates, a stopped "
    "app): let in Graph's addresses, and this app's own, which asks before Graph does",
    404: "there is no such route: does PUBLIC_BASE_URL end in /api, and does health list the webhook?",
    405: "the route takes no POST: something else than this app answers at PUBLIC_BASE_URL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: of a redirect ``location`` says whither."""

    status: int
    content_type: str
    body: bytes = field(repr=False)
    location: str = ""


def ask_url(url: str, token: str) -> str:
    """Write the URL that Graph would ask: spaces as plus signs, as seen on the wire."""
    return f"{url}?validationToken={quote_plus(token)}"


def problem_with(answer: Answer, token: str) -> str:
    """Say why Graph would not take an answer, and what to do; empty if it would."""
    if answer.status in _REDIRECTS:
        return f"it is redirected to {_host(answer.location)}; {_redirect_hint(answer.location)}"
    if answer.status != _OK:
        return f"it answers {answer.status}; {_hint(answer.status)}"
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind != "text/plain":
        return (
            f"it answers as {kind[:80] or 'nothing'}, not as text/plain; something in front of the app rewrites answers"
        )
    if answer.body != token.encode():
        return "it does not repeat the validationToken; something in front of the app answers in its place, or changes the token"
    return ""


def _hint(status: int) -> str:
    if status in _FAILURES:
        return "the app fails, or is just starting: its log says why"
    return _HINTS.get(status, "Graph takes nothing but 200")


def _host(location: str) -> str:
    try:
        return (urlsplit(location).hostname or "another path")[:80]
    except ValueError:
        return "what is no address"


def _redirect_hint(location: str) -> str:
    if _host(location).startswith("login.") or "/.auth/" in location:
        return _SIGN_IN
    return "Graph follows no redirect: give PUBLIC_BASE_URL the address where it ends"
