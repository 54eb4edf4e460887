"""The app's settings as `func start` composes them, and `%NAME%` in bindings.

Connection strings are not read here (storage does), nor is anything written back to local.settings.json.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

_PLACEHOLDER = re.compile(r"%([^%]+)%")


class MissingSettingError(Exception):
    """A `%NAME%` in a binding names a setting that does not exist."""


def read_local_settings(path: Path) -> dict[str, str]:
    """Read `Values` of local.settings.json; a missing file is an empty one, null values are left out."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8-sig"))
    if document.get("IsEncrypted"):
        raise ValueError(f"{path.name} is encrypted, which only Core Tools can read: set IsEncrypted to false")
    values = document.get("Values") or {}
    return {name: str(value) for name, value in values.items() if value is not None}


def merge(environ: Mapping[str, str], local: Mapping[str, str], *, app: Path, port: int) -> dict[str, str]:
    """Lay the environment over the local settings and add what `func start` adds."""
    settings = {**local, **environ}
    settings.update(
        WEBSITE_HOSTNAME=f"localhost:{port}",
        AzureWebJobsScriptRoot=str(app),
        AZURE_FUNCTIONS_ENVIRONMENT="Development",
    )
    return settings


def skipped(environ: Mapping[str, str], local: Mapping[str, str]) -> list[str]:
    """Name the local settings that the environment already has: the environment wins."""
    return [name for name in local if name in environ]


def resolve(text: str, settings: Mapping[str, str]) -> str:
    """Put settings into a binding's `%NAME%`, raising MissingSettingError for one that is not there."""

    def value(match: re.Match[str]) -> str:
        try:
            return settings[match[1]]
        except KeyError:
            raise MissingSettingError(f"{match[0]!r} does not resolve to a value.") from None

    return _PLACEHOLDER.sub(value, text)


def is_disabled(name: str, settings: Mapping[str, str]) -> bool:
    """Whether `AzureWebJobs.<name>.Disabled` (or its spelling with underscores) switches the function off."""
    spellings = (f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs__{name}__Disabled")
    return any(settings.get(spelling, "").lower() in {"true", "1"} for spelling in spellings)
