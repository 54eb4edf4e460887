"""`/_sim/live`: what happens, as it happens, as server-sent events for pages.

Changes, attempts, judgements, subscriptions, lifecycle and the clock. Somebody who reads too slowly is cut off and may come again; nothing runs while nobody
watches. Not here: how things are printed, see `showing`. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.graph.clock import microseconds
from local.graph.control.showing import Showing
from local.graph.lifecycle.payload import Event
from local.graph.subscribing.store import Subscription

if TYPE_CHECKING:
    from local.graph.delivery.courier import Attempt
    from local.graph.simulator import Simulator

EVERY_SECONDS = 0.2
SLOWER = 5
"""What is costly to look at is looked at every fifth time."""
MOST_ROWS = 60
"""Of changes or attempts in one event; a page could not show more anyway."""
WAITING_EVENTS = 100

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Recent:
    """What came since the last look: the latest of it, and how much more there was."""

    rows: deque[Any] = field(default_factory=lambda: deque(maxlen=MOST_ROWS))
    count: int = 0

    def add(self, row: Any) -> None:
        self.rows.append(row)
        self.count += 1

    def take(self) -> tuple[list[Any], int]:
        rows, count = list(self.rows), self.count
        self.rows.clear()
        self.count = 0
        return rows, count


class Live:
    """Looks several times a second for what is new and tells everybody who watches."""

    def __init__(self, graph: "Simulator", showing: Showing) -> None:
        self._graph = graph
        self._showing = showing
        self._watchers: set[asyncio.Queue[bytes | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._attempts = _Recent()
        self._lifecycle = _Recent()
        self._announce, graph.keeper.announce = graph.keeper.announce, self._overhear
        self._truths = 0
        self._said: dict[str, Any] = {}
        self._closed = False

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.get("/_sim/live", self.watch)]

    async def close(self) -> None:
        """Let every watcher go, so that the server can stop."""
        self._closed = True
        for queue in list(self._watchers):
            _cut_off(queue)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Tell one watcher everything until either end has had enough."""
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_EVENTS)
        self._join(queue)
        try:
            await response.write(b"retry: 1000\n\n")
            while (event := await queue.get()) is not None:
                await response.write(event)
        except ConnectionError:
            log.debug("a watcher left")
        finally:
            self._leave(queue)
        return response

    def _join(self, queue: "asyncio.Queue[bytes | None]") -> None:
        if self._closed:
            _cut_off(queue)
            return
        if not self._watchers:
            self._truths = len(self._graph.publisher.truths)
            self._said = {}
            self._graph.courier.on_attempt.append(self._note)
            self._task = asyncio.create_task(self._look())
        self._watchers.add(queue)

    def _leave(self, queue: "asyncio.Queue[bytes | None]") -> None:
        if queue not in self._watchers:
            return
        self._watchers.remove(queue)
        if not self._watchers:
            self._graph.courier.on_attempt.remove(self._note)
            if self._task:
                self._task.cancel()

    def _note(self, attempt: "Attempt") -> None:
        self._attempts.add(attempt)

    def _overhear(self, subscription: Subscription, event: Event) -> None:
        self._announce(subscription, event)
        if self._watchers:
            at = microseconds(self._graph.clock.now())
            self._lifecycle.add({"at": at, "event": event, "subscriptionId": subscription.id})

    async def _look(self) -> None:
        number = 0
        while True:
            try:
                self._tell_news()
                if number % SLOWER == 0:
                    self._tell_states()
            except Exception:  # a slip in printing must not end what everybody watches
                log.exception("live events failed")
            number += 1
            await asyncio.sleep(EVERY_SECONDS)

    def _tell_news(self) -> None:
        truths = self._graph.publisher.truths
        if fresh := len(truths) - self._truths:
            rows = [row.printed() for row in islice(truths, max(self._truths, len(truths) - MOST_ROWS), None)]
            self._truths = len(truths)
            self._tell("changes", {"rows": rows, "count": fresh})
        attempts, count = self._attempts.take()
        if count:
            self._tell("attempts", {"rows": [each.printed() for each in attempts], "count": count})
        told, count = self._lifecycle.take()
        if count:
            self._tell("lifecycle", {"rows": told, "count": count})
        self._tell_if_new("judgements", self._graph.judge.verdict)

    def _tell_states(self) -> None:
        for name, look in self._showing.states().items():
            self._tell_if_new(name, look)
        self._tell("clock", self._showing.clock_now())

    def _tell_if_new(self, name: str, look: Callable[[], Any]) -> None:
        found = look()
        if self._said.get(name) != found:
            self._said[name] = found
            self._tell(name, found)

    def _tell(self, name: str, content: Mapping[str, Any] | list[Any]) -> None:
        event = f"event: {name}\ndata: {json.dumps(content)}\n\n".encode()
        for queue in list(self._watchers):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                _cut_off(queue)


def _cut_off(queue: "asyncio.Queue[bytes | None]") -> None:
    """Let a watcher's stream end at once, whatever still waits in it."""
    with contextlib.suppress(asyncio.QueueEmpty):
        while True:
            queue.get_nowait()
    queue.put_nowait(None)
