"""`POST /v1.0/$batch`: up to twenty calls in one, each answered by itself.

A part is sent to our own address, as the caller reached it and with the caller's token: so it passes the same limits, checks and
handlers as any call, by the web server's public face only. Not here: reading a batch, see `parts`.
https://learn.microsoft.com/en-us/graph/json-batching
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local.graph.faults import GraphFault, bad_request
from local.graph.gateway.parts import Part, read_batch
from local.graph.identity.callers import Callers

AT_ONCE = 4
"""How many parts run at a time: what Outlook allows one app for one mailbox, so that a batch does not throttle itself."""

PART_SECONDS = 100.0
FAILURE = 400
NO_CONTENT = 204
OWN_HEADERS = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
NOT_FORWARDED = frozenset({"authorization", "host", "content-length", "transfer-encoding", "connection"})

Answer = dict[str, Any]


class BatchRoutes:
    """The one endpoint of batches. The session must trust our own certificate and limit no connections."""

    def __init__(self, callers: Callers, session: aiohttp.ClientSession) -> None:
        self._callers = callers
        self._session = session

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoint."""
        return [web.post("/v1.0/$batch", self.run)]

    async def run(self, request: web.Request) -> web.Response:
        """Run the parts, those that depend on others after them, and answer in the order in which they were done."""
        self._callers.identify(request)
        parts = read_batch(await _read_json(request))
        running = _Running(request, self._session, {part.key: asyncio.Future() for part in parts})
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(running.take_turn(part))
        return web.json_response({"responses": running.answers})


@dataclass(slots=True)
class _Running:
    """One batch on its way: the status of each part once it is known, and the answers so far."""

    request: web.Request
    session: aiohttp.ClientSession
    statuses: Mapping[str, asyncio.Future[int]]
    answers: list[Answer] = field(default_factory=list)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def take_turn(self, part: Part) -> None:
        """Answer a part when everything that it depends on has been answered."""
        before = [await self.statuses[key] for key in part.depends_on]
        if part.fault:
            answer = _write_fault(part, part.fault)
        elif any(status >= FAILURE for status in before):
            message = "The request depends on another request of the batch, which failed."
            answer = _write_fault(part, GraphFault(424, "FailedDependency", message))
        else:
            async with self.room:
                answer = await self._call(part)
        self.answers.append(answer)
        self.statuses[part.key].set_result(answer["status"])

    async def _call(self, part: Part) -> Answer:
        url = self._url(part)
        if url is None:
            message = f"The url of request '{part.id}' must be relative to the version and not a batch."
            return _write_fault(part, bad_request(message))
        try:
            async with self.session.request(
                part.method,
                url,
                data=part.body,
                headers=_headers(part, self.request),
                server_hostname="localhost" if self.request.scheme == "https" else None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=PART_SECONDS),
            ) as response:
                return _write_answer(part, response.status, response.headers, await response.read())
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return _write_fault(part, GraphFault(504, "GatewayTimeout", "The request was not answered in time."))

    def _url(self, part: Part) -> URL | None:
        """Return where the caller has reached us with the part's path; None if that leads out of the version or to a batch."""
        here, port, *_ = self.request.get_extra_info("sockname")
        version = self.request.path.split("/")[1]
        origin = URL.build(scheme=self.request.scheme, host=here, port=port)
        try:
            url = URL(f"{origin}/{version}/{part.url}")
        except ValueError:
            return None
        inside = url.path.startswith(f"/{version}/") and not url.path.lower().startswith(f"/{version}/$batch")
        return url if inside else None


async def _read_json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as broken:
        raise bad_request("Unable to read JSON request payload.") from broken


def _headers(part: Part, request: web.Request) -> CIMultiDict[str]:
    headers = CIMultiDict({name: text for name, text in part.headers.items() if name.lower() not in NOT_FORWARDED})
    headers["Authorization"] = request.headers["Authorization"]
    # whoever builds a next link out of the request must see the address that the caller used
    headers["Host"] = request.host
    return headers


def _write_answer(part: Part, status: int, headers: CIMultiDictProxy[str], raw: bytes) -> Answer:
    shown = {name: text for name, text in headers.items() if name.lower() not in OWN_HEADERS}
    answer: Answer = {"id": part.id, "status": status, "headers": shown}
    if status == NO_CONTENT or not raw:
        return answer
    is_json = headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"
    return answer | {"body": json.loads(raw) if is_json else base64.b64encode(raw).decode()}


def _write_fault(part: Part, fault: GraphFault) -> Answer:
    error = {"code": fault.code, "message": fault.message}
    headers = {"Content-Type": "application/json"}
    return {"id": part.id, "status": fault.status, "headers": headers, "body": {"error": error}}
