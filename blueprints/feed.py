"""The feeds: `GET /api/feeds` and `GET /api/feeds/{feed}` for the people who are in them, all of them below `manage` for operators.

People show a token, which is ours to check: the host asks nothing of them. Operators have a function key.
"""

import azure.functions as func

from blueprints.answering import respond
from shared.feed_reading import FeedReading
from shared.user_feeds import UserFeeds


def build(reading: FeedReading) -> func.Blueprint:
    """Register the functions ``manage_feeds`` and ``manage_feed_page``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("manage_feeds")
    @blueprint.route("manage/feeds", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def manage_feeds(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - the worker insists on the parameter
        """List every feed."""
        return respond(await reading.feeds())

    @blueprint.function_name("manage_feed_page")
    @blueprint.route("manage/feeds/{feed}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
    async def manage_feed_page(req: func.HttpRequest) -> func.HttpResponse:
        """Page through any feed: ``top``, and ``after`` or ``before`` a position."""
        return respond(await reading.page(req.route_params.get("feed", ""), req.params))

    return blueprint


def build_for_users(reading: UserFeeds) -> func.Blueprint:
    """Register the functions ``feeds`` and ``feed_page``."""
    blueprint = func.Blueprint()

    @blueprint.function_name("feeds")
    @blueprint.route("feeds", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def feeds(req: func.HttpRequest) -> func.HttpResponse:
        """List the caller's feeds."""
        return respond(await reading.feeds(req.headers))

    @blueprint.function_name("feed_page")
    @blueprint.route("feeds/{feed}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def feed_page(req: func.HttpRequest) -> func.HttpResponse:
        """Page through one of them: ``top``, and ``after`` or ``before`` a position."""
        return respond(await reading.page(req.route_params.get("feed", ""), req.headers, req.params))

    return blueprint
