"""Opening a kept notification: whose it is, whether it may be opened, its content, its key, and whom it concerns.

Pure and synchronous: this is where most of the processor's time goes, and threads can share it. Getting payloads, keys
and tables is the pipeline's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.change_key import change_key, is_deletion, read_version, round_version
from shared.declaration import DeclaredSubscription
from shared.errors import GraphProtocolError
from shared.graph.catalogue import concerns
from shared.graph.client_state import ClientState, ClientStateReader, Delivery
from shared.graph.encrypted_content import (
    EncryptedContent,
    EncryptionKey,
    decrypt,
    read_encrypted_content,
    read_wrapped_key,
)
from shared.graph.notification import ChangeNotification, read_notification
from shared.graph.resource import Resource, read_resource
from shared.intake import Policy
from shared.routing import Registration, Route, route


class Refused(Exception):  # noqa: N818 - a decision, carried out of a nest of checks
    """The item is dropped and counted: it is forged, or it belongs to nothing that we declare any more."""


class Unopenable(Exception):  # noqa: N818 - as above
    """The item is genuine as far as one can tell, and cannot be opened: a dead letter for a person to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A notification whose clientState is ours, before anybody looked at what it is about.

    ``delivery`` is the way for which that clientState was minted: what it came by, whatever anybody says.
    """

    notification: ChangeNotification
    state: ClientState
    delivery: Delivery = "webhook"


@dataclass(slots=True, kw_only=True)
class Opened:
    """A notification that passed every check; ``content`` is filled in when it has been decrypted."""

    notification: ChangeNotification
    subscription: DeclaredSubscription
    name: str
    resource: Resource
    content: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def deleted(self) -> bool:
        """Whether the change leaves the item deleted."""
        return is_deletion(self.notification.change_type, self.content)


def recognise(raw: Mapping[str, Any], policy: Policy, states: Sequence[ClientStateReader]) -> Recognised:
    """Check clientState and tenant again: a message on our queue proves less than a MAC.

    ``states`` are readers for the ways by which it may have come. Raises Refused.
    """
    notification = read_notification(raw)
    if not isinstance(notification, ChangeNotification):
        raise Refused("not a change notification")
    if notification.tenant_id in policy.allowed_tenant_ids:
        for reader in states:
            state = reader.read(notification.client_state, notification.tenant_id)
            if state is not None:
                return Recognised(notification=notification, state=state, delivery=reader.delivery)
    raise Refused("clientState or tenant")


def find_resource(recognised: Recognised, subscription: DeclaredSubscription) -> Resource:
    """Read the resource and hold it against what the subscription declares. Raises Unopenable.

    Else a forger inside could make us fetch or handle what nobody asked for.
    """
    try:
        resource = read_resource(recognised.notification.resource)
    except GraphProtocolError as problem:
        raise Unopenable(str(problem)) from problem
    if not concerns(subscription.resource, resource):
        raise Unopenable(f"the resource is none that subscription {subscription.name!r} declares")
    return resource


def encrypted_content(recognised: Recognised) -> EncryptedContent | None:
    """Read what there is to decrypt. Raises Unopenable."""
    if not recognised.notification.encrypted:
        return None
    try:
        return read_encrypted_content(recognised.notification.raw)
    except GraphProtocolError as problem:
        raise Unopenable(str(problem)) from problem


def wrapped_key(content: EncryptedContent, key: EncryptionKey) -> bytes:
    """Read what is to be opened elsewhere. Raises Unopenable."""
    try:
        return read_wrapped_key(content, key)
    except GraphProtocolError as problem:
        raise Unopenable(str(problem)) from problem


def open_content(content: EncryptedContent | None, key: EncryptionKey | None) -> Mapping[str, Any] | None:
    """Verify and decrypt. Raises Unopenable."""
    if content is None or key is None:
        return None
    try:
        return decrypt(content, key)
    except GraphProtocolError as problem:
        raise Unopenable(str(problem)) from problem


def routes_for(opened: Opened, registrations: Sequence[Registration]) -> tuple[Route, ...]:
    """Find the handlers that an opened notification concerns."""
    return route(
        opened.resource,
        opened.notification.change_type,
        registrations=registrations,
        choices=opened.subscription.handlers,
    )


def version_of(opened: Opened) -> str:
    """Read the version that the change brought about; empty where nothing tells it."""
    return read_version(opened.notification.raw, opened.content)


def key_of(opened: Opened, version: str, *, deleted: bool) -> str:
    """Make the change's key; empty where nothing tells it from another change: no version, no round of a delta."""
    version = version or round_version(opened.notification.raw)
    if not version:
        return ""
    return change_key(
        subscription=opened.name,
        tenant_id=opened.notification.tenant_id,
        resource=opened.resource,
        version=version,
        deleted=deleted,
    )
