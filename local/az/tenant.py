"""What the stand-in knows: a subscription, a directory, vaults and an app, as values that are kept in one file.

Times are fixed, so that two states can be compared byte for byte.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

TENANT_ID: Final = "7e4a0000-0000-4000-8000-000000007e4a"
SUBSCRIPTION_ID: Final = "5b5c0000-0000-4000-8000-000000005b5c"
IDENTITY: Final = "1de50000-0000-4000-8000-000000001de5"
GRAPH_APP_ID: Final = "00000003-0000-0000-c000-000000000000"
HUB: Final = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/rg-test/providers/Microsoft.EventHub/namespaces/evhns-x/eventhubs/notifications"
WHEN: Final = "2026-11-30T12:00:00+00:00"
_NAMESPACE: Final = uuid.UUID("ea450000-0000-4000-8000-00000000ea45")

PRIVILEGES: Final = (
    "entra:applications",
    "entra:principals",
    "entra:consent",
    "entra:consent-for-people",
    "azure:contributor",
    "azure:role-assignments",
    "azure:app-keys",
    "vault:secrets",
    "vault:certificates",
)
"""What a caller may be able to do; a test takes one away."""


def fresh(
    permissions: Iterable[str],
    *,
    for_people: Iterable[str] = (),
    signed_in: bool = True,
    domain: str = "contoso.onmicrosoft.com",
) -> dict[str, Any]:
    """Make a tenant in which nothing was ever deployed; ``permissions`` are those that Microsoft Graph has for apps."""
    roles = [
        {
            "id": str(uuid.uuid5(_NAMESPACE, each)),
            "value": each,
            "allowedMemberTypes": ["Application"],
            "isEnabled": True,
        }
        for each in sorted(permissions)
    ]
    # a name may exist twice, for people and for apps: only one of them is ours to take
    roles.append(
        {
            "id": str(uuid.uuid5(_NAMESPACE, "people")),
            "value": "Mail.Read",
            "allowedMemberTypes": ["User"],
            "isEnabled": True,
        }
    )
    graph = {
        "id": "9a4b0000-0000-4000-8000-000000009a4b",
        "appId": GRAPH_APP_ID,
        "displayName": "Microsoft Graph",
        "appRoles": roles,
        "oauth2PermissionScopes": [
            {"id": str(uuid.uuid5(_NAMESPACE, f"{each} for people")), "value": each, "isEnabled": True}
            for each in sorted(for_people)
        ],
    }
    identity = {
        "id": IDENTITY,
        "appId": "1de5c11e-0000-4000-8000-000000001de5",
        "displayName": "id-earshot",
        "appRoles": [],
    }
    return {
        "account": {"id": SUBSCRIPTION_ID, "tenantId": TENANT_ID, "name": "Contoso", "state": "Enabled"}
        if signed_in
        else None,
        "privileges": [*PRIVILEGES],
        "organization": {
            "id": TENANT_ID,
            "verifiedDomains": [
                {"name": "mail.contoso.com", "isDefault": False, "isInitial": False},
                {"name": domain, "isDefault": True, "isInitial": True},
            ],
        },
        "providers": {"Microsoft.App": "NotRegistered", "Microsoft.Web": "Registered"},
        "locations": {"westeurope": ["3.12", "3.13"], "northeurope": ["3.12", "3.13"], "oldland": ["3.12"]},
        "applications": [],
        "servicePrincipals": [
            graph | {"appRoleAssignmentRequired": False},
            identity | {"appRoleAssignmentRequired": False},
        ],
        "appRoleAssignments": [],
        "oauth2PermissionGrants": [],
        "vaults": {},
        "deletedVaults": [],
        "roleAssignments": [],
        "sites": {},
        "azd": {},
        "made": 0,
    }


def provisioned(state: Mapping[str, Any], *, references: Mapping[str, str]) -> dict[str, Any]:
    """Do what the templates do, as far as the hooks see it: a vault, an app with references into it, and outputs for azd."""
    values = {
        "AZURE_RESOURCE_GROUP": "rg-test",
        "FUNCTION_APP_NAME": "func-earshot-x",
        "KEY_VAULT_NAME": "kv-x",
        "CLIENT_STATE_KEY_SECRET": "client-state-key",
        "FORWARD_SIGNING_KEY_SECRET": "forward-signing-key",
        "ENCRYPTION_CERTIFICATE_NAME": "notifications",
        "ENCRYPTION_KEYS": "keyvault:https://kv-x.vault.azure.net/certificates/notifications",
        "IDENTITY_PRINCIPAL_ID": IDENTITY,
        "PUBLIC_BASE_URL": "https://func-earshot-x.azurewebsites.net/api",
    }
    pulls = state["azd"].get("EARSHOT_DELIVERY", "webhook") != "webhook"
    values |= {"EVENT_HUB_RESOURCE_ID": HUB} if pulls else {}
    with_mail = state["azd"].get("EARSHOT_MAIL", "false") == "true"
    values |= {"TOKEN_CACHE_KEY_SECRET": "token-cache-key"} if with_mail else {}
    site = {"masterKey": "master-key-of-the-stand-in", "references": dict(references), "resolved": []}
    vaults = state["vaults"] or {
        "kv-x": {"secrets": {}, "deletedSecrets": {}, "certificates": {}, "deletedCertificates": {}}
    }
    return {
        **state,
        "vaults": vaults,
        "sites": state["sites"] or {"func-earshot-x": site},
        "azd": {**state["azd"], **values},
    }


def next_id(state: dict[str, Any], what: str) -> str:
    """Make an id that is new in this state, and the same in every run that made the same things before."""
    state["made"] += 1
    return str(uuid.uuid5(_NAMESPACE, f"{what} {state['made']}"))


def read_state(path: Path) -> dict[str, Any]:
    """Read a state."""
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return state


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state whole, so that whoever is killed in the middle leaves the old one."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(json.dumps(state, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.replace(path)
