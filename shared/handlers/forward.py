"""Sends each change on as a CloudEvent, signed, to an HTTP endpoint or a Storage Queue."""

from shared.cloud_event import write_cloud_event
from shared.handlers import ANY, Change, Services, on


@on(ANY, listed=True)
async def forward(change: Change, services: Services) -> None:
    """Send one change to the target that the subscription's ``handlers`` list names.

    ``data.content`` is what came with the change; what was fetched for another handler may be newer, and is left out.
    The event's id is the change's key: the same however often it is sent, so that a receiver can tell a repetition.
    """
    event_id = change.key or change.item_id
    event = write_cloud_event(
        event_id=event_id,
        tenant_id=change.tenant_id,
        subscription=change.subscription,
        resource=str(change.notification.get("resource") or change.resource),
        change_type=change.change_type,
        notification=change.notification,
        content=None if change.fetched else change.content,
        time=change.received,
    )
    await services.target(services.options).send(event, event_id=event_id)
