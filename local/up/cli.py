"""`python -m local up`: everything runs until Ctrl-C, with a little chatter, and says how to join in."""

import argparse
import asyncio
import signal

from rich.console import Console

from local.demo.cli import add_stage_arguments, make_console, prepare
from local.demo.processes import StageError
from local.demo.stage import Stage, set_up

_GUIDE = """\
[bold green]Earshot is up.[/]

  the app           {host}/api/health   {host}/api/status
  the feeds         {host}/api/manage/feeds
  Microsoft 365     {graph}/     a page that shows what happens, and lets things happen

Post a message by hand, and read it back:

  curl -s {graph}/_sim/post -d '{{"where": "{channel}", "text": "hello"}}'
  curl -s {host}/api/manage/feeds
  curl -s '{host}/api/manage/feeds/<id of a feed>?top=5'

Let people chatter, let something happen that happens in real life, and see what the simulator thinks of the receiver:

  export GRAPH_SIMULATOR={graph}
  .venv/bin/python -m local graph chatter --rate 5 --seconds 60
  .venv/bin/python -m local graph play --list
  .venv/bin/python -m local graph judge

Logs: {folder}. Ctrl-C ends everything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the demo's stage takes."""
    add_stage_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop."""
    console = make_console()
    try:
        asyncio.run(_stay(arguments, console))
    except StageError as problem:
        console.print(f"[bold red]Could not start.[/] {problem}", soft_wrap=True)
        return 2
    return 0


async def _stay(arguments: argparse.Namespace, console: Console) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    folder = prepare(arguments.folder)
    async with set_up(folder, app=arguments.app.resolve(), host_kind=arguments.host) as stage:
        console.print(_guide(stage, str(folder)), soft_wrap=True)
        await ended.wait()
    console.print("Stopped.")


def _guide(stage: Stage, folder: str) -> str:
    channel = stage.world["channels"][0]["name"]
    return _GUIDE.format(host=stage.host_url, graph=stage.graph_url, channel=channel, folder=folder)
