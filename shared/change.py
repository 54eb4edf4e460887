"""What a handler is given: one change, and the services it may use."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.graph.resource import Resource
from shared.live_messages import LiveMessages
from shared.ports import Clock, FeedStore, FindingStore, Graph, Rules, Target


@dataclass(slots=True, kw_only=True)
class Change:
    """One change of one resource, decrypted and checked.

    ``content`` is the resource as Graph sent or served it, None for a basic notification until `fetch` was called, and
    for what is gone. ``ids`` are the placeholders of the template that matched. ``key`` is the same however often and
    by whichever way the change arrives; empty where nothing tells it from another change of the same resource.
    """

    subscription: str
    tenant_id: str
    change_type: str
    resource: Resource
    version: str
    deleted: bool
    received: datetime
    via: str
    item_id: str
    key: str
    notification: Mapping[str, Any] = field(repr=False)
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    ids: Mapping[str, str] = field(default_factory=dict)
    fetched: bool = False
    """The content was fetched from Graph, and may be newer than the change."""
    gone: bool = False
    """Graph answered 404 when the content was asked for: the change was a deletion, or one followed."""
    _fetch: Callable[["Change"], Awaitable[None]] | None = field(default=None, repr=False)

    async def fetch(self) -> Mapping[str, Any] | None:
        """Get the resource from Graph, once, unless it came with the notification; None when it is gone.

        It is the *current* state, which may be newer than the change. Raises GraphApiError when Graph refuses.
        """
        if self.content is None and not self.gone and self._fetch is not None:
            await self._fetch(self)
        return self.content


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What handlers may use. ``live`` never fails, and does nothing where nobody wants live clients. ``options`` is what the subscription's ``handlers`` list tells this handler.

    ``rules`` gives a file of DLP rules by its path beside the subscriptions file, and raises SettingsError if it is not in order.
    """

    now: Clock
    feed: FeedStore
    findings: FindingStore
    rules: Callable[[str], Rules]
    graph: Graph
    target: Callable[[Mapping[str, Any]], Target]
    live: LiveMessages
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
