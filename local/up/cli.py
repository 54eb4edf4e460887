"""`python -m local up`: everything runs until Ctrl-C, with a little chatter, and says how to join in."""

import argparse
import asyncio
import contextlib

from rich.console import Console

from local.demo.cli import add_stage_arguments, make_console, prepare
from local.demo.processes import StageError
from local.demo.stage import Stage, set_up
from local.stopping import told_to_stop

_GUIDE = """\
[bold green]Earshot is up.[/]

  for people        {page}     sign in as whom you like: feeds and a mailbox that move by themselves
  Microsoft 365     {graph}/     a page that shows what happens, and lets things happen
  for operators     {host}/api/health   {host}/api/status   {host}/api/manage/feeds   {host}/api/manage/findings

Everybody is in every channel; in a chat are two. Somebody says something now and then (--chatter 0: nobody does).

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

_SLICE_SECONDS = 2.0
_MIXED = {"duplicates": 0, "forged": 0, "mail": 0.3, "chats": 0.4, "replies": 0.2, "reactions": 0.1, "sensitive": 0.1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the demo's stage takes."""
    add_stage_arguments(parser)
    parser.add_argument(
        "--chatter",
        type=float,
        default=0.5,
        metavar="RATE",
        help="changes a second all the while (default 0.5; 0: none)",
    )


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
    ended = told_to_stop()
    folder = prepare(arguments.folder)
    async with set_up(folder, app=arguments.app.resolve(), host_kind=arguments.host, besides=("pull", "live")) as stage:
        console.print(_guide(stage, str(folder)), soft_wrap=True)
        chatter = asyncio.create_task(_chatter(stage, arguments.chatter))
        await ended.wait()
        chatter.cancel()
    console.print("Stopped.")


async def _chatter(stage: Stage, rate: float) -> None:
    """Let people say something again and again, a moment at a time: whoever has them chatter otherwise goes first."""
    told = {"rate": rate, "seconds": max(_SLICE_SECONDS, 1 / rate) if rate else 0, "body_max": 2} | _MIXED
    while rate:
        with contextlib.suppress(StageError):  # somebody else has them chatter
            await stage.graph("POST", "/_sim/chatter", told)
        await asyncio.sleep(told["seconds"])


def _guide(stage: Stage, folder: str) -> str:
    channel = stage.world["channels"][0]["name"]
    return _GUIDE.format(
        page=stage.page_url, host=stage.host_url, graph=stage.graph_url, channel=channel, folder=folder
    )
