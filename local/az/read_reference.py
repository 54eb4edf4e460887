"""Reads the real Azure CLI's own parsers into reference.json; run with a Python that has `azure-cli`, never by the stand-in.

    python3 -m venv az && az/bin/pip install azure-cli && az/bin/python local/az/read_reference.py

What is written are facts: which flags a command has, which are required, what they take. Commands are those that the file names
already; a new one is added there by hand, with nothing but its name and page. The CLI is asked nothing but how it reads a command.
"""

import argparse
import contextlib
import importlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).with_name("reference.json")
_FEW = 20


def main() -> int:
    """Write the file anew, commands in order."""
    core = importlib.import_module("azure.cli.core")  # by name: it is no dependency of ours
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    cli = core.get_default_cli()
    for name, entry in reference["commands"].items():
        parser = _parser(cli, name.split())
        if parser is None:
            print(f"the CLI has no {name}", file=sys.stderr)
            return 1
        flags = [action for action in parser._actions if action.option_strings and action.help != argparse.SUPPRESS]  # noqa: SLF001
        entry["flags"] = {said.pop("name"): said for said in sorted(map(_flag, flags), key=lambda each: each["name"])}
    reference["azure-cli"] = core.__version__
    reference["commands"] = dict(sorted(reference["commands"].items()))
    REFERENCE.write_text(_print(reference), encoding="utf-8")
    return 0


def _parser(cli: Any, words: Sequence[str]) -> Any:
    """Have the CLI load a command as if it were run, and take the parser that would read it."""
    invocation = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls
    )
    cli.invocation = invocation
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(SystemExit),
    ):
        invocation.execute([*words, "--help"])
    parser = invocation.parser
    for word in words:
        below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]  # noqa: SLF001
        found = [each.choices[word] for each in below if word in each.choices]
        if not found:
            return None
        parser = found[0]
    return parser


def _flag(action: argparse.Action) -> dict[str, Any]:
    names = [str(each) for each in action.option_strings]
    name = next(each for each in names if each.startswith("--"))
    said: dict[str, Any] = {"name": name}
    if others := [each for each in names if each != name]:
        said["also"] = others
    if action.required:
        said["required"] = True
    if action.nargs in {"+", "*"}:
        said["takes"] = "several"
    elif action.nargs == "?":
        said["takes"] = "perhaps"
    elif action.nargs == 0:
        said["takes"] = "nothing"
    choices = [str(each) for each in action.choices or ()]
    if 0 < len(choices) < _FEW:
        said["choices"] = sorted(choices)
    return said


def _print(reference: Mapping[str, Any]) -> str:
    """Print with one line a flag, so that a difference is easy to read."""
    lines = [f'{{\n "azure-cli": {json.dumps(reference["azure-cli"])},\n "commands": {{']
    commands = []
    for name, entry in reference["commands"].items():
        flags = ",\n".join(f"    {json.dumps(flag)}: {json.dumps(said)}" for flag, said in entry["flags"].items())
        commands.append(
            f'  {json.dumps(name)}: {{\n   "page": {json.dumps(entry["page"])},\n   "flags": {{\n{flags}\n   }}\n  }}'
        )
    return "\n".join([*lines, ",\n".join(commands), " }\n}\n"])


if __name__ == "__main__":
    sys.exit(main())
