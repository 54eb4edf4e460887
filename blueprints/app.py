"""The page: `GET /api/app` and the files below it, for anybody. What it shows it gets from routes that ask for a token."""

import asyncio
import typing

import azure.functions as func

from blueprints.answering import respond
from shared.web_files import WebFiles


def build(files: typing.Callable[[], WebFiles]) -> func.Blueprint:
    """Register the function ``app_page``. ``files`` reads them when they are first asked for."""
    blueprint = func.Blueprint()

    @blueprint.function_name("app_page")
    @blueprint.route("app/{*path}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
    async def app_page(req: func.HttpRequest) -> func.HttpResponse:
        """Answer with a file of the page, or with the page itself."""
        served = await asyncio.to_thread(files)
        return respond(
            served.answer(
                req.route_params.get("path", ""),
                if_none_match=req.headers.get("if-none-match", ""),
                accept_encoding=req.headers.get("accept-encoding", ""),
            )
        )

    return blueprint
