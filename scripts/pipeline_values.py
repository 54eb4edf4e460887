"""Gives a pipeline its values: what the templates read from a repository's variables, and what they have made from their outputs.

A variable that is not there must stay away: an empty one would overrule a template's default, and an empty GRAPH_CLIENT_ID would silence the
app. `VARIABLES='{"AZURE_ENV_NAME": …}' GITHUB_ENV=<file> python3 scripts/pipeline_values.py`, where workflows write `toJSON(vars)`;
`python3 scripts/pipeline_values.py --outputs <file>` takes what `az deployment sub create --query properties.outputs` has printed.

0: written. 1: a variable is missing or cannot be passed on.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TEMPLATE: Final = Path(__file__).resolve().parent.parent / "bicep" / "main.bicepparam"
_READ: Final = re.compile(r"readEnvironmentVariable\('(\w+)'")
OUTPUTS: Final = ("AZURE_RESOURCE_GROUP", "FUNCTION_APP_NAME", "FUNCTION_APP_HOST_NAME")
_ALWAYS: Final = ("AZURE_ENV_NAME", "AZURE_LOCATION")
_OF_A_PERSON: Final = frozenset({"AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"})
"""Who deployed from a desk; a pipeline gives itself no rights in the vault."""


def read_by_the_templates(text: str) -> Sequence[str]:
    """List the names of the values that a parameter file reads."""
    return sorted(set(_READ.findall(text)))


def choose(variables: Mapping[str, object], names: Sequence[str]) -> dict[str, str]:
    """Choose what the templates read and is there; blank is not there. Raises ValueError with every problem."""
    chosen = {
        name: value
        for name in names
        if name not in _OF_A_PERSON and isinstance(value := variables.get(name), str) and value.strip()
    }
    problems = [f"{name} is missing" for name in _needed(chosen) if name not in chosen]
    problems += [f"{name} has more than one line" for name, value in chosen.items() if not value.isprintable()]
    if problems:
        raise ValueError("; ".join(problems))
    return chosen


def _needed(chosen: Mapping[str, str]) -> Sequence[str]:
    """List what has to be there, given what is: these the hooks of azd find, and a pipeline does not ask Entra."""
    needed = list(_ALWAYS)
    if (
        chosen.get("GRAPH_CREDENTIAL", "federated") == "federated"
        or chosen.get("EARSHOT_SIGNALR", "").lower() == "true"
    ):
        needed.append("GRAPH_CLIENT_ID")
    if chosen.get("EARSHOT_DELIVERY", "webhook") != "webhook":
        needed += ["GRAPH_TENANT_DOMAIN", "GRAPH_CHANGE_TRACKING_PRINCIPAL_ID"]
    return needed


def made(outputs: Mapping[str, object]) -> dict[str, str]:
    """Choose what the steps after the templates need. Raises ValueError with what is missing."""
    upper = {
        name.upper(): value for name, value in outputs.items()
    }  # Azure Resource Manager has its own mind about case
    found = {name: value.get("value") for name in OUTPUTS if isinstance(value := upper.get(name), dict)}
    lacking = [
        name for name in OUTPUTS if not (isinstance(value := found.get(name), str) and value.isprintable() and value)
    ]
    if lacking:
        raise ValueError(f"the templates have put out no {', '.join(lacking)}")
    return {name: str(found[name]) for name in OUTPUTS}


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Write values where the next steps find them."""
    parser = argparse.ArgumentParser(prog="python3 scripts/pipeline_values.py", description=__doc__)
    parser.add_argument("--outputs", type=Path, metavar="FILE", help="the templates' outputs, instead of variables")
    options = parser.parse_args(arguments)
    try:
        if options.outputs:
            values = made(_object(options.outputs.read_text("utf-8")))
        else:
            names = read_by_the_templates(TEMPLATE.read_text("utf-8"))
            values = choose(_object(environ.get("VARIABLES", "")), names) | {"AZURE_PRINCIPAL_TYPE": "ServicePrincipal"}
    except (OSError, ValueError, RecursionError) as problem:
        print(
            f"values: {problem}. `azd env get-values` prints them, `gh variable set -f <file>` sets them.",
            file=sys.stderr,
        )
        return 1
    with Path(environ["GITHUB_ENV"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
    print(f"values: {', '.join(sorted(values))}")
    return 0


def _object(text: str) -> Mapping[str, object]:
    found = json.loads(text or "{}")
    if not isinstance(found, dict):
        raise ValueError("an object of JSON is expected")  # noqa: TRY004 - one kind of fault for every value that is not good
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
