"""The timer that clears up: old ledger periods, and messages that the host gave up on."""

import asyncio

import azure.functions as func

from shared.sweep import Sweep


def build(sweeper: Sweep) -> func.Blueprint:
    """Register the function ``sweep``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("sweep")
    @blueprint.timer_trigger(arg_name="timer", schedule="%SWEEP_SCHEDULE%")
    async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the worker insists on the parameter
        """Sweep once; doing so again finds nothing to do."""
        try:
            await sweeper.sweep()
        except asyncio.CancelledError:  # the worker would never answer
            raise RuntimeError("cancelled") from None

    return blueprint
