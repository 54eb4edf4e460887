"""What GitHub is asked to run: it parses, exists, has the rights that it needs and no others, and knows no secret."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.az.parsing import UsageError, read
from scripts.pipeline_values import read_by_the_templates
from tests.house.shipping import ROOT

FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
SCRIPTS = [ROOT / ".github" / "look.sh", ROOT / ".ci" / "run"]
OURS_AND_AZURES = re.compile(r"(actions|azure)/[\w-]+(/[\w-]+)?@(v\d+|[0-9a-f]{40})")

# what each job may ask of GitHub, and why: a right that is not here is one too many
RIGHTS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("ci", "test"): {"contents": "read"},
    ("ci", "templates"): {"contents": "read"},
    ("core-tools", "demo"): {"contents": "read"},
    ("deploy", "build"): {"contents": "read"},
    ("deploy", "preview"): {"contents": "read", "id-token": "write"},  # signs in to Azure
    ("deploy", "deploy"): {
        "contents": "read",
        "id-token": "write",
        "actions": "read",
    },  # and finds the last good package
}


def parsed(path: Path) -> dict[Any, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


WORKFLOWS = {path.stem: parsed(path) for path in FILES}
JOBS = [(workflow, job) for workflow, content in WORKFLOWS.items() for job in content["jobs"]]
STEPS = [(workflow, job, step) for workflow, job in JOBS for step in WORKFLOWS[workflow]["jobs"][job]["steps"]]


def commands() -> Iterator[str]:
    """Every line that a shell runs, continued ones as one; what is between $( and ) comes as a line of its own too."""
    texts = [step["run"] for _, _, step in STEPS if "run" in step]
    texts += [path.read_text("utf-8") for path in SCRIPTS]
    for text in texts:
        for line in text.replace("\\\n", " ").splitlines():
            for inner in re.findall(r"\$\(([^()]+)\)", line):
                yield inner.strip()
            yield re.sub(r"\$\([^()]+\)", "value", line).strip()


def test_there_are_three() -> None:
    assert sorted(WORKFLOWS) == ["ci", "core-tools", "deploy"]
    assert set(RIGHTS) == set(JOBS)


@pytest.mark.parametrize("name", sorted(WORKFLOWS))
def test_no_secret_is_known_and_nothing_of_a_stranger_is_run(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text("utf-8")
    triggers = WORKFLOWS[name][True]  # YAML 1.1 takes `on` for a truth

    assert "secrets." not in text
    assert "pull_request_target" not in triggers
    assert "workflow_run" not in triggers
    # what others can write must not become a part of a command
    runs = [step["run"] for _, _, step in STEPS if "run" in step]
    assert not [run for run in runs if "${{" in run]


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_has_the_rights_that_it_needs_and_no_others(workflow: str, job: str) -> None:
    content = WORKFLOWS[workflow]
    granted = content["jobs"][job].get("permissions", content["permissions"])

    assert granted == RIGHTS[workflow, job]
    assert content["permissions"] in ({}, {"contents": "read"})


@pytest.mark.parametrize(("workflow", "job"), JOBS)
def test_a_job_ends(workflow: str, job: str) -> None:
    assert 0 < WORKFLOWS[workflow]["jobs"][job]["timeout-minutes"] <= 60


@pytest.mark.parametrize(("workflow", "job", "step"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_action_is_github_s_or_azure_s_and_pinned(workflow: str, job: str, step: Mapping[str, Any]) -> None:
    uses = step.get("uses")
    if uses is None:
        assert step["run"].strip(), (workflow, job)
        return
    assert OURS_AND_AZURES.fullmatch(uses), uses
    if uses.startswith("actions/checkout"):
        assert step["with"]["persist-credentials"] is False


def test_one_action_has_one_version() -> None:
    versions: dict[str, set[str]] = {}
    for _, _, step in STEPS:
        name, _, version = step.get("uses", "").partition("@")
        versions.setdefault(name, set()).add(version)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_whoever_signs_in_to_azure_does_so_without_a_secret() -> None:
    logins = [step for _, _, step in STEPS if step.get("uses", "").startswith("azure/login")]

    assert len(logins) == 2
    assert all(set(step["with"]) == {"client-id", "tenant-id", "subscription-id"} for step in logins)


def test_only_main_is_deployed_and_only_our_own_branches_are_previewed() -> None:
    jobs = WORKFLOWS["deploy"]["jobs"]

    assert "github.ref == 'refs/heads/main'" in jobs["deploy"]["if"]
    assert "github.event_name != 'pull_request'" in jobs["deploy"]["if"]
    assert "head.repo.full_name == github.repository" in jobs["preview"]["if"]
    assert not any("deployment sub create" in step.get("run", "") for step in jobs["preview"]["steps"])


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {
        word for line in commands() if line.startswith("make ") for word in shlex.split(line)[1:] if "=" not in word
    }

    assert asked
    assert asked <= targets


def test_ci_runs_the_readme_s_commands_on_every_python() -> None:
    run = (ROOT / ".ci/run").read_text("utf-8")
    strategy = WORKFLOWS["ci"]["jobs"]["test"]["strategy"]

    assert {"make lint", "make test", "make browser"} <= set(run.splitlines())
    assert strategy["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_scripts_and_templates_that_are_named_exist() -> None:
    named = {found for line in commands() for found in re.findall(r"(?:scripts|bicep|\.ci|\.github)/[\w./-]*\w", line)}

    assert {"scripts/smoke.py", "scripts/build_package.py", "scripts/pipeline_values.py", "bicep/main.bicep"} <= named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("line", sorted({line for line in commands() if line.startswith("az ")}))
def test_the_real_az_would_take_it(line: str) -> None:
    read(shlex.split(line.partition(" > ")[0])[1:])


def test_a_misspelt_flag_would_be_noticed() -> None:
    with pytest.raises(UsageError):
        read(["bicep", "lint", "--files", "bicep/main.bicep"])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_can_read_it(path: Path) -> None:
    subprocess.run(["/bin/bash", "-n", str(path)], check=True)
    assert "set -euo pipefail" in path.read_text("utf-8")


@pytest.mark.parametrize(("workflow", "job", "step"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_shell_can_read_every_step(workflow: str, job: str, step: Mapping[str, Any]) -> None:
    done = subprocess.run(["/bin/bash", "-n", "-c", step.get("run", ":")], capture_output=True, text=True, check=False)

    assert done.returncode == 0, (workflow, job, done.stderr)


def test_keys_and_tokens_are_masked_before_anything_else_happens() -> None:
    lines = (ROOT / ".github/look.sh").read_text("utf-8").splitlines()
    for name in ("EARSHOT_KEY", "SMOKE_GRAPH_TOKEN"):
        [taken] = [number for number, line in enumerate(lines) if line.strip().startswith(f"{name}=$(")]
        assert lines[taken + 1].strip() == f'echo "::add-mask::${name}"'


def test_every_variable_that_is_used_is_one_that_the_page_names() -> None:
    text = "".join(path.read_text("utf-8") for path in FILES)
    page = (ROOT / "docs/deploy.md").read_text("utf-8")
    used = set(re.findall(r"vars\.(\w+)", text))

    assert [name for name in sorted(used) if name not in page] == []


def test_what_is_built_for_is_what_the_templates_run() -> None:
    module = (ROOT / "bicep/modules/functionapp.bicep").read_text("utf-8")
    [setup] = [
        step for _, job, step in STEPS if job == "build" and step.get("uses", "").startswith("actions/setup-python")
    ]

    assert f"version: '{setup['with']['python-version']}'" in module


def test_the_values_of_the_templates_are_those_that_they_read() -> None:
    names = read_by_the_templates((ROOT / "bicep/main.bicepparam").read_text("utf-8"))

    assert {"AZURE_ENV_NAME", "AZURE_LOCATION", "GRAPH_CLIENT_ID", "EARSHOT_SIZE"} <= set(names)


def test_what_fails_goes_back_and_is_looked_at_again() -> None:
    steps = WORKFLOWS["deploy"]["jobs"]["deploy"]["steps"]
    named = [step.get("name", "") for step in steps]
    after = steps[named.index("Look whether it works") + 1 :]

    assert [step["if"].startswith("failure()") for step in after] == [True, True, True]
    assert after[1]["with"] == steps[named.index("Deploy")]["with"] | {"package": "last/package.zip"}
    assert after[2]["run"] == steps[named.index("Look whether it works")]["run"]
    # a fork's pull request could come from a branch called main
    assert "--event push" in after[0]["run"]
