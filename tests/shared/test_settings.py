"""Settings: every problem at once, each stopping only the part that needs it."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SettingsError
from shared.settings import CLOUDS, NAMES, NEEDED_BY, USED_BY, Settings

TENANT = "aaaaaaaa-0000-4000-8000-00000000000A"
CLIENT = "cccccccc-0000-4000-8000-00000000000c"
KEY = base64.b64encode(b"k" * 32).decode()
CERTIFICATE = "https://v.vault.azure.net/certificates/earshot"
GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "GRAPH_TENANT_ID": TENANT,
    "GRAPH_CLIENT_ID": CLIENT,
    "CLIENT_STATE_KEY": KEY,
    "PUBLIC_BASE_URL": "https://app.example/api",
    "RENEWAL_SCHEDULE": "0 */5 * * * *",
    "SWEEP_SCHEDULE": "30 */15 * * * *",
    "EventHubConnection": "Endpoint=sb://ns.servicebus.windows.net;SharedAccessKeyName=listen;SharedAccessKey=a2V5",
    "EVENT_HUB_NAME": "notifications",
    "EVENT_HUB_CONSUMER_GROUP": "$Default",
    "AzureSignalRConnectionString__serviceUri": "https://live.service.signalr.net",
    "TOKEN_CACHE_KEY": KEY,
}


def read(**changes: str | None) -> Settings:
    environ = {name: text for name, text in (GOOD | changes).items() if text is not None}
    return Settings.from_environ(environ)


@pytest.mark.parametrize("part", NEEDED_BY)
def test_with_the_settings_it_needs_every_part_runs(part: str) -> None:
    assert read().missing(part) == ()
    read().require(part)


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"),
    [
        ("GRAPH_TENANT_ID", TENANT, "graph_tenant_id", TENANT.lower()),
        ("GRAPH_AUDIENCES", f"{CLIENT}, other", "graph_audiences", frozenset({CLIENT, "other"})),
        ("ALLOWED_TENANT_IDS", f" {TENANT} ,{CLIENT},", "allowed_tenant_ids", frozenset({TENANT.lower(), CLIENT})),
        ("GRAPH_ENDPOINT", "http://127.0.0.1:8080/", "graph_endpoint", "http://127.0.0.1:8080"),
        ("GRAPH_AUTHORITY", "https://localhost:8443/", "graph_authority", "https://localhost:8443"),
        ("CLIENT_STATE_KEY_PREVIOUS", KEY, "client_state_key_previous", b"k" * 32),
        ("HANDLER_TIMEOUT_SECONDS", "90", "handler_timeout", timedelta(seconds=90)),
        ("DEDUPLICATION_DAYS", "14", "deduplication_window", timedelta(days=14)),
        ("MAX_BODY_BYTES", "1000", "max_body_bytes", 1000),
        ("ENCRYPTION_KEYS", "directory:/keys", "encryption_keys", "directory:/keys"),
        ("ENCRYPTION_KEYS", f"keyvault:{CERTIFICATE}/", "encryption_keys", f"keyvault:{CERTIFICATE}"),
        ("ENCRYPTION_KEYS", f"keyvault-unwrap:{CERTIFICATE}", "encryption_keys", f"keyvault-unwrap:{CERTIFICATE}"),
        ("GRAPH_CREDENTIAL", " client-secret ", "graph_credential", "client-secret"),
        ("API_AUDIENCES", "api://earshot.example, x", "api_audiences", frozenset({"api://earshot.example", "x"})),
        ("API_SCOPE", "Feeds.Read", "api_scope", "Feeds.Read"),
        ("WEB_CLIENT_ID", CLIENT.upper(), "web_client_id", CLIENT),
        ("TOKEN_CACHE_KEY_PREVIOUS", KEY, "token_cache_key_previous", b"k" * 32),
    ],
)
def test_texts_are_read_as_what_they_mean(name: str, text: str, attribute: str, value: object) -> None:
    settings = read(**{name: text})

    assert getattr(settings, attribute) == value
    assert settings.problems == ()


MALFORMED = [
    ("GRAPH_CLOUD", "mars"),
    ("GRAPH_ENDPOINT", "http://graph.example"),
    ("GRAPH_ENDPOINT", "graph.example"),
    ("GRAPH_ENDPOINT", "https://[broken"),
    ("GRAPH_AUTHORITY", "http://127.0.0.1:1"),
    ("GRAPH_PUBLISHER_APP_ID", "x"),
    ("GRAPH_TENANT_ID", "contoso.example"),
    ("GRAPH_TENANT_ID", f"{TENANT}x"),
    ("GRAPH_CLIENT_ID", "x"),
    ("ALLOWED_TENANT_IDS", f"{TENANT},x"),
    ("GRAPH_CREDENTIAL", "password"),
    ("PUBLIC_BASE_URL", "http://app.example/api"),
    ("PUBLIC_BASE_URL", "https://app.example/api?x=1"),
    ("CLIENT_STATE_KEY", "not base64"),
    ("CLIENT_STATE_KEY", "é"),
    ("CLIENT_STATE_KEY", base64.b64encode(b"k" * 31).decode()),
    ("CLIENT_STATE_KEY_PREVIOUS", "not base64"),
    ("FORWARD_SIGNING_KEY", "secret"),
    ("FORWARD_SIGNING_KEY", "whsec_" + base64.b64encode(b"short").decode()),
    ("FORWARD_SIGNING_KEY", "whsec_é"),
    ("ENCRYPTION_KEYS", "file:/keys"),
    ("ENCRYPTION_KEYS", "directory:"),
    ("ENCRYPTION_KEYS", "keyvault:"),
    ("ENCRYPTION_KEYS", f"keyvault:{CERTIFICATE.replace('https', 'http')}"),
    ("ENCRYPTION_KEYS", f"keyvault:{CERTIFICATE.replace('certificates', 'secrets')}"),
    ("ENCRYPTION_KEYS", f"keyvault:{CERTIFICATE}/{'0' * 32}"),
    ("ENCRYPTION_KEYS", f"keyvault-unwrap:{CERTIFICATE}{'x' * 95}"),
    ("ENCRYPTION_KEYS", "keyvault-unwrap:https://v.vault.azure.net"),
    ("RENEWAL_SCHEDULE", "*/5 * * * *"),
    ("SWEEP_SCHEDULE", "hourly"),
    ("MAX_BODY_BYTES", "-1"),
    ("MAX_BODY_BYTES", "0"),
    ("MAX_BODY_BYTES", "1e6"),
    ("MAX_BODY_BYTES", "9" * 5000),
    ("HANDLER_TIMEOUT_SECONDS", "a minute"),
    ("RETRY_ATTEMPTS", "0"),
    ("RETRY_FIRST_DELAY_SECONDS", "٣"),
    ("RETRY_LONGEST_DELAY_SECONDS", "1.5"),
    ("DEDUPLICATION_DAYS", "99999999999"),
    ("DEDUPLICATION_DAYS", "2000000000"),
    ("EventHubConnection__fullyQualifiedNamespace", "sb://ns.servicebus.windows.net"),
    ("EventHubConnection__fullyQualifiedNamespace", "ns"),
    ("EVENT_HUB_NOTIFICATION_URL", "https://ns.servicebus.windows.net/eventhubname/hub?tenantId=contoso.com"),
    ("EVENT_HUB_NOTIFICATION_URL", "EventHub:https://ns.servicebus.windows.net/hub?tenantId=contoso.com"),
    ("EVENT_HUB_NOTIFICATION_URL", "EventHub:https://ns.servicebus.windows.net/eventhubname/hub"),
    ("EVENT_HUB_NOTIFICATION_URL", "EventHub:https://ns.servicebus.windows.net/eventhubname/hub?tenantId=contoso"),
    ("EVENT_HUB_BLOB_STORE_URL", "EventHub:https://v.vault.azure.net/secrets/store?tenantId=contoso.com"),
    ("EVENT_HUB_BLOB_STORE_URL", "https://v.vault.azure.net/keys/store?tenantId=contoso.com"),
    ("OVERSIZE_STORAGE__blobServiceUri", "http://store.blob.core.windows.net"),
    ("AzureSignalRConnectionString__serviceUri", "http://live.service.signalr.net"),
    ("API_SCOPE", "access_as_user openid"),
    ("WEB_CLIENT_ID", "x"),
    ("TOKEN_CACHE_KEY", base64.b64encode(b"k" * 31).decode()),
    ("TOKEN_CACHE_KEY", base64.b64encode(b"k" * 64).decode()),
    ("TOKEN_CACHE_KEY_PREVIOUS", "not base64"),
]


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_a_malformed_setting_stops_exactly_the_parts_that_use_it(name: str, text: str) -> None:
    settings = read(**{name: text})
    stopped = {part for part in NEEDED_BY if settings.missing(part)}

    assert [problem for problem, _ in settings.problems] == [name]
    assert stopped == {part for part, used in USED_BY.items() if name in used}
    assert stopped


@pytest.mark.parametrize("part", NEEDED_BY)
def test_every_problem_is_named_at_once_with_the_sample(part: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({"GRAPH_CLOUD": "mars", "GRAPH_TENANT_ID": "x"}).require(part)
    wanted = set(NEEDED_BY[part]) | ({"GRAPH_CLOUD", "GRAPH_TENANT_ID"} & set(USED_BY[part]))

    assert {problem.split(" ")[0] for problem in error.value.problems} == wanted
    assert "local.settings.sample.json" in str(error.value)


@given(st.dictionaries(st.sampled_from(list(NAMES)), st.text(max_size=30)))
def test_no_environment_makes_reading_raise(environ: dict[str, str]) -> None:
    settings = Settings.from_environ(environ)
    for part in NEEDED_BY:
        settings.missing(part)


def test_the_account_name_does_instead_of_a_connection_string() -> None:
    settings = read(AzureWebJobsStorage=None, AzureWebJobsStorage__accountName="account")

    assert settings.missing("webhook") == ()
    assert "AzureWebJobsStorage is missing" in read(AzureWebJobsStorage=None).missing("webhook")


def test_audience_and_tenants_default_to_our_own() -> None:
    settings = read()

    assert settings.graph_audiences == {CLIENT}
    assert settings.allowed_tenant_ids == {TENANT.lower()}
    assert settings.api_audiences == {CLIENT, f"api://{CLIENT}"}
    assert settings.web_client_id == CLIENT
    assert read(GRAPH_CLIENT_ID=None).api_audiences == frozenset()


def test_parts_for_people_are_there_when_somebody_asks_for_them() -> None:
    asked, silent = read(), read(AzureSignalRConnectionString__serviceUri=None, TOKEN_CACHE_KEY=None)

    assert (asked.asks_for_live_clients, asked.asks_for_mail) == (True, True)
    assert (silent.asks_for_live_clients, silent.asks_for_mail) == (False, False)
    assert read(TOKEN_CACHE_KEY="malformed").asks_for_mail
    assert "AzureSignalRConnectionString is missing" in silent.missing("live")
    assert read(AzureSignalRConnectionString__serviceUri=None, AzureSignalRConnectionString="x").missing("live") == ()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_implies_endpoint_and_authority(cloud: str) -> None:
    settings = read(GRAPH_CLOUD=cloud)

    assert (settings.graph_endpoint, settings.authority) == (CLOUDS[cloud].endpoint, CLOUDS[cloud].authority)
    assert read(GRAPH_CLOUD=cloud, GRAPH_AUTHORITY="https://a.example").authority == "https://a.example"


def test_the_current_client_state_key_comes_first() -> None:
    previous = base64.b64encode(b"p" * 32).decode()

    assert read(CLIENT_STATE_KEY_PREVIOUS=previous).client_state_keys == (b"k" * 32, b"p" * 32)
    assert read().client_state_keys == (b"k" * 32,)
    assert read(TOKEN_CACHE_KEY_PREVIOUS=previous).token_cache_keys == (b"k" * 32, b"p" * 32)


def test_every_part_uses_what_it_needs() -> None:
    assert all(set(NEEDED_BY[part]) <= set(USED_BY[part]) <= set(NAMES) for part in NEEDED_BY)


@pytest.mark.parametrize(
    "name",
    [
        "AzureWebJobsStorage",
        "GRAPH_CLIENT_SECRET",
        "CLIENT_STATE_KEY",
        "CLIENT_STATE_KEY_PREVIOUS",
        "FORWARD_SIGNING_KEY",
        "AzureSignalRConnectionString",
        "TOKEN_CACHE_KEY",
        "TOKEN_CACHE_KEY_PREVIOUS",
    ],
)
@pytest.mark.parametrize("form", ["{}", "whsec_{}"])
def test_no_secret_is_printed_whether_well_formed_or_not(name: str, form: str) -> None:
    secret = form.format(base64.b64encode(b"canary-canary-canary-canary-canary").decode())
    settings = read(**{name: secret})
    told: list[Any] = [settings, settings.problems, *(SettingsError(settings.missing(part)) for part in NEEDED_BY)]

    assert all(secret not in repr(each) and secret not in str(each) for each in told)
    assert "canary" not in repr(settings)
