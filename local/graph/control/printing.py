"""How the controls print what there is: messages, places, subscriptions. Never a clientState, a token or a query of a URL.

Not here: printing for apps, which is Graph's way, see `content` and `subscribing`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from local.graph.clock import microseconds, seven_digits
from local.graph.delivery.notices import plain_text
from local.graph.subscribing.channels import place_of
from local.graph.subscribing.store import Subscription
from local.graph.tenant.entity import Entity
from local.graph.tenant.places import Place
from local.graph.tenant.world import World

MESSAGES: Mapping[str, Callable[[Mapping[str, str]], str]] = {
    "channel-message": lambda ids: f"teams('{ids['team']}')/channels('{ids['channel']}')",
    "chat-message": lambda ids: f"chats('{ids['chat']}')",
    "message": lambda ids: f"Users/{ids['user']}",
}
"""The rows that are messages, and how the place that one is in is named."""


def print_item(entity: Entity) -> dict[str, Any]:
    """Return a message, or anything else, as it is now."""
    printed = {
        "id": entity.id,
        "resource": entity.resource,
        "version": entity.version,
        "deleted": entity.deleted,
        "text": plain_text(entity),
    }
    container = MESSAGES.get(entity.row.key)
    return printed | ({"container": container(entity.ids)} if container else {"kind": entity.row.key})


def print_world(world: World) -> dict[str, Any]:
    """Return who and what there is in a tenant, so that subscriptions can be declared."""
    places = [_print_place(place) for place in world.places]
    team = next((place.ids["team"] for place in world.places if place.workload == "channel"), None)
    people = [{"id": each.id, "name": each.name, "address": each.address} for each in world.people]
    kinds = {"channels": "channel", "chats": "chat", "mailboxes": "mail"}
    listed = {name: [place for place in places if place["workload"] == kind] for name, kind in kinds.items()}
    named = {"tenant": world.tenant_id, "name": world.name, "domain": world.domain}
    return {**named, "team": team, **listed, "people": people}


def print_subscription(subscription: Subscription, *, authorized: bool, authorized_until: datetime) -> dict[str, Any]:
    """Return a subscription for people: whose it is, what it hears, how long it lives and is authorized."""
    return {
        "id": subscription.id,
        "resource": subscription.asked.resource,
        "kind": subscription.asked.match.row.key,
        "changeType": subscription.asked.change_type,
        "appId": subscription.app_id,
        "tenantId": subscription.tenant_id,
        "rich": subscription.rich,
        "notificationUrl": place_of(subscription.notification_url),
        "lifecycleNotificationUrl": place_of(subscription.lifecycle_url) if subscription.lifecycle_url else None,
        "expirationDateTime": seven_digits(subscription.expiration_date_time),
        "authorizedUntil": microseconds(authorized_until),
        "authorized": authorized,
    }


def _print_place(place: Place) -> dict[str, Any]:
    printed = {"name": place.name, "workload": place.workload, "path": place.path, "resource": place.collection}
    owner = {"address": place.people[0].address} if place.workload == "mail" else {}
    return printed | dict(place.ids) | owner
