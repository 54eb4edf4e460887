"""The HTTP front: reads a request as the host hands it to the worker, and sends the answer once outputs are written.

Keys are not checked (func start does not either), and the admin API is next door in `admin`.
"""

from aiohttp import web
from multidict import CIMultiDict

from local.host.admin import Admin
from local.host.datums import Datum
from local.host.dispatch import Dispatch
from local.host.functions import Function
from local.host.output_rules import OutputError
from local.host.routes import Routes, query_values
from local.host.worker_link import FunctionFailedError, WorkerLostError, WorkerUnavailableError

LARGEST_BODY = 104_857_600
PATIENCE = 10.0
"""Seconds that a call waits for the next worker when one has died."""
REASON = "This function was programmatically called via the host APIs."
OURS_TO_SET = {"content-length", "transfer-encoding", "connection"}


class HttpDoor:
    """Answers every request."""

    def __init__(self, routes: Routes, dispatch: Dispatch, admin: Admin) -> None:
        self._routes = routes
        self._dispatch = dispatch
        self._admin = admin

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find the function, run it, answer; 404 where no route fits path and method."""
        path = request.rel_url.raw_path
        if path.lower().startswith("/admin/"):
            return await self._admin.answer(request)
        found = self._routes.find(request.method, path)
        if found is None:
            if path == "/":
                return web.Response(text="The local Functions host is up and running.")
            return web.Response(status=404)
        if (request.content_length or 0) > LARGEST_BODY:
            return web.Response(status=413)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        function, parameters = found
        return await self._run(function, await read_request(request, parameters))

    async def _run(self, function: Function, value: Datum) -> web.Response:
        try:
            returned = await self._dispatch.run(function, {function.trigger.name: value}, {}, REASON, PATIENCE)
        except WorkerUnavailableError:
            return web.Response(status=503)
        except WorkerLostError:
            return web.Response(status=502)
        except (FunctionFailedError, OutputError):
            return web.Response(status=500)
        return write_response(returned)


async def read_request(request: web.BaseRequest, parameters: dict[str, str]) -> Datum:
    """Read a request as the host does: lower-case header names, query decoded once, a body only with Content-Length."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    url = request.rel_url
    query = url.raw_query_string
    return Datum(
        "http",
        {
            "method": request.method,
            "url": f"http://{request.host}{url.path}" + (f"?{query}" if query else ""),
            "headers": headers,
            "query": query_values(query) if query else {},
            "params": parameters,
            "body": await request.content.read() if request.content_length else b"",
        },
    )


def write_response(returned: Datum) -> web.Response:
    """Turn what the function returned into the answer: an HttpResponse, a text, or nothing."""
    if returned.type == "http":
        headers = CIMultiDict(
            (name, text) for name, text in returned.value["headers"].items() if name.lower() not in OURS_TO_SET
        )
        for cookie in returned.value["cookies"]:
            headers.add("Set-Cookie", cookie)
        return web.Response(status=returned.value["status"], headers=headers, body=returned.value["body"])
    if returned.type == "string":
        return web.Response(text=returned.value)
    return web.Response(status=204)
