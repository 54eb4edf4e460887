"""The mailbox's routes. What they answer is in tests/shared/test_mail_*.py, and with real tokens in tests/scenarios."""

import json
from typing import Any

import jwt
import pytest

from blueprints import mail
from shared.adapters.memory import MemoryQueue
from shared.adapters.memory_mailboxes import MemoryMailActionStore, MemoryMailboxStore, MemoryUserSignIn
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.callers import Callers
from shared.errors import GraphApiError
from shared.mail import Mail
from shared.mail_operations import MAIL_OPERATIONS
from shared.mail_replying import MailReplying
from shared.mailboxes import Mailboxes, order_of
from shared.own_mailbox import OwnMailbox
from shared.user_tokens import UserTokens
from tests import builders
from tests.blueprints.registered import registered, request, trigger
from tests.stand import ServedGraph, Stand

NOW = builders.NOW


class Bench:
    """The mailbox of whoever shows a genuine token, over memory twins."""

    def __init__(self) -> None:
        self.stand = Stand()
        self.graph = ServedGraph()
        self.work = MemoryQueue(now=lambda: NOW)
        self.sign_in = MemoryUserSignIn(now=lambda: NOW, whose=_owner)
        self.claims = builders.user_claims()
        self.token = builders.AUTHORITY.sign(self.claims)
        store, actions = MemoryMailboxStore(), MemoryMailActionStore()
        tokens = UserTokens(
            store=store,
            sign_in=self.sign_in,
            keys=[b"k" * 32],
            now=lambda: NOW,
            random=bytes,
            ended=order_of(self.work),
        )
        own = OwnMailbox(self.graph)
        self.mail = Mail(
            callers=Callers(builders.user_token_judge(), self.stand.tokens, lambda: NOW),
            mailboxes=Mailboxes(
                store=store,
                subscriptions=MemorySubscriptionStore(),
                tokens=tokens,
                work=self.work,
                home_tenant_id=builders.TENANT,
                now=lambda: NOW,
                actions=actions,
            ),
            mailbox=own,
            replying=MailReplying(own, actions, lambda: NOW),
            now=lambda: NOW,
        )
        self.functions = registered(mail.build(self.mail))

    async def call(self, name: str, *, method: str = "GET", token: str | None = None, **more: Any) -> tuple[int, Any]:
        shown = {"Authorization": f"Bearer {self.token if token is None else token}"}
        answer = await self.functions[name].get_user_function()(request(method, headers=shown, **more))
        return answer.status_code, json.loads(answer.get_body())

    async def connect(self) -> None:
        assert (await self.call("mail_connect", method="POST"))[0] == 202


def _owner(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["oid"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_routes_are_those_that_are_described_and_the_host_asks_nothing(bench: Bench) -> None:
    found = {
        (method, f"/{each['route']}", name, each["authLevel"])
        for name, each in ((name, trigger(function)) for name, function in bench.functions.items())
        for method in each["methods"]
    }

    assert found == {(each.method, each.path, each.function, "ANONYMOUS") for each in MAIL_OPERATIONS}


async def test_connecting_orders_what_follows(bench: Bench) -> None:
    assert (await bench.call("mail_state"))[1] == {"state": "none", "live": False}
    status, said = await bench.call("mail_connect", method="POST")

    assert (status, said["state"]) == (202, "connecting")
    assert len(bench.work.texts) == 2


async def test_a_stranger_gets_nowhere(bench: Bench) -> None:
    for name, function in bench.functions.items():
        [method] = trigger(function)["methods"]
        status, said = await bench.call(name, method=method, token="x.y.z", message="m", body=b'{"comment":"x"}')
        assert (status, said["error"]["code"]) == (401, "Unauthorized"), name
    assert bench.graph.paths == []


async def test_who_is_not_connected_is_asked_to_connect(bench: Bench) -> None:
    for name in (
        "mail_folders",
        "mail_messages",
        "mail_delta",
        "mail_message",
        "mail_delete",
        "mail_read",
        "mail_move",
    ):
        status, said = await bench.call(name, message="m")
        assert (status, said["error"]["code"]) == (409, "NotConnected"), name
    assert bench.graph.paths == []


async def test_a_refusal_to_connect_says_why(bench: Bench) -> None:
    bench.sign_in.withdrawn.add(bench.claims["oid"])
    status, said = await bench.call("mail_connect", method="POST")

    assert (status, said["error"]) == (
        403,
        {"code": "NotAllowed", "message": "they have withdrawn what they had allowed"},
    )
    assert bench.work.texts == []


async def test_a_message_is_read_with_its_body(bench: Bench) -> None:
    await bench.connect()
    bench.graph.resources = _Anything({"id": "m1", "body": {"content": "<b>x</b>"}, "parentFolderId": "f"})

    assert await bench.call("mail_message", message="m1") == (
        200,
        {"id": "m1", "body": {"content": "<b>x</b>"}, "parentFolderId": "f", "folder": "f"},
    )
    assert bench.graph.paths[0].startswith("/me/messages/m1?")
    assert bench.graph.actors == [f"user:{bench.claims['oid']}"]


async def test_what_graph_refuses_reaches_whoever_asked_and_not_the_log(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.connect()
    caplog.set_level("INFO")
    bench.graph.troubles = [GraphApiError("GET /me", status=403, code="ErrorAccessDenied", message="canary words")]
    status, said = await bench.call("mail_message", message="m1")

    assert (status, said["error"]) == (403, {"code": "ErrorAccessDenied", "message": "canary words"})
    assert "ErrorAccessDenied" in caplog.text
    assert "canary" not in caplog.text


async def test_nonsense_is_a_bad_request(bench: Bench) -> None:
    await bench.connect()

    assert (await bench.call("mail_messages", params={"top": "all"}))[0] == 400
    assert (await bench.call("mail_message", message="../../users/x"))[0] == 400
    assert (await bench.call("mail_reply", method="POST", message="m", body=b"{"))[0] == 400
    assert bench.graph.paths == []


async def test_who_disconnects_reads_no_more(bench: Bench) -> None:
    await bench.connect()
    status, said = await bench.call("mail_disconnect", method="DELETE")

    assert (status, said["state"]) == (202, "leaving")
    assert (await bench.call("mail_messages"))[0] == 409


class _Anything(dict[str, Any]):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, _: str) -> Any:
        return self._answer
