"""docs/deploy-with-core-tools.md: every command is one that its program takes, and the steps by hand make what the hooks make."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.az.parsing import UsageError, read
from local.az.tenant import read_state
from scripts.provisioning.commands import _parser
from scripts.provisioning.permissions import derive
from scripts.provisioning.values import FOUND, OUTPUTS
from tests.scripts.deploying import TEAMS, Deployment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/deploy-with-core-tools.md").read_text("utf-8")
PUBLISH = {"--python", "--build"}
"""https://learn.microsoft.com/azure/azure-functions/functions-core-tools-reference (2026-01)"""


RECORDER = """
import json, os, sys
with open(os.environ["RECORD"], "a") as record:
    record.write(json.dumps(sys.argv[1:]) + "\\n")
print("something")
"""


def blocks(page: str, kind: str) -> str:
    return "\n".join(re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def commands(folder: Path, page: str = PAGE) -> list[list[str]]:
    """Run every block of the page in a shell whose programs only write down how they were called."""
    programs = folder / "programs"
    programs.mkdir()
    (folder / "recorder.py").write_text(RECORDER)
    for name in ("az", "func", "python3", "curl", "openssl"):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/recorder.py" {name} "$@"\n')
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:/usr/bin:/bin", "RECORD": str(folder / "record")} | dict.fromkeys(
        {*OUTPUTS, *FOUND}, "something"
    )
    script = blocks(page, "sh(?: by-hand)?(?: people)?")
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "record").read_text().splitlines()]


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    return commands(tmp_path_factory.mktemp("page"))


def of(called: list[list[str]], program: str) -> list[list[str]]:
    return [words for words in called if words[0] == program]


def test_every_az_command_is_one_that_the_real_cli_takes(called: list[list[str]]) -> None:
    assert len(of(called, "az")) > 35
    for words in of(called, "az"):
        assert read(words[1:]).name


def test_every_script_is_there_and_takes_its_options(called: list[list[str]]) -> None:
    assert len(of(called, "python3")) == 3
    for _, script, *options in of(called, "python3"):
        assert (ROOT / script).is_file()
        assert _parser(Path(script).stem).parse_args(options)


def test_core_tools_are_asked_for_what_they_have(called: list[list[str]]) -> None:
    [words] = of(called, "func")

    assert words[:4] == ["func", "azure", "functionapp", "publish"]
    assert {word for word in words if word.startswith("--")} == PUBLISH


def test_a_spoilt_command_would_be_noticed(tmp_path: Path) -> None:
    spoilt = commands(tmp_path, PAGE.replace("--vault-name", "--vault", 1))

    with pytest.raises(UsageError, match="unrecognized arguments: --vault"):
        test_every_az_command_is_one_that_the_real_cli_takes(spoilt)


def test_the_permissions_by_hand_are_those_of_the_file_that_ships() -> None:
    [named] = re.findall(r"for PERMISSION in ([\w. ]+); do", PAGE)

    assert set(named.split()) == set(derive((ROOT / "subscriptions.json").read_text("utf-8")).permissions)


@pytest.mark.parametrize("people", [{}, {"EARSHOT_SIGNALR": "true", "EARSHOT_MAIL": "true"}], ids=["alone", "people"])
def test_the_steps_by_hand_make_what_the_hooks_make(tmp_path: Path, people: dict[str, str]) -> None:
    """The blocks are run by a shell, with the stand-in as `az`; afterwards the hooks find nothing to do."""
    deployment = Deployment(tmp_path, entries=(TEAMS,))
    programs = tmp_path / "bin"
    programs.mkdir()
    az = programs / "az"
    az.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m local.az az "$@"\n')
    az.chmod(0o755)
    deployment.azd(EARSHOT_DELIVERY="both", **people)
    deployment.provision()
    values = {name: value for name, value in deployment.state["azd"].items() if not name.startswith("EARSHOT_")}
    script = blocks(PAGE, "sh by-hand(?: people)?" if people else "sh by-hand")
    own = {
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "AZ_STAND_IN": str(deployment.stand_in.path),
    }

    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=tmp_path, env=values | own, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    found = re.search(r"GRAPH_TENANT_ID=(\S+) GRAPH_CLIENT_ID=(\S+) GRAPH_TENANT_DOMAIN=(\S+)\n", done.stdout)
    assert found
    named = dict(zip(("GRAPH_TENANT_ID", "GRAPH_CLIENT_ID", "GRAPH_TENANT_DOMAIN"), found.groups(), strict=True))
    deployment.azd(
        **named, GRAPH_CHANGE_TRACKING_PRINCIPAL_ID=done.stdout.split(named["GRAPH_TENANT_DOMAIN"])[1].split()[0]
    )
    state = read_state(deployment.stand_in.path)
    assert not list(tmp_path.glob(".key")) + list(tmp_path.glob(".policy"))
    for name, versions in state["vaults"]["kv-x"]["secrets"].items():
        assert len(versions) == 1, name
        assert versions[0] not in done.stdout + done.stderr

    assert deployment.before() == 0
    assert {*deployment.became.values()} <= {"unchanged", "skipped"}
    assert deployment.after() == 0
    assert deployment.became.get("consent for people") == ("unchanged" if people else None)
    assert {step for step, became in deployment.became.items() if became not in {"unchanged", "skipped"}} == {
        "Graph may write to the hub"
    }
