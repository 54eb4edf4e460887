"""What the real CLI prints when Azure, Entra or a vault says no; each text as it was seen, with where."""

import json
from typing import Final


class Refusal(Exception):  # noqa: N818 - it is what is printed
    """The command fails; the text goes to standard error behind ``ERROR:``. It ends with 1 (3 where nothing is found)."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


NOT_SIGNED_IN: Final = "Please run 'az login' to setup account."
"""azure-cli 2.91.0, azure/cli/core/_profile.py"""


def graph(status: str, code: str, message: str) -> Refusal:
    """Print a refusal of Microsoft Graph as `az rest` does: the reason phrase and the body.

    azure-cli 2.91.0, azure/cli/core/util.py, send_raw_request
    """
    body = {
        "error": {
            "code": code,
            "message": message,
            "innerError": {"request-id": "00000000-0000-0000-0000-000000000000"},
        }
    }
    return Refusal(f"{status}({json.dumps(body)})")


def not_found(resource: str) -> Refusal:
    """Say that there is no such object.

    https://learn.microsoft.com/graph/errors (2025-11)
    """
    message = f"Resource '{resource}' does not exist or one of its queried reference-property objects are not present."
    return graph("Not Found", "Request_ResourceNotFound", message)


def insufficient() -> Refusal:
    """Say that the caller has no such right.

    https://learn.microsoft.com/graph/resolve-auth-errors (2025-11)
    """
    return graph("Forbidden", "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def arm(code: str, message: str) -> Refusal:
    """Print a refusal of the resource manager as commands do."""
    return Refusal(f"({code}) {message}\nCode: {code}\nMessage: {message}")


def not_authorized(action: str, scope: str) -> Refusal:
    """Say that Azure's roles do not allow that.

    https://learn.microsoft.com/azure/role-based-access-control/troubleshooting (2026-01)
    """
    who = "The client 'someone@contoso.com' with object id '00000000-0000-4000-8000-00000000000a'"
    return arm(
        "AuthorizationFailed", f"{who} does not have authorization to perform action '{action}' over scope '{scope}'."
    )


def forbidden_by_rbac(action: str, vault: str) -> Refusal:
    """Say that the vault's roles do not allow that.

    https://learn.microsoft.com/azure/key-vault/general/rbac-guide (2026-02)
    """
    told = (
        "Caller is not authorized to perform action on resource.\nIf role assignments, deny assignments or role definitions were "
        f"changed recently, please observe propagation time.\nCaller: appid=04b0\nAction: '{action}'\nVault: {vault};location=westeurope"
    )
    inner = json.dumps({"code": "ForbiddenByRbac"}, indent=4)
    return Refusal(f"(Forbidden) {told}\nCode: Forbidden\nMessage: {told}\nInner error: {inner}")


def recoverable(kind: str, name: str) -> Refusal:
    """Say that something of that name was deleted and is kept.

    https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery (2026-02)
    """
    told = f"{kind} {name} is currently in a deleted but recoverable state, and its name cannot be reused; it can only be recovered or purged."
    inner = json.dumps({"code": "ObjectIsDeletedButRecoverable"})
    return Refusal(f"(Conflict) {told}\nCode: Conflict\nMessage: {told}\nInner error: {inner}")
