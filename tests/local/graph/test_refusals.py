"""Refusals of subscriptions, a row for each that Graph's pages or the field know: how to earn it, and what must be answered.

Told elsewhere, because they take more than one call: quotas (`test_quotas`), a mailbox whose owner was deleted (`test_subscriptions`), event
hubs that do not take the test message (`test_hub`), 429 (`test_throttling`).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from local.graph.faults import GraphFault, denied, invalid, not_found, throttled, unavailable, validation_failed
from local.graph.simulator import Simulator
from local.graph.subscribing.wording import reworded
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import App, Wanted

SUBSCRIPTIONS = "/v1.0/subscriptions"
NOBODYS, MADE = f"{SUBSCRIPTIONS}/5b5c0000-0000-4000-8000-000000000001", "what was made before"
FAR = "2999-01-01T00:00:00Z"
HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
PUSH = "https://updates.push.services.mozilla.com/wpush/v2/x"
WORKLOAD = {"refusal_code": "ExtensionError"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to be refused. `spoilt` spoils a good request; `at` is which endpoint it names; `after`: once a good one was taken."""

    status: int
    code: str
    says: str
    spoilt: Mapping[str, Any] = field(default_factory=dict)
    at: str = "echo"
    rich: bool = False
    after: bool = False
    method: str = "POST"
    path: str = SUBSCRIPTIONS
    sent: Mapping[str, Any] | None = None
    knobs: Mapping[str, Any] = field(default_factory=dict)
    token: str | None = None
    revoked: bool = False


def refused(status: int, code: str, says: str, **how: Any) -> Row:
    return Row(status=status, code=code, says=says, **how)


ROWS = {
    "the endpoint answers 403": refused(400, "ValidationError", "200 OK.*'Forbidden'", at="403"),
    "the endpoint answers 404": refused(400, "ValidationError", "200 OK.*'NotFound'", at="404"),
    "the endpoint fails": refused(400, "ValidationError", "'InternalServerError'", at="500"),
    "the endpoint says something else": refused(400, "ValidationError", "validation request failed", at="other"),
    "the endpoint is slow": refused(400, "ValidationError", "validation request timed out", at="slow"),
    "the endpoint under the other code": refused(
        400, "InvalidRequest", "200 OK.*'Forbidden'", at="403", knobs={"refusal_code": "InvalidRequest"}
    ),
    "nobody was asked": refused(400, "ValidationError", "validation request failed", knobs={"handshake_failures": 1.0}),
    "a hub that is none": refused(
        400, "InvalidRequest", "Invalid event hub notification url=", spoilt={"notificationUrl": HUB}
    ),
    "too long": refused(
        400, "InvalidRequest", "can only be 4320 minutes in the future", spoilt={"expirationDateTime": FAR}
    ),
    "too long, under the other code": refused(
        400,
        "ValidationError",
        "can only be 4320 minutes in the future",
        spoilt={"expirationDateTime": FAR},
        knobs={"refusal_code": "ValidationError"},
    ),
    "too long, says the workload": refused(
        400,
        "ExtensionError",
        r"^Operation: Create; Exception: \[Status Code: BadRequest; Reason: .* in the future\.\]$",
        spoilt={"expirationDateTime": FAR},
        knobs=WORKLOAD,
    ),
    "renewed for too long, says the workload": refused(
        400,
        "ExtensionError",
        r"^Operation: Update; Exception: \[Status Code: BadRequest; Reason: ",
        after=True,
        method="PATCH",
        path=MADE,
        sent={"expirationDateTime": FAR},
        knobs=WORKLOAD,
    ),
    "a certificate that is none": refused(
        400,
        "InvalidRequest",
        "Certificate validation error: Cannot find the requested object",
        rich=True,
        spoilt={"encryptionCertificate": "bm9uZQ=="},
    ),
    "Teams without a lifecycle URL": refused(
        400, "InvalidRequest", "(?i)lifecycleNotificationUrl.* required", spoilt={"lifecycleNotificationUrl": None}
    ),
    "resource data of users": refused(
        400,
        "InvalidRequest",
        "^Azure Active Directory workload is not enabled for rich notifications",
        rich=True,
        spoilt={"resource": "users", "changeType": "updated"},
    ),
    "resource data of files": refused(
        400,
        "InvalidRequest",
        "^File Services workload is not enabled for rich notifications",
        rich=True,
        spoilt={"resource": "drives/d/root", "changeType": "updated"},
    ),
    "a PATCH that renews nothing": refused(
        400,
        "InvalidRequest",
        "must contain either 'expirationDateTime' or 'notificationUrl'",
        after=True,
        method="PATCH",
        path=MADE,
        sent={"encryptionCertificateId": "key-2"},
    ),
    "Web Push without its keys": refused(400, "InvalidRequest", "is required", spoilt={"notificationUrl": PUSH}),
    "Web Push's keys elsewhere": refused(400, "InvalidRequest", "is only for", spoilt={"vapidPublicKey": "x"}),
    "no good token": refused(401, "InvalidAuthenticationToken", ".", token="nonsense"),
    "no permission": refused(403, "Authorization_RequestDenied", "Insufficient privileges", revoked=True),
    "a second one for all teams": refused(
        403, "Forbidden", "has reached its limit of '1'", after=True, spoilt={"changeType": "created"}
    ),
    "the same again": refused(409, "ObjectIdentifierInUse", "already exists for the requested", after=True),
    "PATCH of nothing": refused(
        404,
        "ResourceNotFound",
        "The object was not found.",
        method="PATCH",
        path=NOBODYS,
        sent={"expirationDateTime": FAR},
    ),
    "DELETE of nothing": refused(404, "ResourceNotFound", "The object was not found.", method="DELETE", path=NOBODYS),
    "reauthorize of nothing": refused(404, "ResourceNotFound", "not found", path=f"{NOBODYS}/reauthorize"),
    "a workload that is busy": refused(
        503,
        "ExtensionError",
        r"^Operation: Create; Exception: \[Status Code: ServiceUnavailable; Reason: ",
        knobs=WORKLOAD | {"refuse_share": 1.0},
    ),
    "a workload that is busy when reauthorized": refused(
        503,
        "ExtensionError",
        r"^Operation: Reauthorize; Exception: \[",
        path=f"{NOBODYS}/reauthorize",
        knobs=WORKLOAD | {"refuse_share": 1.0},
    ),
    "a deletion that was canceled": refused(
        503,
        "ExtensionError",
        r"^Operation: Delete; Exception: \[A task was canceled\.\]$",
        after=True,
        method="DELETE",
        path=MADE,
        knobs={"deletes_canceled": 1.0},
    ),
    "what has no notifications": refused(
        400, "InvalidRequest", "not supported", spoilt={"resource": "users/u/memberOf"}
    ),
    "plain http": refused(400, "InvalidRequest", "HTTPS", spoilt={"notificationUrl": "http://receiver.example/hook"}),
}


@pytest.fixture
async def endpoints() -> AsyncIterator[str]:
    """Endpoints that answer as their last segment says."""
    over = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        how = request.match_info["how"]
        if how == "slow":
            await over.wait()
        if how.isdigit():
            return web.Response(status=int(how))
        return web.Response(text="other" if how == "other" else request.query["validationToken"])

    app = web.Application()
    app.router.add_post("/{how}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    over.set()
    await runner.cleanup()


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
async def test_a_refusal_has_the_status_the_code_and_the_words_that_were_seen(
    graph: Simulator, app: App, wanted: Wanted, rich: dict[str, Any], endpoints: str, row: Row
) -> None:
    graph.clock.patience = 0.05 if row.at == "slow" else 1.0
    good = wanted(notificationUrl=f"{endpoints}/echo", lifecycleNotificationUrl=f"{endpoints}/echo")
    path = row.path
    if row.after:
        status, made = await app.call("POST", SUBSCRIPTIONS, good)
        assert status == 201, made
        path = path.replace(MADE, f"{SUBSCRIPTIONS}/{made['id']}")
    graph.knobs.turn(row.knobs)
    if row.revoked:
        await app.control("revoke", {"appId": APP_ID})
    changes = good | {"notificationUrl": f"{endpoints}/{row.at}"} | (rich if row.rich else {}) | dict(row.spoilt)
    body = row.sent or (wanted(**changes) if path == SUBSCRIPTIONS else None)
    caller = replace(app, token=row.token) if row.token else app

    status, answer = await caller.call(row.method, path, body)

    assert (status, answer["error"]["code"]) == (row.status, row.code), answer
    assert re.search(row.says, answer["error"]["message"]), answer
    assert set(answer["error"]["innerError"]) == {"date", "request-id", "client-request-id"}


FAULTS = [denied(), invalid("x"), not_found(), throttled(1), unavailable(1), validation_failed("x")]


@given(st.sampled_from(FAULTS), st.sampled_from(["InvalidRequest", "ValidationError", "ExtensionError"]))
def test_other_words_change_neither_the_status_nor_what_is_wrong_nor_when_to_come_again(
    fault: GraphFault, code: str
) -> None:
    said = reworded(fault, code, "Create")
    assert (said.status, said.headers) == (fault.status, fault.headers)
    assert fault.message in said.message
    assert said.code in {code, fault.code}
    varied = fault.status == 400 or (fault.status == 503 and code == "ExtensionError")
    assert (said.code == code) == varied


async def test_other_words_are_for_subscriptions_only(graph: Simulator, app: App) -> None:
    graph.knobs.turn(WORKLOAD | {"refuse_share": 1.0})
    for path in ("/v1.0/users", SUBSCRIPTIONS, NOBODYS):
        status, answer = await app.call("GET", path)
        assert (status, answer["error"]["code"]) == (503, "ServiceUnavailable")
