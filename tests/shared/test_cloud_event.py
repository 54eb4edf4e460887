"""CloudEvents and Standard Webhooks, held against their specifications and not against our own code."""

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared.cloud_event import CONTENT_TYPE, sign, write_cloud_event
from tests.builders import NOW, TENANT, client_state, message_content, notification, rich_notification

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OLDER = "whsec_" + base64.b64encode(b"o" * 24).decode()


def event(**changes: Any) -> dict[str, Any]:
    valid: dict[str, Any] = {
        "event_id": "k" * 40,
        "tenant_id": TENANT,
        "subscription": "teams-messages",
        "resource": "teams('t')/channels('c')/messages('m')",
        "change_type": "created",
        "notification": rich_notification("m"),
        "content": message_content("m"),
        "time": NOW,
    }
    written: dict[str, Any] = json.loads(write_cloud_event(**(valid | changes)))
    return written


def test_an_event_has_the_attributes_that_were_promised() -> None:
    found = event()

    assert {name: found[name] for name in ("specversion", "id", "type", "source", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "id": "k" * 40,
        "type": "Microsoft.Graph.ChatMessage.created",
        "source": f"/tenants/{TENANT}/subscriptions/teams-messages",
        "subject": "teams('t')/channels('c')/messages('m')",
        "datacontenttype": "application/json",
    }
    assert found["data"]["changeType"] == "created"
    assert found["data"]["resource"] == found["subject"]
    assert found["data"]["content"] == message_content("m")


def test_an_event_keeps_the_rules_of_cloudevents() -> None:
    """https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes."""
    found = event()
    attributes = found.keys() - {"data"}

    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in attributes)
    assert all(isinstance(found[name], str) and found[name] for name in attributes)
    assert datetime.fromisoformat(found["time"]).tzinfo is not None
    assert not urlsplit(found["source"]).netloc
    assert CONTENT_TYPE == "application/cloudevents+json"


@pytest.mark.parametrize("name", ["clientState", "ClientState", "encryptedContent", "EncryptedContent"])
def test_secrets_and_ciphertext_are_withheld(name: str) -> None:
    found = event(notification=notification("m") | {name: "canary"})

    assert "canary" not in json.dumps(found)
    assert client_state() not in json.dumps(found)
    assert found["data"]["notification"]["subscriptionId"]


def test_an_event_without_content_says_null() -> None:
    assert event(content=None)["data"]["content"] is None


@pytest.mark.parametrize(
    ("in_notification", "in_content", "name"),
    [
        ("#Microsoft.Graph.chatMessage", None, "ChatMessage"),
        ("#microsoft.graph.Message", None, "Message"),
        ("microsoft.graph.security.alert", None, "Alert"),
        (None, "#microsoft.graph.event", "Event"),
        (None, None, "Resource"),
        ("", "", "Resource"),
        (7, [], "Resource"),
        ("#", "", "Resource"),
    ],
)
def test_the_type_is_the_resources_with_a_capital(in_notification: Any, in_content: Any, name: str) -> None:
    found = event(
        notification=notification(resourceData={"@odata.type": in_notification}), content={"@odata.type": in_content}
    )

    assert found["type"] == f"Microsoft.Graph.{name}.created"


def verified(headers: Any, body: bytes, secret: str) -> bool:
    """Verify as https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in headers["webhook-signature"].split(" ")


def test_a_signature_is_what_the_specification_computes() -> None:
    headers = sign(b"body", message_id="id", timestamp=1_674_087_231, secrets=[SECRET])

    assert verified(headers, b"body", SECRET)
    assert not verified(headers, b"bodY", SECRET)
    assert not verified(headers, b"body", OLDER)
    assert not verified(dict(headers) | {"webhook-id": "other"}, b"body", SECRET)
    assert not verified(dict(headers) | {"webhook-timestamp": "1"}, b"body", SECRET)


def test_the_specifications_own_example_is_signed_alike() -> None:
    """The vector of the Standard Webhooks reference libraries."""
    headers = sign(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1_614_265_330,
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_during_a_rotation_both_keys_sign_the_current_one_first() -> None:
    headers = sign(b"body", message_id="id", timestamp=1, secrets=[SECRET, OLDER])
    alone = sign(b"body", message_id="id", timestamp=1, secrets=[SECRET])

    assert verified(headers, b"body", SECRET)
    assert verified(headers, b"body", OLDER)
    assert headers["webhook-signature"].startswith(alone["webhook-signature"] + " ")


@pytest.mark.parametrize("secret", ["", "secret", "whsec_%%%", "whsk_AAAA"])
def test_a_key_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        sign(b"body", message_id="id", timestamp=1, secrets=[secret])
