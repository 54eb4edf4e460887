"""What `python -m local cost` reckons with, measured: lines logged, CPU and requests of an envelope, and what the handler `feed` adds.

The target of each figure is the value in `local/cost/measured.toml`: missed means that the reckoning has become too cheap.
"""

import asyncio
from collections import Counter
from pathlib import Path

from local.azurite.request_log import RequestLog
from local.bench.figures import Figure
from local.bench.material import Material
from local.bench.storage_cost import Observed, answered_with_messages, countable, cpu_seconds, observe
from local.cost.tables import figures
from local.demo.play import play
from local.demo.stage import set_up

_BODIES, _QUICK_BODIES = 100, 20
_MANY = 60
_RATE, _SECONDS, _QUICK_SECONDS = 20, 15, 4


def measure_envelope(material: Material, *, quick: bool = False) -> list[Figure]:
    """Measure an envelope of one, an envelope of sixty, and people whose messages are kept in feeds. Raises StageError."""
    bodies = _QUICK_BODIES if quick else _BODIES
    alone = asyncio.run(observe(material, bodies=bodies, items=1))
    many = asyncio.run(observe(material, bodies=bodies, items=_MANY))
    folder = material.folder / "stage-feed"
    folder.mkdir()
    return [*_of_envelopes(alone, many), *asyncio.run(_of_feeds(folder, _QUICK_SECONDS if quick else _SECONDS))]


def _of_envelopes(alone: Observed, many: Observed) -> list[Figure]:
    each = (many.cpu_seconds / many.bodies - alone.cpu_seconds / alone.bodies) / (_MANY - 1)
    queue = sum(count for kind, count in alone.requests.items() if "notifications" in kind)
    return [
        _priced("queue-requests-per-envelope", queue / alone.bodies),
        _priced("table-requests-per-envelope", alone.requests["POST /$batch"] / alone.bodies),
        _priced("log-lines-per-envelope", alone.log_lines / alone.bodies),
        _priced("log-bytes-per-envelope", many.log_bytes / many.bodies),
        _priced("cpu-ms-per-envelope", alone.cpu_seconds / alone.bodies * 1000),
        _priced("cpu-ms-per-basic", each * 1000),
    ]


async def _of_feeds(folder: Path, seconds: int) -> list[Figure]:
    """Let people chatter to the handlers `feed` and `forward`, half of it with resource data."""
    async with set_up(folder, access_log=folder / "azurite.log") as stage:
        log, worker = RequestLog(stage.azurite), await stage.worker_pid()
        spent = cpu_seconds(worker)
        evidence = await play(stage, {"rate": _RATE, "seconds": seconds, "duplicates": 0, "forged": 0})
        spent = cpu_seconds(worker) - spent
        counted = countable(log.read(), answered_with_messages(log.text()))
    changes, bodies = evidence.tally["changes"], evidence.tally["bodies"]
    values = {key: figure.value for key, figure in figures().items()}
    of_envelopes = bodies * values["cpu-ms-per-envelope"] + changes * values["cpu-ms-per-basic"]
    return [
        _priced("table-requests-per-change-in-feed", _requests_of_feeds(counted, bodies, values) / changes),
        _priced("cpu-ms-per-change-in-feed", (spent * 1000 - of_envelopes) / changes),
    ]


def _requests_of_feeds(counted: Counter[str], bodies: int, values: dict[str, float]) -> float:
    """Take away from the transactions those of the ledger: Azurite's log names no table in a transaction."""
    transactions = counted["POST /$batch"] - bodies * values["table-requests-per-envelope"]
    return transactions + sum(count for kind, count in counted.items() if kind.endswith(" /feed"))


def _priced(key: str, value: float) -> Figure:
    figure = figures()[key]
    return Figure(name=f"cost: {key}", value=value, unit=figure.unit, target=figure.value, note=figure.note)
