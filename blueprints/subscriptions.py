"""What keeps subscriptions alive: the renewal timer and the queue of lifecycle events.

Not here: decisions (`shared.subscriptions`), and the sweep, which has a blueprint of its own.
"""

import asyncio

import azure.functions as func

from shared.subscriptions import Subscriptions


def build(subscriptions: Subscriptions) -> func.Blueprint:
    """Register the functions ``renewal`` and ``subscription_work``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("renewal")
    @blueprint.timer_trigger(arg_name="timer", schedule="%RENEWAL_SCHEDULE%")
    async def renewal(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the worker insists on the parameter
        """Compare what is declared with what is live; `POST /admin/functions/renewal` does it at once."""
        try:
            await subscriptions.renew()
        except asyncio.CancelledError:  # the worker would never answer
            raise RuntimeError("cancelled") from None

    @blueprint.function_name("subscription_work")
    @blueprint.queue_trigger(
        arg_name="message",
        queue_name="subscription-work",
        connection="AzureWebJobsStorage",
        data_type=func.DataType.BINARY,
    )
    async def subscription_work(message: func.QueueMessage) -> None:
        """Act on one lifecycle event; what fails comes again, and in the end lies in ``subscription-work-poison``."""
        try:
            await subscriptions.work(message.get_body())
        except asyncio.CancelledError:
            raise RuntimeError("cancelled") from None

    return blueprint
