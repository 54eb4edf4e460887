"""What Graph's refusals of our subscription requests mean, and how long to wait after one.

Status first, code second, text last: Graph has changed its codes and texts over time. Not here: 404 on a renewal, which asks
for a second look (`shared.executor`).
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.errors import GraphApiError

VALIDATION_PAUSES: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=30), timedelta(seconds=60))
"""Between 5 tries when our endpoint could not be validated; some failures come without Graph having called at all
(https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2805)."""

QUOTA_PAUSE: Final = timedelta(minutes=25)
"""A quota is not freed by asking; an orphan that uses one up lives for hours."""

_STANDSTILL = timedelta(hours=1)
_CONFIGURATION_PAUSE = timedelta(minutes=15)
_FIRST_BACKOFF = timedelta(seconds=15)
_LONGEST_BACKOFF = timedelta(minutes=15)
_LONGEST_PROBLEM = 400
_CLIENT_STATE = re.compile(r"1\.[a-z0-9~-]+\.\d+\.[A-Za-z0-9_-]{43}")
_BAD_REQUEST, _TIMEOUT, _CONFLICT, _TOO_MANY = 400, 408, 409, 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that failed: what to tell people, how long to wait, and whether Graph's no was definite.

    After one that was not, nobody knows whether Graph has done what it was asked for.
    """

    problem: str
    wait: timedelta
    definite: bool


def read_refusal(error: GraphApiError, *, attempts: int) -> Refusal:
    """Judge the failure of the attempt with this number (from 1)."""
    explanation, wait = _explain(error, attempts)
    problem = f"{error}; {explanation}" if explanation else str(error)
    problem = _CLIENT_STATE.sub("(clientState)", problem)
    definite = _BAD_REQUEST <= error.status < 500 and error.status != _TIMEOUT  # noqa: PLR2004 - the 4xx class
    return Refusal(problem=problem[:_LONGEST_PROBLEM], wait=wait, definite=definite)


def _explain(error: GraphApiError, attempts: int) -> tuple[str, timedelta]:
    backoff = min(_FIRST_BACKOFF * (1 << min(attempts - 1, 16)), _LONGEST_BACKOFF)
    if _is_quota(error):
        return "a quota is used up: find and delete what nobody needs", QUOTA_PAUSE
    if error.status == _BAD_REQUEST:
        tries_left = attempts <= len(VALIDATION_PAUSES)
        return (
            ("", VALIDATION_PAUSES[attempts - 1]) if tries_left else (f"given up after {attempts} tries", _STANDSTILL)
        )
    if error.status == _CONFLICT:
        return "another subscription of this app hears the same", backoff
    if error.retry_after is not None:
        return "", min(error.retry_after, _STANDSTILL)
    if error.status == 403:  # noqa: PLR2004
        return "the app lacks a permission or an administrator's consent", _CONFIGURATION_PAUSE
    return "", backoff


def _is_quota(error: GraphApiError) -> bool:
    """Tell quotas from throttling: Outlook answers its mailbox quota with 429 and an hour in the year 9999."""
    said = f"{error.code} {error.message}".lower()
    if error.status == 403:  # noqa: PLR2004
        return "limit" in said or "quota" in said
    return error.status == _TOO_MANY and ("subscriptioncountreached" in said or "9999" in said)
