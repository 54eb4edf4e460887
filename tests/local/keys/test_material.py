"""Local keys and settings: made once, private, good enough for the app, and never touched again."""

import base64
import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.__main__ import main
from local.keys.material import ensure_encryption_key, ensure_settings, make_client_state_key, make_signing_key
from shared.graph.encrypted_content import read_encryption_key
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_encryption_key_is_made_once(tmp_path: Path) -> None:
    made = ensure_encryption_key(tmp_path / "keys", now=NOW)
    before = made.read_bytes()

    assert ensure_encryption_key(tmp_path / "keys", now=NOW) == made
    assert made.read_bytes() == before
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [made.name]


def test_the_key_is_one_that_the_app_reads_and_graph_takes(tmp_path: Path) -> None:
    key = read_encryption_key(ensure_encryption_key(tmp_path, now=NOW).read_bytes(), certificate_id="local")

    assert key.not_before <= NOW.timestamp() < key.not_after


def test_nobody_else_may_read_what_is_secret(tmp_path: Path) -> None:
    settings = tmp_path / "local.settings.json"
    ensure_settings(ROOT / "local.settings.sample.json", settings, keys=tmp_path)

    for path in (ensure_encryption_key(tmp_path / "keys", now=NOW), settings):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_settings_that_are_made_are_the_sample_with_keys(tmp_path: Path) -> None:
    target = tmp_path / "local.settings.json"

    assert ensure_settings(ROOT / "local.settings.sample.json", target, keys=tmp_path / "keys")
    made = json.loads(target.read_text(encoding="utf-8"))["Values"]
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
    assert {name for name in sample if made[name] != sample[name]} == {
        "CLIENT_STATE_KEY",
        "FORWARD_SIGNING_KEY",
        "ENCRYPTION_KEYS",
    }
    settings = Settings.from_environ(made)
    assert settings.problems == ()
    assert [settings.missing(part) for part in ("webhook", "processor", "subscriptions", "feed")] == [()] * 4


def test_settings_that_are_there_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "local.settings.json"
    target.write_text("mine", encoding="utf-8")

    assert not ensure_settings(ROOT / "local.settings.sample.json", target, keys=tmp_path)
    assert target.read_text(encoding="utf-8") == "mine"


def test_every_key_is_another_one() -> None:
    assert len({make_client_state_key() for _ in range(3)} | {make_signing_key() for _ in range(3)}) == 6
    assert len(base64.b64decode(make_client_state_key())) == 32


def test_the_command_says_what_it_made_and_nothing_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "local.settings.sample.json").write_bytes((ROOT / "local.settings.sample.json").read_bytes())

    assert main(["keys", "--app", str(tmp_path)]) == 0
    first = capsys.readouterr().out
    assert main(["keys", "--app", str(tmp_path)]) == 0
    second = capsys.readouterr().out

    made = json.loads((tmp_path / "local.settings.json").read_text(encoding="utf-8"))["Values"]
    assert first.startswith("encryption key .earshot/keys/local-")
    assert first.endswith("local.settings.json made\n")
    assert second.endswith("local.settings.json kept as it is\n")
    assert made["CLIENT_STATE_KEY"] not in first + second
