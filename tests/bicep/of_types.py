"""Types, versions and property names are published ones."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bicep.deploying import Made, Templates, flat
from tests.bicep.variants import deploy_all

RESOURCE_TYPES: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "resource_types.toml").read_text("utf-8")
)


def types_and_properties_are_published(templates: Templates) -> list[str]:
    found = []
    for paper in deploy_all(templates).values():
        for each in (*paper.resources, *paper.existing):
            known = RESOURCE_TYPES.get(each.type)
            if known is None:
                found.append(f"{each}: {each.type} is not in resource_types.toml")
            elif known["version"] != each.version:
                found.append(f"{each}: {each.type} has version {each.version}, not {known['version']}")
            else:
                found += [
                    f"{each}: {path} is no property of {each.type}" for path in _unknown(each, known["properties"])
                ]
    return found


def _unknown(made: Made, known: list[str]) -> Iterator[str]:
    patterns = [re.escape(each).replace(r"\*", r"[^.]+(?:\..+)?") for each in (*known, "location")]
    beginnings = {each.rsplit(".", count)[0] for each in known for count in range(1, each.count(".") + 1)}
    for path, _ in flat(made.body):
        if path not in beginnings and not any(re.fullmatch(pattern, path) for pattern in patterns):
            yield path
