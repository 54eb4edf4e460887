"""The repertoire at the push of a button: one entry at a time, played against this very simulator through its own controls.

Not here: what the entries are and how they are played, see `repertoire`.
"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from local.graph.control.asking import busy, read_body, wrong
from local.graph.control.door import Door
from local.graph.repertoire.entry import Entry, repertoire
from local.graph.repertoire.player import CannotPlay, Done, Player

if TYPE_CHECKING:
    from local.graph.simulator import Simulator


class Playing:
    """The endpoints of the repertoire."""

    def __init__(self, graph: "Simulator") -> None:
        self._graph = graph
        self._stage = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [web.get("/_sim/repertoire", self.list), web.post("/_sim/play", self.play)]

    async def list(self, _request: web.Request) -> web.Response:
        """Answer with what can be played."""
        entries = await asyncio.to_thread(repertoire)
        return web.json_response({"repertoire": [entry.printed() for entry in entries]})

    async def play(self, request: web.Request) -> web.Response:
        """Play an entry to its end, and answer with its steps."""
        body = await read_body(request, known=frozenset({"name"}))
        entries = {entry.name: entry for entry in await asyncio.to_thread(repertoire)}
        if body.get("name") not in entries:
            raise wrong(f"name must be one of {', '.join(entries)}")
        if self._stage.locked():
            raise busy("something is being played already; try again when it has ended")
        async with self._stage:
            try:
                # in a thread, because it calls this server, which must go on answering meanwhile
                steps = await asyncio.to_thread(_play, entries[body["name"]], self._graph.http_url)
            except CannotPlay as missing:
                raise wrong(str(missing)) from missing
        entry = entries[body["name"]]
        answer = {
            "name": entry.name,
            "ok": all(done.well for done in steps),
            "steps": [done.printed() for done in steps],
        }
        return web.json_response(answer | {"good": entry.good, "judge": entry.judge})


def _play(entry: Entry, url: str) -> list[Done]:
    return list(Player(door=Door(url=url)).play(entry))
