"""The queue trigger behind the webhook: brings one envelope after the other to its end."""

import asyncio

import azure.functions as func

from shared.pipeline import Pipeline


def build(pipeline: Pipeline) -> func.Blueprint:
    """Register the function ``processor``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("processor")
    @blueprint.queue_trigger(
        arg_name="message",
        queue_name="notifications",
        connection="AzureWebJobsStorage",
        data_type=func.DataType.BINARY,
    )
    async def processor(message: func.QueueMessage) -> None:
        """Process one envelope; if what is left of it cannot be kept, fail, and the host brings it again."""
        try:
            await pipeline.process(message.get_body(), dequeue_count=message.dequeue_count or 1)
        except asyncio.CancelledError:  # the worker would never answer
            raise RuntimeError("cancelled") from None

    return blueprint
