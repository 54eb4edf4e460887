"""Where `forward` sends to, as subscriptions.json says it; and the handler that does."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dispatch import registrations
from shared.errors import SettingsError
from shared.forwarding import HttpEndpoint, QueueEndpoint, read_endpoint
from shared.handlers import forward
from shared.routing import HandlerChoice
from tests import builders, strategies
from tests.builders import AUTHORITY, message_content, rich_notification
from tests.stand import Stand

SECRET = "whsec_a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5"
OLDER = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk"
ENVIRON = {
    "FORWARD_SIGNING_KEY": SECRET,
    "OTHER_KEY": OLDER,
    "ROTATED": SECRET,
    "ROTATED_PREVIOUS": OLDER,
    "BAD": "secret",
    "NOT_ASCII": "whsec_é",
    "THEIR_STORAGE": "UseDevelopmentStorage=true",
}

GOOD: list[tuple[dict[str, Any], object]] = [
    ({"to": "https://e.example/x"}, HttpEndpoint(url="https://e.example/x", secrets=(SECRET,))),
    ({"to": "http://127.0.0.1:9/x"}, HttpEndpoint(url="http://127.0.0.1:9/x", secrets=(SECRET,))),
    ({"to": "http://[::1]:9/"}, HttpEndpoint(url="http://[::1]:9/", secrets=(SECRET,))),
    ({"to": "https://e.example", "signingKey": "OTHER_KEY"}, HttpEndpoint(url="https://e.example", secrets=(OLDER,))),
    (
        {"to": "https://e.example", "signingKey": "ROTATED"},
        HttpEndpoint(url="https://e.example", secrets=(SECRET, OLDER)),
    ),
    ({"to": "queue:changes"}, QueueEndpoint(name="changes", connection="", encoding="base64")),
    (
        {"to": "queue:a-b-3", "encoding": "none", "connection": "THEIR_STORAGE"},
        QueueEndpoint(name="a-b-3", connection="UseDevelopmentStorage=true", encoding="none"),
    ),
]


@pytest.mark.parametrize(("options", "endpoint"), GOOD, ids=lambda value: str(value)[:60])
def test_options_are_read(options: dict[str, Any], endpoint: object) -> None:
    assert read_endpoint(options, ENVIRON) == endpoint


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "'to' is missing"),
    ({"to": 1}, "'to' is missing"),
    ({"to": "http://e.example/x"}, "must be an https URL"),
    ({"to": "ftp://e.example/x"}, "must be an https URL"),
    ({"to": "https://"}, "must be an https URL"),
    ({"to": "https:///path"}, "must be an https URL"),
    ({"to": "https://[broken"}, "must be an https URL"),
    ({"to": "example.com"}, "must be an https URL"),
    ({"to": "http://127.0.0.1.evil.example/"}, "must be an https URL"),
    ({"to": "https://e.example", "signingKey": "ABSENT"}, "setting ABSENT is missing"),
    ({"to": "https://e.example", "signingKey": "BAD"}, "BAD is not whsec_ and base64"),
    ({"to": "https://e.example", "signingKey": "NOT_ASCII"}, "NOT_ASCII is not whsec_ and base64"),
    ({"to": "https://e.example", "retries": 3}, "unknown option 'retries'"),
    ({"to": "queue:"}, "not a queue's name"),
    ({"to": "queue:Upper"}, "not a queue's name"),
    ({"to": "queue:a--b"}, "not a queue's name"),
    ({"to": "queue:-ab"}, "not a queue's name"),
    ({"to": "queue:" + "a" * 64}, "not a queue's name"),
    ({"to": "queue:abc", "encoding": "hex"}, "encoding is base64"),
    ({"to": "queue:abc", "encoding": {}}, "encoding is base64"),
    ({"to": "queue:abc", "connection": "ABSENT"}, "setting ABSENT is missing"),
]


@pytest.mark.parametrize(("options", "problem"), BAD, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_said(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        read_endpoint(options, ENVIRON)

    assert problem in str(error.value)
    assert "secret" not in str(error.value)


def test_every_problem_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        read_endpoint({"to": "http://e.example", "signingKey": "ABSENT", "x": 1}, {})

    assert len(error.value.problems) == 3


@given(
    st.dictionaries(
        st.sampled_from(["to", "signingKey", "connection", "encoding"]),
        strategies.JSON_VALUES | st.text().map("https://".__add__) | st.text().map("queue:".__add__),
    )
)
def test_any_options_give_an_endpoint_or_an_error(options: Mapping[str, Any]) -> None:
    try:
        assert isinstance(read_endpoint(options, ENVIRON), HttpEndpoint | QueueEndpoint)
    except SettingsError:
        return


def test_an_endpoint_prints_no_secret() -> None:
    assert SECRET not in repr(read_endpoint({"to": "https://e.example"}, ENVIRON))
    assert "Development" not in repr(read_endpoint({"to": "queue:abc", "connection": "THEIR_STORAGE"}, ENVIRON))


async def test_the_handler_sends_one_event_a_change_with_the_changes_key(stand: Callable[..., Stand]) -> None:
    to = HandlerChoice(name="forward", options={"to": "https://e.example"})
    app = stand(declaration=builders.declaration(builders.declared(handlers=(to,))))
    app.registrations = registrations(forward)
    for _ in range(2):
        await app.receive(rich_notification("7"), tokens=[AUTHORITY.token()])
    await app.run()
    [(event_id, event)] = app.target.events
    read = json.loads(event)

    assert app.targets_asked == [{"to": "https://e.example"}]
    assert (read["id"], len(event_id)) == (event_id, 40)
    assert read["data"]["content"] == message_content("7")
    assert read["subject"] == rich_notification("7")["resource"]


async def test_a_change_without_a_key_is_sent_with_its_items_id(stand: Callable[..., Stand]) -> None:
    to = HandlerChoice(name="forward", options={"to": "https://e.example"})
    app = stand(declaration=builders.declaration(builders.declared(handlers=(to,))))
    app.registrations = registrations(forward)
    reply = await app.receive(builders.notification("7", resourceData=None))
    await app.run()
    [(event_id, _)] = app.target.events

    assert f'"itemId":"{event_id}"' in reply.envelopes[0]


async def test_forward_runs_only_where_it_is_listed(stand: Callable[..., Stand]) -> None:
    app = stand()
    app.registrations = registrations(forward)
    await app.receive(builders.notification("7"))
    await app.run()

    assert app.target.events == []
