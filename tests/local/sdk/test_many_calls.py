"""Microsoft's own client puts many calls into one, and waits and tries again when it is told to.

What a batch answers, and calls that depend on each other, are held against Graph's pages elsewhere: the SDK drops bodies that are
objects (microsoft/kiota-python issue 737) and misspells `dependsOn` (microsoftgraph/msgraph-sdk-python-core pull request 996).
"""

import time
from datetime import timedelta

import pytest

pytest.importorskip("msgraph", reason="no msgraph-sdk: `make test` installs it")

from kiota_http.middleware.options import RetryHandlerOption
from msgraph.generated.models.message import Message
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.subscription import Subscription
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core.requests.batch_request_content import BatchRequestContent  # type: ignore[import-untyped]
from msgraph_core.requests.batch_request_content_collection import BatchRequestContentCollection  # type: ignore[import-untyped]
from msgraph_core.requests.batch_request_item import BatchRequestItem  # type: ignore[import-untyped]
from msgraph_core.requests.batch_response_content import BatchResponseContent  # type: ignore[import-untyped]
from msgraph_core.requests.batch_response_content_collection import BatchResponseContentCollection  # type: ignore[import-untyped]

from local.graph.simulator import Simulator
from local.graph.tenant import acts
from tests.local.graph.stand import Receiver
from tests.local.sdk.stand import as_app, asking, connect, header_of


async def test_a_batch_does_every_call(graph: Simulator, client: GraphServiceClient, receiver: Receiver) -> None:
    owner, author, *_ = graph.world.people
    first, second = (
        acts.receive_mail(graph.world, owner, subject="Invoice", text="", author=author).entity for _ in range(2)
    )
    messages = client.users.by_user_id(owner.id).messages
    asked = Subscription(
        change_type="updated",
        notification_url=f"{receiver.url}/notifications",
        resource=f"/users/{owner.id}/messages",
        expiration_date_time=graph.clock.now() + timedelta(hours=2),
    )
    calls = {
        "who": client.users.by_user_id(owner.id).to_get_request_information(),
        "subscribe": client.subscriptions.to_post_request_information(asked),
        "mark": messages.by_message_id(first.id).to_patch_request_information(Message(is_read=True)),
        "delete": messages.by_message_id(second.id).to_delete_request_information(),
        "missing": client.users.by_user_id("nobody").to_get_request_information(),
    }
    content = BatchRequestContent({name: BatchRequestItem(call, id=name) for name, call in calls.items()})
    answer = await client.batch.post(content)
    assert isinstance(answer, BatchResponseContent)
    statuses = {"who": 200, "subscribe": 201, "mark": 200, "delete": 204, "missing": 404}
    assert answer.get_response_status_codes() == statuses
    assert graph.world.entities[first.key].content["isRead"]
    assert graph.world.entities[second.key].deleted
    subscriptions = await client.subscriptions.get()
    assert subscriptions is not None
    assert [each.resource for each in subscriptions.value or []] == [asked.resource]


async def test_more_calls_than_a_batch_takes_are_sent_in_several(graph: Simulator, client: GraphServiceClient) -> None:
    calls = BatchRequestContentCollection()
    for number in range(45):
        user = client.users.by_user_id(graph.world.people[number % 3].id)
        calls.add_batch_request_item(BatchRequestItem(user.to_get_request_information(), id=str(number)))
    answers = await client.batch.post(calls)
    assert isinstance(answers, BatchResponseContentCollection)
    codes: dict[str, int] = {}
    for answer in answers.get_responses():
        codes |= answer.get_response_status_codes()
    assert codes == {str(number): 200 for number in range(45)}


async def test_who_calls_too_often_is_told_to_wait_waits_and_succeeds() -> None:
    """The list of subscriptions may be asked for 25 times in 20 seconds, which are two on this clock."""
    async with Simulator(time_scale=10) as graph, as_app(graph) as credential, connect(graph, credential) as client:
        began = time.monotonic()
        for _ in range(26):
            page = await client.subscriptions.get()
            assert page is not None
        assert time.monotonic() - began >= 1
        assert [each["rule"] for each in graph.judge.printed()] == ["polls-the-list"]


async def test_who_is_never_let_in_gives_up_with_graphs_own_words() -> None:
    """A refusal asks for ten seconds, which are rounded up to one here."""
    async with Simulator(time_scale=100) as graph, as_app(graph) as credential, connect(graph, credential) as client:
        graph.knobs.turn({"refuse_share": 1.0})
        once_more = asking(None)
        once_more.options = [RetryHandlerOption(max_retries=1)]
        began = time.monotonic()
        with pytest.raises(ODataError) as caught:
            await client.users.get(once_more)
        assert time.monotonic() - began >= 1
        assert (caught.value.response_status_code, header_of(caught.value, "Retry-After")) == (503, "1")
        assert caught.value.error is not None
        assert caught.value.error.code == "ServiceUnavailable"
