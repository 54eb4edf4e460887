"""Copies of the app in which exactly one thing is different: spoiled on purpose, or with a handler more."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("function_app.py", "host.json", "subscriptions.json", "shared", "blueprints")


def copy_app(target: Path) -> Path:
    """Copy what makes up the app, and nothing of the workshop."""
    target.mkdir(parents=True, exist_ok=True)
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target / name)
    return target


def spoil(file: Path, text: str, instead: str) -> None:
    """Replace a text that occurs once; a text that is gone means that the test no longer spoils what it says."""
    before = file.read_text(encoding="utf-8")
    assert before.count(text) == 1, f"{file.name} no longer says {text!r}"
    file.write_text(before.replace(text, instead), encoding="utf-8")
