"""Reads the files of the page, which ship with the app. Not here: how they are served (`shared.web_files`)."""

from collections.abc import Mapping
from pathlib import Path


def read_web_folder(folder: Path) -> Mapping[str, bytes]:
    """Read every file of a folder, by its path in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
