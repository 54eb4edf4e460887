"""What is open, to whom, and what takes a key: nothing that need not."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.bicep.deploying import Deployment, Templates, flat
from tests.bicep.variants import VARIANTS, deploy_all


def nothing_takes_a_key_that_need_not(templates: Templates) -> list[str]:
    wanted = {
        "Microsoft.Storage/storageAccounts": ("allowSharedKeyAccess", False),
        "Microsoft.EventHub/namespaces": ("disableLocalAuth", True),
        "Microsoft.SignalRService/signalR": ("disableLocalAuth", True),
        "Microsoft.Insights/components": ("DisableLocalAuth", True),
        "Microsoft.KeyVault/vaults": ("enableRbacAuthorization", True),
    }
    found = []
    for variant, paper in deploy_all(templates).items():
        for each in paper.resources:
            name, value = wanted.get(each.type, ("", None))
            if each.module == "oversizeItems" and name == "allowSharedKeyAccess":
                value = True  # Graph writes there with a connection string
            if name and each.properties.get(name) is not value:
                found.append(f"{variant}: {each} has {name} {each.properties.get(name)}")
        found += [
            f"{variant}: {each} takes keys"
            for each in paper.of("Microsoft.OperationalInsights/workspaces")
            if each.properties["features"].get("disableLocalAuth") is not True
        ]
    return found


def transport_is_encrypted(templates: Templates) -> list[str]:
    wanted: Mapping[str, Mapping[str, Any]] = {
        "Microsoft.Storage/storageAccounts": {"minimumTlsVersion": "TLS1_2", "supportsHttpsTrafficOnly": True},
        "Microsoft.EventHub/namespaces": {"minimumTlsVersion": "1.2"},
        "Microsoft.Web/sites": {
            "httpsOnly": True,
            "siteConfig.minTlsVersion": "1.2",
            "siteConfig.scmMinTlsVersion": "1.2",
            "siteConfig.ftpsState": "Disabled",
            "siteConfig.remoteDebuggingEnabled": False,
        },
        "Microsoft.Network/applicationGateways": {
            "sslPolicy.policyName": "AppGwSslPolicy20220101",
            "httpListeners.properties.protocol": "Https",
            "backendHttpSettingsCollection.properties.protocol": "Https",
            "frontendPorts.properties.port": 443,
        },
    }
    found = []
    for variant, paper in deploy_all(templates).items():
        for each in paper.resources:
            values = dict(flat(each.properties))
            for path, value in wanted.get(each.type, {}).items():
                if values.get(path) != value:
                    found.append(f"{variant}: {each} has {path} {values.get(path)}")
    return found


def nothing_is_open_that_need_not_be(templates: Templates) -> list[str]:
    """Open are: the app, the hub that Graph fills, what Graph writes oversize items to, and SignalR. Storage and vault are in a network."""
    found = []
    for variant, paper in deploy_all(templates).items():
        given = VARIANTS[variant]
        network = given.get("vnetEnabled") or given.get("file") == "large.bicepparam"
        closed = {"storage"} if network else set()
        closed |= {"vault"} if given.get("restrictKeyVault") else set()
        for each in paper.resources:
            if each.type not in {"Microsoft.Storage/storageAccounts", "Microsoft.KeyVault/vaults"}:
                continue
            access, rules = each.properties["publicNetworkAccess"], each.properties["networkAcls"]
            operators = given.get("allowedIpAddresses", []) if each.module == "vault" else []
            selected = ("Enabled" if operators else "Disabled", "Deny")
            wanted = selected if each.module in closed else ("Enabled", "Allow")
            if (access, rules["defaultAction"]) != wanted:
                found.append(f"{variant}: {each} has {access}, {rules['defaultAction']}, not {wanted}")
            if rules["bypass"] != "None" or [rule["value"] for rule in rules.get("ipRules", [])] != operators:
                found.append(f"{variant}: {each} lets others in")
        found += [f"{variant}: {problem}" for problem in _containers(paper)]
        found += [f"{variant}: {problem}" for problem in _ways_in(paper, network=bool(network))]
    return found


def _containers(paper: Deployment) -> Iterator[str]:
    for each in paper.of("Microsoft.Storage/storageAccounts"):
        if each.properties.get("allowBlobPublicAccess") is not False:
            yield f"{each} may have public blobs"
    for each in paper.of("Microsoft.Storage/storageAccounts/blobServices/containers"):
        if each.properties.get("publicAccess") != "None":
            yield f"{each} is public"


def _ways_in(paper: Deployment, *, network: bool) -> Iterator[str]:
    app = paper.one("Microsoft.Web/sites")
    config = app.properties["siteConfig"]
    allowed = [rule.get("ipAddress", "the gateway") for rule in config["ipSecurityRestrictions"]]
    gateway = bool(paper.of("Microsoft.Network/applicationGateways"))
    if (config["ipSecurityRestrictionsDefaultAction"] == "Deny") is not gateway:
        yield "the app is open beside its gateway, or closed without one"
    if gateway and allowed[:1] != ["the gateway"]:
        yield "the app does not take what comes through the gateway"
    if bool(app.properties["virtualNetworkSubnetId"]) is not network:
        yield "the app goes out another way than through its network"
    groups = {
        (link["properties"]["groupIds"][0], link["properties"]["privateLinkServiceId"].rsplit("/", 1)[0])
        for each in paper.of("Microsoft.Network/privateEndpoints")
        for link in each.properties["privateLinkServiceConnections"]
    }
    wanted = {(name, "/Microsoft.Storage/storageAccounts") for name in ("blob", "queue", "table")}
    if groups != (wanted | {("vault", "/Microsoft.KeyVault/vaults")} if network else set()):
        yield f"private endpoints are {sorted(groups)}"
    zones = {each.name for each in paper.of("Microsoft.Network/privateDnsZones")}
    names = {f"privatelink.{name}.core.windows.net" for name in ("blob", "queue", "table")}
    if network and zones != names | {"privatelink.vaultcore.azure.net"}:
        yield f"names lead to {sorted(zones)}"


def no_secret_leaves_a_template(templates: Templates) -> list[str]:
    """The one key that is read goes straight into the vault from which Graph takes it."""
    found = []
    for variant, paper in deploy_all(templates).items():
        for name, value in paper.outputs.items():
            if re.search(r"\.list\w*\(|ConnectionString|AccountKey", str(value)):
                found.append(f"{variant}: output {name} tells a secret")
        for each in paper.resources:
            for path, value in flat(each.body):
                secret = isinstance(value, str) and re.search(r"\.list\w*\(", value)
                if secret and (each.type, path) != ("Microsoft.KeyVault/vaults/secrets", "properties.value"):
                    found.append(f"{variant}: {each} has a key in {path}")
        made = {each.module for each in paper.of("Microsoft.KeyVault/vaults/secrets")}
        if made - {"oversizeItems"}:
            found.append(f"{variant}: a deployment would change a secret of the app's")
    return found


def vaults_cannot_be_emptied(templates: Templates) -> list[str]:
    wanted = {"enableSoftDelete": True, "enablePurgeProtection": True}
    return [
        f"{variant}: {each} has {name} {each.properties.get(name)}"
        for variant, paper in deploy_all(templates).items()
        for each in paper.of("Microsoft.KeyVault/vaults")
        for name, value in wanted.items()
        if each.properties.get(name) is not value
    ]
