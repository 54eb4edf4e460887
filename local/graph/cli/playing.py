"""`play`: an entry of the repertoire with its progress, what a good receiver does about it, and what came of it."""

import argparse
import json
import sys
import textwrap
from typing import Any

from local.graph.cli.reading import VIEWS, why
from local.graph.control.door import Door
from local.graph.repertoire.entry import Entry, repertoire
from local.graph.repertoire.player import Done, Player

WIDTH = 100


def play(door: Door, arguments: argparse.Namespace) -> int:
    """Play what was named; 1 if a step was not answered as it should be."""
    entries = {entry.name: entry for entry in repertoire()}
    if arguments.list:
        printed = {"repertoire": [entry.printed() for entry in entries.values()]}
        if arguments.json:
            print(json.dumps(printed, indent=2))
        else:
            VIEWS["repertoire"][1](printed)
        return 0
    entry = entries.get(arguments.name or "")
    if entry is None:
        print("Name what to play; 'python -m local graph play --list' lists it all.", file=sys.stderr)
        return 1
    return _play(entry, door, as_json=arguments.json)


def _play(entry: Entry, door: Door, *, as_json: bool) -> int:
    if not as_json:
        print(f"{entry.title}\n{_wrapped(entry.why)}\n  {entry.source}\n")
    seen = max((each["body"] for each in _attempts(door)), default=0)
    steps = []
    for done in Player(door=door).play(entry):
        steps.append(done)
        if not as_json:
            print(_line(done), flush=True)
    attempts = [each for each in _attempts(door) if each["body"] > seen]
    well = all(done.well for done in steps)
    if as_json:
        print(json.dumps(entry.printed() | {"ok": well, "steps": [done.printed() for done in steps]}, indent=2))
    else:
        print(f"\n{_outcome(attempts)}\n\nA good receiver:\n{_wrapped(entry.good)}")
        print(f"What the judge would say:\n{_wrapped(entry.judge)}")
    return 0 if well else 1


def _attempts(door: Door) -> list[dict[str, Any]]:
    attempts: list[dict[str, Any]] = door.control("deliveries").body["deliveries"]
    return attempts


def _line(done: Done) -> str:
    if done.well:
        return f"  ✓ {done.step.says}"
    return f"  ✗ {done.step.says}: answered {done.answer.status}, {why(done.answer)}"


def _outcome(attempts: list[dict[str, Any]]) -> str:
    if not attempts:
        return "Nothing was delivered."
    shown = ", ".join(f"{each['items']} items, {each['status']}, in {each['ms']:g} ms" for each in attempts[:8])
    return (
        f"Delivered in {len(attempts)} attempt{'s' if len(attempts) > 1 else ''}: {shown}{' …' if attempts[8:] else ''}"
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
