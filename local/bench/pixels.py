"""How soon a change in the tenant is on a person's screen: simulator, webhook, queue, feed, SignalR's stand-in, a real browser.

One person looks at one channel while everybody writes in all of them. Everything shares the machine's cores, the browser too.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from local.bench.figures import Figure, waits
from local.chromium import find_chromium
from local.demo.play import settle
from local.demo.reckoning import percentile
from local.demo.stage import ROOT, Stage, set_up

_RATE: Final = 50
_SECONDS, _QUICK_SECONDS = 15, 4
_P50_MS, _P99_MS = 300, 1000
_SETTLED_SECONDS: Final = 2.0
_FIRST: Final = "Who is looking?"
_SCRIPT: Final = Path(__file__).with_name("pixels.mjs")
_MARK: Final = re.compile(r"#[0-9a-f]{8}")


def measure_pixels(folder: Path, *, quick: bool = False) -> list[Figure]:
    """Let people chatter while somebody looks on. Raises RuntimeError where there is no browser."""
    chromium = find_chromium()
    if chromium is None:
        raise RuntimeError("there is no Chromium on the PATH: 'make browser' installs one")
    stage_folder = folder / "pixels"
    stage_folder.mkdir()
    seen, expected = asyncio.run(_perform(stage_folder, chromium, _QUICK_SECONDS if quick else _SECONDS))
    note = f"{len(seen)} of {expected} messages of one channel seen"
    measured = {"p50": (percentile(seen, 0.5), _P50_MS), "p99": (percentile(seen, 0.99), _P99_MS)}
    return waits(f"change to pixels at {_RATE} a second", measured, note=note)


async def _perform(folder: Path, chromium: str, seconds: int) -> tuple[list[float], int]:
    async with set_up(folder, besides=["live"]) as stage:
        channel = stage.world["channels"][0]
        person = stage.world["people"][0]["name"]
        await stage.graph("POST", "/_sim/post", {"where": channel["path"], "text": _FIRST})
        told = {
            "chromium": chromium,
            "modules": str(ROOT / "local"),
            "page": stage.page_url,
            "person": person,
            "text": _FIRST,
        }
        looking = await asyncio.create_subprocess_exec(
            "node",
            str(_SCRIPT),
            json.dumps(told),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            if looking.stdout is None or (await looking.stdout.readline()).strip() != b"ready":
                raise RuntimeError("the browser did not get to see the page")
            chatter = {"rate": _RATE, "seconds": seconds, "mail": 0, "duplicates": 0, "forged": 0}
            await stage.graph("POST", "/_sim/chatter", chatter)
            await settle(stage)
            await asyncio.sleep(_SETTLED_SECONDS)
            said, _ = await looking.communicate(b"")
        finally:
            if looking.returncode is None:
                looking.kill()
                await looking.wait()
        return await _hold(stage, channel["path"], json.loads(said))


async def _hold(stage: Stage, place: str, painted: Mapping[str, float]) -> tuple[list[float], int]:
    """Hold what was painted against what was written last; ordered milliseconds, and how many messages there are."""
    written = {
        (row["resource"], row["version"]): row["at"] for row in (await stage.graph("GET", "/_sim/changes"))["changes"]
    }
    seen: list[float] = []
    expected = 0
    items: list[Mapping[str, Any]] = (await stage.graph("GET", "/_sim/items"))["items"]
    for item in items:
        mark = _MARK.search(item["text"])
        at = written.get((item["resource"], item["version"]))
        if item["container"] != place or item["deleted"] or mark is None or at is None:
            continue
        expected += 1
        if mark[0] in painted:
            seen.append(painted[mark[0]] - datetime.fromisoformat(at).timestamp() * 1000)
    return sorted(seen), expected
