"""Where the service for live clients is, and with what requests to it are signed: the app's identity, or an access key.

In Azure access keys are turned off; the stand-in of the workshop takes one. SDKs are imported when the first token is wanted.
https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api (2026-06)
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

from shared.adapters.credential import TokenSource
from shared.errors import LiveUnavailable, SettingsError, SignInError
from shared.settings import Settings

SCOPE: Final = "https://signalr.azure.com/.default"
"""The same in every cloud: Microsoft's own client knows no other.
https://github.com/Azure/azure-signalr, src/Microsoft.Azure.SignalR.Common/Auth/MicrosoftEntraAccessKey.cs (2026-03)"""

_EARLY: Final = 300.0
"""Seconds before its expiry from which on a token is not used for a new request."""
_AGAIN: Final = 5.0
"""Seconds between two attempts after one that failed."""
_SIGNED_FOR: Final = 300
"""Seconds for which a signature of ours is good."""
_SETTING: Final = "AzureSignalRConnectionString"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Signer(Protocol):
    """Gives the token that one request carries."""

    async def token(self, url: str, *, refused: str = "") -> str:
        """Give a token for an address without its query; not one that was ``refused``. Raises LiveUnavailable."""
        ...


class AccessKey:
    """Signs for each address, with the key of a connection string."""

    def __init__(self, key: str, *, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now

    async def token(self, url: str, *, refused: str = "") -> str:
        """Sign."""
        import jwt  # noqa: PLC0415 - on first use

        del refused
        return jwt.encode({"aud": url, "exp": int(self._now()) + _SIGNED_FOR}, self._key, "HS256")


class Identity:
    """The app's tokens of Entra's for the service, kept until shortly before they expire. Who comes meanwhile waits with the first."""

    def __init__(self, make_source: Callable[[], TokenSource], *, now: Callable[[], float] = time.time) -> None:
        self._make_source = make_source
        self._now = now
        self._source: TokenSource | None = None
        self._held: tuple[str, float] = ("", 0.0)
        self._failed = float("-inf")
        self._problem: SignInError | None = None
        self._lock = asyncio.Lock()

    async def token(self, url: str, *, refused: str = "") -> str:
        """Give the token at hand, or fetch one in a thread. After a failure the same is said for a few seconds."""
        del url
        held = self._good(refused)
        if not held:
            async with self._lock:
                held = self._good(refused) or await self._fetch(anew=bool(refused))
        return held

    def _good(self, refused: str) -> str:
        token, expires = self._held
        return token if token != refused and self._now() < expires - _EARLY else ""

    async def _fetch(self, *, anew: bool) -> str:
        if anew:
            self._source = None  # SDKs keep tokens too, and cannot all be told to forget one
        if self._problem is not None and self._now() - self._failed < _AGAIN:
            raise _no_token(self._problem)
        try:
            self._held = await asyncio.to_thread(self._ask)
        except SignInError as problem:
            self._failed, self._problem, self._source = self._now(), problem, None
            raise _no_token(problem) from problem
        return self._held[0]

    def _ask(self) -> tuple[str, float]:
        if self._source is None:
            self._source = self._make_source()
        return self._source(SCOPE)


def _no_token(problem: SignInError) -> LiveUnavailable:
    return LiveUnavailable("sign in", status=problem.status, detail=str(problem))


def read_access(settings: Settings, identity: Callable[[Settings], TokenSource]) -> tuple[str, Signer]:
    """Read where the service is and how to sign for it; an address goes before a connection string.

    Raises SettingsError for a connection string that is none, without repeating it.
    """
    if settings.signalr_uri:
        return settings.signalr_uri.rstrip("/"), Identity(partial(identity, settings))
    parts = _read_parts(settings.signalr)
    endpoint, key = _endpoint(parts), parts.get("accesskey", "")
    if key:
        return endpoint, AccessKey(key)
    if parts.get("authtype", "").lower().startswith("azure"):
        return endpoint, Identity(partial(identity, settings))
    raise SettingsError([f"{_SETTING} has neither AccessKey nor AuthType=azure: give {_SETTING}__serviceUri instead"])


def _read_parts(text: str) -> Mapping[str, str]:
    pairs = [each.strip().partition("=") for each in text.split(";") if each.strip()]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _endpoint(parts: Mapping[str, str]) -> str:
    problem = SettingsError([f"{_SETTING} has no Endpoint that is an https address (http is for this machine only)"])
    text = parts.get("endpoint", "").rstrip("/")
    try:
        url = urlsplit(text)
        port = parts.get("port", "") if url.port is None else ""
    except ValueError:
        raise problem from None
    safe = url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK)
    if not safe or not url.hostname or url.path or url.query or (port and not port.isdecimal()):
        raise problem
    return f"{text}:{port}" if port else text
