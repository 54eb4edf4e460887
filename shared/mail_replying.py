"""Answers a mail, once for each key however often it is asked for: the draft is written down before it is sent.

Graph promises nothing about a repeated ``reply``. A draft, however, can be sent only once: after that it is a draft no more, and a
second attempt finds it so. So an answer is drafted first, its id kept under the caller's key, and only then sent:

    broken off before the draft's id is kept    a draft too many lies in the drafts folder, and nothing was sent
    broken off before or while it is sent       whoever comes back asks whether it still is a draft, and sends it only then
    broken off before "sent" is kept            whoever comes back finds that it is a draft no more, and says so

What is left open is Graph's own: two deliveries of one accepted message.
https://learn.microsoft.com/graph/api/message-send (2026-04): nothing is said of repetition there
(https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/921).
"""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Final

from shared.errors import GraphApiError, GraphProtocolError
from shared.mail_requests import Reply, ask_draft_of_reply, ask_send, ask_whether_draft
from shared.own_mailbox import OwnMailbox
from shared.ports import Clock, MailAction, MailActionStore

SENT: Final = 202
REMEMBERED: Final = timedelta(days=8)
"""How long a key is known; whoever was offline for longer looks into the sent items."""
_HELD: Final = timedelta(minutes=2)
"""Longer than two requests to Graph may take."""
_NOT_FOUND: Final = 404


class KeyReused(Exception):  # noqa: N818 - a decision, carried out of a nest of checks
    """The key was used for something else."""


class UnderWay(Exception):  # noqa: N818 - as above
    """Somebody is at it: the same was asked for a moment ago."""


class MailReplying:
    """Answers mails as their owners."""

    def __init__(self, mailbox: OwnMailbox, actions: MailActionStore, now: Clock) -> None:
        self._mailbox = mailbox
        self._actions = actions
        self._now = now

    async def reply(self, user_id: str, message: str, reply: Reply, key: str) -> bool:
        """Answer; False if that was done before, under the same key.

        Raises GraphApiError, StorageError, KeyReused and UnderWay; asked for again it goes on where it broke off.
        """
        if not key:
            draft = await self._draft(user_id, message, reply)
            await self._mailbox.ask(user_id, ask_send(draft))
            return True
        held = await self._take(user_id, key, _mark_of(message, reply))
        if held.status:
            return False
        try:
            sent = await self._go_on(user_id, message, reply, held)
        except (GraphApiError, GraphProtocolError):
            there = await self._actions.read(user_id, key)
            if there is not None:
                await self._actions.save(replace(there, held_until=self._now()))
            raise
        await self._actions.save(replace(sent, status=SENT))
        return True

    async def _take(self, user_id: str, key: str, asked: str) -> MailAction:
        now = self._now()
        there = await self._actions.read(user_id, key)
        if there is None:
            await self._actions.forget(user_id, before=now - REMEMBERED)
            wanted = MailAction(owner=user_id, key=key, asked=asked, began=now, held_until=now + _HELD)
        elif there.asked != asked:
            raise KeyReused
        elif there.status:
            return there
        elif now < there.held_until:
            raise UnderWay
        else:
            wanted = replace(there, held_until=now + _HELD)
        held = await self._actions.save(wanted)
        if held is None:
            raise UnderWay
        return held

    async def _go_on(self, user_id: str, message: str, reply: Reply, held: MailAction) -> MailAction:
        """Draft and send what is not drafted or sent yet; the row as it was last written."""
        if held.draft:
            if not await self._is_draft(user_id, held.draft):
                return held
        else:
            kept = await self._actions.save(replace(held, draft=await self._draft(user_id, message, reply)))
            if kept is None:
                raise UnderWay
            held = kept
        await self._mailbox.ask(user_id, ask_send(held.draft))
        return held

    async def _draft(self, user_id: str, message: str, reply: Reply) -> str:
        draft = (await self._mailbox.ask(user_id, ask_draft_of_reply(message, reply))).get("id")
        if not isinstance(draft, str):
            raise GraphProtocolError("a draft has no id")
        return draft

    async def _is_draft(self, user_id: str, draft: str) -> bool:
        """Tell whether it has still to be sent. One that is gone was sent, or thrown away by its owner, who sees it in the sent items."""
        try:
            return (await self._mailbox.ask(user_id, ask_whether_draft(draft))).get("isDraft") is True
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return False


def _mark_of(message: str, reply: Reply) -> str:
    """Tell one answer from another without keeping what it says."""
    said = json.dumps([message, reply.comment, reply.everybody])
    return hashlib.sha256(said.encode()).hexdigest()
