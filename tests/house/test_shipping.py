"""What is deployed starts, is whole, and holds nothing that should stay here."""

import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from tests.house.shipping import FILLED_IN, ROOT, ignored, run_python, sample, ship

LIST_FUNCTIONS = """
import json, sys, function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
print(json.dumps({"functions": names, "modules": sorted(sys.modules)}))
"""
FUNCTIONS = {"notifications", "lifecycle", "processor", "subscription_work", "renewal", "sweep", "findings"}
HEAVY = {"azure.identity", "azure.storage", "azure.data", "azure.core", "msal", "aiohttp", "requests", "re2", "stdnum"}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ship(tmp_path_factory.mktemp("deployed") / "app")


def test_the_patterns_are_plain_names() -> None:
    """This module reads them as the deployment tools do only as long as they are."""
    assert all("/" not in pattern and not pattern.startswith("!") for pattern in ignored())


def test_what_should_stay_here_does_not_ship(shipped: Path) -> None:
    names = {path.name for path in shipped.rglob("*")}

    assert not names & {"local", "tests", "bicep", "docs", "node_modules", "local.settings.json", "__pycache__"}
    assert not [name for name in names if name.startswith((".venv", ".git", ".earshot")) or name.endswith(".pem")]


def test_what_the_app_needs_does_ship(shipped: Path) -> None:
    for name in ("function_app.py", "host.json", "requirements.txt", "subscriptions.json", "dlp_rules.json"):
        assert (shipped / name).is_file()
    for name in ("subscriptions", "dlp_rules"):
        assert (shipped / f"shared/schemas/{name}.schema.json").is_file()
    here = {path.relative_to(ROOT) for part in ("shared", "blueprints") for path in (ROOT / part).rglob("*.py")}
    page = {path.relative_to(ROOT) for path in (ROOT / "shared/web").rglob("*") if path.is_file()}
    assert all((shipped / path).is_file() for path in here | page)


def test_the_copy_starts_with_the_samples_settings_and_has_every_function(shipped: Path) -> None:
    result = run_python(shipped, LIST_FUNCTIONS, sample() | FILLED_IN)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)

    assert set(found["functions"]) >= FUNCTIONS
    assert len(set(found["functions"])) == len(found["functions"])
    assert result.stderr == ""


def test_heavy_libraries_are_loaded_only_when_they_are_used(shipped: Path) -> None:
    result = run_python(shipped, LIST_FUNCTIONS, sample() | FILLED_IN)

    assert not HEAVY & set(json.loads(result.stdout)["modules"])


def test_without_any_settings_the_app_starts_and_says_once_what_it_lacks(shipped: Path) -> None:
    result = run_python(shipped, LIST_FUNCTIONS, {})
    assert result.returncode == 0, result.stderr

    assert {"health", "status"} <= set(json.loads(result.stdout)["functions"])
    assert not FUNCTIONS & set(json.loads(result.stdout)["functions"])
    assert result.stderr.count("settings need attention") == 1
    assert result.stderr.count("CLIENT_STATE_KEY is missing") == 1


def test_a_setting_that_only_some_parts_need_stops_only_those(shipped: Path) -> None:
    result = run_python(shipped, LIST_FUNCTIONS, sample() | FILLED_IN | {"RENEWAL_SCHEDULE": ""})
    functions = set(json.loads(result.stdout)["functions"])

    assert {"notifications", "lifecycle", "processor"} <= functions
    assert not functions & {"renewal", "subscription_work", "sweep"}


def test_pull_mode_is_a_part_for_whoever_asks_for_it(shipped: Path) -> None:
    asked = {"EventHubConnection__fullyQualifiedNamespace": "contoso.servicebus.windows.net"}
    with_it = run_python(shipped, LIST_FUNCTIONS, sample() | FILLED_IN | asked)
    without = run_python(shipped, LIST_FUNCTIONS, sample() | FILLED_IN)

    assert set(json.loads(with_it.stdout)["functions"]) == {*json.loads(without.stdout)["functions"], "event_hub"}
    assert with_it.stderr == ""
    assert not HEAVY & set(json.loads(with_it.stdout)["modules"])


def test_no_required_distribution_shadows_a_package_of_ours() -> None:
    """Another top-level `shared`, `blueprints` or `local` would be found first, or instead."""
    todo = [
        re.split(r"[^A-Za-z0-9._-]", line)[0] for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    ]
    seen: set[str] = set()
    while todo:
        name = todo.pop().lower()
        if not name or name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # one that only another Python or system needs
            continue
        tops = {Path(str(file)).parts[0].removesuffix(".py") for file in distribution.files or ()}
        assert not tops & {"shared", "blueprints", "local", "function_app"}, name
        todo += [re.split(r"[^A-Za-z0-9._-]", required)[0] for required in distribution.requires or ()]
    assert "azure-functions" in seen
