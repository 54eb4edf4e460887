"""What goes wrong on the way, and what the hooks say of it: whose turn it is, which role or quota, how to ask for it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from local.az import refusals
from local.az.parsing import commands
from local.az.refusals import Refusal
from scripts.provisioning.troubles import ALREADY_THERE, TROUBLES, Trouble, recognise
from tests.scripts.deploying import TEAMS, AppThatSubscribes, Deployment

ROOT = Path(__file__).parents[2]
PULLED = {"name": "chats", "resource": "/chats/getAllMessages", "changeType": "created", "delivery": "eventhub"}


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: each.name)
def test_each_trouble_is_recognised_by_its_own_text_and_says_what_to_do(trouble: Trouble) -> None:
    assert recognise(trouble.example) is trouble
    assert recognise(f"ERROR: {trouble.example}\nCode: x") is trouble
    assert len(trouble.advice) > 25
    assert re.fullmatch(r"https://learn\.microsoft\.com/\S+ \(\d{4}-\d{2}\)", trouble.source)


def test_every_command_that_people_are_told_to_run_is_one_of_the_real_cli() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "scripts/provisioning").glob("*.py"))
    said = re.sub(r'"\s+f?"', "", sources)  # sentences go on in the next line
    found = re.findall(r"\baz ((?:[a-z][a-z-]+ )+)(--[a-z-]+)", said)

    assert len(found) > 8
    for words, flag in found:
        assert flag in commands()[words.strip()]["flags"], words


def test_texts_that_are_no_trouble_of_ours_are_not_taken_for_one() -> None:
    for text in ("", "something else", "Bad Request({})", "(Conflict) no", "Not Found({})"):
        assert recognise(text) is None


def test_what_is_there_already_has_its_source() -> None:
    assert all(source.startswith("https://learn.microsoft.com/") for source in ALREADY_THERE.values())


@pytest.mark.parametrize(
    ("privilege", "step", "words"),
    [
        ("entra:applications", "app registration", "Application Developer"),
        ("azure:contributor", "resource providers", "Contributor"),
    ],
)
def test_before_the_templates_a_missing_role_is_named_and_can_be_mended(
    deployment: Deployment, privilege: str, step: str, words: str
) -> None:
    deployment.lose(privilege)

    assert deployment.before() == 1

    assert deployment.became[step] == "failed"
    assert words in deployment.last
    assert "Run the same command again" in deployment.last
    deployment.change(privileges=[*deployment.state["privileges"], privilege])
    assert deployment.before() == 0


@pytest.mark.parametrize(
    ("privilege", "step", "words"),
    [
        ("entra:principals", "service principal", "Cloud Application Administrator"),
        ("entra:consent", "permissions", "Privileged Role Administrator"),
        ("entra:consent-for-people", "consent for people", "Cloud Application Administrator"),
        ("vault:secrets", "CLIENT_STATE_KEY", "Key Vault Secrets Officer"),
        ("vault:certificates", "encryption certificate", "Key Vault Certificates Officer"),
        ("azure:role-assignments", "Graph may write to the hub", "Role Based Access Control Administrator"),
    ],
)
def test_after_the_templates_a_missing_role_is_named_and_can_be_mended(
    deployment: Deployment, privilege: str, step: str, words: str
) -> None:
    deployment.azd(EARSHOT_DELIVERY="both", EARSHOT_SIGNALR="true")
    deployment.declare(TEAMS, PULLED)
    assert deployment.before() == 0
    deployment.provision()
    deployment.lose(privilege)

    assert deployment.after() == 1

    assert deployment.became[step] == "failed"
    assert words in deployment.last
    deployment.change(privileges=[*deployment.state["privileges"], privilege])
    assert deployment.after() == 0


def test_who_may_not_read_the_apps_keys_is_told_so(deployment: Deployment) -> None:
    deployment.up()
    deployment.lose("azure:app-keys")

    assert deployment.deployed() == 1

    assert deployment.became["subscriptions"] == "failed"
    assert "Website Contributor" in deployment.last


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(deployment: Deployment) -> None:
    assert deployment.before() == 0
    deployment.provision()
    late = refusals.forbidden_by_rbac("Microsoft.KeyVault/vaults/secrets/readMetadata/action", "kv-x")
    unknown = refusals.not_found("the new service principal")
    deployment.stand_in.late = {
        "keyvault secret list": (3, late),
        "rest --method post --url https://graph.microsoft.com/v1.0/servicePrincipals/": (2, unknown),
    }

    assert deployment.after() == 0

    assert deployment.waits == 5
    assert "waiting 1 s, 20 s at most" in deployment.last


def test_patience_ends_and_then_the_role_is_named(deployment: Deployment) -> None:
    assert deployment.before() == 0
    deployment.provision()
    deployment.lose("vault:secrets")

    assert deployment.after("--patience", "4") == 1

    assert deployment.waits == 4
    assert "Key Vault Secrets Officer" in deployment.last


@pytest.mark.parametrize(
    ("start", "refusal", "words"),
    [
        ("account show", Refusal(refusals.NOT_SIGNED_IN), ["az login"]),
        (
            "functionapp list-flexconsumption-locations",
            refusals.arm("SubscriptionIsOverQuotaForSku", "Operation cannot be completed without additional quota."),
            ["quota", "New support request"],
        ),
        (
            "provider register",
            refusals.not_authorized("Microsoft.App/register/action", "/subscriptions/5"),
            ["Microsoft.App/register/action", "Contributor"],
        ),
        ("rest --method get", refusals.insufficient(), ["an account in the tenant"]),
        (
            "rest --method get",
            Refusal("something that nobody has seen"),
            ["something that nobody has seen", "look it up"],
        ),
    ],
    ids=["not signed in", "quota", "registering", "directory", "unknown"],
)
def test_refusals_come_with_what_to_do(deployment: Deployment, start: str, refusal: Refusal, words: list[str]) -> None:
    deployment.stand_in.refused = {start: refusal}

    assert deployment.before() == 1

    for word in words:
        assert word in deployment.last
    deployment.stand_in.refused = {}
    assert deployment.before() == 0


def _in_another_subscription(deployment: Deployment) -> None:
    deployment.azd(AZURE_SUBSCRIPTION_ID="00000000-0000-4000-8000-000000000001")


def _in_another_tenant(deployment: Deployment) -> None:
    deployment.azd(GRAPH_TENANT_ID="00000000-0000-4000-8000-000000000001")


def _in_an_unknown_region(deployment: Deployment) -> None:
    deployment.azd(AZURE_LOCATION="westeurop")


def _in_a_region_of_yesterday(deployment: Deployment) -> None:
    deployment.azd(AZURE_LOCATION="oldland")


def _with_a_deleted_vault(deployment: Deployment) -> None:
    deployment.azd(KEY_VAULT_NAME="kv-x", AZURE_RESOURCE_GROUP="rg-test")
    deployment.change(deletedVaults=["kv-x"])


def _without_a_hub(deployment: Deployment) -> None:
    deployment.declare(PULLED)


def _with_a_stranger(deployment: Deployment) -> None:
    deployment.azd(GRAPH_CLIENT_ID="00000000-0000-4000-8000-000000000001")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_in_another_subscription, "az account set --subscription 00000000-0000-4000-8000-000000000001"),
        (_in_another_tenant, "az login --tenant 00000000-0000-4000-8000-000000000001"),
        (_in_an_unknown_region, "such as westeurope, northeurope"),
        (_in_a_region_of_yesterday, "the app needs 3.13"),
        (_with_a_deleted_vault, "az keyvault recover --name kv-x"),
        (_without_a_hub, "azd env set EARSHOT_DELIVERY both"),
        (_with_a_stranger, "no app registration of this tenant"),
    ],
)
def test_what_is_seen_before_anything_is_deployed(
    deployment: Deployment, spoil: Callable[[Deployment], None], words: str
) -> None:
    spoil(deployment)

    assert deployment.before() == 1

    assert words in deployment.last


def test_a_vault_that_went_lets_nothing_be_made_in_its_place(deployment: Deployment) -> None:
    deployment.up()
    deployment.change(vaults={})

    assert deployment.after() == 1

    assert deployment.became["CLIENT_STATE_KEY"] == "failed"


@pytest.mark.parametrize("hook", ["after", "deployed"])
def test_the_order_of_things_is_said_where_something_was_left_out(deployment: Deployment, hook: str) -> None:
    assert getattr(deployment, hook)() == 1
    assert "scripts/preprovision.py" in deployment.last or "Run azd provision first" in deployment.last

    assert deployment.before() == 0
    assert getattr(deployment, hook)() == 1
    assert "Run azd provision first" in deployment.last


def test_references_that_stay_empty_are_named_and_keep_nothing_else_from_being_done(deployment: Deployment) -> None:
    deployment.azd(EARSHOT_DELIVERY="both")
    deployment.declare(PULLED)
    assert deployment.before() == 0
    deployment.provision()
    sites = deployment.state["sites"]
    sites["func-earshot-x"]["references"]["SOMETHING_ELSE"] = "nobody-made-it"
    deployment.change(sites=sites)

    assert deployment.after() == 0

    assert deployment.became["key references"] == "attention"
    assert "SOMETHING_ELSE (SecretNotFound)" in deployment.last
    assert deployment.became["Graph may write to the hub"] == "created"


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (AppThatSubscribes(wakes_after=10_000), "Was its code deployed (azd deploy)?"),
        (AppThatSubscribes(health={"status": "degraded", "problems": {"webhook": ["CLIENT_STATE_KEY is missing"]}}), "CLIENT_STATE_KEY is missing"),
        (AppThatSubscribes(problem="403 Forbidden: missing permission"), "teams-messages: 403 Forbidden: missing permission"),
        (AppThatSubscribes(entries=["another"]), "teams-messages: not begun yet"),
    ],
    ids=["asleep", "unwell", "refused", "another file"],
)  # fmt: skip
def test_an_app_that_does_not_come_up_is_told_of(deployment: Deployment, app: AppThatSubscribes, words: str) -> None:
    deployment.up()
    deployment.app = app

    assert deployment.deployed() == 1

    assert words in deployment.last


def test_a_declaration_that_cannot_be_read_stops_everything_before_it_begins(deployment: Deployment) -> None:
    (deployment.folder / "subscriptions.json").write_text("{")

    assert deployment.before() == 2
    assert deployment.after() == 2
    assert "subscriptions.json cannot be read" in deployment.last
    assert deployment.stand_in.asked == []


def test_an_answer_of_another_shape_is_a_failure_that_says_so(deployment: Deployment) -> None:
    deployment.change(organization={"id": "x"})

    assert deployment.before() == 1

    assert "another shape than this script knows: KeyError 'verifiedDomains'" in deployment.last
