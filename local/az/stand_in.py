"""Answers command lines of `az` and `azd` from a state file: what is asked, what may be done, what is changed.

    StandIn(path).run(["az", "account", "show"])  →  a code, what is printed, and what is complained of

A command that is not in the reference, or that this stand-in cannot answer, ends in an error; none is passed over.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from local.az import refusals, vaults
from local.az.directory import Directory
from local.az.parsing import Command, UsageError, read
from local.az.queries import query
from local.az.refusals import Refusal
from local.az.tenant import next_id, read_state, write_state

GRAPH_HOST: Final = "graph.microsoft.com"
ENDPOINTS: Final = {
    "activeDirectory": "https://login.microsoftonline.com",
    "microsoftGraphResourceId": f"https://{GRAPH_HOST}/",
    "resourceManager": "https://management.azure.com/",
}
_CHANGING: Final = re.compile(r"(create|set|recover|register|update|delete|add)$")
_SITE: Final = re.compile(
    r"/subscriptions/\{subscriptionId\}/resourceGroups/([^/]+)/providers/Microsoft\.Web/sites/([^/]+)(/.*)"
)
_REFERENCES: Final = "/config/configreferences/appsettings"
_ENV_SET: Final = ["azd", "env", "set"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str = ""
    err: str = ""


@dataclass(slots=True)
class StandIn:
    """`az` and `azd` on a state file.

    ``late`` has, by the first words of a command, how often it is still refused before a new role is known. ``refused`` has
    refusals for good. ``asked`` are the command lines so far, ``changed`` those that changed something; ``before_change`` and
    ``after_change`` are called around each of these, and may raise what ends everything.
    """

    path: Path
    late: dict[str, tuple[int, Refusal]] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    before_change: Callable[[], None] = lambda: None
    after_change: Callable[[], None] = lambda: None
    on_certificate: Callable[[str, Mapping[str, Any]], None] = lambda _name, _policy: None
    asked: list[list[str]] = field(default_factory=list)
    changed: list[list[str]] = field(default_factory=list)

    def run(self, words: Sequence[str]) -> Ended:
        """Run one command line."""
        self.asked.append([*words])
        if list(words[:3]) == _ENV_SET:
            return self._env_set(words[3:])
        if not words or words[0] != "az":
            return Ended(code=2, err=f"ERROR: unknown command {' '.join(words[:3])}")
        try:
            command = read(words[1:])
            return Ended(code=0, out=self._print(command, self._answer(command, words)))
        except UsageError as problem:
            return Ended(code=2, err=f"ERROR: {problem}")
        except Refusal as refusal:
            return Ended(code=refusal.code, err=f"ERROR: {refusal}")

    def _answer(self, command: Command, words: Sequence[str]) -> Any:
        state = read_state(self.path)
        if state["account"] is None and command.name != "cloud show":
            raise Refusal(refusals.NOT_SIGNED_IN)
        self._obey_moods(words)
        handler = _HANDLERS.get(command.name)
        if handler is None:
            raise UsageError(f"the stand-in does not answer '{command.name}'")
        if not _changes(command):
            return handler(self, state, command)
        self.before_change()
        answer = handler(self, state, command)
        write_state(self.path, state)
        self.changed.append([*words])
        self.after_change()
        return answer

    def _obey_moods(self, words: Sequence[str]) -> None:
        said = " ".join(words[1:])
        for start, refusal in self.refused.items():
            if said.startswith(start):
                raise refusal
        for start, (times, refusal) in self.late.items():
            if said.startswith(start) and times > 0:
                self.late[start] = (times - 1, refusal)
                raise refusal

    def _print(self, command: Command, answer: Any) -> str:
        """Print as asked: JSON, nothing, or of one value its bare text, as a shell takes it."""
        shown = query(command.one("--query"), answer) if command.one("--query") else answer
        match command.one("--output", "json"):
            case "none":
                return ""
            case "json":
                return "" if shown is None else json.dumps(shown, indent=2)
            case "tsv" if not isinstance(shown, dict | list):
                return "" if shown is None else str(shown)
        raise UsageError("the stand-in prints JSON, nothing, or one value as tsv")

    def _env_set(self, words: Sequence[str]) -> Ended:
        """Keep a value. https://learn.microsoft.com/azure/developer/azure-developer-cli/reference#azd-env-set (2026-01)."""
        if len(words) != 2 or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", words[0]):  # noqa: PLR2004 - a name and a value
            return Ended(code=1, err="ERROR: azd env set takes a key and a value")
        self.before_change()
        state = read_state(self.path)
        state["azd"][words[0]] = words[1]
        write_state(self.path, state)
        self.changed.append(["azd", "env", "set", *words])
        self.after_change()
        return Ended(code=0)

    # -- who and where ------------------------------------------------------------------------------------------------------

    def _account(self, state: dict[str, Any], _command: Command) -> Any:
        return {
            **state["account"],
            "user": {"name": "someone@contoso.com", "type": "user"},
            "environmentName": "AzureCloud",
        }

    def _cloud(self, _state: dict[str, Any], _command: Command) -> Any:
        return {"name": "AzureCloud", "endpoints": ENDPOINTS, "isActive": True}

    def _provider(self, state: dict[str, Any], command: Command) -> Any:
        namespace = command.one("--namespace")
        return {"namespace": namespace, "registrationState": state["providers"].get(namespace, "Registered")}

    def _register(self, state: dict[str, Any], command: Command) -> Any:
        _need(
            state,
            "azure:contributor",
            f"{command.one('--namespace')}/register/action",
            f"/subscriptions/{state['account']['id']}",
        )
        state["providers"][command.one("--namespace")] = "Registered"
        return None

    def _locations(self, state: dict[str, Any], _command: Command) -> Any:
        return [{"name": each} for each in state["locations"]]

    def _runtimes(self, state: dict[str, Any], command: Command) -> Any:
        versions = state["locations"].get(command.one("--location"), [])
        return [{"name": command.one("--runtime"), "version": each, "default": False} for each in versions]

    def _make_certificate(self, state: dict[str, Any], command: Command) -> Any:
        made = vaults.make_certificate(state, command)
        self.on_certificate(command.one("--name"), json.loads(command.content("--policy")))
        return made

    # -- roles, apps, and what `az rest` reaches --------------------------------------------------------------------------------

    def _assignments(self, state: dict[str, Any], command: Command) -> Any:
        scope, role = command.one("--scope"), command.one("--role")
        return [
            each
            for each in state["roleAssignments"]
            if each["scope"] == scope and role in {each["role"], each["roleDefinitionName"], ""}
        ]

    def _assign(self, state: dict[str, Any], command: Command) -> Any:
        scope, principal = command.one("--scope"), command.one("--assignee-object-id")
        _need(state, "azure:role-assignments", "Microsoft.Authorization/roleAssignments/write", scope)
        if not any(each["id"] == principal for each in state["servicePrincipals"]):
            raise refusals.arm(
                "PrincipalNotFound",
                f"Principal {principal} does not exist in the directory {state['account']['tenantId']}.",
            )
        named = _ROLES.get(command.one("--role"))
        if named is None:
            raise Refusal(f"Role '{command.one('--role')}' doesn't exist.")
        if any(each["scope"] == scope and each["principalId"] == principal for each in state["roleAssignments"]):
            raise refusals.arm("RoleAssignmentExists", "The role assignment already exists.")
        made = {"scope": scope, "principalId": principal, "principalType": command.one("--assignee-principal-type")}
        made |= {"role": command.one("--role"), "roleDefinitionName": named, "id": next_id(state, "role assignment")}
        state["roleAssignments"].append(made)
        return made

    def _app_keys(self, state: dict[str, Any], command: Command) -> Any:
        scope = f"/subscriptions/{state['account']['id']}/resourceGroups/{command.one('--resource-group')}"
        _need(state, "azure:app-keys", "Microsoft.Web/sites/host/listKeys/action", scope)
        site = state["sites"].get(command.one("--name"))
        if site is None:
            raise Refusal("(ResourceNotFound) The Resource was not found.", code=3)
        return {"functionKeys": {"default": "a-function-key"}, "masterKey": site["masterKey"], "systemKeys": {}}

    def _rest(self, state: dict[str, Any], command: Command) -> Any:
        method, url = command.one("--method", "get"), command.one("--url")
        body = json.loads(command.content("--body") or "{}")
        headers = dict(each.split("=", 1) for each in command.flags.get("--headers", ()))
        parts = urlsplit(url)
        if parts.hostname == GRAPH_HOST and parts.path.startswith("/v1.0/"):
            directory = Directory(state=state)
            asked = parts.path.removeprefix("/v1.0") + (f"?{parts.query}" if parts.query else "")
            return directory.ask(method, asked, body, headers.get("Prefer", ""))
        if not parts.hostname and (found := _SITE.fullmatch(parts.path)) and parts.query.startswith("api-version="):
            return _ask_site(state, method, found[2], found[3])
        raise Refusal(f"Not Found(the stand-in has no {method} {url})")


def _ask_site(state: dict[str, Any], method: str, name: str, path: str) -> Any:
    site = state["sites"].get(name)
    if site is None:
        raise Refusal("Not Found(" + json.dumps({"error": {"code": "ResourceNotFound"}}) + ")")
    if (method, path) == ("get", _REFERENCES):
        return {"value": [_reference(site, setting) for setting in sorted(site["references"])]}
    if (method, path) == ("post", f"{_REFERENCES}/refresh"):
        secrets = {secret for vault in state["vaults"].values() for secret in vault["secrets"]}
        site["resolved"] = sorted(setting for setting, secret in site["references"].items() if secret in secrets)
        return None
    raise Refusal(f"Not Found(the stand-in has no {method} {path})")


def _reference(site: Mapping[str, Any], setting: str) -> Mapping[str, Any]:
    status = "Resolved" if setting in site["resolved"] else "SecretNotFound"
    return {
        "name": setting,
        "properties": {
            "reference": f"@Microsoft.KeyVault(SecretUri=…/{site['references'][setting]})",
            "status": status,
        },
    }


def _changes(command: Command) -> bool:
    if command.name == "rest":
        return command.one("--method", "get") != "get"
    return bool(_CHANGING.search(command.name))


def _need(state: Mapping[str, Any], privilege: str, action: str, scope: str) -> None:
    if privilege not in state["privileges"]:
        raise refusals.not_authorized(action, scope)


_ROLES: Final = {
    "2b629674-e913-4c01-ae53-ef4638d8f975": "Azure Event Hubs Data Sender",
    "Azure Event Hubs Data Sender": "Azure Event Hubs Data Sender",
}

_HANDLERS: Final[Mapping[str, Callable[[StandIn, dict[str, Any], Command], Any]]] = {
    "account show": StandIn._account,  # noqa: SLF001 - a table of its own methods
    "cloud show": StandIn._cloud,  # noqa: SLF001
    "provider show": StandIn._provider,  # noqa: SLF001
    "provider register": StandIn._register,  # noqa: SLF001
    "functionapp list-flexconsumption-locations": StandIn._locations,  # noqa: SLF001
    "functionapp list-flexconsumption-runtimes": StandIn._runtimes,  # noqa: SLF001
    "functionapp keys list": StandIn._app_keys,  # noqa: SLF001
    "keyvault list-deleted": lambda _, state, command: vaults.deleted_vaults(state, command),
    "keyvault secret list": lambda _, state, command: vaults.list_items(state, command),
    "keyvault secret list-deleted": lambda _, state, command: vaults.list_items(state, command),
    "keyvault secret recover": lambda _, state, command: vaults.recover(state, command),
    "keyvault secret set": lambda _, state, command: vaults.set_secret(state, command),
    "keyvault certificate list": lambda _, state, command: vaults.list_items(state, command),
    "keyvault certificate list-deleted": lambda _, state, command: vaults.list_items(state, command),
    "keyvault certificate recover": lambda _, state, command: vaults.recover(state, command),
    "keyvault certificate create": StandIn._make_certificate,  # noqa: SLF001
    "role assignment list": StandIn._assignments,  # noqa: SLF001
    "role assignment create": StandIn._assign,  # noqa: SLF001
    "rest": StandIn._rest,  # noqa: SLF001
}
