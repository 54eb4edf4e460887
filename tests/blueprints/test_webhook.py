"""The two routes that Graph calls."""

import asyncio
from typing import Any

import azure.functions as func
import pytest

from blueprints import webhook
from shared.reception import Reception, Reply
from tests import builders
from tests.blueprints.registered import Kept, bindings, registered, request, trigger
from tests.builders import NOW, lifecycle_notification, notification
from tests.stand import Stand

ROUTES = ("notifications", "lifecycle")


@pytest.fixture
def functions(stand: Stand) -> Any:
    return registered(webhook.build(stand.reception))


async def call(functions: Any, route: str, req: func.HttpRequest) -> tuple[func.HttpResponse, Kept, Kept]:
    kept, work = Kept(), Kept()
    return await functions[route].get_user_function()(req, kept, work), kept, work


def test_the_functions_have_the_names_and_routes_that_were_promised(functions: Any) -> None:
    assert set(functions) == set(ROUTES)
    for route in ROUTES:
        http = trigger(functions[route])
        assert (http["route"], http["methods"], http["authLevel"]) == (route, ["POST"], "ANONYMOUS")


def test_what_is_accepted_leaves_through_bindings(functions: Any) -> None:
    for route in ROUTES:
        queues = {each["name"]: each["queueName"] for each in bindings(functions[route]) if each["type"] == "queue"}
        assert queues == {"kept": "notifications", "work": "subscription-work"}
        assert all("_" not in each["name"] for each in bindings(functions[route]))


@pytest.mark.parametrize("route", ROUTES)
async def test_a_handshake_is_answered_with_its_token_as_plain_text(functions: Any, route: str) -> None:
    token = "Validation: Testing client application reachability <b>"
    answer, kept, work = await call(functions, route, request(params={"validationToken": token}))

    assert (answer.status_code, answer.get_body().decode(), answer.mimetype) == (200, token, "text/plain")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (kept.value, work.value) == (None, None)


@pytest.mark.parametrize("token", ["", "x" * 5000, "a\nb"])
async def test_a_handshake_that_is_none_is_a_bad_request(functions: Any, token: str) -> None:
    answer, _, _ = await call(functions, "notifications", request(params={"validationToken": token}))

    assert answer.status_code == 400


async def test_a_handshake_is_answered_even_while_storage_is_away(stand: Stand, functions: Any) -> None:
    stand.storage_health.note_failure(NOW)
    answer, _, _ = await call(functions, "notifications", request(params={"validationToken": "t"}))

    assert answer.status_code == 200


@pytest.mark.parametrize("route", ROUTES)
async def test_either_route_takes_either_kind_of_item(functions: Any, route: str) -> None:
    body = builders.body(notification(), lifecycle_notification(), None)
    answer, kept, work = await call(functions, route, request(body=body))

    assert (answer.status_code, answer.get_body()) == (202, b"")
    assert (len(kept.get()), len(work.get())) == (1, 1)


async def test_one_envelope_is_a_list_all_the_same(functions: Any) -> None:
    """A single string that looks like JSON is parsed and printed anew by the host."""
    _, kept, work = await call(functions, "notifications", request(body=builders.body(notification())))

    assert isinstance(kept.value, list)
    assert work.value is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
async def test_what_is_no_collection_is_a_bad_request_and_nothing_is_kept(functions: Any, body: bytes) -> None:
    answer, kept, _ = await call(functions, "notifications", request(body=body))

    assert (answer.status_code, kept.value) == (400, None)


async def test_while_storage_is_away_graph_is_told_to_come_again(stand: Stand, functions: Any) -> None:
    stand.storage_health.note_failure(NOW)
    answer, kept, _ = await call(functions, "notifications", request(body=builders.body(notification())))

    assert (answer.status_code, kept.value) == (503, None)


async def test_a_cancelled_request_fails_so_that_graph_sends_it_again(stand: Stand) -> None:
    class Cancelled(Reception):
        async def receive(self, body: bytes) -> Reply:
            raise asyncio.CancelledError(body)

    parts = {name: getattr(stand.reception, name) for name in Reception.__dataclass_fields__}
    functions = registered(webhook.build(Cancelled(**parts)))
    with pytest.raises(RuntimeError, match="cancelled"):
        await call(functions, "notifications", request(body=b"{}"))
