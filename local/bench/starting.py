"""How long importing the app takes in a fresh process."""

import os
import statistics
import subprocess
import sys

from local.bench.figures import Figure
from local.bench.material import Material
from local.worker313.environment import ROOT, NoWorkerError, ensure_environment

_TIMES, _QUICK_TIMES = 5, 3
_IMPORT = "import time; began = time.perf_counter(); import function_app; print(time.perf_counter() - began)"


def measure_start(material: Material, *, quick: bool = False) -> list[Figure]:
    """Import it several times, each in a process of its own; the median."""
    try:
        python = str(ensure_environment())
    except NoWorkerError:
        python = sys.executable
    environ = material.settings(handlers=["feed"]) | {"PATH": os.environ["PATH"]}  # noqa: TID251 - for a child
    seconds = [
        float(subprocess.run([python, "-c", _IMPORT], cwd=ROOT, env=environ, capture_output=True, check=True).stdout)
        for _ in range(_QUICK_TIMES if quick else _TIMES)
    ]
    note = f"median of {len(seconds)}; slowest {max(seconds):.2f} s"
    return [Figure(name="import of function_app", value=statistics.median(seconds), unit="s", target=0.6, note=note)]
