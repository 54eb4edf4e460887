"""One's own mailbox: `/api/mail/…`, for people who show a token, which is ours to check: the host asks nothing of them."""

import azure.functions as func

from blueprints.answering import respond
from shared.mail import Mail

_ANYBODY = func.AuthLevel.ANONYMOUS


def build(mail: Mail) -> func.Blueprint:
    """Register the functions ``mail_…``."""
    blueprint = func.Blueprint()
    _connecting(blueprint, mail)
    _reading(blueprint, mail)
    _doing(blueprint, mail)
    return blueprint


def _connecting(blueprint: func.Blueprint, mail: Mail) -> None:
    @blueprint.function_name("mail_state")
    @blueprint.route("mail/connect", methods=["GET"], auth_level=_ANYBODY)
    async def mail_state(req: func.HttpRequest) -> func.HttpResponse:
        """Say whether the caller's mailbox is connected."""
        return respond(await mail.state(req.headers))

    @blueprint.function_name("mail_connect")
    @blueprint.route("mail/connect", methods=["POST"], auth_level=_ANYBODY)
    async def mail_connect(req: func.HttpRequest) -> func.HttpResponse:
        """Connect it."""
        return respond(await mail.connect(req.headers))

    @blueprint.function_name("mail_disconnect")
    @blueprint.route("mail/connect", methods=["DELETE"], auth_level=_ANYBODY)
    async def mail_disconnect(req: func.HttpRequest) -> func.HttpResponse:
        """Disconnect it."""
        return respond(await mail.disconnect(req.headers))


def _reading(blueprint: func.Blueprint, mail: Mail) -> None:
    @blueprint.function_name("mail_folders")
    @blueprint.route("mail/folders", methods=["GET"], auth_level=_ANYBODY)
    async def mail_folders(req: func.HttpRequest) -> func.HttpResponse:
        """List the caller's folders."""
        return respond(await mail.folders(req.headers))

    @blueprint.function_name("mail_messages")
    @blueprint.route("mail/messages", methods=["GET"], auth_level=_ANYBODY)
    async def mail_messages(req: func.HttpRequest) -> func.HttpResponse:
        """List a page of one: ``folder``, ``top``, ``skipToken``."""
        return respond(await mail.messages(req.headers, req.params))

    @blueprint.function_name("mail_delta")
    @blueprint.route("mail/delta", methods=["GET"], auth_level=_ANYBODY)
    async def mail_delta(req: func.HttpRequest) -> func.HttpResponse:
        """Say what has changed in one: ``folder``, ``token``."""
        return respond(await mail.delta(req.headers, req.params))

    @blueprint.function_name("mail_message")
    @blueprint.route("mail/messages/{message}", methods=["GET"], auth_level=_ANYBODY)
    async def mail_message(req: func.HttpRequest) -> func.HttpResponse:
        """Read one message."""
        return respond(await mail.message(req.headers, _id(req)))


def _doing(blueprint: func.Blueprint, mail: Mail) -> None:
    @blueprint.function_name("mail_reply")
    @blueprint.route("mail/messages/{message}/reply", methods=["POST"], auth_level=_ANYBODY)
    async def mail_reply(req: func.HttpRequest) -> func.HttpResponse:
        """Answer one."""
        return respond(await mail.reply(req.headers, _id(req), req.get_body()))

    @blueprint.function_name("mail_move")
    @blueprint.route("mail/messages/{message}/move", methods=["POST"], auth_level=_ANYBODY)
    async def mail_move(req: func.HttpRequest) -> func.HttpResponse:
        """Move one."""
        return respond(await mail.move(req.headers, _id(req), req.get_body()))

    @blueprint.function_name("mail_read")
    @blueprint.route("mail/messages/{message}/read", methods=["POST"], auth_level=_ANYBODY)
    async def mail_read(req: func.HttpRequest) -> func.HttpResponse:
        """Mark one as read or unread."""
        return respond(await mail.mark(req.headers, _id(req), req.get_body()))

    @blueprint.function_name("mail_delete")
    @blueprint.route("mail/messages/{message}", methods=["DELETE"], auth_level=_ANYBODY)
    async def mail_delete(req: func.HttpRequest) -> func.HttpResponse:
        """Delete one."""
        return respond(await mail.delete(req.headers, _id(req)))


def _id(req: func.HttpRequest) -> str:
    return str(req.route_params.get("message", ""))
