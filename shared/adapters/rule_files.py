"""ports.Rules from the folder of the subscriptions file: each file is read and compiled once. A deployment brings another, and a process that knows it."""

from collections.abc import Callable
from pathlib import Path

from shared.errors import SettingsError
from shared.ports import Rules


class RuleFiles:
    """Files of DLP rules by their path."""

    def __init__(self, root: Path, read: Callable[[bytes], Rules]) -> None:
        self._root = root
        self._read = read
        self._rules: dict[str, Rules] = {}

    def __call__(self, path: str) -> Rules:
        """Give the rules of a file. Raises SettingsError with everything that is wrong with it; it is then read again next time."""
        rules = self._rules.get(path)
        if rules is None:
            rules = self._rules[path] = self._open(path)
        return rules

    def _open(self, path: str) -> Rules:
        try:
            text = (self._root / path).read_bytes()
        except (OSError, ValueError) as problem:
            raise SettingsError([f"rules {path!r} cannot be read ({type(problem).__name__})"]) from problem
        return self._read(text)
