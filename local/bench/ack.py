"""What an acknowledgement costs, measured in a process of its own by `ack_probe`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from local.bench.figures import Figure
from local.bench.material import BODIES, Material
from local.worker313.environment import NoWorkerError, ensure_environment

TARGETS: Mapping[str, float] = {"basic-1": 0.06, "basic-20": 0.6, "basic-60": 1.5, "rich-60": 1.5}
"""Milliseconds. The first and the last are the design's; the others only keep large basic bodies below a rich one."""

_PROBE = Path(__file__).with_name("ack_probe.py")
_ROUNDS, _QUICK_ROUNDS = 25, 5


class ProbeError(Exception):
    """The measuring process failed; the text is the last it said."""


def measure_ack(material: Material, *, quick: bool = False) -> list[Figure]:
    """Measure each body; through Microsoft's runtime on 3.13 where that is to be had. Raises ProbeError."""
    try:
        python = str(ensure_environment())
    except NoWorkerError:
        python = sys.executable
    environ = material.settings(handlers=["feed"]) | {
        "PATH": os.environ["PATH"],  # noqa: TID251 - for a child, which gets nothing else of ours
        "PYTHON_SCRIPT_FILE_NAME": "measured_app.py",
    }
    command = [python, str(_PROBE), str(material.folder), str(_QUICK_ROUNDS if quick else _ROUNDS)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProbeError(done.stderr.strip()[-1000:])
    found = json.loads(done.stdout.splitlines()[-1])
    how = f"azure-functions-runtime on Python {found['python']}" if found["native"] else "called directly, without 3.13"
    how += f"; an empty call took {found['empty'] * 1000:.1f} µs"  # a busy machine shows in it
    return [
        Figure(
            name=f"ack of {count} {'rich' if rich else 'basic'}, CPU above an empty function",
            value=found[name],
            unit="ms",
            target=TARGETS[name],
            note=how,
        )
        for name, (count, rich) in BODIES.items()
    ]
