"""Types, versions and property names are published ones."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.bicep.deploying import Deployment, Templates, flat
from tests.bicep.variants import deploy_all

RESOURCE_TYPES: Mapping[str, Mapping[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "resource_types.toml").read_text("utf-8")
)


def types_and_properties_are_published(templates: Templates) -> list[str]:
    return [problem for paper in deploy_all(templates).values() for problem in unpublished(paper)]


def unpublished(paper: Deployment) -> list[str]:
    """Find what one deployment has that is in no published type."""
    found = []
    for each in (*paper.resources, *paper.existing):
        known = RESOURCE_TYPES.get(each.type)
        if known is None:
            found.append(f"{each}: {each.type} is not in resource_types.toml")
        elif known["version"] != each.version:
            found.append(f"{each}: {each.type} has version {each.version}, not {known['version']}")
        else:
            paths = {path for path, _ in flat(each.body)}
            found += [
                f"{each}: {path} is no property of {each.type}"
                for path in sorted(paths)
                if not _paths(each.type).fullmatch(path)
            ]
    return found


@cache
def _paths(type_: str) -> re.Pattern[str]:
    """Make an expression of a type's properties, and of what they are in."""
    known = ["location", *RESOURCE_TYPES[type_]["properties"]]
    whole = {each for path in known for each in (path, *_above(path))}
    return re.compile("|".join(re.escape(each).replace(r"\*", r".+") for each in sorted(whole)))


def _above(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path
