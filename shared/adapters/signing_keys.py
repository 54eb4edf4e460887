"""Port ``SigningKeys``: the authority's keys and issuers, from its own metadata documents for v1 and v2 tokens.

https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens (2026-01)
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from shared.errors import GraphProtocolError
from shared.graph.signed_token import TrustedKeys, read_signing_keys

if TYPE_CHECKING:
    from requests import Session  # otherwise in the thread, on first use: it costs a cold start 50 ms

METADATA: Final[Mapping[str, str]] = {
    "1.0": "/common/.well-known/openid-configuration",
    "2.0": "/common/v2.0/.well-known/openid-configuration",
}
"""Where each version of tokens is described."""

_BETWEEN_ATTEMPTS: Final = 60.0
_TIMEOUT: Final = (5.0, 10.0)
_LONGEST_DOCUMENT: Final = 1024 * 1024


class AuthorityKeys:
    """Fetches keys and issuers; several callers share one attempt, and attempts are a minute apart."""

    def __init__(
        self,
        authority: str,
        *,
        verify: str | bool = True,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._authority = authority.rstrip("/")
        self._verify = verify
        self._now = now
        self._monotonic = monotonic
        self._attempt: asyncio.Task[TrustedKeys | None] | None = None
        self._attempted = float("-inf")

    async def fetch(self, *, budget: timedelta) -> TrustedKeys | None:
        """Fetch, or wait for whoever is fetching; None if the budget ends first, or the last attempt was a moment ago."""
        if self._attempt is None or self._attempt.done():
            if self._monotonic() - self._attempted < _BETWEEN_ATTEMPTS:
                return None
            self._attempted = self._monotonic()
            self._attempt = asyncio.create_task(asyncio.to_thread(self._fetch))
        done, _ = await asyncio.wait({self._attempt}, timeout=budget.total_seconds())
        return self._attempt.result() if done else None

    def _fetch(self) -> TrustedKeys | None:
        """Read both versions; one that cannot be had is left out, and both being away is None."""
        from requests import RequestException, Session  # noqa: PLC0415 - see above

        by_kid: dict[str, RSAPublicKey] = {}
        issuers: dict[str, str] = {}
        with Session() as session:
            for version, path in METADATA.items():
                try:
                    issuer, keys = self._fetch_version(session, path)
                except (RequestException, GraphProtocolError, ValueError):
                    continue
                issuers[version] = issuer
                by_kid |= keys
        return TrustedKeys(by_kid=by_kid, issuers=issuers, fetched=self._now()) if by_kid else None

    def _fetch_version(self, session: "Session", path: str) -> tuple[str, Mapping[str, RSAPublicKey]]:
        metadata = self._get(session, self._authority + path)
        issuer, location = metadata.get("issuer"), metadata.get("jwks_uri")
        if not isinstance(issuer, str) or not isinstance(location, str) or urlsplit(location).scheme != "https":
            raise GraphProtocolError("the authority's metadata name no issuer, or no keys behind https")
        return issuer, read_signing_keys(self._get(session, location))

    def _get(self, session: "Session", url: str) -> Mapping[str, Any]:
        response = session.get(url, timeout=_TIMEOUT, verify=self._verify, allow_redirects=False)
        response.raise_for_status()
        document = response.json() if len(response.content) <= _LONGEST_DOCUMENT else None
        if not isinstance(document, dict):
            raise GraphProtocolError("the authority's document is not a JSON object")
        return document
