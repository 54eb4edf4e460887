"""Data loss prevention: rules find what should not be said, people are told where, and Teams may block the message.

The order of effects is the order of what must not be lost: rows, then alerts, then what Teams is told. After a crash between
any two of them the change comes again, finds the rows, and goes on. What failed is tried again by itself; the others are not held up.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.dlp.values import Match
from shared.dlp_options import DlpOptions, read_dlp_options
from shared.errors import GraphApiError, HandlerWord
from shared.feeds import feed_of
from shared.finding_event import write_finding_event
from shared.findings import ListedFinding, Message, MessageState, Scan, message_key
from shared.handlers import Change, GiveUp, Services, on
from shared.message_facts import (
    is_teams,
    length_of,
    name_sender,
    nothing_before,
    own_place,
    read_link,
    read_sent,
    read_state,
)
from shared.policy_violation import wanted_action, what_to_do, write_violation
from shared.ports import Rules, Target
from shared.telemetry import log_line

_LOGGER = logging.getLogger(__name__)
_CHANNEL_MESSAGES = "teams/{team}/channels/{channel}/messages/{message}"
_ALERTS_AT_ONCE: Final = 8
_NOT_FOUND: Final = 404
_SCANNED_AT_ONCE: Final = 50_000
"""Characters; a longer text is scanned in a thread: a hostile one of ten times that keeps a core busy for seconds."""


@on(_CHANNEL_MESSAGES, content=True, listed=True)
@on(_CHANNEL_MESSAGES + "/replies/{reply}", content=True, listed=True)
@on("chats/{chat}/messages/{message}", content=True, listed=True)
@on("users/{user}/chats/{chat}/messages/{message}", content=True, listed=True)
@on("users/{user}/messages/{message}", content=True, listed=True)
@on("users/{user}/mailFolders/{folder}/messages/{message}", content=True, listed=True)
async def dlp(change: Change, services: Services) -> None:
    """Scan one version of a message. Running again gives the same rows, and at most the same alerts again under the same ids."""
    options = read_dlp_options(services.options)
    change.resource = own_place(change.resource)  # the change is a copy of ours alone
    scan = await _scan(change, services, options)
    if scan is None:
        return
    state = await services.findings.apply(scan)
    _report(change, scan, state)
    told, problems = await _tell(services, options, state)
    verdict: str | None = None
    try:
        verdict = await _judge(change, services, options, scan, state)
    except GraphApiError as refusal:
        problems.append(refusal)
    if told or verdict is not None:
        await services.findings.settle(state, told=told, verdict=verdict)
    if problems:  # as long as something may still succeed, nothing is given up
        raise min(problems, key=lambda problem: isinstance(problem, GiveUp))


async def _scan(change: Change, services: Services, options: DlpOptions) -> Scan | None:
    """Scan the content; None if there is nothing in it, and nothing before it that it could have put an end to."""
    deleted = change.deleted or change.gone
    content = change.content or {}
    matches = () if deleted else await _matches(content, change, services.rules(options.rules))
    if not (matches or deleted) and nothing_before(
        content,
        resource=change.resource,
        change_type=change.change_type,
        notification=change.notification,
        fetched=change.fetched,
    ):
        return None
    # what was gone when we looked has a version that nobody told us
    version = change.version if change.deleted or not change.gone else ""
    return Scan(
        message=_message(change, options),
        version=read_state(
            content, resource=change.resource, deleted=deleted, version=version, received=change.received
        ),
        matches=matches,
        change_key=change.key or change.item_id,
        at=services.now(),
        tell=options.alert is not None,
    )


async def _matches(content: Mapping[str, Any], change: Change, rules: Rules) -> Sequence[Match]:
    """Scan in the event loop what is scanned in a moment, and in a thread what may take longer."""
    if length_of(content) <= _SCANNED_AT_ONCE:
        return rules.scan(content, resource=change.resource)
    return await asyncio.to_thread(rules.scan, content, resource=change.resource)


def _message(change: Change, options: DlpOptions) -> Message:
    # users for whom one entry is meant may hear the same message: it is one for all of them
    subscription = change.subscription.partition("~")[0]
    content = change.content or {}
    return Message(
        key=message_key(
            tenant_id=change.tenant_id, subscription=subscription, rules=options.rules, resource=change.resource
        ),
        subscription=subscription,
        tenant_id=change.tenant_id,
        resource=str(change.resource),
        feed=feed_of(change.resource).feed,
        sender=name_sender(content),
        sent=read_sent(content),
        link=read_link(content),
    )


async def _tell(services: Services, options: DlpOptions, state: MessageState) -> tuple[set[str], list[BaseException]]:
    """Send the alerts that are not out yet; the ids of those that were taken, and what kept the others back."""
    waiting = [each for each in state.listed() if not each.finding.told]
    if options.alert is None or not waiting:
        return set(), []
    try:
        target = services.target(options.alert)
    except HandlerWord as word:
        return set(), [word]
    gate = asyncio.Semaphore(_ALERTS_AT_ONCE)
    outcomes = await asyncio.gather(*(_send(target, gate, each) for each in waiting), return_exceptions=True)
    told = {each.finding.id for each, outcome in zip(waiting, outcomes, strict=True) if outcome is None}
    return told, [outcome for outcome in outcomes if outcome is not None]


async def _send(target: Target, gate: asyncio.Semaphore, listed: ListedFinding) -> None:
    async with gate:
        await target.send(write_finding_event(listed), event_id=listed.finding.id)


async def _judge(
    change: Change, services: Services, options: DlpOptions, scan: Scan, state: MessageState
) -> str | None:
    """Tell Teams what to do with the message, where that is news; the verdict to be noted, None if there is none.

    An older version says nothing: the newest one has spoken, or will.
    """
    policy = options.violation
    if policy is None or not is_teams(change.resource) or scan.version != state.newest or scan.version.deleted:
        return None
    wanted = wanted_action(state, policy)
    to_do = what_to_do(state, wanted, change.content or {})
    if to_do == "nothing":
        return None
    if to_do == "say":
        try:
            await services.graph.request(
                "PATCH",
                change.resource.path,
                body=write_violation(state, wanted, policy),
                tenant_id=change.tenant_id,
            )
        except GraphApiError as refusal:
            if refusal.status != _NOT_FOUND:  # it is gone, and so is what was wrong with it
                raise
    return wanted


def _report(change: Change, scan: Scan, state: MessageState) -> None:
    """Log what is new: how often each rule, and by which change; the change's key is in each finding."""
    new: Sequence[str] = [each.rule for each in state.findings if each.change_key == scan.change_key]
    if new:
        log_line(
            _LOGGER,
            logging.INFO,
            "findings",
            {"item": change.item_id, "change": scan.change_key, "rules": Counter(new)},
        )
