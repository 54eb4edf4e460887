"""Where the app's settings come from, and `%NAME%`."""

import json
from pathlib import Path

import pytest

from local.host.app_settings import MissingSettingError, is_disabled, merge, read_local_settings, resolve, skipped


def test_the_environment_wins_over_local_settings() -> None:
    environ, local = {"A": "environment"}, {"A": "file", "B": "file"}
    settings = merge(environ, local, app=Path("/app"), port=7071)
    assert (settings["A"], settings["B"]) == ("environment", "file")
    assert skipped(environ, local) == ["A"]


def test_what_func_start_adds_is_there() -> None:
    settings = merge({"AZURE_FUNCTIONS_ENVIRONMENT": "Production"}, {}, app=Path("/app"), port=7072)
    assert settings["WEBSITE_HOSTNAME"] == "localhost:7072"
    assert settings["AzureWebJobsScriptRoot"] == "/app"
    assert settings["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"


def test_local_settings_are_read_without_nulls(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    assert read_local_settings(path) == {}
    path.write_text(json.dumps({"Values": {"A": "1", "B": None, "C": 2}}), encoding="utf-8")
    assert read_local_settings(path) == {"A": "1", "C": "2"}


def test_encrypted_local_settings_are_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "local.settings.json"
    path.write_text('{"IsEncrypted": true}', encoding="utf-8")
    with pytest.raises(ValueError, match="IsEncrypted"):
        read_local_settings(path)


def test_placeholders_are_replaced_and_a_missing_one_is_named() -> None:
    assert resolve("%A%-x-%B%", {"A": "1", "B": "2"}) == "1-x-2"
    assert resolve("100%", {}) == "100%"
    with pytest.raises(MissingSettingError, match="%NOPE%"):
        resolve("%NOPE%", {})


@pytest.mark.parametrize("name", ["AzureWebJobs.work.Disabled", "AzureWebJobs__work__Disabled"])
def test_a_setting_disables_a_function(name: str) -> None:
    assert is_disabled("work", {name: "True"})
    assert not is_disabled("work", {name: "false"})
    assert not is_disabled("other", {name: "true"})
