"""The first lines of the guide, typed as they stand."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.graph.simulator import Simulator
from tests.local.graph.stand import Receiver

GUIDE = Path(__file__).parents[3] / "docs/graph-simulator.md"


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guide uses curl")
async def test_the_first_lines_of_the_guide_lead_to_a_notification(graph: Simulator, receiver: Receiver) -> None:
    script = GUIDE.read_text("utf-8").partition("```sh\n")[2].partition("```")[0]
    script = script.replace("http://127.0.0.1:7080", graph.http_url)
    script = script.replace("http://127.0.0.1:8080/notifications", f"{receiver.url}/notifications")
    command = ["bash", "-euc", script]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    await receiver.until(lambda: len(receiver.items) == 1)
    assert receiver.items[0]["clientState"] == "a secret of yours"
    assert done.stdout.endswith('{"ok": true, "findings": []}')
