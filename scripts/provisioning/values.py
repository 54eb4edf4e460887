"""The values of a deployment by name: azd's environment, or a file of lines NAME=value for who deploys without azd.

No value here is a secret. Names: what azd and the person set, what `preprovision` finds, and the outputs of `bicep/main.bicep`.
https://learn.microsoft.com/azure/developer/azure-developer-cli/manage-environment-variables (2026-01)
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from scripts.provisioning.az import Run, SetupProblem

FOUND: Final[Mapping[str, str]] = {
    "GRAPH_TENANT_ID": "the tenant whose data is heard",
    "GRAPH_TENANT_DOMAIN": "its default domain, which Graph wants in an event hub's address",
    "GRAPH_CHANGE_TRACKING_PRINCIPAL_ID": "object id of Microsoft Graph Change Tracking in it",
    "GRAPH_CLIENT_ID": "our app registration's client id; none where the managed identity itself asks Graph and nobody signs in",
}
"""What `preprovision` finds or makes, and the templates take as parameters."""

OUTPUTS: Final[Mapping[str, str]] = {
    "AZURE_RESOURCE_GROUP": "the resource group",
    "FUNCTION_APP_NAME": "the app",
    "FUNCTION_APP_HOST_NAME": "its own host, also where a gateway stands before it",
    "KEY_VAULT_NAME": "the vault",
    "CLIENT_STATE_KEY_SECRET": "the secret that CLIENT_STATE_KEY refers to",
    "FORWARD_SIGNING_KEY_SECRET": "the secret that FORWARD_SIGNING_KEY refers to",
    "TOKEN_CACHE_KEY_SECRET": "the secret that TOKEN_CACHE_KEY refers to; empty where nobody connects a mailbox",
    "ENCRYPTION_CERTIFICATE_NAME": "the certificate's name in the vault",
    "ENCRYPTION_KEYS": "how the app reaches its key: keyvault:… or keyvault-unwrap:…, where it never leaves the vault",
    "IDENTITY_PRINCIPAL_ID": "object id of the app's managed identity",
    "PUBLIC_BASE_URL": "what Graph can reach, with /api",
    "EVENT_HUB_RESOURCE_ID": "the hub that Graph fills; empty without pull mode",
}
"""What the templates say they made, and the later steps need."""

CHOICES: Final[Mapping[str, str]] = {
    "GRAPH_CREDENTIAL": "federated",
    "EARSHOT_DELIVERY": "webhook",
    "EARSHOT_SIGNALR": "false",
    "EARSHOT_MAIL": "false",
    "EARSHOT_PAGE_ORIGINS": "",
}
"""What a person may set, with what it is otherwise; the templates take the same. ``EARSHOT_PAGE_ORIGINS``: where else the page is opened,
comma-separated, such as http://localhost:7071 while somebody works on it."""

BY_HAND: Final = "by-hand"

BY_ADMINISTRATOR, BY_PERSON = "administrator", "person"

FOR_THE_HOOKS: Final[Mapping[str, str]] = {
    "EARSHOT_ENTRA": "hooks",
    "EARSHOT_MAIL_CONSENT": BY_ADMINISTRATOR,
}
"""What a person may choose for the hooks alone.

``EARSHOT_ENTRA=by-hand``: they leave Entra to an administrator, and need no right there: so does a pipeline, whose identity should not be
able to give permissions. ``EARSHOT_MAIL_CONSENT=person``: nobody consents for others to what the app may do with mail."""

_YES: Final = frozenset({"true", "1"})

_LINE: Final = re.compile(r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"?([^"\r\n]*)"?\s*')


class Values(Protocol):
    """Where values are read and kept."""

    def get(self, name: str) -> str:
        """Give a value; empty if there is none."""
        ...

    def keep(self, name: str, value: str) -> None:
        """Keep a value for the templates and for later steps."""
        ...


@dataclass(slots=True, kw_only=True)
class AzdValues:
    """azd's environment: it reaches a hook as environment variables, and is written with `azd env set`."""

    environ: Mapping[str, str]
    run: Run
    kept: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Give a value as this process knows it."""
        return self.kept.get(name, self.environ.get(name, "")).strip()

    def keep(self, name: str, value: str) -> None:
        """Have azd keep a value. Raises SetupProblem."""
        ran = self.run(["azd", "env", "set", name, value])
        if ran.code != 0:
            raise SetupProblem(
                f"azd env set {name}: {ran.err.strip() or 'it failed'}. Run this as a hook of azd, or name a file: --values"
            )
        self.kept[name] = value


@dataclass(slots=True, kw_only=True)
class FileValues:
    """A file of lines NAME=value, as `azd env get-values` prints them; written whole, so that a crash leaves it as it was."""

    path: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """Give the value of an output that was just taken, else the file's, else the environment's."""
        return (self.taken.get(name) or self._read().get(name) or self.environ.get(name, "")).strip()

    def keep(self, name: str, value: str) -> None:
        """Write a value beside the others."""
        lines = [f'{each}="{text}"\n' for each, text in (self._read() | {name: value}).items()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text("".join(lines), encoding="utf-8")
        new.replace(self.path)

    def take_outputs(self, printed: str, *, keep: bool) -> None:
        """Take what a deployment by `az` printed: names with a type and a value each. Raises SetupProblem."""
        try:
            # the resource manager prints names with other capitals than the template's
            by_name = {name.lower(): str(each["value"]) for name, each in json.loads(printed).items()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            raise SetupProblem(f"these are not the outputs of bicep/main.bicep: {problem!r}") from problem
        self.taken = {name: by_name[name.lower()] for name in OUTPUTS if name.lower() in by_name}
        for name, value in self.taken.items() if keep else ():
            self.keep(name, value)

    def _read(self) -> dict[str, str]:
        return dict(read_values(self.path.read_text(encoding="utf-8"))) if self.path.exists() else {}


def read_values(text: str) -> Iterator[tuple[str, str]]:
    """Read lines NAME="value"; others are passed by."""
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            yield found[1], found[2]


def choice(values: Values, name: str) -> str:
    """Give what a person chose, or what goes without a choice."""
    return values.get(name) or {**CHOICES, **FOR_THE_HOOKS}[name]


def chosen(values: Values, name: str) -> bool:
    """Tell whether a person chose something that is there or not, as the templates read it."""
    return choice(values, name).lower() in _YES


def people_sign_in(values: Values) -> bool:
    """Tell whether Entra is to give people tokens for our API: for the page, or to a client of one's own that shows their mail."""
    return chosen(values, "EARSHOT_SIGNALR") or chosen(values, "EARSHOT_MAIL")


def need(values: Values, name: str) -> str:
    """Give a value that must be there. Raises SetupProblem that says where it comes from."""
    if value := values.get(name):
        return value
    if name in OUTPUTS:
        raise SetupProblem(f"{name} is not known: it is an output of the templates. Run azd provision first")
    raise SetupProblem(f"{name} is not known: scripts/preprovision.py finds it; run that first")
