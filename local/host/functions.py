"""The app's functions as the host sees them: bindings with `%NAME%` resolved, and what stops a function.

Finding them is the worker's; running them is `dispatch`'s.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.host.app_settings import MissingSettingError, is_disabled, resolve
from local.host.retry_policy import RetryPolicy, read_retry_policy

# host >= 4.1038: https://github.com/Azure/azure-functions-host/pull/10764
_FUNCTION_NAME = re.compile(r"(?!host$)[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"(?!.*__)[a-zA-Z_][a-zA-Z0-9_]{0,127}|\$return")
TRIGGERS = {"httpTrigger", "queueTrigger", "timerTrigger", "eventHubTrigger"}
# https://learn.microsoft.com/azure/azure-functions/functions-bindings-errors#retries (2026-11): of those that are here
RETRIED = {"timerTrigger", "eventHubTrigger"}
OUTPUTS = {"http", "queue"}
UNRESOLVED = {"name", "type", "direction", "dataType"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One binding of a function; `settings` is all that its decorator said."""

    name: str
    type: str
    binary: bool
    settings: Mapping[str, Any]

    @property
    def connection(self) -> str:
        """The setting that names the storage account."""
        return str(self.settings.get("connection") or "AzureWebJobsStorage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function that can run; `retry` is None where the host applies no policy."""

    name: str
    id: str
    trigger: Binding
    outputs: Mapping[str, Binding]
    retry: RetryPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A function that will not run, and the line that says why (empty: it was not asked for)."""

    name: str
    why: str


def read_functions(
    listed: Iterable[Mapping[str, Any]], settings: Mapping[str, str], *, only: Collection[str] = ()
) -> tuple[list[Function], list[Stopped]]:
    """Read what the worker listed into functions that run and functions that don't."""
    running: list[Function] = []
    stopped: list[Stopped] = []
    for item in listed:
        name = str(item["name"])
        try:
            if only and name not in only:
                continue
            if is_disabled(name, settings):
                stopped.append(Stopped(name=name, why=f"Function {name} is disabled."))
                continue
            running.append(read_function(item, settings))
        except (MissingSettingError, ValueError) as error:
            stopped.append(Stopped(name=name, why=f"The '{name}' function is in error: {error}"))
    return running, stopped


def read_function(item: Mapping[str, Any], settings: Mapping[str, str]) -> Function:
    """Read one function, raising MissingSettingError or ValueError for what the host refuses."""
    name = str(item["name"])
    if not _FUNCTION_NAME.fullmatch(name):
        raise ValueError("the function name must start with a letter and hold letters, digits, _ and - only")
    bindings = [_read_binding(raw, settings) for raw in item["bindings"]]
    triggers = [binding for binding in bindings if binding.type.endswith("Trigger")]
    if len(triggers) != 1:
        raise ValueError(f"a function has exactly one trigger, not {len(triggers)}")
    outputs = [binding for binding in bindings if binding is not triggers[0]]
    for binding, known in [(triggers[0], TRIGGERS), *((output, OUTPUTS) for output in outputs)]:
        if binding.type not in known:
            raise ValueError(f"the binding type(s) '{binding.type}' are not supported by the local host")
    policy = read_retry_policy(item["retry"]) if item.get("retry") else None
    return Function(
        name=name,
        id=str(item["id"]),
        trigger=triggers[0],
        outputs={binding.name: binding for binding in outputs},
        retry=policy if triggers[0].type in RETRIED else None,
    )


def _read_binding(raw: Mapping[str, Any], settings: Mapping[str, str]) -> Binding:
    name = str(raw["name"])
    if not _BINDING_NAME.fullmatch(name):
        raise ValueError(f"the binding name {name} is invalid")
    resolved = {
        key: resolve(value, settings) if isinstance(value, str) and key not in UNRESOLVED else value
        for key, value in raw.items()
    }
    return Binding(
        name=name, type=str(raw["type"]), binary=str(raw.get("dataType")).upper() == "BINARY", settings=resolved
    )
