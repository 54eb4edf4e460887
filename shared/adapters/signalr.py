"""Port ``Live`` on Azure SignalR Service in serverless mode, by its REST API.

By hand, because Microsoft has no client for Python: four requests, and a token each. Not here: which group somebody may be in.
https://learn.microsoft.com/azure/azure-signalr/swagger/signalr-data-plane-rest-v20241201 (2026-06)
"""

import json
import math
import ssl
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from shared.adapters.signalr_access import Signer
from shared.errors import LiveUnavailable
from shared.live import HUB
from shared.ports import Clock, LiveConnection

if TYPE_CHECKING:
    import aiohttp

API_VERSION: Final = "2024-12-01"
_MINUTES: Final = 60
"""For which a client may connect with what it was given; it negotiates anew every few minutes anyway."""
_CONNECT_SECONDS: Final = 3.0
_TOTAL_SECONDS: Final = 10.0
_UNAUTHORIZED: Final = 401
_NOT_DONE: Final = 300
_LARGEST_BODY: Final = 1024 * 1024
_LONGEST_WAIT: Final = timedelta(minutes=5)

_HINTS: Final = {
    401: "it does not take the token: is AzureSignalRConnectionString for this service, and local auth turned on if it is a key?",
    403: "give the app's identity the role SignalR REST API Owner, or let it through the service's network rules",
    404: "there is no such service or route at that address",
    429: "more is sent than the tier allows",
}


class SignalR:
    """One hub of one service. The session is made on first use, in the loop that uses it."""

    def __init__(self, endpoint: str, signer: Signer, *, now: Clock, ca_bundle: str | None = None) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._now = now
        self._ca_bundle = ca_bundle
        self._session: aiohttp.ClientSession | None = None

    async def connection(self, user_id: str) -> LiveConnection:
        """Have the service make a client's token: who has no access key cannot."""
        expires = self._now() + timedelta(minutes=_MINUTES)
        query = {"userId": user_id, "minutesToExpire": str(_MINUTES)}
        answer = await self._ask("make a client's token", "POST", ":generateToken", query=query)
        token = _read_token(answer)
        if not token:
            raise LiveUnavailable("make a client's token", status=200, detail="there is none in it")
        return LiveConnection(url=f"{self._endpoint}/client/?hub={HUB}", access_token=token, expires=expires)

    async def join(self, user_id: str, group: str, *, ttl: timedelta) -> None:
        """Put a user into a group. A time to live of 0 means something else to the service: less than a second becomes one."""
        path = f"users/{_quoted(user_id)}/groups/{_quoted(group)}"
        query = {"ttl": str(max(1, math.ceil(ttl.total_seconds())))}
        await self._ask("put a user into a group", "PUT", path, query=query)

    async def send_to_group(self, group: str, target: str, arguments: Sequence[Any]) -> None:
        """Send to a group."""
        what = "send to a group"
        # ASCII: half a character, which JSON can carry and UTF-8 cannot, stays what it is
        body = json.dumps({"target": target, "arguments": list(arguments)}, separators=(",", ":")).encode()
        if len(body) > _LARGEST_BODY:
            raise LiveUnavailable(
                what, status=413, detail="or would have been: the message is larger than 1 MB, and was not sent"
            )
        await self._ask(what, "POST", f"groups/{_quoted(group)}/:send", body=body)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, what: str, method: str, path: str, *, query: dict[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        """Ask once, and once more where a token was refused or a connection that had stood idle was gone."""
        import aiohttp  # noqa: PLC0415 - heavy, on first use
        from yarl import URL  # noqa: PLC0415

        address = f"{self._endpoint}/api/hubs/{HUB}/{path}"
        url = URL(f"{address}?{urlencode({**(query or {}), 'api-version': API_VERSION})}", encoded=True)
        refused, again = "", True
        while True:
            token = await self._signer.token(address, refused=refused)
            try:
                status, text, after = await self._request(method, url, token, body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as problem:
                if not again:
                    raise _unreached(what, problem) from problem
            except (aiohttp.ClientError, TimeoutError, OSError) as problem:
                raise _unreached(what, problem) from problem
            else:
                if status < _NOT_DONE:
                    return text
                if status != _UNAUTHORIZED or not again:
                    raise LiveUnavailable(what, status=status, detail=_HINTS.get(status, ""), after=after)
                refused = token
            again = False

    async def _request(self, method: str, url: Any, token: str, body: bytes) -> tuple[int, bytes, timedelta | None]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with self._open().request(
            method, url, data=body or None, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read(), _read_wait(answer.headers.get("Retry-After", ""))

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415

        if self._session is None or self._session.closed:
            context = ssl.create_default_context(cafile=self._ca_bundle)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _unreached(what: str, problem: Exception) -> LiveUnavailable:
    return LiveUnavailable(what, status=0, detail=type(problem).__name__)


def _read_token(answer: bytes) -> str:
    try:
        body = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    token = body.get("token") if isinstance(body, dict) else None
    return token if isinstance(token, str) else ""


def _read_wait(text: str) -> timedelta | None:
    """Read ``Retry-After`` in seconds; what is longer than a few minutes, or a date, is for the next attempt to find out."""
    if not (text.isascii() and text.isdecimal() and len(text) < 9):  # noqa: PLR2004 - 30 years
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
