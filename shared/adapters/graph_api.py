"""Requests to Microsoft Graph, as the app or as a person: `requests` in threads of its own.

No retries but one after 401, and no redirects: how long to wait and what a refusal means is the caller's to decide.
https://learn.microsoft.com/graph/errors (2026-03)
"""

import asyncio
import contextvars
import re
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.adapters.credential import Credential
from shared.errors import GraphApiError, SignInError

if TYPE_CHECKING:
    import requests  # otherwise in the threads, on first use: it costs a cold start 50 ms

_T = TypeVar("_T")

UserTokenSource = Callable[[str, str], Awaitable[str]]
"""Gives a token of the person with this object id; another one than the second, if that was refused. Raises UserSignedOut."""

_USER: Final = "user:"
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 30.0
_CREATE_SECONDS: Final = 45.0
"""Creating a subscription includes Graph's handshakes with us: up to 10 seconds for each of two URLs."""
_THREADS: Final = 8
_LONGEST_MESSAGE: Final = 300
_UNAUTHORIZED: Final = 401
_NOT_RELATIVE = re.compile(r"[\\#\x00-\x20]|://|^//|(?:^|/)\.{1,2}(?:/|\?|$)")


class GraphApi:
    """Port ``Graph``.

    Threads of its own, because creating a subscription holds one for as long as Graph takes to call us back: a handful of
    those must not keep everybody else from the loop's few threads.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        credential: Credential,
        scope: str,
        verify: str | bool = True,
        users: UserTokenSource | None = None,
    ) -> None:
        self._base = f"{endpoint.rstrip('/')}/v1.0"
        self._credential = credential
        self._scope = scope
        self._verify = verify
        self._users = users
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="graph")
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        tenant_id: str = "",
        actor: str = "",
    ) -> Mapping[str, Any]:
        """Make one request. Raises ValueError for a path that is not relative, else as the port says."""
        url = f"{self._base}/{_relative(path)}"
        what = f"{method} /{path.strip('/').partition('?')[0]}"
        if actor:
            return await self._request_as(actor, method, url, what, body, headers)
        credential = self._credential.of(tenant_id)
        return await self._in_thread(partial(self._request, method, url, what, body, headers, credential))

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        run = partial(contextvars.copy_context().run, work)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    async def _request_as(  # noqa: PLR0917 - as below
        self,
        actor: str,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> Mapping[str, Any]:
        """Make one request as a person, whose token never is the app's, whatever happens."""
        user_id = actor.removeprefix(_USER)
        if self._users is None or user_id == actor or not user_id:
            raise SignInError(
                "token of a person", status=_UNAUTHORIZED, message="part mail does not run: TOKEN_CACHE_KEY"
            )
        token = await self._users(user_id, "")
        response = await self._in_thread(partial(self._send, method, url, what, body, headers, token=token))
        if response.status_code == _UNAUTHORIZED:
            token = await self._users(user_id, token)
            response = await self._in_thread(partial(self._send, method, url, what, body, headers, token=token))
        return _read_answer(what, response)

    def close(self) -> None:
        """Let go of threads and connections; a request that has begun is waited for."""
        self._threads.shutdown()
        for session in self._sessions:
            session.close()

    def _request(  # noqa: PLR0917 - partial takes them in this order
        self,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        credential: Credential,
    ) -> Mapping[str, Any]:
        token = credential.token(self._scope)
        response = self._send(method, url, what, body, headers, token=token)
        if response.status_code == _UNAUTHORIZED:
            token = credential.token(self._scope, refused=token)
            response = self._send(method, url, what, body, headers, token=token)
        return _read_answer(what, response)

    def _send(
        self,
        method: str,
        url: str,
        what: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        *,
        token: str,
    ) -> "requests.Response":
        from requests import RequestException  # noqa: PLC0415 - see above

        creates = method == "POST" and url.endswith("/subscriptions")
        try:
            return self._session().request(
                method,
                url,
                json=body,
                headers=dict(headers or {}),
                auth=_Bearer(token),
                timeout=(_CONNECT_SECONDS, _CREATE_SECONDS if creates else _READ_SECONDS),
                allow_redirects=False,
                verify=self._verify,
            )
        except RequestException as problem:
            raise GraphApiError(what, status=0, message=type(problem).__name__) from problem

    def _session(self) -> "requests.Session":
        """Return this thread's session: requests does not promise that one may be shared."""
        from requests import Session  # noqa: PLC0415 - see above

        session: Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = Session()
            self._sessions.append(session)
        return session


class _Bearer:
    """A token as requests' own kind of authentication, which a `.netrc` cannot replace as it can a header."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: "requests.PreparedRequest") -> "requests.PreparedRequest":
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _relative(path: str) -> str:
    relative = path.removeprefix("/")
    if not relative or _NOT_RELATIVE.search(path) or _NOT_RELATIVE.search(relative) or relative.startswith("/"):
        raise ValueError("not a path relative to Graph's /v1.0")
    return relative


def _read_answer(what: str, response: "requests.Response") -> Mapping[str, Any]:
    answer = _read_object(response)
    if response.ok and not response.is_redirect:
        if answer is None and response.content:
            raise _refusal(what, response, {}, "the answer is not a JSON object")
        return answer or {}
    error = (answer or {}).get("error")
    raise _refusal(what, response, error if isinstance(error, dict) else {}, "")


def _read_object(response: "requests.Response") -> dict[str, Any] | None:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(what: str, response: "requests.Response", error: Mapping[str, Any], message: str) -> GraphApiError:
    return GraphApiError(
        what,
        status=response.status_code,
        code=str(error.get("code") or "")[:_LONGEST_MESSAGE],
        message=str(error.get("message") or message)[:_LONGEST_MESSAGE],
        request_id=response.headers.get("request-id", "")[:_LONGEST_MESSAGE],
        retry_after=_read_retry_after(response.headers),
    )


def _read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read ``Retry-After``: seconds, or a date, which is compared with the answer's own."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 9:  # noqa: PLR2004 - 30 years
        return timedelta(seconds=int(text))
    try:
        return max(parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", "")), timedelta(0))
    except (ValueError, TypeError, OverflowError):
        return None
