"""ports.OwnEndpoint: asks our own webhook for its handshake as Graph does, over the same public name.

A new connection every time, because name, certificate and whatever stands in front are what is in question. What this cannot see is
what Graph alone meets: a certificate authority that only this app trusts, a firewall that lets us in and not Graph.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from shared.graph.addresses import LIFECYCLE, NOTIFICATIONS
from shared.graph.own_handshake import ANSWER_SECONDS, Answer, ask_url, problem_with
from shared.ports import Clock

_ROUTES: Final = (NOTIFICATIONS, LIFECYCLE)
_GOOD_FOR: Final = timedelta(minutes=5)
_BAD_FOR: Final = timedelta(seconds=4)
"""Shorter than the first pause after a failure, so that the next try has an answer of its own."""
_CONNECT_SECONDS: Final = 5.0
_LONGEST_ANSWER: Final = 8 * 1024
_THREADS: Final = 4


def _new_token() -> str:
    return f"Earshot: is this ours? {secrets.token_hex(16)}"


class OwnWebhook:
    """Both routes that Graph is given, under PUBLIC_BASE_URL. Single flight: whoever comes meanwhile gets the same answer."""

    def __init__(
        self,
        base_url: str,
        *,
        now: Clock,
        verify: str | bool = True,
        new_token: Callable[[], str] = _new_token,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._base_url = base_url
        self._now = now
        self._verify = verify
        self._new_token = new_token
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="own-webhook")
        self._asking = asyncio.Lock()
        self._known: dict[str, tuple[datetime, str]] = {}
        self._late = f"it does not answer within {seconds:g} seconds; it starts too slowly, or the way to it is blocked"

    async def check(self, routes: Sequence[str] = _ROUTES, /) -> str:
        """Say what is wrong with our own webhook and what to do; empty if Graph would take it."""
        async with self._asking:
            # one that has gone bad is a reason to ask the others again, too
            if not all(self._is_fresh(route) for route in routes):
                problems = await asyncio.gather(*(self._ask(f"{self._base_url}/{route}") for route in routes))
                self._known |= {route: (self._now(), problem) for route, problem in zip(routes, problems, strict=True)}
            return next(filter(None, (self._known[route][1] for route in routes)), "")

    def _is_fresh(self, route: str) -> bool:
        if route not in self._known:
            return False
        asked, problem = self._known[route]
        return timedelta(0) <= self._now() - asked < (_BAD_FOR if problem else _GOOD_FOR)

    def close(self) -> None:
        """Let go of the threads; nobody waits for an answer any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, url: str) -> str:
        token = self._new_token()
        asking = asyncio.get_running_loop().run_in_executor(self._threads, self._post, ask_url(url, token))
        try:
            answer = await asyncio.wait_for(asking, self._seconds)
        except TimeoutError:
            problem = self._late
        except OSError as failure:  # requests' own exceptions are such
            late = any(isinstance(each, TimeoutError) for each in _causes(failure))
            problem = self._late if late else _explain(failure, urlsplit(url).hostname or "")
        else:
            problem = problem_with(answer, token)
        return problem and f"our own webhook does not answer at {url} as Graph wants it: {problem}"

    def _post(self, url: str) -> Answer:
        from requests import Session  # noqa: PLC0415 - heavy, on first use
        from urllib3.util import SKIP_HEADER  # noqa: PLC0415

        # as Graph asks: no body, and without the names that clients give themselves
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": SKIP_HEADER, "Connection": "close"}
        with (
            Session() as session,
            session.post(
                url,
                headers=headers,
                auth=lambda request: request,  # nor with what a .netrc might add
                timeout=(_CONNECT_SECONDS, self._seconds),
                allow_redirects=False,
                verify=self._verify,
                stream=True,
            ) as response,
        ):
            body = bytearray()
            for part in response.iter_content(_LONGEST_ANSWER):
                body += part
                if len(body) >= _LONGEST_ANSWER:
                    break
            return Answer(
                status=response.status_code,
                content_type=response.headers.get("Content-Type", ""),
                body=bytes(body),
                location=response.headers.get("Location", ""),
            )


def _explain(failure: OSError, host: str) -> str:
    causes = list(_causes(failure))
    if any(isinstance(each, socket.gaierror) for each in causes):
        return f"the name {host} is unknown; PUBLIC_BASE_URL has to be a name that the whole world can look up"
    refused = next((each for each in causes if isinstance(each, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return (
            f"its certificate is not good ({refused.verify_message.rstrip('.')}); Graph takes one for this very name, in date, "
            "from a public authority, and sent with its intermediates"
        )
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "TLS cannot be agreed upon; Graph speaks TLS 1.2 and later, without a certificate of its own"
    return f"nobody can be reached there ({type(failure).__name__}); is the app running, and is PUBLIC_BASE_URL its public address?"


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """Give an exception and everything that it was made from: its causes, its arguments, and what urllib3 calls its reason."""
    found: dict[int, BaseException] = {}
    waiting: list[object] = [failure]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in found:
            found[id(each)] = each
            waiting += (each.__cause__, each.__context__, getattr(each, "reason", None), *each.args)
    yield from found.values()
