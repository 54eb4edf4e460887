"""What Azure, Entra and `az` say when they refuse, and what to do about it: a table, so that its test can go through it.

The words name the role or the quota, and how to ask for it. ``{needs}`` in them is the role that the step itself names. Not here:
waiting, see `az`; which step needs which role, see the steps.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One kind of refusal: how it is recognised, what to do, and who says so.

    ``passes``: it may be no more than that something new is not known everywhere yet, so that waiting helps. ``example`` is a
    text as it was seen, shortened.
    """

    name: str
    pattern: str
    advice: str
    source: str
    example: str
    passes: bool = False


_QUOTA: Final = (
    "Ask for more under Help + support > New support request > Service and subscription limits (quotas), or choose another "
    "region: azd env set AZURE_LOCATION <region>."
)

TROUBLES: Final[Sequence[Trouble]] = (
    Trouble(
        name="not signed in",
        pattern=r"Please run 'az login'|AADSTS(?:50076|50078|50173|65001|70043|700082)\b|refresh token has expired",
        advice="Sign in: az login --tenant <tenant>; azd has a sign-in of its own: azd auth login.",
        source="https://learn.microsoft.com/cli/azure/authenticate-azure-cli-interactively (2026-01)",
        example="Please run 'az login' to setup account.",
    ),
    Trouble(
        name="the vault does not know your role yet",
        pattern=r"ForbiddenByRbac|Caller is not authorized to perform action on resource",
        advice="You need {needs} on this vault; a new assignment takes up to ten minutes. The templates give it to the principal "
        "in AZURE_PRINCIPAL_ID. By hand, an Owner or User Access Administrator runs: az role assignment create --role "
        "'<role>' --assignee-object-id <you> --assignee-principal-type User --scope <the vault's id>.",
        source="https://learn.microsoft.com/azure/key-vault/general/rbac-guide (2026-02)",
        example="(Forbidden) Caller is not authorized to perform action on resource. Inner error: ForbiddenByRbac",
        passes=True,
    ),
    Trouble(
        name="the vault lets nobody in from this network",
        pattern=r"ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized|Public network access is disabled",
        advice="The vault is reachable from its own network only. Run this there (a jump host, a self-hosted agent), or let your "
        "address in: az keyvault network-rule add --name <vault> --ip-address <yours>.",
        source="https://learn.microsoft.com/azure/key-vault/general/network-security (2026-02)",
        example="(Forbidden) Public network access is disabled and request is not from a trusted service. ForbiddenByConnection",
    ),
    Trouble(
        name="Entra lets you not do that",
        pattern=r"Authorization_RequestDenied|Insufficient privileges to complete the operation",
        advice="You need {needs}. Ask an administrator of the tenant for it (Entra admin center > Roles & admins; with "
        "Privileged Identity Management, activate it), or have the administrator run this same command: it does only what "
        "is missing.",
        source="https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference (2026-02)",
        example='Forbidden({"error":{"code":"Authorization_RequestDenied","message":"Insufficient privileges to complete the operation."}})',
    ),
    Trouble(
        name="Azure lets you not do that",
        pattern=r"AuthorizationFailed|does not have authorization to perform action",
        advice="You need {needs} on the scope that the message names. Ask an Owner of the subscription: az role assignment create "
        "--role '<role>' --assignee-object-id <you> --assignee-principal-type User --scope <that scope>.",
        source="https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (2026-01)",
        example="(AuthorizationFailed) The client 'a' with object id 'b' does not have authorization to perform action 'c' over scope 'd'",
    ),
    Trouble(
        name="the new principal is not known everywhere yet",
        pattern=r"PrincipalNotFound|does not exist in the directory",
        advice="Entra takes a few minutes to make a new principal known. Run this again.",
        source="https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (2026-01)",
        example="(PrincipalNotFound) Principal 0f does not exist in the directory 7e.",
        passes=True,
    ),
    Trouble(
        name="the new object is not known everywhere yet",
        pattern=r"(?:Request_ResourceNotFound|Directory_ObjectNotFound).*does not exist or one of its queried reference-property objects are not present",
        advice="Entra takes a few minutes to make a new object known. Run this again; if it stays so, the object was deleted, and "
        "the value of this azd environment that names it is stale.",
        source="https://learn.microsoft.com/graph/errors (2025-11)",
        example='Not Found({"error":{"code":"Request_ResourceNotFound","message":"Resource \'0f\' does not exist or one of its '
        'queried reference-property objects are not present."}})',
        passes=True,
    ),
    Trouble(
        name="the API's new permission is not known everywhere yet",
        pattern=r"has a Permission Id that cannot be found in the AppPermissions sets",
        advice="Entra takes a moment to make a new permission of an app registration known. Run this again.",
        source="https://learn.microsoft.com/graph/api/resources/preauthorizedapplication (2026-02)",
        example='Bad Request({"error":{"code":"Request_BadRequest","message":"Property api.preAuthorizedApplications.delegatedPermissionIds '
        'has a Permission Id that cannot be found in the AppPermissions sets."}})',
        passes=True,
    ),
    Trouble(
        name="somebody has consented meanwhile",
        pattern=r"Permission entry already exists",
        advice="The consent was given by somebody else a moment ago, and is not shown everywhere yet. Run this again in a minute.",
        source="https://learn.microsoft.com/graph/api/oauth2permissiongrant-list (2026-02)",
        example='Conflict({"error":{"code":"Request_MultipleObjectsWithSameKeyValue","message":"Permission entry already exists."}})',
    ),
    Trouble(
        name="too many requests",
        pattern=r"TooManyRequests|Too Many Requests|Request_ThrottledTemporarily",
        advice="Run this again in a few minutes.",
        source="https://learn.microsoft.com/graph/throttling (2026-01)",
        example='Too Many Requests({"error":{"code":"TooManyRequests"}})',
        passes=True,
    ),
    Trouble(
        name="a deleted vault has that name",
        pattern=r"already exists in deleted state|VaultAlreadyExists|exist in recoverable state",
        advice="A vault of this name was deleted and is kept (purge protection: nobody can remove it before its time). Take it "
        "back, with all its keys: az group create --name <group> --location <region>, az keyvault recover --name <vault>; then "
        "azd up. Or use another environment: azd env new <name>.",
        source="https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery (2026-02)",
        example="(ConflictError) A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault.",
    ),
    Trouble(
        name="the region does not have that",
        pattern=r"LocationNotAvailableForResourceType|NoRegisteredProviderFound|InvalidLocation|not available in location|not available for resource type",
        advice="Choose another region: azd env set AZURE_LOCATION <one of az functionapp list-flexconsumption-locations>.",
        source="https://learn.microsoft.com/azure/azure-functions/flex-consumption-how-to (2026-01)",
        example="(LocationNotAvailableForResourceType) The provided location 'x' is not available for resource type 'Microsoft.Web/sites'.",
    ),
    Trouble(
        name="a quota is used up",
        pattern=r"SubscriptionIsOverQuotaForSku|QuotaExceeded|OverQuota|exceed\w* (?:the )?(?:approved )?.*quota|Current Limit",
        advice=f"The message names the quota. Flex Consumption has 250 cores a region and subscription (an instance of 512 MB is a "
        f"quarter of one). {_QUOTA}",
        source="https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan (2025-12)",
        example="(SubscriptionIsOverQuotaForSku) Operation cannot be completed without additional quota. Current Limit (FC1 VMs): 0",
    ),
    Trouble(
        name="the subscription does not know the service",
        pattern=r"MissingSubscriptionRegistration|not registered to use namespace|SubscriptionNotRegistered",
        advice="Register what the message names: az provider register --namespace <namespace>, for which you need Contributor on "
        "the subscription; it takes a few minutes.",
        source="https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-register-resource-provider (2025-10)",
        example="(MissingSubscriptionRegistration) The subscription is not registered to use namespace 'Microsoft.App'.",
    ),
    Trouble(
        name="a policy of your organisation forbids that",
        pattern=r"RequestDisallowedByPolicy|CredentialInvalidLifetimeAsPerAppPolicy|disallowed by policy",
        advice="Ask whoever keeps that policy for an exemption; its name is in the message.",
        source="https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-policy-requestdisallowedbypolicy (2025-10)",
        example="(RequestDisallowedByPolicy) Resource 'x' was disallowed by policy.",
    ),
)
"""Looked through in this order."""

ALREADY_THERE: Final[Mapping[str, str]] = {
    "RoleAssignmentExists": "https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (2026-01)",
    "Permission being assigned already exists": "https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments (2026-01)",
    "Permission entry already exists": "https://learn.microsoft.com/graph/api/oauth2permissiongrant-post (2026-02)",
}
"""Refusals that say that somebody else has just done the same, with their sources."""


def recognise(said: str) -> Trouble | None:
    """Find the trouble that a text tells of; None for one that the table does not have."""
    flat = " ".join(said.split())
    return next((each for each in TROUBLES if re.search(each.pattern, flat, re.IGNORECASE)), None)


def is_done_already(said: str) -> bool:
    """Tell whether a refusal says that what was wanted is there."""
    return any(words in said for words in ALREADY_THERE)
