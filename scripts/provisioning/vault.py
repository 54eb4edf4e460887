"""After the templates, in the vault: the keys and the certificate, each made once and never again.

Every live subscription proves itself with CLIENT_STATE_KEY and names the certificate, so that a second key would be an outage:
what is there is left, what was deleted is taken back, and only what never was is made. No value is ever printed, read back, or put
on a command line.
"""

import base64
import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.provisioning.az import Az, SetupProblem, private_file
from scripts.provisioning.reporting import Outcome, Step, attention, made, skipped, unchanged
from scripts.provisioning.values import Values, need

SECRETS_OFFICER: Final = "the role Key Vault Secrets Officer"
CERTIFICATES_OFFICER: Final = "the role Key Vault Certificates Officer"
WEBSITE: Final = "the role Website Contributor on the app"
REFERENCES: Final = "2022-03-01"
MAY_BE_EMPTY: Final = frozenset({"TOKEN_CACHE_KEY_SECRET"})
_KEY_BYTES: Final = 32


def make_key() -> str:
    """Make a value for CLIENT_STATE_KEY or TOKEN_CACHE_KEY: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def make_signing_key() -> str:
    """Make a value for FORWARD_SIGNING_KEY: a Standard Webhooks secret."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"


def certificate_policy(*, exportable: bool) -> dict[str, Any]:
    """Give the policy: self-signed, since Graph checks no chain; a year, and renewed with a new key when 80 % of it is over.

    https://learn.microsoft.com/azure/key-vault/certificates/tutorial-rotate-certificates (2026-01)
    """
    return {
        "issuerParameters": {"name": "Self"},
        "keyProperties": {"exportable": exportable, "keySize": 2048, "keyType": "RSA", "reuseKey": False},
        "lifetimeActions": [{"action": {"actionType": "AutoRenew"}, "trigger": {"lifetimePercentage": 80}}],
        "secretProperties": {"contentType": "application/x-pkcs12"},
        "x509CertificateProperties": {
            "keyUsage": ["dataEncipherment", "keyEncipherment"],
            "subject": "CN=earshot",
            "validityInMonths": 12,
        },
    }


@dataclass(slots=True, kw_only=True)
class Vault:
    """The steps about the vault, and about the app's references to it."""

    az: Az
    values: Values

    def steps(self) -> Sequence[Step]:
        """List them in order."""
        return (
            self._key("CLIENT_STATE_KEY", make_key),
            self._key("FORWARD_SIGNING_KEY", make_signing_key),
            self._key("TOKEN_CACHE_KEY", make_key),
            Step(name="encryption certificate", needs=CERTIFICATES_OFFICER, take=self.certificate),
            Step(name="key references", needs=WEBSITE, take=self.references),
        )

    def _key(self, setting: str, make: Callable[[], str]) -> Step:
        return Step(name=setting, needs=SECRETS_OFFICER, take=lambda: self.secret(f"{setting}_SECRET", make))

    def secret(self, named_by: str, make: Callable[[], str]) -> Outcome:
        """Make a secret that never was, or take back one that was deleted; the templates say what it is called."""
        if named_by in MAY_BE_EMPTY and not self.values.get(named_by):
            return skipped("the templates want none (nobody connects a mailbox)")
        name = need(self.values, named_by)
        if self._has("secret", name):
            return unchanged(f"{name} is there, and stays as it is")
        if self._has_deleted("secret", name):
            self.az.change("keyvault", "secret", "recover", "--vault-name", self._name, "--name", name)
            self._wait_for("secret", name)
            return made(self.az.dry, f"{name} had been deleted, and is back with the value that it had", new=False)
        with private_file(make()) as path:
            words = ("keyvault", "secret", "set", "--vault-name", self._name, "--name", name)
            # `--query id`: what it prints otherwise has the value in it
            self.az.change(*words, "--file", str(path), "--encoding", "utf-8", "--query", "id")
        return made(self.az.dry, name)

    def certificate(self) -> Outcome:
        """Have the vault make the certificate that resource data is encrypted for, and renew it by itself."""
        name = need(self.values, "ENCRYPTION_CERTIFICATE_NAME")
        if self._has("certificate", name):
            return unchanged(f"{name} is there; the vault renews it")
        if self._has_deleted("certificate", name):
            self.az.change("keyvault", "certificate", "recover", "--vault-name", self._name, "--name", name)
            self._wait_for("certificate", name)
            return made(self.az.dry, f"{name} had been deleted, and is back with its keys", new=False)
        exportable = not self.values.get("ENCRYPTION_KEYS").startswith("keyvault-unwrap:")
        with private_file(json.dumps(certificate_policy(exportable=exportable))) as path:
            words = ("keyvault", "certificate", "create", "--vault-name", self._name, "--name", name)
            self.az.change(*words, "--policy", f"@{path}")
        return made(self.az.dry, f"{name}, for a year; renewed by the vault when 80 % of it is over")

    def references(self) -> Outcome:
        """See that the app's settings that refer to the vault have their values, and have them looked up again if not.

        https://learn.microsoft.com/azure/app-service/app-service-key-vault-references (2026-01)
        """
        unresolved = self._unresolved()
        if not unresolved:
            return unchanged("the app's settings have their values from the vault")
        if self.az.dry:
            return made(self.az.dry, f"{', '.join(sorted(unresolved))} would be looked up again", new=False)
        self.az.change("rest", "--method", "post", "--url", f"{self._references}/refresh?api-version={REFERENCES}")
        waited = 0.0
        while (unresolved := self._unresolved()) and waited < self.az.patience:
            self.az.sleep(self.az.pause)
            waited += self.az.pause
        if unresolved:
            return attention(
                f"not yet: {', '.join(f'{name} ({status})' for name, status in sorted(unresolved.items()))}",
                "the app's identity needs the role Key Vault Secrets User on the vault (the templates give it; it takes some minutes)",
            )
        return made(self.az.dry, "the app's settings have their values from the vault now", new=False)

    @property
    def _name(self) -> str:
        return need(self.values, "KEY_VAULT_NAME")

    @property
    def _references(self) -> str:
        group, app = need(self.values, "AZURE_RESOURCE_GROUP"), need(self.values, "FUNCTION_APP_NAME")
        site = f"/subscriptions/{{subscriptionId}}/resourceGroups/{group}/providers/Microsoft.Web/sites/{app}"
        return f"{site}/config/configreferences/appsettings"

    def _unresolved(self) -> dict[str, str]:
        """Give the settings without their values, and what Azure says of each."""
        shown = self.az.arm("get", self._references, REFERENCES)
        status = {each["name"]: str(each["properties"]["status"]) for each in shown["value"]}
        return {name: said for name, said in status.items() if said != "Resolved"}

    def _has(self, kind: str, name: str) -> bool:
        return name in _names(self.az.look("keyvault", kind, "list", "--vault-name", self._name))

    def _has_deleted(self, kind: str, name: str) -> bool:
        return name in _names(self.az.look("keyvault", kind, "list-deleted", "--vault-name", self._name))

    def _wait_for(self, kind: str, name: str) -> None:
        """Wait until what was taken back is there: the vault takes a moment."""
        waited = 0.0
        while not self.az.dry and not self._has(kind, name):
            if waited >= self.az.patience:
                raise SetupProblem(f"{name} is still on its way back: run this again in a minute")
            self.az.sleep(self.az.pause)
            waited += self.az.pause


def _names(listed: Sequence[Any]) -> frozenset[str]:
    """Read the names out of the ids of a listing, whatever the id is called."""
    ids = (each.get("id") or each.get("kid") or each.get("sid") or each.get("recoveryId") or "" for each in listed)
    found = (
        re.search(r"/(?:secrets|certificates|deletedsecrets|deletedcertificates)/([0-9A-Za-z-]+)", each) for each in ids
    )
    return frozenset(each[1] for each in found if each)
