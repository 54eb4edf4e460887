"""What Graph is asked for, and what is read from its answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import GraphProtocolError
from shared.graph.encrypted_content import EncryptionKey
from shared.graph.subscription import (
    SubscriptionRequest,
    creation_body,
    expiry_to_ask,
    id_headers,
    read_subscription,
    renewal_body,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = EncryptionKey(
    certificate_id="key-1",
    thumbprint="AB",
    certificate="TUlJ",
    not_before=0,
    not_after=1,
    unwrap=lambda wrapped: wrapped,
)


def _request(key: EncryptionKey | None = None) -> SubscriptionRequest:
    return SubscriptionRequest(
        resource="teams/getAllMessages",
        change_type="created,updated",
        notification_url="https://app.example/api/notifications",
        lifecycle_notification_url="https://app.example/api/lifecycle",
        client_state="1.teams.1.secret",
        expires=NOW,
        key=key,
    )


def test_a_basic_subscription_asks_for_both_urls_and_no_resource_data() -> None:
    assert creation_body(_request()) == {
        "resource": "teams/getAllMessages",
        "changeType": "created,updated",
        "notificationUrl": "https://app.example/api/notifications",
        "lifecycleNotificationUrl": "https://app.example/api/lifecycle",
        "expirationDateTime": "2026-11-20T12:00:00Z",
        "clientState": "1.teams.1.secret",
    }


def test_a_rich_subscription_brings_its_certificate() -> None:
    body = creation_body(_request(KEY))

    assert body["includeResourceData"] is True
    assert (body["encryptionCertificate"], body["encryptionCertificateId"]) == ("TUlJ", "key-1")


def test_a_renewal_sends_expiry_and_certificate_together() -> None:
    assert renewal_body(expires=NOW, key=None) == {"expirationDateTime": "2026-11-20T12:00:00Z"}
    assert renewal_body(expires=NOW, key=KEY).keys() == {
        "expirationDateTime",
        "encryptionCertificate",
        "encryptionCertificateId",
    }


def test_the_expiry_leaves_room_for_another_clock() -> None:
    asked = expiry_to_ask("teams/getAllMessages", include_resource_data=True, now=NOW)

    assert asked == NOW + timedelta(minutes=4318)


@pytest.mark.parametrize(
    ("resource", "minutes", "asked"),
    [
        ("teams/getAllMessages", 120, 120),
        ("teams/getAllMessages", 4320, 4318),
        ("teams/getAllMessages", 4319, 4318),
        ("teams/getAllMessages", 9000, 9000),  # declared unchecked: Graph will say
        ("brandNew", 120, 120),
    ],
)
def test_a_declared_lifetime_is_asked_for_and_the_longest_leaves_room(resource: str, minutes: int, asked: int) -> None:
    lifetime = timedelta(minutes=minutes)

    assert expiry_to_ask(resource, include_resource_data=True, now=NOW, lifetime=lifetime) == NOW + timedelta(
        minutes=asked
    )


def test_options_go_along_only_where_there_are_any() -> None:
    asked = replace(_request(), notification_query_options="$filter = isFetchable eq true")

    assert creation_body(asked)["notificationQueryOptions"] == "$filter = isFetchable eq true"


def test_immutable_ids_are_asked_for_by_a_header() -> None:
    assert id_headers(immutable_ids=True) == {"Prefer": 'IdType="ImmutableId"'}
    assert id_headers(immutable_ids=False) == {}


def test_an_answer_is_read_with_seven_digits() -> None:
    answer = {"id": "s", "resource": "r", "notificationUrl": "u", "expirationDateTime": "2026-11-23T11:58:00.1234567Z"}

    assert read_subscription(answer).expires == datetime(2026, 11, 23, 11, 58, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("answer", [{}, {"id": 1}, {"id": "s"}, {"id": "s", "expirationDateTime": "soon"}])
def test_an_answer_that_is_no_subscription_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(GraphProtocolError):
        read_subscription(answer)


def test_a_request_does_not_print_its_client_state() -> None:
    assert "secret" not in repr(_request())
