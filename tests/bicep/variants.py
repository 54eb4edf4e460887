"""Sets of parameters that together switch everything on and off: what holds has to hold for each of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.bicep.deploying import Deployment, Templates
from tests.house.shipping import ROOT

TEMPLATES = Templates(ROOT / "bicep")

GRAPHS_OWN = "33333333-3333-4333-8333-333333333333"
DEPLOYER = "44444444-4444-4444-8444-444444444444"
CLIENT_ID = "22222222-2222-4222-8222-222222222222"
GATEWAY: Mapping[str, Any] = {
    "gatewayEnabled": True,
    "gatewayHostName": "changes.contoso.com",
    "gatewayCertificateSecretUri": "https://certificates.vault.azure.net/secrets/changes",
    "gatewayIdentityId": "/Microsoft.ManagedIdentity/userAssignedIdentities/id-gateway",
}
PULL: Mapping[str, Any] = {"tenantDomain": "contoso.onmicrosoft.com", "graphChangeTrackingPrincipalId": GRAPHS_OWN}

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "small": {"file": "small.bicepparam"},
    "standard": {"file": "standard.bicepparam", "graphClientId": CLIENT_ID, "principalId": DEPLOYER},
    "large": {"file": "large.bicepparam", "graphClientId": CLIENT_ID, **PULL},
    "as azd deploys it": {"graphClientId": CLIENT_ID, "alertEmail": "on-call@contoso.com"},
    "pull mode": {"delivery": "eventhub", "graphClientId": CLIENT_ID, **PULL},
    "pull mode before Graph is known": {"delivery": "both", "oversizeEnabled": True},
    "oversize without pull mode": {"oversizeEnabled": True},
    "network": {"vnetEnabled": True, "restrictKeyVault": True},
    "network with operators": {"vnetEnabled": True, "restrictKeyVault": True, "allowedIpAddresses": ["198.51.100.7"]},
    "gateway alone": {**GATEWAY, "allowedIpAddresses": ["198.51.100.7", "203.0.113.0/24"]},
    "gateway, network and zones": {**GATEWAY, "vnetEnabled": True, "zoneRedundant": True},
    "live clients": {"signalREnabled": True, "size": "small"},
    "mailboxes": {"mailEnabled": True, "tokenCacheKeyRotating": True, "graphClientId": CLIENT_ID},
    "key in the vault": {"encryption": "keyvault-unwrap", "clientStateKeyRotating": True, "alertsEnabled": False},
    "everything": {"file": "large.bicepparam", "principalId": DEPLOYER, **GATEWAY, **PULL},
    "the identity asks Graph": {"graphCredential": "managed-identity", "graphClientId": DEPLOYER, "mailEnabled": True, "allowedTenantIds": [CLIENT_ID, DEPLOYER]},
}  # fmt: skip


@cache
def deploy(name: str, templates: Templates = TEMPLATES) -> Deployment:
    """Deploy one of them on paper. Raises BicepError."""
    return templates.deploy(**VARIANTS[name])


def deploy_all(templates: Templates = TEMPLATES) -> dict[str, Deployment]:
    """Deploy each of them. Raises BicepError."""
    return {name: deploy(name, templates) for name in VARIANTS}
