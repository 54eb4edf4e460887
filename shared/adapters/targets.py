"""ports.Target for `forward`: HTTP endpoints, signed per Standard Webhooks, and Storage Queues."""

import base64
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from shared.cloud_event import CONTENT_TYPE, sign
from shared.errors import GiveUp, RetryLater, SettingsError, StorageError
from shared.forwarding import HttpEndpoint, QueueEndpoint, read_endpoint
from shared.ports import Clock, Queue, Target

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT_SECONDS = 20
_GONE = 410
_QUEUE_LIMIT = 64 * 1024


class Targets:
    """Makes targets from what subscriptions say; the same options give the same target."""

    def __init__(
        self, *, environ: Mapping[str, str], queue: Callable[[str, str], Queue], ca_bundle: str | None, now: Clock
    ) -> None:
        self._environ = environ
        self._queue = queue
        self._ca_bundle = ca_bundle
        self._now = now
        self._made: dict[HttpEndpoint | QueueEndpoint, Target] = {}
        self._session: aiohttp.ClientSession | None = None

    def __call__(self, options: Mapping[str, Any]) -> Target:
        """Give the target for the options of one `forward`. Raises GiveUp if they are not in order."""
        try:
            endpoint = read_endpoint(options, self._environ)
        except SettingsError as problem:
            raise GiveUp(str(problem)) from problem
        if endpoint not in self._made:
            self._made[endpoint] = (
                HttpTarget(endpoint, self.session, self._now)
                if isinstance(endpoint, HttpEndpoint)
                else QueueTarget(endpoint, self._queue(endpoint.name, endpoint.connection))
            )
        return self._made[endpoint]

    def session(self) -> "aiohttp.ClientSession":
        """Give the one HTTP session, made on first use in the loop that uses it."""
        import aiohttp  # noqa: PLC0415 - heavy, on first use

        if self._session is None or self._session.closed:
            context = ssl.create_default_context(cafile=self._ca_bundle)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),  # one target's cookies are no other's business
            )
        return self._session

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


class HttpTarget:
    """An endpoint that takes events by POST."""

    def __init__(self, endpoint: HttpEndpoint, session: "Callable[[], aiohttp.ClientSession]", now: Clock) -> None:
        self._endpoint = endpoint
        self._session = session
        self._now = now

    async def send(self, event: bytes, *, event_id: str) -> None:
        """Post one event; any 2xx means taken. A redirect is not followed: it would carry the content elsewhere."""
        import aiohttp  # noqa: PLC0415

        now = self._now()
        headers = dict(sign(event, message_id=event_id, timestamp=int(now.timestamp()), secrets=self._endpoint.secrets))
        headers["Content-Type"] = CONTENT_TYPE
        try:
            async with self._session().post(
                self._endpoint.url, data=event, headers=headers, allow_redirects=False
            ) as answer:
                status, retry_after = answer.status, answer.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise RetryLater(f"the target did not answer ({type(problem).__name__})") from problem
        if 200 <= status < 300:  # noqa: PLR2004
            return
        if status == _GONE:
            raise GiveUp("the target answered 410: it wants no more events")
        raise RetryLater(f"the target answered {status}", after=_read_retry_after(retry_after, now))


class QueueTarget:
    """A Storage Queue that takes events as messages."""

    def __init__(self, endpoint: QueueEndpoint, queue: Queue) -> None:
        self._endpoint = endpoint
        self._queue = queue

    async def send(self, event: bytes, *, event_id: str) -> None:
        """Put one event. One that no message can hold is given up, and says so."""
        text = base64.b64encode(event).decode() if self._endpoint.encoding == "base64" else event.decode("ascii")
        if len(text) > _QUEUE_LIMIT:
            raise GiveUp(f"event {event_id} has {len(text)} bytes; a queue message holds 64 KiB")
        try:
            await self._queue.put(text)
        except StorageError as problem:
            raise RetryLater(f"queue {self._endpoint.name}: {problem}") from problem


def _read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), 7 * 86_400))
    try:
        moment = parsedate_to_datetime(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(moment - now, timedelta(0))
