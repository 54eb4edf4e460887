"""A mistake in the templates is caught: each is made once, in a copy, and something has to say so."""

import shutil
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from tests.bicep.checks import problems
from tests.bicep.deploying import Deployment, Templates
from tests.bicep.of_roles import ROLES, roles_are_the_named_ones
from tests.bicep.of_types import RESOURCE_TYPES, unpublished
from tests.bicep.variants import deploy
from tests.house.shipping import ROOT

MISTAKES: tuple[tuple[str, str, str, str], ...] = (
    # what is wrong, where, what is there, what is there instead
    ("a misspelt property", "modules/storage.bicep", "allowSharedKeyAccess:", "allowSharedKeyAcess:"),
    ("a property of something else", "modules/identity.bicep", "  tags: tags\n", "  tags: tags\n  kind: 'identity'\n"),
    ("an old version", "modules/functionapp.bicep", "Microsoft.Web/sites@2024-04-01", "Microsoft.Web/sites@2022-03-01"),
    ("a type that does not exist", "modules/eventhubs.bicep", "eventhubs/consumergroups@", "eventhubs/consumerGroup@"),
    ("a missing setting", "modules/settings.bicep", "  PUBLIC_BASE_URL: publicBaseUrl\n", ""),
    ("a misspelt setting", "modules/settings.bicep", "  SWEEP_SCHEDULE:", "  SWEEP_SHEDULE:"),
    ("a malformed setting", "modules/settings.bicep", "'0 */5 * * * *'", "'*/5 * * * *'"),
    ("a setting that is not a default", "modules/settings.bicep", "DEDUPLICATION_DAYS: '8'", "DEDUPLICATION_DAYS: '2'"),
    ("a setting that is no text", "modules/settings.bicep", "RETRY_ATTEMPTS: '12'", "RETRY_ATTEMPTS: 12"),
    ("a setting that Flex refuses", "modules/settings.bicep", "var ofTheApp = {\n", "var ofTheApp = {\n  FUNCTIONS_WORKER_RUNTIME: 'python'\n"),
    ("a connection string", "modules/settings.bicep", "var ofTheHost = {\n", "var ofTheHost = {\n  AzureWebJobsStorage: 'x'\n"),
    ("the host keeps Graph waiting", "modules/settings.bicep", "__Retry__MaxRetries: '1'", "__Retry__MaxRetries: '5'"),
    ("a key in a plain setting", "modules/settings.bicep", "'@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/${secretNames.clientStateKey})'", "'a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U='"),
    ("a reference that is malformed", "modules/settings.bicep", "SecretUri=${vaultUri}secrets/${secretNames.forward", "SecretUri=${vaultUri}secret/${secretNames.forward"),
    ("references without an identity", "modules/functionapp.bicep", "    keyVaultReferenceIdentity: identityId\n", ""),
    ("a notification URL that Graph does not know", "modules/settings.bicep", "/eventhubname/", "/eventhubs/"),
    ("settings that nobody waits with", "main.bicep", "  dependsOn: [roles]\n", ""),
    ("a role on too much", "modules/roles.bicep", "  scope: oversizeContainer\n", "  scope: oversizeAccount\n"),
    ("a role on the whole group", "modules/roles.bicep", "  scope: appInsights\n", ""),
    ("a role that is too strong", "modules/roles.bicep", "roleIds.storageBlobDataReader", "roleIds.storageBlobDataOwner"),
    ("a role for another", "modules/roles.bicep", "    principalId: graphPrincipalId\n", "    principalId: appPrincipalId\n"),
    ("a role that everybody has", "modules/roles.bicep", " = if (encryption == 'keyvault') {", " = {"),
    ("two roles with one name", "modules/roles.bicep", "guid(storage.id, appPrincipalId, roleIds.storageQueueDataContributor)", "guid(storage.id, appPrincipalId, roleIds.storageTableDataContributor)"),
    ("a kind of principal that changes", "modules/roles.bicep", "principalType: deployerPrincipalType", "principalType: 'User'"),
    ("roles before what they are on", "main.bicep", "    oversizeItems\n    signalR\n", "    oversizeItems\n"),
    ("a role assignment elsewhere", "modules/signalr.bicep", "@description('Address of the service.')", "resource extra 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  name: guid(signalR.id)\n  scope: signalR\n  properties: { principalId: name, roleDefinitionId: name, principalType: 'User' }\n}\n\n@description('Address of the service.')"),
    ("keys for storage", "modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    ("keys for the hub", "modules/eventhubs.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    ("keys for SignalR", "modules/signalr.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
    ("keys for telemetry", "modules/monitoring.bicep", "DisableLocalAuth: true", "DisableLocalAuth: false"),
    ("access policies instead of roles", "modules/keyvault.bicep", "    enableRbacAuthorization: true\n", ""),
    ("a vault that can be purged", "modules/keyvault.bicep", "    enablePurgeProtection: true\n", ""),
    ("an old TLS", "modules/storage.bicep", "'TLS1_2'", "'TLS1_0'"),
    ("an old TLS of the app", "modules/functionapp.bicep", "scmMinTlsVersion: '1.2'", "scmMinTlsVersion: '1.0'"),
    ("plain http", "modules/functionapp.bicep", "httpsOnly: true", "httpsOnly: false"),
    ("public blobs", "modules/storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
    ("storage beside its network", "modules/storage.bicep", "private ? 'Disabled' : 'Enabled'", "'Enabled'"),
    ("a vault beside its network", "modules/keyvault.bicep", "defaultAction: private ? 'Deny' : 'Allow'", "defaultAction: 'Allow'"),
    ("the app beside its gateway", "modules/functionapp.bicep", "empty(gatewaySubnetId) ? 'Allow' : 'Deny'", "'Allow'"),
    ("a network without a name for its vault", "modules/privateendpoints.bicep", "'.vault.', '.vaultcore.'", "'.vault.', '.vault.'"),
    ("a subnet that is someone else's", "modules/network.bicep", "'Microsoft.App/environments'", "'Microsoft.Web/serverFarms'"),
    ("a secret in an output", "modules/oversize.bicep", "output blobEndpoint string = account.properties.primaryEndpoints.blob", "output blobEndpoint string = account.listKeys().keys[0].value"),
    ("a key that a deployment changes", "modules/keyvault.bicep", "@description('Resource id.')\n", "resource key 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {\n  parent: vault\n  name: 'client-state-key'\n  properties: { value: guid(vault.id) }\n}\n\n@description('Resource id.')\n"),
    ("a missing queue", "modules/storage.bicep", "  'subscription-work-poison'\n", ""),
    ("a missing table", "modules/storage.bicep", "  'findings'\n", ""),
    ("payloads that go too early", "modules/storage.bicep", "daysAfterModificationGreaterThan: 14", "daysAfterModificationGreaterThan: 7"),
    ("dead payloads that go", "modules/storage.bicep", "'payloads/live/'", "'payloads/'"),
    ("a container that Graph does not look for", "modules/oversize.bicep", "var container = 'microsoft-graph-change-notifications'", "var container = 'notifications'"),
    ("another plan", "modules/functionapp.bicep", "{ name: 'FC1', tier: 'FlexConsumption' }", "{ name: 'Y1', tier: 'Dynamic' }"),
    ("another Python", "modules/functionapp.bicep", "version: '3.13'", "version: '3.9'"),
    ("one call at a time", "sizes.bicep", "httpConcurrency: 8\n", "httpConcurrency: 1\n"),
    ("a function that does not exist", "main.bicep", "'function:processor'", "'function:process'"),
    ("one instance for three zones", "main.bicep", "zoneRedundant ? 2 : 1", "1"),
    ("an app that azd does not find", "main.bicep", "'azd-service-name': 'earshot'", "'azd-service-name': 'api'"),
    ("a parameter too many", "main.bicep", "    hubName: eventHubName\n", "    hubName: eventHubName\n    sku: 'Standard'\n"),
    ("a parameter too few", "main.bicep", "    consumerGroup: consumerGroup\n    location: location\n", "    location: location\n"),
    ("an output that is not there", "main.bicep", "vault.outputs.uri", "vault.outputs.url"),
    ("an output of what is not there", "main.bicep", "signalREnabled ? signalR!.outputs.endpoint : ''", "signalR!.outputs.endpoint"),
    ("an output that nobody needs", "modules/keyvault.bicep", "@description('Address, with", "@description('Name.')\noutput name string = vault.name\n\n@description('Address, with"),
    ("a parameter that does nothing", "modules/signalr.bicep", "@description('Required. Tier.')", "@description('Required. Nothing.')\nparam nothing string\n\n@description('Required. Tier.')"),
    ("a parameter without words", "main.bicep", "@description('Optional. SignalR for live clients, and the page that people sign in to.')\n", ""),
    ("a name that the linter takes for a secret", "modules/gateway.bicep", "certificateSecretUri", "certificateSecret"),
    ("an address of one cloud", "modules/oversize.bicep", "${environment().suffixes.storage}", "core.windows.net"),
    ("a size that is none", "small.bicepparam", "'small'", "'tiny'"),
    ("a size that is another", "large.bicepparam", "'large'", "'standard'"),
    ("a workbook that is not there", "modules/monitoring.bicep", "'../workbook.json'", "'../book.json'"),
    ("a firewall that stops large bodies", "modules/gateway.bicep", "requestBodyEnforcement: false", "requestBodyEnforcement: true"),
    ("a firewall that only watches", "modules/gateway.bicep", "mode: 'Prevention'\n      requestBodyCheck: false", "mode: 'Detection'\n      requestBodyCheck: false"),
    ("a firewall that is not there", "modules/gateway.bicep", "                firewallPolicy: { id: webhookPolicy.id }\n", ""),
    ("a handshake that is an attack", "modules/gateway.bicep", "selector: 'validationToken'", "selector: 'token'"),
    ("a part of the gateway that is not there", "modules/gateway.bicep", "frontendPorts', name, 'https')", "frontendPorts', name, 'http')"),
    ("an old TLS of the gateway", "modules/gateway.bicep", "AppGwSslPolicy20220101", "AppGwSslPolicy20150501"),
    ("an alert on a line that is not written", "modules/alerts.bicep", "'item dead '", "'item died '"),
    ("an alert on a word that is not there", "modules/alerts.bicep", "outcome=failed", "result=failed"),
    ("nobody is told of dead letters", "modules/alerts.bicep", "  { begins: 'item dead '", "  { begins: 'sweep '"),
    ("an alert that reaches nobody", "modules/alerts.bicep", "actions: { actionGroups: [actionGroup.id] }", "actions: { actionGroups: [] }"),
    ("an alert that is too late", "modules/alerts.bicep", "threshold: 2000", "threshold: 20000"),
    ("a picture of a line that is not written", "workbook.json", "item retried ", "item tried again "),
)  # fmt: skip
"""What happens to people who write templates."""


EVERYTHING = deploy("everything")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "bicep", tmp_path / "bicep"))


def spoil(folder: Path, name: str, old: str, new: str) -> Templates:
    path = folder / name
    text = path.read_text("utf-8")
    assert old in text, f"{name} has changed: {old!r} is not there"
    path.write_text(text.replace(old, new), "utf-8")
    return Templates(folder)


def test_the_copy_is_in_order(copy: Path) -> None:
    assert problems(Templates(copy)) == []


@pytest.mark.parametrize(("name", "old", "new"), [each[1:] for each in MISTAKES], ids=[each[0] for each in MISTAKES])
def test_a_mistake_is_caught(copy: Path, name: str, old: str, new: str) -> None:
    assert problems(spoil(copy, name, old, new)) != []


@pytest.mark.parametrize("type_", RESOURCE_TYPES)
def test_every_property_that_is_misspelt_is_caught(type_: str) -> None:
    """Also where another type has it; Azure would ignore it, or refuse it after minutes."""
    [made, *_] = [each for each in (*EVERYTHING.resources, *EVERYTHING.existing) if each.type == type_]
    survivors = []
    for path in RESOURCE_TYPES[type_]["properties"]:
        *above, name = path.removesuffix(".*").split(".")
        wrong: Any = reduce(lambda inner, key: {key: inner}, reversed(above), {f"{name}x": ""})
        if not unpublished(Deployment(resources=[replace(made, body=wrong)])):
            survivors.append(path)

    assert survivors == []


@pytest.mark.parametrize("type_", RESOURCE_TYPES)
def test_every_other_version_is_caught(copy: Path, type_: str) -> None:
    version = RESOURCE_TYPES[type_]["version"]
    found = 0
    for path in copy.rglob("*.bicep"):
        text = path.read_text("utf-8")
        path.write_text(text.replace(f"'{type_}@{version}'", f"'{type_}@2019-01-01'"), "utf-8")
        found += text != path.read_text("utf-8")

    # a subnet takes the version of the network that it is written in
    assert found or type_.endswith("/subnets")
    assert bool(unpublished(deploy("everything", Templates(copy)))) == bool(found)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_that_is_another_is_caught(copy: Path, role: str) -> None:
    other = next(each for name, each in ROLES.items() if name != role)

    assert roles_are_the_named_ones(spoil(copy, "modules/roles.bicep", ROLES[role], other)) != []
