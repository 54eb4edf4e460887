"""Secrets and certificates in the stand-in's vaults, listed, made, deleted and taken back as the CLI does it."""

import json
import re
from pathlib import Path
from typing import Any, Final

from local.az import refusals
from local.az.parsing import Command, UsageError
from local.az.refusals import Refusal
from local.az.tenant import WHEN

_KINDS: Final = {"secret": ("secrets", "deletedSecrets"), "certificate": ("certificates", "deletedCertificates")}


def deleted_vaults(state: dict[str, Any], _command: Command) -> Any:
    """List the vaults that were deleted and are kept."""
    properties = {"location": "westeurope", "deletionDate": WHEN, "scheduledPurgeDate": "2027-02-28T12:00:00+00:00"}
    return [
        {"name": each, "type": "Microsoft.KeyVault/deletedVaults", "properties": properties}
        for each in state["deletedVaults"]
    ]


def list_items(state: dict[str, Any], command: Command) -> Any:
    """List secrets or certificates, or those that were deleted: ids and names, never a value."""
    _, kind, verb = command.name.split()
    name, vault = _open(state, command, kind)
    folder = _KINDS[kind][verb == "list-deleted"]
    root = f"https://{name}.vault.azure.net"
    listed = [{"id": f"{root}/{kind}s/{each}", "name": each, "attributes": {"enabled": True}} for each in vault[folder]]
    if verb == "list-deleted":
        listed = [
            {**each, "recoveryId": f"{root}/deleted{kind}s/{each['name']}", "deletedDate": WHEN} for each in listed
        ]
    return listed


def recover(state: dict[str, Any], command: Command) -> Any:
    """Take a deleted secret or certificate back."""
    _, kind, _ = command.name.split()
    _, vault = _open(state, command, kind)
    there, deleted = _KINDS[kind]
    if command.one("--name") not in vault[deleted]:
        raise Refusal(f"({kind.capitalize()}NotFound) Deleted {kind} not found: {command.one('--name')}")
    vault[there][command.one("--name")] = vault[deleted].pop(command.one("--name"))
    return {"id": f"https://{command.one('--vault-name')}.vault.azure.net/{kind}s/{command.one('--name')}"}


def set_secret(state: dict[str, Any], command: Command) -> Any:
    """Make a version of a secret; what is printed has its value, as with the real one."""
    vault_name, vault = _open(state, command, "secret")
    if bool(command.one("--value")) == bool(command.one("--file")):
        raise UsageError("incorrect usage: [Required] --value VALUE | --file PATH")
    name = _name(command)
    if name in vault["deletedSecrets"]:
        raise refusals.recoverable("Secret", name)
    value = command.one("--value") or Path(command.one("--file")).read_text(encoding="utf-8")
    versions = vault["secrets"].setdefault(name, [])
    versions.append(value)
    return {
        "id": f"https://{vault_name}.vault.azure.net/secrets/{name}/{len(versions):032x}",
        "name": name,
        "value": value,
    }


def make_certificate(state: dict[str, Any], command: Command) -> Any:
    """Make a version of a certificate by its policy, at once."""
    vault_name, vault = _open(state, command, "certificate")
    policy = json.loads(command.content("--policy"))
    unknown = set(policy) - {
        "issuerParameters",
        "keyProperties",
        "lifetimeActions",
        "secretProperties",
        "x509CertificateProperties",
    }
    if unknown or not policy.get("issuerParameters", {}).get("name"):
        raise Refusal(f"(BadParameter) Policy is not valid: {', '.join(sorted(unknown)) or 'no issuer'}")
    name = _name(command)
    if name in vault["deletedCertificates"]:
        raise refusals.recoverable("Certificate", name)
    vault["certificates"].setdefault(name, []).append(policy)
    return {
        "id": f"https://{vault_name}.vault.azure.net/certificates/{name}/pending",
        "status": "completed",
        "error": None,
    }


def _open(state: dict[str, Any], command: Command, kind: str) -> tuple[str, dict[str, Any]]:
    name = command.one("--vault-name")
    if name not in state["vaults"]:
        raise Refusal(
            f"HTTPSConnectionPool(host='{name}.vault.azure.net', port=443): Failed to resolve '{name}.vault.azure.net'"
        )
    if f"vault:{kind}s" not in state["privileges"]:
        raise refusals.forbidden_by_rbac(f"Microsoft.KeyVault/vaults/{kind}s/readMetadata/action", name)
    vault: dict[str, Any] = state["vaults"][name]
    return name, vault


def _name(command: Command) -> str:
    name = command.one("--name")
    if not re.fullmatch(r"[0-9A-Za-z-]{1,127}", name):
        raise Refusal(f"(BadParameter) The request URI contains an invalid name: {name}")
    return name
