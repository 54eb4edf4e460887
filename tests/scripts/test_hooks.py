"""The hooks against a strict stand-in for `az`: what they make, that a second run makes nothing, and that no crash leaves a half."""

import base64
import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

from local.az.refusals import insufficient, not_found
from local.az.tenant import IDENTITY, SUBSCRIPTION_ID, TENANT_ID
from scripts.provisioning.tenant import CHANGE_TRACKING, PROVIDERS
from tests.scripts.deploying import TEAMS, Deployment

PULLED = {"name": "chats", "resource": "/chats/getAllMessages", "changeType": "created", "delivery": "eventhub"}


class Killed(BaseException):
    """What the operating system does, as far as one process can do it to itself."""


def test_everything_is_made_once(deployment: Deployment) -> None:
    deployment.up()
    state = deployment.state
    [application] = state["applications"]
    [credential] = application["federatedIdentityCredentials"]
    [vault] = state["vaults"].values()
    names = {role["id"]: role["value"] for role in state["servicePrincipals"][0]["appRoles"]}

    assert application["uniqueName"] == f"earshot-test-{hashlib.sha256(SUBSCRIPTION_ID.encode()).hexdigest()[:8]}"
    assert state["azd"]["GRAPH_CLIENT_ID"] == application["appId"]
    assert state["azd"]["GRAPH_TENANT_ID"] == TENANT_ID
    assert state["azd"]["GRAPH_TENANT_DOMAIN"] == "contoso.onmicrosoft.com"
    assert all(state["providers"].get(each, "Registered") == "Registered" for each in PROVIDERS)
    assert credential["subject"] == IDENTITY
    assert credential["issuer"] == f"https://login.microsoftonline.com/{TENANT_ID}/v2.0"
    assert credential["audiences"] == ["api://AzureADTokenExchange"]
    assert sorted(names[each["appRoleId"]] for each in state["appRoleAssignments"]) == [
        "Channel.ReadBasic.All",
        "ChannelMessage.Read.All",
        "Team.ReadBasic.All",
    ]
    assert len(base64.b64decode(vault["secrets"]["client-state-key"][0], validate=True)) == 32
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", vault["secrets"]["forward-signing-key"][0])
    [policy] = vault["certificates"]["notifications"]
    assert policy["issuerParameters"]["name"] == "Self"
    assert policy["lifetimeActions"] == [{"action": {"actionType": "AutoRenew"}, "trigger": {"lifetimePercentage": 80}}]
    assert state["sites"]["func-earshot-x"]["resolved"] == ["CLIENT_STATE_KEY", "FORWARD_SIGNING_KEY"]


@pytest.mark.parametrize("live", ["false", "true"])
@pytest.mark.parametrize("credential", ["federated", "managed-identity"])
@pytest.mark.parametrize("delivery", ["webhook", "both"])
def test_a_second_run_changes_nothing(deployment: Deployment, delivery: str, credential: str, live: str) -> None:
    mail = live if credential == "federated" else "false"
    deployment.azd(EARSHOT_DELIVERY=delivery, GRAPH_CREDENTIAL=credential, EARSHOT_SIGNALR=live, EARSHOT_MAIL=mail)
    deployment.declare(TEAMS, *([PULLED] if delivery == "both" else []))
    deployment.up()
    before, changes = deployment.kept, len(deployment.stand_in.changed)

    assert deployment.before() == 0
    first = deployment.became
    assert deployment.after() == 0
    second = deployment.became

    assert deployment.kept == before
    assert deployment.stand_in.changed[changes:] == []
    assert {*first.values(), *second.values()} <= {"unchanged", "skipped"}
    assert deployment.report["changes"] == 0
    assert "nothing was changed" in deployment.last


def _for_crashes(folder: Path) -> Deployment:
    folder.mkdir(parents=True, exist_ok=True)
    deployment = Deployment(folder, entries=(TEAMS, PULLED))
    deployment.azd(EARSHOT_DELIVERY="both", EARSHOT_SIGNALR="true", EARSHOT_MAIL="true")
    return deployment


def _without_ids_and_values(deployment: Deployment) -> object:
    """What there is, without what chance and order decide: ids as the order of their first mention, secrets as their number."""
    state = deployment.state
    for vault in state["vaults"].values():
        vault["secrets"] = {name: len(versions) for name, versions in vault["secrets"].items()}
    state["made"] = 0
    seen: dict[str, str] = {}
    text = re.sub(
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        lambda found: seen.setdefault(found[0], f"id {len(seen)}"),
        json.dumps(state, sort_keys=True),
    )
    return json.loads(text)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_wherever_it_is_killed_the_next_run_ends_in_the_same_state(tmp_path: Path, moment: str) -> None:
    """Every change is such a moment; `azd up` is simply run again."""
    whole = _for_crashes(tmp_path / "whole")
    whole.up()
    expected, changes = _without_ids_and_values(whole), len(whole.stand_in.changed)
    assert changes > 22

    for number in range(changes):
        deployment = _for_crashes(tmp_path / f"{moment}-{number}")
        _kill(deployment, moment, number)
        with pytest.raises(Killed):
            deployment.up()
        _spare(deployment)
        deployment.up()

        assert _without_ids_and_values(deployment) == expected, (
            f"killed {moment} change {number}: {whole.stand_in.changed[number]}"
        )


def _kill(deployment: Deployment, moment: str, number: int) -> None:
    left = [number]

    def count() -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1

    setattr(deployment.stand_in, f"{moment}_change", count)


def _spare(deployment: Deployment) -> None:
    deployment.stand_in.before_change = deployment.stand_in.after_change = lambda: None


def test_a_dry_run_says_what_it_would_do_and_does_nothing(deployment: Deployment) -> None:
    before = deployment.kept

    assert deployment.before("--dry-run") == 0

    assert deployment.kept == before
    assert deployment.stand_in.changed == []
    assert deployment.became["app registration"] == "would create"
    assert deployment.became["resource providers"] == "would create"


def test_a_dry_run_after_the_templates_does_nothing_either(deployment: Deployment) -> None:
    assert deployment.before() == 0
    deployment.provision()
    before = deployment.kept

    assert deployment.after("--dry-run") == 0

    assert deployment.kept == before
    assert {step: became for step, became in deployment.became.items() if became != "skipped"} == {
        "service principal": "would create",
        "federated credential": "would create",
        "no assignment required": "would change",
        "permissions": "would create",
        "CLIENT_STATE_KEY": "would create",
        "FORWARD_SIGNING_KEY": "would create",
        "encryption certificate": "would create",
        "key references": "would change",
    }


def test_no_secret_is_on_a_command_line_or_in_what_is_said(deployment: Deployment) -> None:
    deployment.up()
    assert deployment.deployed() == 0
    [vault] = deployment.state["vaults"].values()
    secrets = [value for versions in vault["secrets"].values() for value in versions]
    secrets.append(deployment.state["sites"]["func-earshot-x"]["masterKey"])
    lines = [" ".join(words) for words in deployment.stand_in.asked]

    assert len(secrets) == 3
    assert not [out for out in deployment.printed for secret in secrets[:2] if secret in out]
    for secret in secrets:
        assert not [line for line in lines if secret in line]
        assert not [said for said in deployment.said if secret in said]
        assert secret not in json.dumps(deployment.report)


def test_the_files_that_secrets_go_through_are_gone_and_were_private(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, int, int]] = []
    answer = deployment.stand_in.run

    def look(words: list[str]) -> object:
        seen.extend(
            (
                Path(word.removeprefix("@")),
                Path(word.removeprefix("@")).stat().st_mode & 0o777,
                Path(word.removeprefix("@")).parent.stat().st_mode & 0o777,
            )
            for flag, word in itertools.pairwise(words)
            if flag in {"--file", "--policy", "--body"}
        )
        return answer(words)

    monkeypatch.setattr(deployment, "_az", look)
    deployment.up()

    assert len(seen) > 5
    assert {mode for _, mode, _ in seen} == {0o600}
    assert {folder for _, _, folder in seen} == {0o700}
    assert not [path for path, _, _ in seen if path.exists()]


def test_a_third_key_is_made_where_people_connect_their_mailboxes(deployment: Deployment) -> None:
    deployment.up()
    assert deployment.became["TOKEN_CACHE_KEY"] == "skipped"
    deployment.azd(TOKEN_CACHE_KEY_SECRET="token-cache-key")

    assert deployment.after() == 0

    secrets = deployment.state["vaults"]["kv-x"]["secrets"]
    assert len(base64.b64decode(secrets["token-cache-key"][0], validate=True)) == 32
    assert secrets["token-cache-key"] != secrets["client-state-key"]


@pytest.mark.parametrize("name", ["client-state-key", "forward-signing-key"])
def test_a_secret_that_was_deleted_is_taken_back_and_not_made_anew(deployment: Deployment, name: str) -> None:
    """Every live subscription proves itself with the old value."""
    deployment.up()
    state = deployment.state
    value = state["vaults"]["kv-x"]["secrets"].pop(name)
    state["vaults"]["kv-x"]["deletedSecrets"][name] = value
    deployment.change(vaults=state["vaults"])

    assert deployment.after() == 0

    assert deployment.state["vaults"]["kv-x"]["secrets"][name] == value
    assert "is back with the value that it had" in deployment.last


def test_a_certificate_that_was_deleted_is_taken_back(deployment: Deployment) -> None:
    deployment.up()
    state = deployment.state
    state["vaults"]["kv-x"]["deletedCertificates"] = state["vaults"]["kv-x"]["certificates"]
    state["vaults"]["kv-x"]["certificates"] = {}
    deployment.change(vaults=state["vaults"])

    assert deployment.after() == 0

    assert len(deployment.state["vaults"]["kv-x"]["certificates"]["notifications"]) == 1


def test_an_identity_that_was_made_anew_is_trusted_in_place_of_the_old_one(deployment: Deployment) -> None:
    deployment.up()
    deployment.azd(IDENTITY_PRINCIPAL_ID="2de50000-0000-4000-8000-000000002de5")

    assert deployment.after() == 0

    [credential] = deployment.state["applications"][0]["federatedIdentityCredentials"]
    assert credential["subject"] == "2de50000-0000-4000-8000-000000002de5"
    assert deployment.became["federated credential"] == "changed"


def test_assignment_that_somebody_required_is_required_no_longer(deployment: Deployment) -> None:
    """With it, Graph gets no token for the app, and rich notifications come without validationTokens."""
    deployment.up()
    principals = deployment.state["servicePrincipals"]
    principals[-1]["appRoleAssignmentRequired"] = True
    deployment.change(servicePrincipals=principals)

    assert deployment.after() == 0

    assert deployment.state["servicePrincipals"][-1]["appRoleAssignmentRequired"] is False


def test_a_key_that_leaves_no_vault_gets_a_certificate_that_cannot_be_exported(deployment: Deployment) -> None:
    assert deployment.before() == 0
    deployment.provision()
    deployment.azd(ENCRYPTION_KEYS="keyvault-unwrap:https://kv-x.vault.azure.net/certificates/notifications")

    assert deployment.after() == 0

    [policy] = deployment.state["vaults"]["kv-x"]["certificates"]["notifications"]
    assert policy["keyProperties"]["exportable"] is False
    assert "keyEncipherment" in policy["x509CertificateProperties"]["keyUsage"]


def test_the_identity_itself_asks_graph_where_that_was_chosen(deployment: Deployment) -> None:
    deployment.azd(GRAPH_CREDENTIAL="managed-identity")

    deployment.up()

    assert deployment.state["applications"] == []
    assert {each["principalId"] for each in deployment.state["appRoleAssignments"]} == {IDENTITY}


def test_graph_may_write_to_the_hub_where_there_is_one(deployment: Deployment) -> None:
    deployment.azd(EARSHOT_DELIVERY="eventhub")
    deployment.declare(PULLED)

    deployment.up()

    state = deployment.state
    [role] = state["roleAssignments"]
    [graphs_own] = [each for each in state["servicePrincipals"] if each["appId"] == CHANGE_TRACKING]
    assert role["principalId"] == graphs_own["id"] == state["azd"]["GRAPH_CHANGE_TRACKING_PRINCIPAL_ID"]
    assert role["roleDefinitionName"] == "Azure Event Hubs Data Sender"
    assert role["scope"].endswith("/providers/Microsoft.EventHub/namespaces/evhns-x/eventhubs/notifications")


def test_a_role_that_the_templates_gave_is_left_alone(deployment: Deployment) -> None:
    deployment.azd(EARSHOT_DELIVERY="eventhub")
    deployment.declare(PULLED)
    assert deployment.before() == 0
    deployment.provision()
    assert deployment.after() == 0
    deployment.lose("azure:role-assignments")

    assert deployment.after() == 0


def test_of_two_permissions_of_one_name_the_one_for_apps_is_granted(deployment: Deployment) -> None:
    """Graph has many names twice, for people and for apps; the tenant of these tests has Mail.Read twice."""
    deployment.declare({"name": "mail", "resource": f"/users/{IDENTITY}/messages", "changeType": "created"})

    deployment.up()

    roles = {each["id"]: each for each in deployment.state["servicePrincipals"][0]["appRoles"]}
    [granted] = [roles[each["appRoleId"]] for each in deployment.state["appRoleAssignments"]]
    assert (granted["value"], granted["allowedMemberTypes"]) == ("Mail.Read", ["Application"])


def test_a_permission_that_nothing_needs_any_longer_is_named_and_left(deployment: Deployment) -> None:
    deployment.up()
    deployment.declare({"name": "people", "resource": "/users", "changeType": "updated"})

    assert deployment.after() == 0

    assert len(deployment.state["appRoleAssignments"]) == 4
    assert "left as it is: Channel.ReadBasic.All, ChannelMessage.Read.All, Team.ReadBasic.All" in deployment.last


def test_a_permission_for_a_handler_of_ones_own_is_granted_by_name(deployment: Deployment) -> None:
    deployment.up()

    assert deployment.after("--permission", "Sites.Read.All") == 0
    assert deployment.after("--permission", "Sites.Read.Everything") == 1

    assert len(deployment.state["appRoleAssignments"]) == 4
    assert "no application permission Sites.Read.Everything" in deployment.last


def test_other_tenants_are_named_with_the_link_that_their_administrators_open(deployment: Deployment) -> None:
    other = "0f4b0000-0000-4000-8000-000000000f4b"
    deployment.declare(TEAMS, {**TEAMS, "name": "elsewhere", "tenant": other})

    deployment.up()

    assert (
        f"https://login.microsoftonline.com/{other}/adminconsent?client_id={deployment.state['azd']['GRAPH_CLIENT_ID']}"
        in deployment.last
    )


def test_a_registration_that_somebody_made_by_hand_is_used(deployment: Deployment) -> None:
    theirs = {
        "id": "a" * 8,
        "appId": "5d2a7c1e-3b4f-4e6a-9c8d-0f1e2d3c4b5a",
        "uniqueName": None,
        "federatedIdentityCredentials": [],
    }
    deployment.change(applications=[theirs])
    deployment.azd(GRAPH_CLIENT_ID=theirs["appId"])

    deployment.up()

    assert len(deployment.state["applications"]) == 1
    assert deployment.state["applications"][0]["federatedIdentityCredentials"]


def test_after_the_code_is_there_the_app_is_woken_subscribes_and_is_waited_for(deployment: Deployment) -> None:
    deployment.up()

    assert deployment.deployed() == 0
    assert deployment.became == {"health": "unchanged", "subscriptions": "created"}
    assert deployment.app.reconciled == 1
    assert "x-functions-key: az functionapp keys list --name func-earshot-x" in deployment.last

    assert deployment.deployed() == 0
    assert deployment.became == {"health": "unchanged", "subscriptions": "unchanged"}
    assert deployment.app.reconciled == 1


def test_an_app_that_stumbles_while_it_starts_is_asked_again(deployment: Deployment) -> None:
    deployment.up()
    deployment.app.stumbles = 3

    assert deployment.deployed() == 0

    deployment.app.stumbles = 10_000
    assert deployment.deployed() == 1
    assert "answers 502 Bad Gateway" in deployment.last


def test_an_entry_for_a_group_in_which_nobody_is_is_not_waited_for(deployment: Deployment) -> None:
    group = {"forEach": {"group": "0f4b0000-0000-4000-8000-000000000f4b"}}
    deployment.declare(TEAMS, {"name": "team", "resource": "/users/{user}/messages", "changeType": "created", **group})
    deployment.up()

    assert deployment.deployed() == 0


def test_without_azd_the_values_are_in_a_file(deployment: Deployment, tmp_path: Path) -> None:
    deployment.azd(AZURE_ENV_NAME="", AZURE_LOCATION="")
    values = tmp_path / "values.env"
    values.write_text('AZURE_ENV_NAME="test"\nAZURE_LOCATION=westeurope\n# a remark\n')

    assert deployment.before("--values", str(values)) == 0
    first = values.read_text()
    assert deployment.before("--values", str(values)) == 0

    assert values.read_text() == first
    assert f'GRAPH_TENANT_ID="{TENANT_ID}"' in first
    assert "GRAPH_TENANT_ID" not in deployment.state["azd"]


def test_what_a_deployment_by_az_printed_is_read_like_azds_values(deployment: Deployment, tmp_path: Path) -> None:
    values, outputs = tmp_path / "values.env", tmp_path / "outputs.json"
    assert deployment.before("--values", str(values)) == 0
    before = deployment.state["azd"]
    deployment.provision()
    # az prints the names of outputs as they are written, and each with its type
    made = {
        name: {"type": "String", "value": value}
        for name, value in deployment.state["azd"].items()
        if name not in before
    }
    outputs.write_text(json.dumps(made))
    deployment.change(azd=before)

    written = values.read_bytes()
    assert deployment.after("--dry-run", "--values", str(values), "--outputs", str(outputs)) == 0
    assert values.read_bytes() == written
    assert deployment.after("--values", str(values), "--outputs", str(outputs)) == 0
    assert deployment.after("--values", str(values)) == 0

    assert deployment.report["changes"] == 0
    assert len(deployment.state["vaults"]["kv-x"]["secrets"]["client-state-key"]) == 1


def test_two_who_call_their_environments_the_same_share_no_registration(deployment: Deployment) -> None:
    """The second one's identity would take the place of the first one's."""
    deployment.up()
    account = deployment.state["account"]
    deployment.change(account=account | {"id": "00000000-0000-4000-8000-000000000002"}, azd={"AZURE_ENV_NAME": "test"})

    assert deployment.before() == 0

    assert len({each["uniqueName"] for each in deployment.state["applications"]}) == 2


def test_a_pipeline_that_may_ask_nothing_of_entra_deploys_all_the_same(deployment: Deployment) -> None:
    deployment.azd(EARSHOT_DELIVERY="both")
    deployment.declare(TEAMS, PULLED)
    deployment.azd(EARSHOT_SIGNALR="true", EARSHOT_MAIL="true")
    deployment.up()
    deployment.azd(EARSHOT_ENTRA="by-hand")
    deployment.stand_in.refused = {"rest --method get --url https://graph.microsoft.com": insufficient()}
    before = deployment.kept

    assert deployment.before() == 0
    assert deployment.after() == 0

    assert deployment.kept == before
    assert deployment.became["Entra"] == "skipped"


@pytest.mark.parametrize("name", ["GRAPH_TENANT_DOMAIN", "GRAPH_CHANGE_TRACKING_PRINCIPAL_ID", "GRAPH_CLIENT_ID"])
def test_a_pipeline_is_told_what_an_administrator_has_to_find_for_it(deployment: Deployment, name: str) -> None:
    deployment.azd(EARSHOT_DELIVERY="both")
    deployment.up()
    deployment.azd(EARSHOT_ENTRA="by-hand", **{name: ""})

    assert deployment.before() == 1

    assert f"azd env set {name} <value>" in deployment.last


def test_who_has_just_been_made_is_waited_for(deployment: Deployment) -> None:
    assert deployment.before() == 0
    deployment.provision()
    client = deployment.state["azd"]["GRAPH_CLIENT_ID"]
    path = f"rest --method get --url https://graph.microsoft.com/v1.0/servicePrincipals(appId='{client}')"
    # the first of these looks whether there is one; the next two come too soon after it was made
    deployment.stand_in.late = {path: (3, not_found(client))}

    assert deployment.after() == 0

    assert deployment.waits == 2
    assert len([each for each in deployment.state["servicePrincipals"] if each["appId"] == client]) == 1
