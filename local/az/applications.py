"""App registrations in the stand-in's directory: what one begins with, and which changes Entra takes.

A complex property is replaced by what was sent, also where Graph may keep what was left out: whoever sends a part has lost the rest.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from local.az.refusals import Refusal, graph

_CHANGEABLE: Final = frozenset(
    {"displayName", "signInAudience", "identifierUris", "api", "spa", "web", "requiredResourceAccess"}
)
_REDIRECT: Final = re.compile(r"https://[^/?#]+(/[^?#]*)?|http://localhost(:\d+)?(/[^?#]*)?")
_SCOPE: Final = frozenset(
    {
        "id",
        "value",
        "type",
        "isEnabled",
        "adminConsentDisplayName",
        "adminConsentDescription",
        "userConsentDisplayName",
        "userConsentDescription",
    }
)


def new_application() -> dict[str, Any]:
    """Give what a registration begins with."""
    return {
        "signInAudience": "AzureADMyOrg",
        "identifierUris": [],
        "api": _new_api(),
        "spa": {"redirectUris": []},
        "requiredResourceAccess": [],
        "federatedIdentityCredentials": [],
    }


def change_application(application: dict[str, Any], body: Mapping[str, Any]) -> None:
    """Change a registration as a PATCH does. Raises Refusal.

    https://learn.microsoft.com/graph/api/application-update (2026-02)
    """
    if unknown := set(body) - _CHANGEABLE:
        raise _bad(f"the stand-in changes no {', '.join(sorted(unknown))}")
    if "identifierUris" in body:
        _check_addresses(application, body["identifierUris"])
    if "api" in body:
        _check_api(application, body["api"])
    if "spa" in body:
        _check_redirects(body["spa"]["redirectUris"])
    for entry in body.get("requiredResourceAccess", ()):
        ids = [each["id"] for each in entry["resourceAccess"]]
        if len(ids) != len(set(ids)) or any(each["type"] not in {"Scope", "Role"} for each in entry["resourceAccess"]):
            raise _bad("Invalid value specified for property 'requiredResourceAccess'.")
    application.update({**body, **({"api": _new_api() | body["api"]} if "api" in body else {})})


def _new_api() -> dict[str, Any]:
    return {
        "acceptMappedClaims": None,
        "knownClientApplications": [],
        "requestedAccessTokenVersion": None,
        "oauth2PermissionScopes": [],
        "preAuthorizedApplications": [],
    }


def _check_addresses(application: Mapping[str, Any], addresses: list[str]) -> None:
    """Take `api://<client id>` only: other addresses need a domain that the tenant has proved to be its own.

    https://learn.microsoft.com/entra/identity-platform/identifier-uri-restrictions (2026-02)
    """
    before = application.get("identifierUris", [])
    if any(each not in before and each != f"api://{application['appId']}" for each in addresses):
        raise _bad("Values of identifierUris property must use a verified domain of the organization or its subdomain")


def _check_api(application: Mapping[str, Any], api: Mapping[str, Any]) -> None:
    stored = {each["id"]: each for each in (application.get("api") or {}).get("oauth2PermissionScopes", ())}
    sent = {each["id"]: each for each in api.get("oauth2PermissionScopes", ())}
    for each in sent.values():
        if set(each) != _SCOPE or not all(each[name] for name in _SCOPE - {"isEnabled"}):
            raise _bad("Invalid value specified for property 'oauth2PermissionScopes'.")
    if len({each["value"] for each in sent.values()}) != len(api.get("oauth2PermissionScopes", ())):
        raise _bad("It contains duplicate value. Please provide unique value.")
    if any(each["isEnabled"] and sent.get(id_) != each for id_, each in stored.items()):
        raise graph(
            "Bad Request",
            "CannotDeleteOrUpdateEnabledEntitlement",
            "Permission (scope or role) cannot be deleted or updated unless disabled first.",
        )
    for entry in api.get("preAuthorizedApplications", ()):
        if set(entry) != {"appId", "delegatedPermissionIds"} or not set(entry["delegatedPermissionIds"]) <= set(stored):
            name = "api.preAuthorizedApplications.delegatedPermissionIds"
            raise _bad(f"Property {name} has a Permission Id that cannot be found in the AppPermissions sets.")


def _check_redirects(addresses: list[str]) -> None:
    """Take https, or http on this machine. https://learn.microsoft.com/entra/identity-platform/reply-url (2026-02)."""
    if len(addresses) != len(set(addresses)) or not all(_REDIRECT.fullmatch(each) for each in addresses):
        raise _bad("Invalid value specified for property 'redirectUris'.")


def _bad(message: str) -> Refusal:
    return graph("Bad Request", "Request_BadRequest", message)
