"""Who may do what on what: roles by their official names, and nobody has more than is listed here."""

from collections.abc import Mapping

from tests.bicep.deploying import Templates
from tests.bicep.variants import DEPLOYER, GRAPHS_OWN, deploy_all

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles (2026-08)
ROLES: Mapping[str, str] = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Azure Event Hubs Data Receiver": "a638d3c7-ab3a-418d-83e6-5f17a39d4fde",
    "Azure Event Hubs Data Sender": "2b629674-e913-4c01-ae53-ef4638d8f975",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "Key Vault Certificate User": "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba",
    "Key Vault Certificates Officer": "a4417e6f-fecd-4de8-b567-7b0420556985",
    "Key Vault Reader": "21090545-7ca7-4776-b22c-e363652d74d2",
    "Key Vault Crypto User": "12338af0-0e69-4776-bea7-57ae8d297424",
    "SignalR REST API Owner": "fd53cd77-2268-407a-8f46-7e7863d0f521",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}

# who has which role on what: always, and by what was chosen
ALWAYS = {
    ("the app", "Storage Blob Data Owner", "storage"),
    ("the app", "Storage Queue Data Contributor", "storage"),
    ("the app", "Storage Table Data Contributor", "storage"),
    ("the app", "Key Vault Secrets User", "vault"),
    ("the app", "Monitoring Metrics Publisher", "appInsights"),
}
KEY_READ = {("the app", "Key Vault Certificate User", "vault")}
KEY_UNWRAPPED = {("the app", "Key Vault Reader", "vault"), ("the app", "Key Vault Crypto User", "vault")}
PULLED = {("the app", "Azure Event Hubs Data Receiver", "hub")}
PULLED_FROM_GRAPH = {("Graph", "Azure Event Hubs Data Sender", "hub")}
OVERSIZE = {("the app", "Storage Blob Data Reader", "oversizeContainer")}
OVERSIZE_FROM_GRAPH = {("Graph", "Key Vault Secrets User", "oversizeVault")}
LIVE = {("the app", "SignalR REST API Owner", "signalR")}
DEPLOYED = {
    ("who deploys", "Key Vault Secrets Officer", "vault"),
    ("who deploys", "Key Vault Certificates Officer", "vault"),
}
GRANTS: Mapping[str, set[tuple[str, str, str]]] = {
    "small": ALWAYS | KEY_READ,
    "standard": ALWAYS | KEY_READ | DEPLOYED,
    "large": ALWAYS | KEY_READ | PULLED | PULLED_FROM_GRAPH | OVERSIZE | OVERSIZE_FROM_GRAPH | LIVE,
    "as azd deploys it": ALWAYS | KEY_READ,
    "pull mode": ALWAYS | KEY_READ | PULLED | PULLED_FROM_GRAPH,
    "pull mode before Graph is known": ALWAYS | KEY_READ | PULLED | OVERSIZE,
    "oversize without pull mode": ALWAYS | KEY_READ,
    "network": ALWAYS | KEY_READ,
    "network with operators": ALWAYS | KEY_READ,
    "gateway alone": ALWAYS | KEY_READ,
    "gateway, network and zones": ALWAYS | KEY_READ,
    "live clients": ALWAYS | KEY_READ | LIVE,
    "mailboxes": ALWAYS | KEY_READ,
    "key in the vault": ALWAYS | KEY_UNWRAPPED,
    "everything": ALWAYS | KEY_READ | PULLED | PULLED_FROM_GRAPH | OVERSIZE | OVERSIZE_FROM_GRAPH | LIVE | DEPLOYED,
    "the identity asks Graph": ALWAYS | KEY_READ,
}


def roles_are_the_named_ones(templates: Templates) -> list[str]:
    declared = templates.file(templates.folder / "modules/roles.bicep").variables["roleIds"].value
    found = []
    for name, literal in declared.entries:
        matching = [role for role in ROLES if _camel(role) == name]
        if not matching:
            found.append(f"{name} is the name of no role that is known here")
        elif ROLES[matching[0]] != literal.value:
            found.append(f"{name} is not {literal.value}")
    return found


def _camel(role: str) -> str:
    first, *rest = role.split()
    return (first[0].lower() + first[1:] if first != "Azure" else "azure") + "".join(
        word.title() if word.isupper() else word for word in rest
    )


def everybody_has_the_least_rights(templates: Templates) -> list[str]:
    names = {identifier: role for role, identifier in ROLES.items()}
    found = []
    for variant, paper in deploy_all(templates).items():
        principals = {GRAPHS_OWN: "Graph", DEPLOYER: "who deploys"}
        identity = paper.one("Microsoft.ManagedIdentity/userAssignedIdentities")
        principals[f"<{identity.id}>.properties.principalId"] = "the app"
        given: set[tuple[str, str, str]] = set()
        guids = set()
        for each in paper.of("Microsoft.Authorization/roleAssignments"):
            if each.module != "roles":
                found.append(f"{variant}: {each} is not in roles.bicep")
            if each.scope is None or not each.scope.existing:
                found.append(f"{variant}: {each} is not on one resource")
                continue
            role = str(each.properties["roleDefinitionId"]).rpartition("/")[2]
            who = principals.get(each.properties["principalId"], "a stranger")
            kind = each.properties.get("principalType")
            if kind != ("User" if who == "who deploys" else "ServicePrincipal"):
                found.append(f"{variant}: {each} has principalType {kind}")
            if each.name != f"guid({each.scope.id}, {each.properties['principalId']}, {role})":
                found.append(f"{variant}: {each} has another name than scope, principal and role make")
            guids.add(each.name)
            given.add((who, names.get(role, role), each.scope.symbol))
        if len(guids) != len(paper.of("Microsoft.Authorization/roleAssignments")):
            found.append(f"{variant}: two role assignments have one name")
        found += [f"{variant}: {grant} is given, and needed by nothing" for grant in sorted(given - GRANTS[variant])]
        found += [f"{variant}: {grant} is not given" for grant in sorted(GRANTS[variant] - given)]
    return found
