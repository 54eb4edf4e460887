"""Wiring: every part that its settings allow, and for the others one sentence each. Nothing outside is touched."""

import base64
import inspect
import json
import logging
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from shared.composition import Composition, blueprints, read_settings
from shared.settings import Settings
from tests.builders import CLIENT_ID, TENANT

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "GRAPH_TENANT_ID": TENANT,
    "GRAPH_CLIENT_ID": CLIENT_ID,
    "GRAPH_CREDENTIAL": "client-secret",
    "GRAPH_CLIENT_SECRET": "made-up",
    "CLIENT_STATE_KEY": "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U=",
    "PUBLIC_BASE_URL": "https://app.example/api",
    "RENEWAL_SCHEDULE": "0 */5 * * * *",
    "SWEEP_SCHEDULE": "30 */15 * * * *",
    "FORWARD_SIGNING_KEY": "whsec_a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5",
}
ENTRY: dict[str, Any] = {
    "name": "teams",
    "resource": "/teams/getAllMessages",
    "changeType": "created",
    "handlers": ["feed"],
}

HUB_URL = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
Compose = Callable[..., Composition]


@pytest.fixture
async def compose(tmp_path: Path) -> AsyncIterator[Compose]:
    """Compose an app with these entries in its subscriptions file."""
    made: list[Composition] = []

    def make(*entries: dict[str, Any], **changes: str) -> Composition:
        path = tmp_path / "subscriptions.json"
        path.write_text(json.dumps({"subscriptions": entries or [ENTRY]}), "utf-8")
        made.append(Composition(Settings.from_environ(GOOD | {"SUBSCRIPTIONS_FILE": str(path)} | changes)))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    """The rules that ship, beside the subscriptions file."""
    return Path(shutil.copy(Path(__file__).parents[2] / "dlp_rules.json", tmp_path))


def registered(parts: list[func.Blueprint]) -> list[Any]:
    app = func.FunctionApp()
    for part in parts:
        app.register_functions(part)
    return list(app.get_functions())


def functions(parts: list[func.Blueprint]) -> set[str]:
    return {str(function.get_function_name()) for function in registered(parts)}


def test_with_good_settings_every_part_is_there(compose: Compose, caplog: pytest.LogCaptureFixture) -> None:
    found = functions(compose().blueprints())

    assert found >= {
        "notifications",
        "lifecycle",
        "processor",
        "subscription_work",
        "renewal",
        "sweep",
        "manage_feeds",
        "findings",
        "findings_summary",
        "health",
    }
    assert caplog.messages == []


FOR_USERS = {"feeds", "feed_page", "negotiate", "openapi"}
SIGNALR = "AzureSignalRConnectionString"


@pytest.mark.parametrize(
    "asked",
    [
        {f"{SIGNALR}__serviceUri": "https://live.service.signalr.net"},
        {SIGNALR: "Endpoint=http://localhost;Port=8888;AccessKey=made-up;Version=1.0;"},
    ],
    ids=["identity", "key"],
)
def test_what_people_call_is_there_where_live_clients_are_asked_for(compose: Compose, asked: dict[str, str]) -> None:
    app = compose(**asked)

    assert functions(app.blueprints()) >= FOR_USERS
    assert app.live_if_any is app.live
    assert app.titles_if_any is app.user_feeds.titles


async def test_where_nobody_asks_for_live_clients_nothing_is_open_to_people_and_status_says_how(
    compose: Compose,
) -> None:
    app = compose()
    parts = app.blueprints()
    status = {str(each.get_function_name()): each for each in registered(parts)}["status"]
    body = json.loads((await status.get_user_function()(func.HttpRequest("GET", url="/", body=b""))).get_body())

    assert not functions(parts) & FOR_USERS
    assert SIGNALR in body["leftOut"]["live"][0]
    assert app.live_if_any is None
    assert app.titles_if_any is None


def test_operators_read_feeds_without_names_where_there_is_nothing_to_ask_graph_with(compose: Compose) -> None:
    app = compose(**{f"{SIGNALR}__serviceUri": "https://live.service.signalr.net", "GRAPH_CLIENT_SECRET": ""})

    assert "manage_feeds" in functions(app.blueprints())
    assert app.titles_if_any is None


def test_live_clients_that_are_asked_for_wrongly_leave_everything_else_running(
    compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    app = compose(**{SIGNALR: "canary"})
    found = functions(app.blueprints())

    assert found >= {"notifications", "processor", "manage_feeds"}
    assert not found & FOR_USERS
    assert app.live_if_any is None
    assert SIGNALR in caplog.text
    assert "canary" not in caplog.text


def test_a_subscriptions_file_that_is_wrong_leaves_every_part_running(
    compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    """What is accepted meanwhile waits on the queue, until the file is mended or an earlier one is found."""
    with caplog.at_level(logging.ERROR):
        found = functions(compose(ENTRY | {"handlers": ["nobody"]}).blueprints())

    assert {"notifications", "lifecycle", "manage_feeds", "processor", "renewal", "subscription_work"} <= found
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(
        "the subscriptions file is wrong; what was kept of an earlier one is looked for"
    )
    assert caplog.messages[0].count("'nobody'") == 1


def test_a_subscriptions_file_that_is_not_there_is_said(compose: Compose) -> None:
    declared = compose(SUBSCRIPTIONS_FILE="nosuch.json").declared

    assert declared.current is None
    assert re.fullmatch(r"SUBSCRIPTIONS_FILE .* cannot be read \(FileNotFoundError\)", declared.problems[0])


def test_every_target_that_is_wrong_is_said_with_its_subscription(compose: Compose) -> None:
    entries = [
        ENTRY
        | {"name": name, "resource": resource, "handlers": ["feed", {"forward": {"to": to, "signingKey": "ABSENT"}}]}
        for name, resource, to in (
            ("one", "/teams/getAllMessages", "http://e.example"),
            ("two", "/chats/getAllMessages", "https://e.example"),
        )
    ]
    problems = compose(*entries).declared.problems

    assert [problem.split(":")[0] for problem in problems] == [
        "subscription 'one'",
        "subscription 'one'",
        "subscription 'two'",
    ]


def test_a_target_that_is_in_order_is_no_problem(compose: Compose) -> None:
    entry = ENTRY | {"handlers": [{"forward": {"to": "https://e.example"}}]}

    current = compose(entry).declared.current
    assert current
    assert current.find("teams")


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({}, {"rule": "dlp_rules.json"}, ["dlp: unknown option 'rule'"]),
        ({}, {"rules": "nosuch.json"}, ["dlp, nosuch.json: rules 'nosuch.json' cannot be read (FileNotFoundError)"]),
        ({}, {"rules": "wrong.json"}, ["dlp, wrong.json: the rules file: "]),
        (
            {},
            {"alert": {"to": "http://e.example", "signingKey": "ABSENT"}},
            ["dlp, alert: forward: 'e.example' must be", "dlp, alert: forward to e.example: setting ABSENT"],
        ),
        ({"resource": "/users/u/messages"}, {"policyViolation": True}, ["dlp: policyViolation is for Teams messages"]),
        ({"resource": "/users/u/events"}, {}, ["dlp is for Teams messages and mail"]),
        (
            {"resource": "/users/u/messages?$select=subject", "includeResourceData": True},
            {},
            ["dlp: Graph sends no bodies of mail"],
        ),
    ],
)
def test_what_is_wrong_with_data_loss_prevention_is_said_where_it_is_declared(
    compose: Compose, rules_file: Path, changes: dict[str, Any], options: dict[str, Any], said: list[str]
) -> None:
    (rules_file.parent / "wrong.json").write_text("{}", "utf-8")
    problems = compose(ENTRY | changes | {"handlers": ["feed", {"dlp": options}]}).declared.problems

    assert len(problems) >= len(said)
    for problem, words in zip(problems, said, strict=False):
        assert problem.startswith(f"subscription 'teams': {words}"), problem
        assert problem.endswith("(line 1, $.subscriptions[0].handlers[1])")


def test_the_rules_that_ship_are_in_order_and_read_once(compose: Compose, rules_file: Path) -> None:
    assert rules_file.name == "dlp_rules.json"
    options = {"alert": {"to": "queue:alerts"}, "policyViolation": True}
    app = compose(ENTRY | {"handlers": [{"dlp": options}]})

    assert app.declared.problems == ()
    assert app.rule_files("dlp_rules.json") is app.rule_files("dlp_rules.json")


def test_the_environment_is_read_once_and_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPH_CLOUD", "china")

    assert read_settings().graph_cloud == "china"
    assert read_settings({}).graph_cloud == "global"


def test_without_settings_there_are_health_and_status() -> None:
    assert functions(list(blueprints(Settings.from_environ({})))) == {"health", "status"}


def test_where_pull_mode_is_asked_for_and_does_not_run_it_can_still_be_found_out_why() -> None:
    asked = {"EVENT_HUB_NOTIFICATION_URL": HUB_URL}

    found = functions(list(blueprints(Settings.from_environ(asked))))

    assert found == {"health", "status", "manage_event_hub"}


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("", ""),
        ("EVENT_HUB_NOTIFICATION_URL", "EVENT_HUB_NOTIFICATION_URL is missing"),
        ("EventHubConnection", "does not read the hub: EventHubConnection is missing"),
        ("EVENT_HUB_NAME", "does not read the hub: EVENT_HUB_NAME is missing"),
    ],
)
def test_an_entry_for_the_hub_needs_one_that_graph_is_told_of_and_we_read(
    compose: Compose, lacking: str, said: str
) -> None:
    pull_mode = {
        "EVENT_HUB_NOTIFICATION_URL": HUB_URL,
        "EventHubConnection": "Endpoint=sb://contoso.servicebus.windows.net/",
        "EVENT_HUB_NAME": "notifications",
        "EVENT_HUB_CONSUMER_GROUP": "$Default",
    }
    app = compose(ENTRY | {"delivery": "eventhub"}, **(pull_mode | ({lacking: ""} if lacking else {})))

    assert bool(app.declared.problems) is bool(said)
    assert said in " ".join(app.declared.problems)


def test_a_claim_outlasts_the_handlers_limit(compose: Compose) -> None:
    app = compose(HANDLER_TIMEOUT_SECONDS="100")

    assert app.ledger._claim_lifetime > app.settings.handler_timeout


HUB = {"EVENT_HUB_NAME": "notifications", "EVENT_HUB_CONSUMER_GROUP": "$Default"}


async def status_of(app: Composition) -> dict[str, Any]:
    """What /api/status says: every storage part of it is left out."""
    found = {}
    for part in app.blueprints():
        functions = func.FunctionApp()
        functions.register_functions(part)
        found |= {each.get_function_name(): each for each in functions.get_functions()}
    answer = found["health"].get_user_function()(func.HttpRequest("GET", "https://app.example/api/health", body=b""))
    response = await answer if inspect.isawaitable(answer) else answer
    body: dict[str, Any] = json.loads(response.get_body())
    return body | {"code": response.status_code}


@pytest.mark.parametrize(
    "asked",
    [
        {"EventHubConnection": "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b"},
        {"EventHubConnection__fullyQualifiedNamespace": "contoso.servicebus.windows.net"},
    ],
    ids=["by key", "by identity"],
)
def test_pull_mode_is_there_for_whoever_asks_for_it(compose: Compose, asked: dict[str, str]) -> None:
    assert "event_hub" in functions(compose(**HUB, **asked).blueprints())


async def test_pull_mode_that_nobody_asked_for_is_no_problem(
    compose: Compose, caplog: pytest.LogCaptureFixture
) -> None:
    app = compose(**HUB)

    assert "event_hub" not in functions(app.blueprints())
    assert caplog.messages == []
    assert (await status_of(app))["code"] == 200


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"EventHubConnection": "x", "EVENT_HUB_NAME": "hub"}, "EVENT_HUB_CONSUMER_GROUP is missing"),
        (
            HUB
            | {"EVENT_HUB_NOTIFICATION_URL": "EventHub:https://c.servicebus.windows.net/eventhubname/h?tenantId=c.com"},
            "EventHubConnection is missing",
        ),
        (HUB | {"EventHubConnection__fullyQualifiedNamespace": "https://c"}, "is not a host's name"),
    ],
)
async def test_pull_mode_that_is_asked_for_and_lacks_a_setting_is_a_problem(
    compose: Compose, settings: dict[str, str], said: str
) -> None:
    app = compose(**settings)
    status = await status_of(app)

    assert "event_hub" not in functions(app.blueprints())
    assert status["code"] == 503
    assert any(said in problem for problem in status["problems"]["event_hub"])
    assert {"notifications", "processor"} <= functions(app.blueprints())


async def test_what_no_event_can_hold_is_read_where_a_setting_says(compose: Compose) -> None:
    assert compose().oversize.store is None
    assert compose(OVERSIZE_STORAGE="UseDevelopmentStorage=true").oversize.store is not None
    by_identity = compose(OVERSIZE_STORAGE__blobServiceUri="https://big.blob.core.windows.net")
    storage = by_identity.oversize_storage
    assert storage is not None
    assert storage.found_container("c").url == "https://big.blob.core.windows.net/c"
    assert storage.health is not by_identity.storage_health


async def test_an_app_that_used_nothing_closes(compose: Compose) -> None:
    await compose().close()


async def test_an_app_that_made_its_clients_closes_them(compose: Compose) -> None:
    app = compose()
    app.blueprints()
    _ = app.graph, app.threads, app.targets.session()
    await app.close()

    assert app.targets.session().closed is False  # a new one, made on demand
    await app.close()


@pytest.mark.parametrize(("credential", "said"), [("client-secret", ""), ("managed-identity", "own tenant only")])
def test_an_entry_for_another_tenant_needs_a_credential_that_reaches_it(
    compose: Compose, credential: str, said: str
) -> None:
    other = "bbbbbbbb-0000-4000-8000-00000000000b"
    app = compose(ENTRY | {"tenant": other}, ALLOWED_TENANT_IDS=f"{TENANT},{other}", GRAPH_CREDENTIAL=credential)

    assert said in " ".join(app.declared.problems)
    assert bool(app.declared.problems) == bool(said)
    assert "ALLOWED_TENANT_IDS" in compose(ENTRY | {"tenant": other}).declared.problems[0]
    assert app.policy.home_tenant_id == TENANT


MAIL = {
    "TOKEN_CACHE_KEY": base64.b64encode(b"k" * 32).decode(),
    "GRAPH_CREDENTIAL": "client-secret",
    "GRAPH_CLIENT_SECRET": "s",
}


def test_people_connect_their_mailbox_where_somebody_has_asked_for_that(compose: Compose) -> None:
    app = compose(**MAIL)

    assert {"mail_connect", "mail_messages", "mail_reply"} <= functions(app.blueprints())
    assert app.user_tokens is not None
    assert app.graph._users == app.user_tokens.token


def test_nobody_connects_a_mailbox_where_nobody_has_asked_for_that(compose: Compose) -> None:
    app = compose()

    assert not {each for each in functions(app.blueprints()) if each.startswith("mail_")}
    assert (app.user_tokens, app.mailboxes, app.graph._users) == (None, None, None)


async def test_a_managed_identity_acts_for_nobody_but_itself(compose: Compose) -> None:
    app = compose(**MAIL | {"GRAPH_CREDENTIAL": "managed-identity"})
    status = await status_of(app)

    assert "managed-identity acts for nobody but itself" in " ".join(status["problems"]["mail"])
    assert app.user_tokens is None


async def test_a_key_that_is_no_key_stops_part_mail_alone(compose: Compose) -> None:
    status = await status_of(compose(**MAIL | {"TOKEN_CACHE_KEY": "dG9vIHNob3J0"}))

    assert list(status["problems"]) == ["mail"]
    assert "TOKEN_CACHE_KEY" in " ".join(status["problems"]["mail"])


def test_mailbox_is_a_handler_for_mail(compose: Compose) -> None:
    mail = {"name": "m", "resource": "users/u/messages", "changeType": "created", "handlers": ["mailbox"]}

    assert compose(mail).declared.problems == ()
    assert "this resource is none" in " ".join(compose(ENTRY | {"handlers": ["mailbox"]}).declared.problems)
