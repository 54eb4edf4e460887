"""Where Graph delivers: which addresses a subscription has, and which of those that Graph lists are ours."""

import pytest

from shared.graph.addresses import Addresses

HUB = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
BOTH = Addresses(base_url="https://a.example/api", hub_url=HUB)


def test_each_way_of_delivery_has_its_address() -> None:
    assert BOTH.notification_url("webhook") == "https://a.example/api/notifications"
    assert BOTH.notification_url("eventhub") == HUB
    assert BOTH.lifecycle_url("webhook") == BOTH.lifecycle_url("") == "https://a.example/api/lifecycle"
    assert BOTH.lifecycle_url("eventhub") == HUB


@pytest.mark.parametrize(
    ("delivery", "lifecycle", "routes"),
    [
        ("webhook", "webhook", ("notifications", "lifecycle")),
        ("eventhub", "webhook", ("lifecycle",)),
        ("eventhub", "eventhub", ()),
    ],
)
def test_graph_calls_only_the_routes_that_it_is_given(delivery: str, lifecycle: str, routes: tuple[str, ...]) -> None:
    assert BOTH.routes(delivery, lifecycle) == routes


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        (HUB, True),
        (HUB.upper(), True),
        (HUB.replace("EventHub:", "eventhub:"), True),
        (HUB.replace("/notifications?", "/notifications2?"), False),
        (HUB.replace("contoso.com", "fabrikam.com"), False),
        ("https://a.example/api/notifications", True),
        ("https://A.example/api/notifications", True),
        ("https://a.example/apis/notifications", False),
        ("https://b.example/api/notifications", False),
        ("", False),
    ],
)
def test_what_reaches_us_is_told_from_what_goes_elsewhere(url: str, *, ours: bool) -> None:
    assert BOTH.reaches_us(url) is ours


def test_without_a_hub_no_url_is_ours_by_being_empty() -> None:
    alone = Addresses(base_url="https://a.example/api")

    assert not alone.is_for("eventhub", "")
    assert not alone.reaches_us("")


def test_one_address_is_not_taken_for_the_other() -> None:
    assert BOTH.is_for("eventhub", HUB)
    assert not BOTH.is_for("webhook", HUB)
    assert not BOTH.is_for("eventhub", "https://a.example/api/notifications")


@pytest.mark.parametrize(
    "other",
    [
        Addresses(base_url="https://a.example/api", hub_url=HUB.replace("contoso.com", "fabrikam.com")),
        Addresses(base_url="https://a.example/api", hub_url=HUB, blob_store_url="https://v.vault.azure.net/secrets/s"),
        Addresses(base_url="https://b.example/api", hub_url=HUB),
    ],
)
def test_another_hub_store_or_lifecycle_url_is_another_subscription(other: Addresses) -> None:
    assert other.fixed("eventhub", "webhook") != BOTH.fixed("eventhub", "webhook")


def test_what_a_subscription_does_not_have_does_not_matter_to_it() -> None:
    moved = Addresses(base_url="https://b.example/api", hub_url=HUB.upper())
    other_hub = Addresses(base_url="https://a.example/api", hub_url="", blob_store_url="https://v/secrets/s")

    assert moved.fixed("eventhub", "eventhub") == BOTH.fixed("eventhub", "eventhub")
    assert other_hub.fixed("webhook", "webhook") == BOTH.fixed("webhook", "webhook") == "https://a.example/api"
