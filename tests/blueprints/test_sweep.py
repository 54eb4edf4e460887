"""The timer that clears up."""

import asyncio
from typing import Any

import pytest

from blueprints import sweep
from shared.sweep import Sweep
from tests.blueprints.registered import bindings, registered
from tests.stand import Stand


def test_its_schedule_is_a_setting(stand: Stand) -> None:
    [binding] = bindings(registered(sweep.build(stand.sweep))["sweep"])

    assert (binding["type"], binding["schedule"], binding["name"]) == ("timerTrigger", "%SWEEP_SCHEDULE%", "timer")


async def test_it_sweeps(stand: Stand) -> None:
    await stand.dead_letters.put("garbage")
    await registered(sweep.build(stand.sweep))["sweep"].get_user_function()(None)

    assert '"reason":"unreadable"' in stand.dead_letters.texts[0]


async def test_a_cancelled_sweep_fails_instead_of_never_answering(stand: Stand) -> None:
    class Cancelled(Sweep):
        async def sweep(self) -> None:
            raise asyncio.CancelledError

    parts: dict[str, Any] = {name: getattr(stand.sweep, name) for name in Sweep.__dataclass_fields__}
    with pytest.raises(RuntimeError, match="cancelled"):
        await registered(sweep.build(Cancelled(**parts)))["sweep"].get_user_function()(None)
