"""The wish to stop, as parts of the workshop hear it that run until Ctrl-C. Not here: emulators in other languages, see `emulation`."""

import asyncio
import signal


def told_to_stop() -> asyncio.Event:
    """Return what is set when SIGINT or SIGTERM comes; for the loop that runs."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    return told
