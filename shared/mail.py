"""Answers people about their own mailbox: connecting it, reading, answering, marking, moving and deleting.

Whose mailbox it is, the token says and nothing else does. Each answer is one request to Graph as that person, and what Graph refuses
is what they are told. Not here: what may be asked (`shared.mail_requests`), what connecting leads to (`shared.mailboxes`).
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.answers import PRIVATE, Answer, answer_error, answer_json
from shared.caller import Caller
from shared.callers import Callers
from shared.errors import EarshotError, GraphApiError, Unauthorised, UserSignedOut
from shared.mail_answers import (
    answer_delta,
    answer_done,
    answer_folders,
    answer_message,
    answer_messages,
    answer_refusal,
)
from shared.mail_replying import SENT, KeyReused, MailReplying, UnderWay
from shared.mail_requests import (
    Ask,
    ask_delete,
    ask_delta,
    ask_folders,
    ask_mark,
    ask_message,
    ask_messages,
    ask_move,
    read_key,
    read_reply,
)
from shared.mailboxes import Mailboxes
from shared.own_mailbox import OwnMailbox
from shared.ports import Clock
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_NOT_FOUND: Final = 404
_LEFT: Final = "it is not connected"
_NONE: Final = {"Retry-After": "2"}

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Answers to people. ``headers`` are those of their request, names in any case."""

    callers: Callers
    mailboxes: Mailboxes
    mailbox: OwnMailbox
    replying: MailReplying
    now: Clock

    # -- connecting --------------------------------------------------------------------------------------------------

    async def state(self, headers: Headers) -> Answer:
        """Say how the caller's mailbox is."""

        async def answer(caller: Caller) -> Answer:
            return answer_json(200, await self.mailboxes.report(caller), PRIVATE)

        return await self._answer("state", headers, answer, connected=False)

    async def connect(self, headers: Headers) -> Answer:
        """Connect the caller's mailbox: from soon on, what changes there is told at once."""

        async def answer(caller: Caller) -> Answer:
            try:
                await self.mailboxes.connect(caller, self.callers.token(headers))
            except UserSignedOut as refusal:
                return answer_error(403, "NotAllowed", refusal.message, PRIVATE)
            return answer_json(202, await self.mailboxes.report(caller), PRIVATE)

        return await self._answer("connect", headers, answer, connected=False)

    async def disconnect(self, headers: Headers) -> Answer:
        """Disconnect it: nothing more is told, and what was kept goes away."""

        async def answer(caller: Caller) -> Answer:
            left = await self.mailboxes.disconnect(caller)
            return answer_json(202 if left else 200, await self.mailboxes.report(caller), PRIVATE)

        return await self._answer("disconnect", headers, answer, connected=False)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def folders(self, headers: Headers) -> Answer:
        """List the folders at the top, each with its role if it has one."""

        async def answer(caller: Caller) -> Answer:
            roles = await self.mailbox.roles(caller.user_id)
            return answer_folders(await self.mailbox.ask(caller.user_id, ask_folders()), roles)

        return await self._answer("folders", headers, answer)

    async def messages(self, headers: Headers, query: Mapping[str, str]) -> Answer:
        """List a page of a folder, the newest first."""

        async def answer(caller: Caller) -> Answer:
            return answer_messages(await self.mailbox.ask(caller.user_id, ask_messages(query)))

        return await self._answer("messages", headers, answer)

    async def delta(self, headers: Headers, query: Mapping[str, str]) -> Answer:
        """Say what has changed in a folder since a token, without one what there is of the last month."""

        async def answer(caller: Caller) -> Answer:
            return answer_delta(await self.mailbox.ask(caller.user_id, ask_delta(query, now=self.now())))

        return await self._answer("delta", headers, answer)

    async def message(self, headers: Headers, message: str) -> Answer:
        """Read one message with its body."""

        async def answer(caller: Caller) -> Answer:
            return answer_message(await self.mailbox.ask(caller.user_id, ask_message(message)))

        return await self._answer("message", headers, answer)

    # -- doing -------------------------------------------------------------------------------------------------------

    async def reply(self, headers: Headers, message: str, body: bytes) -> Answer:
        """Answer a message, once for each ``Idempotency-Key``."""

        async def answer(caller: Caller) -> Answer:
            key, reply = read_key(headers), read_reply(body)
            try:
                done = await self.replying.reply(caller.user_id, message, reply, key)
            except KeyReused:
                return answer_error(422, "KeyReused", "this Idempotency-Key was used for another reply", PRIVATE)
            except UnderWay:
                return answer_error(425, "UnderWay", "this very reply is being sent: ask again", {**PRIVATE, **_NONE})
            return answer_done(SENT, repeated=not done)

        return await self._answer("reply", headers, answer)

    async def mark(self, headers: Headers, message: str, body: bytes) -> Answer:
        """Mark a message as read or unread; done twice, it is the same."""
        return await self._answer("read", headers, lambda caller: self._message_after(caller, ask_mark(message, body)))

    async def move(self, headers: Headers, message: str, body: bytes) -> Answer:
        """Move a message to another folder; done twice, it is the same."""
        return await self._answer("move", headers, lambda caller: self._message_after(caller, ask_move(message, body)))

    async def delete(self, headers: Headers, message: str) -> Answer:
        """Delete a message. Where a key says that it may be a repetition, one that is gone is as good."""

        async def answer(caller: Caller) -> Answer:
            key = read_key(headers)
            try:
                await self.mailbox.ask(caller.user_id, ask_delete(message))
            except GraphApiError as refusal:
                if refusal.status != _NOT_FOUND or not key:
                    raise
                return answer_done(200, repeated=True)
            return answer_done(200)

        return await self._answer("delete", headers, answer)

    async def _message_after(self, caller: Caller, ask: Ask) -> Answer:
        return answer_message(await self.mailbox.ask(caller.user_id, ask))

    async def _answer(
        self, what: str, headers: Headers, answer: Callable[[Caller], Awaitable[Answer]], *, connected: bool = True
    ) -> Answer:
        """Recognise who asks, and answer them; a refusal is theirs to read, and a line without their data ours."""
        try:
            caller = await self.callers.recognise(headers)
            if connected:
                await self._need_connected(caller)
            return await answer(caller)
        except EarshotError as problem:
            answered = answer_refusal(problem)
            if not isinstance(problem, Unauthorised):
                fields = {"what": what, "status": answered.status, "why": _why(problem)}
                log_line(_LOGGER, logging.INFO, "mail: refused", fields)
            return answered

    async def _need_connected(self, caller: Caller) -> None:
        """Raises UserSignedOut for who is not connected, also where this process still knows a token of theirs."""
        mailbox = await self.mailboxes.read(caller)
        if mailbox is None or mailbox.state != "connected":
            raise UserSignedOut((mailbox.problem if mailbox else "") or _LEFT)


def _why(problem: EarshotError) -> str:
    """Say for the log what kind of refusal it was: Graph's message may name a person."""
    if isinstance(problem, GraphApiError):
        return f"Graph {problem.status} {problem.code}".strip()
    return type(problem).__name__
