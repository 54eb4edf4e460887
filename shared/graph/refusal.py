"""What Graph's refusals of our subscription requests mean, how long to wait after one, and what to do next: a table.

Status first, code second, text last: Graph has changed its codes and texts over time, and a refusal by Exchange or Teams
comes wrapped in Graph's own ``ExtensionError``. The table is read from the top, and its last rows know a status by its class
alone, so that every refusal finds one. Not here: the doing, and the second look that 404 on a renewal asks for
(`shared.executor`).
"""

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from shared.errors import GraphApiError

VALIDATION_PAUSES: Final = (timedelta(seconds=5), timedelta(seconds=15), timedelta(seconds=30), timedelta(seconds=60))
"""Between 5 tries when our endpoint could not be validated; some failures come without Graph having called at all
(https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2805)."""

QUOTA_PAUSE: Final = timedelta(minutes=25)
"""A quota is not freed by asking; an orphan that uses one up lives for hours."""

Kind = Literal[
    "validation",  # our endpoint did not pass the handshake
    "event-hub",  # Graph could not write into our event hub
    "request",  # what we ask for breaks a rule
    "sign-in",  # the token was not accepted
    "permission",  # the app, or what it asks for, lacks a consent
    "quota",  # there are as many subscriptions as may be
    "conflict",  # one that hears the same exists
    "gone",  # the subscription is not there (any more)
    "mailbox-gone",  # nor is the user whose mailbox it hears, or the mailbox is not one that Graph serves
    "throttled",  # we ask too often
    "unsure",  # nobody knows whether it was done
    "unavailable",  # Graph, or what is behind it, cannot do it now
    "refused",  # a no that no row explains
    "signed-out",  # whose subscription it is lets us act for them no longer
]
Next = Literal["again", "look", "done", "recreate", "report", "leave"]
"""Ask again after the wait; look first whether it was done; count it as done; make the subscription anew once a second look
has confirmed that it is gone; tell people, who alone can change it, and ask again seldom; end it, because nobody wants it."""

_STANDSTILL = timedelta(hours=1)
_CONFIGURATION_PAUSE = timedelta(minutes=15)
_FIRST_BACKOFF = timedelta(seconds=15)
_LONGEST_BACKOFF = timedelta(minutes=15)
_SHORTEST_WAIT = timedelta(seconds=1)
_LONGEST_PROBLEM = 1_000
_CLIENT_STATE = re.compile(r"1\.[a-z0-9~-]+\.\d+\.[A-Za-z0-9_-]+", re.IGNORECASE)
"""One of ours, also where Graph's text was cut in the middle of it."""
_KEY = re.compile(r"(SharedAccessKey|SharedAccessSignature|AccountKey|sig)(\s*=\s*)[^;&\s'\"]+", re.IGNORECASE)
"""What a connection string has in it that nobody may read: Graph repeats what others tell it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that failed: what to tell people, how long to wait, and whether Graph's no was definite.

    After one that was not, nobody knows whether Graph has done what it was asked for. ``kind`` says what it was about and
    ``then`` what to do about it.
    """

    problem: str
    wait: timedelta
    definite: bool
    kind: Kind = "refused"
    then: Next = "again"


Wait = Callable[[GraphApiError, int], timedelta]


def _back_off(error: GraphApiError, attempts: int) -> timedelta:
    """As long as Graph says, else twice as long every time."""
    if error.retry_after is not None:
        return min(error.retry_after, _STANDSTILL)
    return min(_FIRST_BACKOFF * (1 << min(max(attempts - 1, 0), 16)), _LONGEST_BACKOFF)


def _five_tries(_error: GraphApiError, attempts: int) -> timedelta:
    return VALIDATION_PAUSES[max(attempts - 1, 0)] if attempts <= len(VALIDATION_PAUSES) else _STANDSTILL


def _five_tries_then_for_people(error: GraphApiError, attempts: int) -> timedelta:
    """Wait as after a handshake, and then for somebody who grants a role: that takes Azure some minutes to spread."""
    return min(_five_tries(error, attempts), _CONFIGURATION_PAUSE)


def _for_people(_error: GraphApiError, _attempts: int) -> timedelta:
    return _CONFIGURATION_PAUSE


def _for_long(_error: GraphApiError, _attempts: int) -> timedelta:
    return _STANDSTILL


def _until_freed(_error: GraphApiError, _attempts: int) -> timedelta:
    return QUOTA_PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of refusal. It is met if status, method and text are; no text and no method stand for any."""

    kind: Kind
    statuses: Container[int]
    text: str = ""
    """A pattern, anywhere in ``code: message``, whatever its case. Its groups fill the gaps in ``means``."""
    method: str = ""
    means: str = ""
    wait: Wait = _back_off
    definite: bool = True
    then: Next = "again"
    source: str

    def meets(self, error: GraphApiError) -> re.Match[str] | None:
        """Give the match if an error is of this kind."""
        method = error.what.partition(" ")[0].upper()
        if error.status not in self.statuses or self.method not in {"", method}:
            return None
        return re.search(self.text, f"{error.code}: {error.message}", re.IGNORECASE | re.DOTALL)


_REFUSED = range(400, 500)
_FAILED = range(500, 600)
_UNREACHED = (0, 408)
_DOCS = "https://learn.microsoft.com/graph"
_GITHUB = "https://github.com/microsoftgraph"
_DELIVERY = f"{_DOCS}/change-notifications-delivery-webhooks"
_ERRORS = f"{_DOCS}/errors"
_HUBS = f"{_DOCS}/change-notifications-delivery-event-hubs"
_CHANGE_TRACKING: Final = "Microsoft Graph Change Tracking (0bf30f3b-4a52-48df-9a82-234910c4a086)"
"""Who writes into hubs and reads secrets for Graph, in the tenant of the Azure subscription."""
_FIND_OUT: Final = "GET /api/manage/event-hub or `python -m local hub-check` finds out which"

ROWS: Final[tuple[Row, ...]] = (
    # -- deletions: what is gone is as good as deleted, and what failed may have been done
    Row(
        kind="gone",
        statuses=(404, 410),
        method="DELETE",
        means="it is gone already, or its mailbox is",
        then="done",
        source=f"{_GITHUB}/microsoft-graph-docs/issues/13616",
    ),
    Row(
        kind="unsure",
        statuses=(*_UNREACHED, *_FAILED),
        method="DELETE",
        means="it may have been deleted all the same",
        definite=False,
        then="look",
        source="https://learn.microsoft.com/answers/questions/5825832",
    ),
    # -- quotas, which neither status nor code tells from anything else
    Row(
        kind="quota",
        statuses=(400, 403, 429),
        text=r"SubscriptionCountReached.*limit of '?(?P<limit>\d+)|12/31/9999|9999-12-31",
        means="the quota of {limit} subscriptions to this mailbox is used up: find and delete what nobody needs",
        wait=_until_freed,
        then="report",
        source="https://stackoverflow.com/questions/65494288",
    ),
    Row(
        kind="quota",
        statuses=(403,),
        text=r"limit of '?(?P<limit>\d+)'? '?(?P<of>[^']+)'? subscription",
        means="the quota of {limit} for {of} is used up: find and delete what nobody needs",
        wait=_until_freed,
        then="report",
        source="https://techcommunity.microsoft.com/discussions/teamsdeveloper/x/4194946",
    ),
    Row(
        kind="quota",
        statuses=(403,),
        text="maximum number|quota|reached (?:its|the|their) limit|limit (?:was|has been|is) reached|limit of",
        means="a quota is used up: find and delete what nobody needs",
        wait=_until_freed,
        then="report",
        source=f"{_GITHUB}/microsoft-graph-docs/issues/21403",
    ),
    # -- what a workload says through Graph, which answers 400 or the workload's own status
    Row(
        kind="mailbox-gone",
        statuses=_REFUSED,
        text=r"requested user .* is invalid|not (?:yet )?supported for this mailbox",
        means="the user was deleted, or has no mailbox in the cloud: take it out of the declaration",
        wait=_for_long,
        then="report",
        source=f"{_GITHUB}/microsoft-graph-docs/issues/6869",
    ),
    Row(
        kind="conflict",
        statuses=(409,),
        text="already exists",
        means="another subscription of this app hears the same",
        then="look",
        source=f"{_DOCS}/api/subscription-post-subscriptions",
    ),
    Row(
        kind="conflict",
        statuses=_REFUSED,
        text="Status Code: Conflict",
        means="another subscription of this app hears the same",
        then="report",
        source=f"{_GITHUB}/aspnetcore-webhooks-sample/issues/92",
    ),
    Row(
        kind="unavailable",
        statuses=range(400, 600),
        text=r"backend 'Unknown'|MailboxInfoStale|quarantined|task was canceled|storage extension"
        r"|Status Code: (?:ServiceUnavailable|InternalServerError|BadGateway|GatewayTimeout|RequestTimeout)",
        means="what is behind Graph could not do it now",
        definite=False,
        source="https://learn.microsoft.com/answers/questions/417261",
    ),
    # -- 400, by its text
    Row(
        kind="validation",
        statuses=(400,),
        text="validation request (?:failed|timed out)|notification endpoint must respond",
        means="Graph could not validate PUBLIC_BASE_URL",
        wait=_five_tries,
        source=f"{_GITHUB}/microsoft-graph-docs/issues/5554",
    ),
    # -- event hubs: Graph says little, so that each row has the usual mistakes, the likeliest first
    Row(
        kind="event-hub",
        statuses=(400,),
        text="blob ?store",
        means=f"Graph cannot use EVENT_HUB_BLOB_STORE_URL: {_CHANGE_TRACKING} may not read the secret (role Key Vault Secrets "
        "User), the secret is misspelt or no connection string, its ?tenantId= is no domain of the vault's tenant, the vault is "
        f"closed to public networks, or the account has no container microsoft-graph-change-notifications; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source=_HUBS,
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text=r"event ?hubs? publishing.*(?:ip has been prevented|public ?network|firewall|network ?security)",
        means="the hub's namespace is closed to Graph, which is on no list of trusted services and sends from many addresses: "
        f"open it to public networks, and let roles alone decide who may do what; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source="https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide",
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text=r"event ?hubs? publishing.*(?:unauthori[sz]ed|\bclaims?\b|signature|access ?denied|forbidden|\b40[13]\b)",
        means=f"Graph may not write into the hub: give {_CHANGE_TRACKING} the role Azure Event Hubs Data Sender on it (what was "
        "granted just now takes some minutes); where a secret holds a connection string, its key has to be good, with the right "
        f"Send; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source="https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide",
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text=r"event ?hubs? publishing.*(?:not ?(?:be )?found|no such host|name or service|unknown host|\b404\b)",
        means=f"there is no such hub or namespace: one of the two is misspelt in what Graph is told; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source="https://learn.microsoft.com/azure/event-hubs/troubleshooting-guide",
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text="event ?hubs? publishing",
        means=f"Graph could not write its test message into the hub: {_CHANGE_TRACKING} lacks the role Azure Event Hubs Data Sender "
        "on it, the namespace is closed to public networks, the hub is misspelt, or the connection string in a secret lacks "
        f"EntityPath or the right Send; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source=f"{_GITHUB}/msgraph-training-changenotifications/issues/41",
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text="event ?hubs? notification url.*/secrets/",
        means=f"Graph cannot look up EVENT_HUB_NOTIFICATION_URL in the vault: {_CHANGE_TRACKING} may not read the secret (role Key "
        "Vault Secrets User), its ?tenantId= is no domain of the vault's tenant, the vault is closed to public networks, vault or "
        f"secret are misspelt, or Graph itself has an incident; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source=f"{_GITHUB}/microsoft-graph-docs-contrib/issues/1746",
    ),
    Row(
        kind="event-hub",
        statuses=(400,),
        text="event ?hubs? notification url",
        means=f"Graph cannot use EVENT_HUB_NOTIFICATION_URL: {_CHANGE_TRACKING} lacks the role Azure Event Hubs Data Sender on the "
        "hub, its ?tenantId= is no domain of the tenant that owns the hub, namespace or hub are misspelt, the namespace is closed to "
        f"public networks, or Graph itself has an incident; {_FIND_OUT}",
        wait=_five_tries_then_for_people,
        source=f"{_GITHUB}/microsoft-graph-docs/issues/20797",
    ),
    Row(
        kind="request",
        statuses=(400,),
        text=r"expiration\w* (?:can only be|beyond|.*(?:maximum|allowed|in the future))",
        means="the lifetime is longer than Graph allows here: declare a shorter one, and look at this machine's clock",
        wait=_for_people,
        then="report",
        source=f"{_GITHUB}/microsoft-graph-docs-contrib/issues/7726",
    ),
    Row(
        kind="request",
        statuses=(400,),
        text="certificate",
        means="Graph cannot read the encryption certificate: RSA, in the form that ENCRYPTION_KEYS asks for",
        wait=_for_people,
        then="report",
        source=f"{_GITHUB}/microsoft-graph-docs/issues/9081",
    ),
    Row(
        kind="request",
        statuses=(400,),
        text="not enabled for rich notifications|resource data",
        means="this resource has no resource data: declare it without includeResourceData",
        wait=_for_long,
        then="report",
        source=f"{_GITHUB}/java-spring-webhooks-sample/issues/235",
    ),
    Row(
        kind="request",
        statuses=(400,),
        text="lifecycleNotificationUrl|must contain either|web ?push|vapid",
        means="the request lacks something, which is a mistake of this app",
        wait=_for_people,
        then="report",
        source=f"{_DOCS}/teams-changenotifications-chatmessage",
    ),
    Row(
        kind="validation",
        statuses=(400,),
        means="no known reason; after five tries it is tried once an hour",
        wait=_five_tries,
        source=f"{_GITHUB}/msgraph-sdk-dotnet/issues/2805",
    ),
    # -- by status
    Row(
        kind="sign-in",
        statuses=(401,),
        means="Graph did not accept the app's token: look at GRAPH_CREDENTIAL and GRAPH_CLIENT_ID",
        then="report",
        source=f"{_DOCS}/resolve-auth-errors",
    ),
    Row(
        kind="permission",
        statuses=(403,),
        means="the app lacks a permission or an administrator's consent",
        wait=_for_people,
        then="report",
        source=f"{_GITHUB}/msgraph-sdk-dotnet/issues/365",
    ),
    Row(
        kind="gone",
        statuses=(404, 410),
        method="PATCH",
        means="Graph does not know this subscription",
        then="recreate",
        source=f"{_DOCS}/api/subscription-update",
    ),
    Row(
        kind="gone",
        statuses=(404, 410),
        means="what it hears of is not there",
        wait=_for_people,
        then="report",
        source=_ERRORS,
    ),
    Row(
        kind="conflict",
        statuses=(409,),
        means="another subscription of this app hears the same",
        then="report",
        source=f"{_DOCS}/api/subscription-post-subscriptions",
    ),
    Row(kind="throttled", statuses=(429,), means="Graph is asked too often", source=f"{_DOCS}/throttling"),
    Row(
        kind="unsure",
        statuses=_UNREACHED,
        means="Graph did not answer in time; it may have been done",
        definite=False,
        source=_ERRORS,
    ),
    Row(kind="unavailable", statuses=_FAILED, definite=False, source=_ERRORS),
    Row(kind="refused", statuses=_REFUSED, source=_ERRORS),
    Row(
        kind="refused",
        statuses=range(300, 400),
        means="Graph's endpoint sends us elsewhere: look at GRAPH_ENDPOINT",
        wait=_for_people,
        then="report",
        source=_ERRORS,
    ),
)
ANYTHING: Final = Row(kind="unsure", statuses=(), means="this is no answer of Graph's", definite=False, source=_ERRORS)
"""What is none of these, such as a success that cannot be read."""


def read_refusal(error: GraphApiError, *, attempts: int) -> Refusal:
    """Judge the failure of the attempt with this number (from 1)."""
    row, means = _find(error)
    return Refusal(
        problem=_write_problem(error, means),
        wait=max(row.wait(error, attempts), _SHORTEST_WAIT),
        definite=row.definite,
        kind=row.kind,
        then=row.then,
    )


def _find(error: GraphApiError) -> tuple[Row, str]:
    for row in ROWS:
        met = row.meets(error)
        if met is not None:
            named = {name: value or "so many" for name, value in met.groupdict().items()}
            return row, row.means.format_map(named)
    return ANYTHING, ANYTHING.means


def _write_problem(error: GraphApiError, means: str) -> str:
    """What Graph said and what it means; where that is too long, Graph's words are cut."""
    said = _KEY.sub(r"\1\2(key)", _CLIENT_STATE.sub("(clientState)", str(error)))
    explained = f"; {_CLIENT_STATE.sub('(clientState)', means)[: _LONGEST_PROBLEM // 2]}" if means else ""
    return said[: _LONGEST_PROBLEM - len(explained)] + explained
