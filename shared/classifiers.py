"""Detectors that users write in Python: `@classifier` in a module of `shared/handlers/`, found as handlers are.

A rule names one, and what it finds is found as by any other rule. What becomes of one that raises is `shared.dlp`'s business.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Mapping
from types import ModuleType

from shared.dlp.values import Classifier
from shared.errors import SettingsError

_ATTRIBUTE = "__earshot_classifier__"
_NAME = re.compile(r"[a-z0-9-]{1,40}")


def classifier(name: str) -> Callable[[Classifier], Classifier]:
    """Make a function a classifier that rules may name.

    It is given the text of one part of a message and gives (start, length) of each thing that it found. It runs in the same
    thread as everything else: what takes longer than a millisecond holds up other messages.
    """
    if not _NAME.fullmatch(name):
        raise TypeError(f"classifier {name!r}: a name has up to 40 of a-z, 0-9 and dashes")

    def register(function: Classifier) -> Classifier:
        if inspect.iscoroutinefunction(function):
            raise TypeError(f"classifier {name!r} must be a plain 'def': it is given a text and asks nobody")
        setattr(function, _ATTRIBUTE, name)
        return function

    return register


def find_classifiers(package: ModuleType) -> Mapping[str, Classifier]:
    """Import every module of a package and collect its classifiers by name.

    Raises SettingsError if two have one name: a rule could not say which it means.
    """
    found: dict[str, Classifier] = {}
    owners: dict[str, str] = {}
    problems: list[str] = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for _, function in inspect.getmembers(module, inspect.isfunction):
            name = getattr(function, _ATTRIBUTE, None)
            if name is None or function.__module__ != module.__name__:
                continue
            if found.setdefault(name, function) is not function:
                problems.append(f"classifier {name!r} is defined in {owners[name]} and {info.name}")
            owners.setdefault(name, info.name)
    if problems:
        raise SettingsError(problems)
    return found
