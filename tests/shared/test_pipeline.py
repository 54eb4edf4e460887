"""From Graph's request to the handlers and beyond, on memory adapters: every accepted item comes to an ending."""

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import Outage
from shared.envelope import LARGEST_ENVELOPE, Envelope, Item, write_envelope
from shared.errors import GiveUp, GraphApiError, RetryLater, StorageError
from tests import builders
from tests.builders import (
    AUTHORITY,
    NOW,
    Authority,
    lifecycle_notification,
    message_content,
    notification,
    rich_notification,
)
from tests.stand import CLAIM_LIFETIME, Handler, Stand

MakeStand = Callable[..., Stand]
TOKENS = [AUTHORITY.token()]


def letters(stand: Stand) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stand.dead_letters.texts]


def envelope(*items: Item) -> bytes:
    return write_envelope(Envelope(via="webhook", received=NOW, items=items)).encode()


def item(number: int = 0, **changes: Any) -> Item:
    return replace(Item(item_id=f"i-{number}", notification=notification(str(number))), **changes)


# -- the good way -----------------------------------------------------------------------------------------------------


async def test_a_basic_notification_reaches_its_handler(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.receive(notification("7"))
    await app.run()
    [change] = feed.changes

    assert (change.subscription, change.change_type, change.version, change.via) == (
        builders.NAME,
        "created",
        "1",
        "webhook",
    )
    assert str(change.resource) == f"teams/{builders.TEAM}/channels/{builders.CHANNEL}/messages/7"
    assert change.content is None
    assert not app.queue.messages
    assert not app.dead_letters.messages


async def test_a_rich_notification_arrives_decrypted(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.receive(rich_notification("7"), rich_notification("8"), notification("9"), tokens=TOKENS)
    await app.run()

    assert [change.content for change in feed.changes] == [message_content("7"), message_content("8"), None]
    assert app.graph.paths == []


async def test_a_duplicate_is_suppressed_in_one_body_and_in_another(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.receive(notification("7"), notification("7"))
    await app.receive(notification("7"))
    await app.run()

    assert len(feed.changes) == 1


async def test_another_version_is_another_change(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    for version in ("1", "2"):
        await app.receive(rich_notification("7", message_content("7", version)), tokens=TOKENS)
    await app.run()

    assert [change.version for change in feed.changes] == ["1", "2"]


async def test_created_and_updated_of_one_version_run_each_handler_once(stand: MakeStand) -> None:
    feed, news, edits = Handler("feed"), Handler("news"), Handler("edits")
    app = stand()
    app.registrations = [
        feed.registration(),
        news.registration(changes=frozenset({"created"})),
        edits.registration(changes=frozenset({"updated"})),
    ]
    await app.receive(notification("7"), notification("7", changeType="updated"))
    await app.run()

    assert [len(handler.changes) for handler in (feed, news, edits)] == [1, 1, 1]


async def test_a_handler_of_the_second_of_two_merged_items_is_not_forgotten_when_it_fails(stand: MakeStand) -> None:
    news, edits = Handler("news"), Handler("edits", troubles=[ValueError()])
    app = stand()
    app.registrations = [
        news.registration(changes=frozenset({"created"})),
        edits.registration(changes=frozenset({"updated"})),
    ]
    await app.receive(notification("7"), notification("7", changeType="updated"))
    await app.run(until=NOW)
    [(_, waiting)] = app.waiting()
    await app.run()

    assert (waiting.owed, (waiting.notification or {})["changeType"]) == (("edits",), "updated")
    assert [len(handler.changes) for handler in (news, edits)] == [1, 1]


async def test_nothing_tells_changes_without_a_version_apart_so_all_are_handled(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    bare = notification("7", resourceData=None)
    await app.receive(bare, bare)
    await app.run()

    assert [change.key for change in feed.changes] == ["", ""]


async def test_a_resource_without_handlers_ends_quietly(stand: MakeStand) -> None:
    app = stand()
    app.registrations = [Handler("mail").registration("users/{user}/messages/{message}")]
    await app.receive(notification())
    await app.run()

    assert not app.dead_letters.messages


async def test_a_large_item_is_fetched_from_its_blob(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.receive(notification("7", odd="x" * 70_000))
    await app.run()

    assert feed.changes[0].notification["odd"] == "x" * 70_000


# -- content that has to be fetched ------------------------------------------------------------------------------------


PATH = f"teams/{builders.TEAM}/channels/{builders.CHANNEL}/messages/7"


def fetching(stand: MakeStand, *handlers: Handler) -> Stand:
    app = stand()
    app.registrations = [handler.registration(content=True) for handler in handlers]
    app.graph.resources[PATH] = message_content("7", "2")
    return app


async def test_content_is_fetched_once_for_all_who_want_it(stand: MakeStand) -> None:
    feed, dlp = Handler("feed"), Handler("dlp")
    app = fetching(stand, feed, dlp)
    await app.receive(notification("7"))
    await app.run()

    assert app.graph.paths == [PATH]
    assert feed.changes[0].content == dlp.changes[0].content == message_content("7", "2")


async def test_without_a_version_the_content_identifies_the_change(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = fetching(stand, feed)
    await app.receive(notification("7", resourceData=None))
    await app.receive(notification("7", resourceData=None))
    await app.run()

    assert [change.version for change in feed.changes] == ["2"]


async def test_what_is_gone_when_it_is_fetched_is_handed_over_as_gone(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = fetching(stand, feed)
    app.graph.troubles = [GraphApiError("GET", status=404)]
    await app.receive(notification("7"))
    await app.run()

    assert (feed.changes[0].gone, feed.changes[0].content) == (True, None)


@pytest.mark.parametrize("data", [{"@odata.etag": "1"}, None])
async def test_a_refusal_of_graphs_is_waited_out_as_long_as_it_says(stand: MakeStand, data: Any) -> None:
    feed = Handler("feed")
    app = fetching(stand, feed)
    app.graph.troubles = [GraphApiError("GET", status=429, retry_after=timedelta(seconds=77))]
    await app.receive(notification("7", resourceData=data))
    await app.run(rounds=10, until=NOW)
    [(delay, waiting)] = app.waiting()
    await app.run()

    assert (delay, waiting.attempt) == (timedelta(seconds=77), 2)
    assert len(feed.changes) == 1


async def test_whatever_goes_wrong_while_fetching_costs_no_sibling(stand: MakeStand) -> None:
    feed, other = Handler("feed"), Handler("other")
    app = stand()
    app.registrations = [feed.registration(content=True), other.registration()]
    app.graph.troubles = [RuntimeError("canary")]
    app.graph.resources[PATH] = message_content("7")
    await app.receive(notification("7"))
    await app.run(until=NOW)
    [(_, waiting)] = app.waiting()

    assert (len(feed.changes), len(other.changes), waiting.owed) == (0, 1, ("feed",))
    await app.run()
    assert len(feed.changes) == 1


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_only_the_handlers_that_failed_are_owed(stand: MakeStand) -> None:
    feed, dlp = Handler("feed"), Handler("dlp", troubles=[ValueError()])
    app = stand(feed, dlp)
    await app.receive(notification("7"), notification("8"))
    await app.run(until=NOW)
    [(delay, waiting)] = app.waiting()

    assert (delay, waiting.owed, waiting.attempt) == (timedelta(seconds=5), ("dlp",), 2)
    await app.run()
    assert (len(feed.changes), len(dlp.changes)) == (2, 2)


async def test_attempts_end_among_the_dead_letters(stand: MakeStand) -> None:
    feed = Handler("feed", troubles=[ValueError("canary") for _ in range(100)])
    app = stand(feed)
    await app.receive(notification("7"))
    await app.run()
    [letter] = letters(app)

    assert len(feed.services) == 12
    assert (letter["reason"], letter["attempts"], letter["via"]) == ("attempts exhausted", 12, "webhook")
    assert letter["firstSeen"] == "2026-11-20T12:00:00Z"
    assert letter["lastTried"] > letter["firstSeen"]
    assert letter["error"].startswith("feed: ValueError at stand.py:")
    assert "canary" not in json.dumps(letter)
    assert letter["items"][0]["notification"] == notification("7")
    assert letter["items"][0]["owed"] == ["feed"]


async def test_giving_up_makes_a_dead_letter_and_spares_the_siblings(stand: MakeStand) -> None:
    feed, dlp, forward = (
        Handler("feed"),
        Handler("dlp", [GiveUp("hopeless")]),
        Handler("forward", [RetryLater("later")]),
    )
    app = stand(feed, dlp, forward)
    await app.receive(notification("7"), notification("8"))
    await app.run()
    [letter] = letters(app)

    assert (letter["reason"], letter["error"], letter["items"][0]["owed"]) == ("dlp gave up", "hopeless", ["dlp"])
    assert (len(feed.changes), len(dlp.changes), len(forward.changes)) == (2, 1, 2)


@pytest.mark.parametrize(
    ("after", "delay"),
    [
        (timedelta(seconds=90), timedelta(seconds=90)),
        (timedelta(days=30), timedelta(days=6)),
        (timedelta(seconds=-5), timedelta(0)),
        (None, timedelta(seconds=5)),
    ],
)
async def test_a_handler_may_ask_for_a_delay(stand: MakeStand, after: timedelta | None, delay: timedelta) -> None:
    app = stand(Handler("feed", [RetryLater("busy", after=after)]))
    await app.receive(notification("7"))
    await app.process_one()
    [(waits, waiting)] = app.waiting()

    assert (waits, waiting.attempt) == (delay, 2)


async def test_a_delay_that_is_none_fails_in_the_handler_and_nowhere_else(stand: MakeStand) -> None:
    async def careless(_change: object) -> None:
        raise RetryLater(after=30)  # type: ignore[arg-type]

    app = stand(Handler("feed", [careless]))
    await app.receive(notification("7"))
    await app.run()

    assert not app.dead_letters.messages


async def test_whoever_meets_a_live_claim_waits_and_spends_no_attempt(stand: MakeStand) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow(_change: object) -> None:
        started.set()
        await finish.wait()

    feed = Handler("feed", [slow])
    app = stand(feed)
    first = asyncio.create_task(app.pipeline.process(envelope(item(7)), dequeue_count=1))
    await started.wait()
    await app.pipeline.process(envelope(item(7, item_id="again")), dequeue_count=1)
    [(delay, waiting)] = app.waiting()
    finish.set()
    await first

    assert (delay, waiting.attempt, waiting.owed) == (CLAIM_LIFETIME + timedelta(milliseconds=200), 1, ("feed",))
    await app.run()
    assert len(feed.changes) == 1


async def test_a_worker_that_died_is_replaced_when_its_claim_expires(stand: MakeStand) -> None:
    async def die(_change: object) -> None:
        raise asyncio.CancelledError

    feed = Handler("feed", [die])
    app = stand(feed)
    with pytest.raises(asyncio.CancelledError):
        await app.pipeline.process(envelope(item(7)), dequeue_count=1)
    await app.queue.put(envelope(item(7)).decode())
    await app.run()

    assert len(feed.changes) == 1
    assert app.now >= NOW + CLAIM_LIFETIME


async def test_on_its_second_delivery_a_message_is_split(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    await app.pipeline.process(envelope(item(1), item(2), item(3, attempt=4, owed=("feed",))), dequeue_count=2)

    assert [waiting for _, waiting in app.waiting()] == [item(1), item(2), item(3, attempt=4, owed=("feed",))]
    assert len(app.queue.messages) == 3
    assert all(delay == timedelta(0) for delay, _ in app.waiting())


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 5), (1.0, 25)])
async def test_a_single_item_that_is_delivered_again_goes_back_with_a_failed_attempt(
    stand: MakeStand, chance: float, seconds: int
) -> None:
    """It may have killed the worker: it is counted, and comes back at another time than its neighbours."""
    feed = Handler("feed")
    app = stand(feed, chance=chance)
    await app.pipeline.process(envelope(item(1, attempt=3, owed=("feed",))), dequeue_count=2)

    assert feed.changes == []
    assert app.waiting() == [(timedelta(seconds=seconds), item(1, attempt=4, owed=("feed",)))]


async def test_what_kills_the_worker_on_every_attempt_is_a_dead_letter_in_the_end(stand: MakeStand) -> None:
    async def die(_change: object) -> None:
        raise asyncio.CancelledError

    killer = Handler("killer", [die] * 20)
    app = stand(killer)
    await app.queue.put(envelope(item(1)).decode())
    while app.queue.messages:
        app.now = max(app.now, min(message.visible for message in app.queue.messages.values()))
        with suppress(asyncio.CancelledError):
            await app.process_one()
        app.now += timedelta(seconds=30)
    [letter] = letters(app)

    assert 20 - len(killer.troubles) == 12
    assert (letter["reason"], letter["attempts"]) == ("attempts exhausted", 12)
    assert letter["error"].startswith("its last delivery killed the worker")


# -- what cannot be opened ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [b"", b"no json", b"{}", b'{"earshot":1}'])
async def test_an_unreadable_message_is_kept_as_it_came(stand: MakeStand, message: bytes) -> None:
    app = stand()
    await app.pipeline.process(message, dequeue_count=3)
    [letter] = letters(app)

    assert (letter["reason"], letter["message"], letter["messageEncoding"]) == ("unreadable", message.decode(), "none")
    assert (letter["attempts"], letter["items"]) == (3, [])


async def test_unreadable_bytes_are_kept_in_base64(stand: MakeStand) -> None:
    app = stand()
    await app.pipeline.process(b"\xff\x00\xe9", dequeue_count=1)
    [letter] = letters(app)

    assert (base64.b64decode(letter["message"]), letter["messageEncoding"]) == (b"\xff\x00\xe9", "base64")


async def test_a_large_unreadable_message_is_kept_in_a_blob(stand: MakeStand) -> None:
    app, message = stand(), b'"' * LARGEST_ENVELOPE
    await app.pipeline.process(message, dequeue_count=1)
    [letter] = letters(app)

    assert letter["messageEncoding"] == "payload"
    assert app.payloads.blobs[letter["message"]] == message


async def test_an_item_with_an_unknown_key_waits_for_it(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    app.encryption_keys.keys = []
    await app.receive(rich_notification("7"), notification("8"), tokens=TOKENS)
    await app.run(until=NOW)
    [(_, waiting)] = app.waiting()

    assert (waiting.attempt, waiting.owed, len(feed.changes)) == (2, None, 1)
    app.encryption_keys.keys = [builders.encryption_key()]
    await app.run()
    assert [change.content for change in feed.changes] == [None, message_content("7")]


async def test_an_item_whose_key_never_comes_names_it_in_its_dead_letter(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    app.encryption_keys.keys = []
    await app.receive(rich_notification("7"), tokens=TOKENS)
    await app.run()

    assert "'encryption'" in letters(app)[0]["error"]


async def test_content_that_does_not_open_is_a_dead_letter_beside_its_siblings(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    spoiled = rich_notification("7")
    spoiled["encryptedContent"] |= {"dataSignature": "AAAA"}
    odd = rich_notification("9", encryptedContent="text")
    await app.receive(spoiled, rich_notification("8"), odd, tokens=TOKENS)
    await app.run()

    assert [change.content for change in feed.changes] == [message_content("8")]
    assert [letter["reason"] for letter in letters(app)] == ["cannot be opened"] * 2


@pytest.mark.parametrize(
    "resource",
    [
        "users/a/messages/b",
        "chats/../users",
        "https://evil.example/",
        "teams/getAllMessages/../../users",
        "teams/a/channels/b/messages/c?$expand=x",
        "teams/a/channels/b/messages/\ud800",
        "",
    ],
)
async def test_a_confused_deputy_neither_fetches_nor_handles(stand: MakeStand, resource: str) -> None:
    feed = Handler("feed")
    app = fetching(stand, feed)
    await app.receive(notification("7", resource=resource))
    await app.run()

    assert (feed.changes, app.graph.paths) == ([], [])
    assert [letter["reason"] for letter in letters(app)] == ["cannot be opened"]


async def test_one_subscriptions_client_state_does_not_open_anothers_resources(stand: MakeStand) -> None:
    mail = builders.declared(name="mail", resource="users/a@x.example/messages", include_resource_data=False)
    feed = Handler("feed")
    app = stand(feed, declaration=builders.declaration(builders.declared(), mail))
    app.subscriptions.rows["mail"] = builders.live(name="mail")
    forged = notification("7", clientState=builders.client_state(name="mail"))
    await app.receive(forged)
    await app.run()

    assert (feed.changes, len(letters(app))) == ([], 1)


@pytest.mark.parametrize(
    ("generation", "handled"), [(0, False), (1, False), (2, True), (3, True), (4, False), (99, False)]
)
async def test_the_current_and_the_previous_generation_are_good(
    stand: MakeStand, generation: int, *, handled: bool
) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.receive(notification("7", clientState=builders.client_state(generation=generation)))
    await app.run()

    assert len(feed.changes) == handled
    assert not app.dead_letters.messages


async def test_a_generation_that_is_new_is_looked_up_at_once(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    pipeline = app.pipeline
    await pipeline.process(envelope(item(1)), dequeue_count=1)
    app.subscriptions.rows[builders.NAME] = builders.live(generation=4)
    app.now += timedelta(seconds=2)
    newer = notification("2", clientState=builders.client_state(generation=4))
    await pipeline.process(envelope(item(2, notification=newer)), dequeue_count=1)

    assert len(feed.changes) == 2


async def test_what_is_not_declared_any_more_is_dropped(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed, declaration=builders.declaration(builders.declared(name="other")))
    await app.receive(notification("7"))
    await app.run()

    assert (feed.changes, letters(app)) == ([], [])


@pytest.mark.parametrize(
    "forged",
    [
        notification(clientState="forged"),
        notification(tenantId=builders.OTHER_TENANT),
        lifecycle_notification(),
        {},
        {"clientState": builders.client_state()},
    ],
)
async def test_what_somebody_put_on_our_queue_is_checked_again(stand: MakeStand, forged: dict[str, Any]) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.pipeline.process(envelope(item(7, notification=forged)), dequeue_count=1)

    assert (feed.changes, letters(app)) == ([], [])


# -- items that were queued unchecked ----------------------------------------------------------------------------------


NEWER = Authority(kids=("kid-1", "kid-2"))


async def queued_unchecked(app: Stand, token: str | None = None) -> None:
    reply = await app.receive(rich_notification("7"), tokens=[token or NEWER.token(kid="kid-2")])
    assert '"checked":false' in reply.envelopes[0]


async def test_an_unchecked_item_waits_for_keys_and_spends_no_attempt(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await queued_unchecked(app)
    await app.run(until=NOW + timedelta(minutes=30))
    [(_, waiting)] = app.waiting()

    assert (waiting.attempt, waiting.checked, feed.changes) == (1, False, [])
    app.signing_keys.keys = NEWER.keys(fetched=app.now)
    await app.run()
    assert feed.changes[0].content == message_content("7")


async def test_an_unchecked_item_whose_key_the_authority_does_not_know_is_refused(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await queued_unchecked(app)
    app.now += timedelta(seconds=1)
    app.signing_keys.keys = AUTHORITY.keys(fetched=app.now)
    await app.run()

    assert (feed.changes, letters(app)) == ([], [])


@pytest.mark.parametrize("changes", [{"aud": "x"}, {"tid": builders.OTHER_TENANT}, {"exp": NOW.timestamp() - 600}])
async def test_an_unchecked_item_with_a_bad_token_is_refused_as_soon_as_that_is_known(
    stand: MakeStand, changes: dict[str, Any]
) -> None:
    feed = Handler("feed")
    app = stand(feed)
    token = NEWER.token(kid="kid-2", **changes)
    unchecked = item(7, notification=rich_notification("7"), checked=False, validation_tokens=(token,))
    app.signing_keys.keys = NEWER.keys(fetched=NOW + timedelta(seconds=1))
    await app.pipeline.process(envelope(unchecked), dequeue_count=1)

    assert (feed.changes, letters(app), app.waiting()) == ([], [], [])


async def test_an_unchecked_item_without_tokens_is_never_opened(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    unchecked = item(7, notification=rich_notification("7"), checked=False)
    await app.pipeline.process(envelope(unchecked), dequeue_count=1)

    assert (feed.changes, letters(app), app.waiting()) == ([], [], [])


async def test_a_tokens_lifetime_is_judged_as_of_when_the_item_was_received(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await queued_unchecked(app, NEWER.token(kid="kid-2", exp=NOW.timestamp() + 60))
    app.now += timedelta(hours=20)
    app.signing_keys.keys = NEWER.keys(fetched=app.now)
    await app.run()

    assert len(feed.changes) == 1


async def test_after_a_day_without_keys_an_unchecked_item_is_a_dead_letter(stand: MakeStand) -> None:
    app = stand(Handler("feed"), authority=None)
    await queued_unchecked(app)
    await app.run(rounds=5000)
    [letter] = letters(app)

    assert "24 hours" in letter["error"]
    assert letter["items"][0]["validationTokens"]
    assert timedelta(hours=24) < app.now - NOW < timedelta(hours=24, minutes=5)


# -- claim checks ------------------------------------------------------------------------------------------------------


async def test_a_payload_that_is_gone_is_a_dead_letter(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    await app.receive(notification("7", odd="x" * 70_000))
    app.payloads.blobs.clear()
    await app.run()

    assert letters(app)[0]["error"] == "its payload is gone from container 'payloads'"


async def test_a_payload_that_is_no_notification_is_a_dead_letter(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    app.payloads.blobs["live/x"] = b"[]"
    await app.pipeline.process(envelope(Item(item_id="i", payload="live/x")), dequeue_count=1)

    assert letters(app)[0]["reason"] == "cannot be opened"


async def test_the_payload_of_a_dead_letter_is_moved_to_where_nothing_ages_out(stand: MakeStand) -> None:
    app = stand(Handler("feed", [GiveUp("no")]))
    await app.receive(notification("7", odd="x" * 70_000))
    await app.run()
    [letter] = letters(app)

    assert letter["items"][0]["payload"].startswith("dead/")
    assert json.loads(app.payloads.blobs[letter["items"][0]["payload"]]) == notification("7", odd="x" * 70_000)


async def test_a_payload_stays_while_its_item_may_come_again(stand: MakeStand) -> None:
    feed = Handler("feed", [ValueError()])
    app = stand(feed)
    await app.receive(notification("7", odd="x" * 70_000))
    await app.run()

    assert len(feed.changes) == 1
    assert len(app.payloads.blobs) == 1


# -- storage -----------------------------------------------------------------------------------------------------------


async def test_what_cannot_be_kept_makes_the_message_come_again(stand: MakeStand) -> None:
    app = stand(Handler("feed", [ValueError()]))
    app.queue.outage = Outage(away=True)
    with pytest.raises(StorageError):
        await app.pipeline.process(envelope(item(7)), dequeue_count=1)


@dataclass
class Unsteady(Outage):
    """Storage that fails at some of its requests, by their number."""

    failures: frozenset[int] = frozenset()
    requests: int = field(default=0)

    def check(self) -> None:
        self.requests += 1
        if self.requests in self.failures:
            raise StorageError("storage did not answer")


TROUBLES = st.lists(
    st.sampled_from([None, ValueError("x"), RetryLater(), RetryLater(after=timedelta(hours=1)), GiveUp("no")]),
    max_size=8,
)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=10),
    st.frozensets(st.integers(1, 60), max_size=12),
    TROUBLES,
    TROUBLES,
)
async def test_whatever_fails_nothing_is_lost_and_nothing_is_done_twice_unless_storage_failed(
    numbers: list[int], failures: frozenset[int], feeds: list[Any], dlps: list[Any]
) -> None:
    async def fine(_change: object) -> None:
        return

    handlers = [Handler(name, [trouble or fine for trouble in each]) for name, each in (("feed", feeds), ("dlp", dlps))]
    outage = Unsteady()
    with ThreadPoolExecutor(max_workers=1) as threads:
        app = Stand(registrations=[handler.registration() for handler in handlers], outage=outage, threads=threads)
        await app.receive(*(notification(str(number)) for number in numbers))
        outage.failures = frozenset(outage.requests + number for number in failures)
        await app.run()
    dead = [
        (entry["notification"]["resourceData"]["id"], name)
        for letter in letters(app)
        for entry in letter["items"]
        for name in entry["owed"]
    ]
    for handler in handlers:
        done = [change.notification["resourceData"]["id"] for change in handler.changes]
        given_up = [number for number, name in dead if name == handler.name]
        assert {str(number) for number in numbers} <= {*done, *given_up}
        if not failures:
            assert len(done) == len(set(done))


async def test_the_sweep_makes_dead_letters_of_what_the_host_poisoned(stand: MakeStand) -> None:
    app = stand()
    await app.dead_letters.put(envelope(item(1), item(2)).decode())
    await app.dead_letters.put("garbage")
    await app.sweep.sweep()
    found = letters(app)

    assert [letter["reason"] for letter in found] == ["host poison", "host poison", "unreadable"]
    before = list(app.dead_letters.texts)
    app.now += timedelta(minutes=6)
    await app.sweep.sweep()
    assert sorted(app.dead_letters.texts) == sorted(before)
