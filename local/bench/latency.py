"""How soon a change reaches a handler's target, through everything: simulator, host, worker, Azurite, sink."""

import asyncio
from pathlib import Path

from local.bench.figures import Figure, waits
from local.demo.play import play
from local.demo.reckoning import Reckoning, reckon
from local.demo.stage import set_up

_RATES = (50, 200)
_SECONDS, _QUICK_SECONDS = 15, 4
_P50_MS, _P99_MS = 150, 500


def measure_latency(folder: Path, *, quick: bool = False) -> list[Figure]:
    """Let people chatter at each rate. Raises StageError."""
    figures: list[Figure] = []
    for rate in _RATES:
        stage_folder = folder / f"stage-{rate}"
        stage_folder.mkdir()
        reckoning = asyncio.run(_perform(stage_folder, rate, _QUICK_SECONDS if quick else _SECONDS))
        figures += _figures(rate, reckoning)
    return figures


async def _perform(folder: Path, rate: int, seconds: int) -> Reckoning:
    async with set_up(folder) as stage:
        chatter = {"rate": rate, "seconds": seconds, "duplicates": 0.05, "forged": 0.02}
        return reckon(await play(stage, chatter))


def _figures(rate: int, reckoning: Reckoning) -> list[Figure]:
    note = (
        f"{reckoning.handled} of {reckoning.changes} changes, {len(reckoning.lost)} lost, {len(reckoning.twice)} twice"
    )
    measured = {"p50": (reckoning.latency_p50_ms, _P50_MS), "p99": (reckoning.latency_p99_ms, _P99_MS)}
    return waits(f"change to handler at {rate} a second", measured, note=note)
