"""The feeds for readers: `GET /api/feeds` and `GET /api/feeds/{feed}`, with a function key for now."""

import azure.functions as func

from shared.feed_reading import FeedReading


def build(reading: FeedReading) -> func.Blueprint:
    """Register the functions ``feeds`` and ``feed_page``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("feeds")
    @blueprint.route("feeds", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def feeds(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """List the feeds."""
        return _json(await reading.feeds())

    @blueprint.function_name("feed_page")
    @blueprint.route("feeds/{feed}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def feed_page(req: func.HttpRequest) -> func.HttpResponse:
        """Page through one feed: ``top``, and ``after`` or ``before`` a position."""
        return _json(await reading.page(req.route_params.get("feed", ""), req.params))

    return blueprint


def _json(answer: tuple[int, str]) -> func.HttpResponse:
    status, body = answer
    return func.HttpResponse(body, status_code=status, mimetype="application/json")
