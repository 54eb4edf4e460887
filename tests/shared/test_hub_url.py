"""Places in Azure that Graph is told of, and what a connection string says of one: read, or found to be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.hub_url import HubConnection, HubUrl, read_hub_connection, read_hub_url

HUB = "EventHub:https://Contoso.servicebus.windows.net/eventhubname/Notifications?tenantId=Contoso.com"
CONNECTION = "Endpoint=sb://Contoso.servicebus.windows.net/;SharedAccessKeyName=graph;SharedAccessKey=c2VjcmV0PT0=;EntityPath=hub"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (HUB, HubUrl(host="contoso.servicebus.windows.net", hub="Notifications", domain="contoso.com")),
        (HUB.lower(), HubUrl(host="contoso.servicebus.windows.net", hub="notifications", domain="contoso.com")),
        (
            "EventHub:https://v.vault.azure.net/secrets/hub-1?tenantId=c.onmicrosoft.com",
            HubUrl(host="v.vault.azure.net", secret="hub-1", domain="c.onmicrosoft.com"),
        ),
        (
            "https://v.vault.azure.net/secrets/store?tenantId=c.com",
            HubUrl(host="v.vault.azure.net", secret="store", domain="c.com"),
        ),
        ("https://a.example/api/notifications", None),
        ("EventHub:https://v.vault.azure.net/secrets/hub", None),
        ("", None),
    ],
)
def test_a_place_is_read_in_either_spelling(text: str, read: HubUrl | None) -> None:
    assert read_hub_url(text) == read


def test_a_place_has_a_name_of_its_own() -> None:
    place = read_hub_url(HUB)

    assert place is not None
    assert place.account == "contoso"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (CONNECTION, HubConnection(host="contoso.servicebus.windows.net", hub="hub")),
        (CONNECTION.partition(";EntityPath")[0], HubConnection(host="contoso.servicebus.windows.net")),
        (
            "endpoint = sb://localhost:5672 ; USEDEVELOPMENTEMULATOR = True",
            HubConnection(host="localhost", emulated=True),
        ),
        ("nonsense", None),
        ("Endpoint=https://contoso.servicebus.windows.net/", None),
        ("", None),
    ],
)
def test_a_connection_string_says_where_and_its_key_is_left_behind(text: str, read: HubConnection | None) -> None:
    assert read_hub_connection(text) == read
    assert "c2VjcmV0" not in repr(read_hub_connection(text))


@given(st.text(max_size=200) | st.text(alphabet="EventHub:https://.?tenantId=/secrets;=sb", max_size=200))
def test_any_text_is_read_or_is_none(text: str) -> None:
    place = read_hub_url(text)
    connection = read_hub_connection(text)

    assert place is None or (bool(place.hub) is not bool(place.secret) and place.host and place.domain)
    assert connection is None or connection.host


NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


@given(NAMES, NAMES, NAMES, st.booleans())
def test_what_was_put_together_is_read_apart(host: str, name: str, domain: str, in_vault: bool) -> None:  # noqa: FBT001
    kind = "secrets" if in_vault else "eventhubname"

    place = read_hub_url(f"EventHub:https://{host}.example/{kind}/{name}?tenantId={domain}.example")

    named = {"secret" if in_vault else "hub": name}
    assert place == HubUrl(host=f"{host}.example", domain=f"{domain}.example", **named)
