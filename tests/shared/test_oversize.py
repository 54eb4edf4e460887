"""Items of which a blob holds the greater part: fetched once it is known whose they are, and nobody else waits for it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.memory import Outage
from shared.envelope import Envelope, Item, write_envelope
from shared.errors import GiveUp, StorageError
from shared.oversize import Oversize
from tests.builders import NOW, client_state, hub_event, message_content, notification, over_hub, rich_notification
from tests.stand import Handler, Stand

MakeStand = Callable[..., Stand]
LEFT_OUT = ("resource", "resourceData", "encryptedContent")
WHOLE = over_hub(rich_notification("7"))
ITEM = {name: value for name, value in WHOLE.items() if name not in LEFT_OUT} | {"additionalPayloadStorageId": "blob-7"}
BLOB = json.dumps(WHOLE).encode()


def letters(stand: Stand) -> list[dict[str, Any]]:
    return [json.loads(text) for text in stand.dead_letters.texts]


def message(item: Mapping[str, Any], *, via: Any = "eventhub") -> str:
    return write_envelope(Envelope(via=via, received=NOW, items=(Item(item_id="i", notification=item),)))


async def test_such_an_item_is_handled_as_if_it_had_come_whole(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    app.oversize_store.blobs["blob-7"] = BLOB
    await app.pull.take([hub_event(ITEM)])
    await app.run()
    [change] = feed.changes

    assert change.content == message_content("7")
    assert change.notification == WHOLE


async def test_nobody_waits_for_the_blob_of_somebody_else(stand: MakeStand) -> None:
    """Where its items are handled at once, one whose blob is slow to come is on the queue by itself."""
    feed = Handler("feed")
    app = stand(feed)
    await app.pull.take([hub_event(notification("6"), ITEM, notification("8"), ITEM | {"odd": 1})])

    assert len(feed.changes) == 2
    assert len(app.queue.texts) == 2
    assert [(delay, item.attempt) for delay, item in app.waiting()] == [(timedelta(0), 1)] * 2


async def test_a_strangers_item_makes_nobody_look_for_a_blob(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    app.oversize = replace(app.oversize, store=Unwilling())
    for state in (client_state(), "1.teams-messages.3." + "A" * 43):
        await app.queue.put(message(ITEM | {"clientState": state}))
    await app.run()

    assert (app.queue.texts, app.dead_letters.texts) == ([], [])


class Unwilling:
    """A store that is not to be asked."""

    async def get(self, name: str, *, at_most: int) -> bytes | None:
        raise AssertionError(name, at_most)


async def test_what_comes_by_the_webhook_is_never_looked_for_in_a_blob(stand: MakeStand) -> None:
    """Its content would be covered by no token."""
    feed = Handler("feed")
    app = stand(feed)
    app.oversize = replace(app.oversize, store=Unwilling())
    reply = await app.receive(ITEM | {"clientState": client_state()}, notification("6", additionalPayloadStorageId="b"))
    await app.run()

    assert reply.status == 202
    assert [change.resource.path.rpartition("/")[2] for change in feed.changes] == ["6"]


@pytest.mark.parametrize(
    ("via", "state", "handled"),
    [
        ("webhook", client_state(), True),
        ("webhook", client_state(delivery="eventhub"), False),
        ("delta", client_state(), True),
        ("delta", client_state(delivery="eventhub"), False),
        ("eventhub", client_state(delivery="eventhub"), True),
        ("eventhub", client_state(), False),
        ("redrive", client_state(), True),
        ("redrive", client_state(delivery="eventhub"), True),
    ],
)
async def test_the_way_an_item_came_says_whose_clientstate_it_may_have(
    stand: MakeStand, via: str, state: str, *, handled: bool
) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.queue.put(message(notification("7", clientState=state), via=via))
    await app.run()

    assert bool(feed.changes) == handled
    assert app.dead_letters.texts == []


# -- blobs that are not there, or not what they should be --------------------------------------------------------------


async def test_a_blob_that_is_missing_is_waited_for_and_its_letter_says_where_it_was_looked_for(
    stand: MakeStand,
) -> None:
    app = stand(Handler("feed"))
    await app.pull.take([hub_event(ITEM)])
    await app.run()
    [letter] = letters(app)

    assert (letter["reason"], letter["attempts"]) == ("attempts exhausted", 12)
    for word in ("'blob-7'", "microsoft-graph-change-notifications", "OVERSIZE_STORAGE"):
        assert word in letter["error"]
    assert letter["items"][0]["notification"] == over_hub(ITEM)


async def test_a_blob_that_comes_late_is_found(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    await app.pull.take([hub_event(ITEM)])
    await app.run(until=app.now)
    app.oversize_store.blobs["blob-7"] = BLOB
    await app.run()

    assert len(feed.changes) == 1


@pytest.mark.parametrize("trouble", ["away", "not named"])
async def test_a_store_that_cannot_be_asked_costs_no_attempt_for_a_day(stand: MakeStand, trouble: str) -> None:
    feed = Handler("feed")
    app = stand(feed)
    app.oversize_store.outage.away = True
    if trouble == "not named":
        app.oversize = replace(app.oversize, store=None)
    await app.pull.take([hub_event(ITEM)])
    await app.run(until=NOW + timedelta(hours=20))
    [(delay, waiting)] = app.waiting()

    assert (waiting.attempt, delay <= timedelta(minutes=5)) == (1, True)
    await app.run()
    [letter] = letters(app)
    assert letter["attempts"] == 12
    assert "OVERSIZE_STORAGE" in letter["error"]


async def test_a_store_that_is_away_is_nobodys_reason_to_fail_but_the_items_own(stand: MakeStand) -> None:
    feed = Handler("feed")
    app = stand(feed)
    app.oversize_store.outage.away = True
    items = (Item(item_id="a", notification=over_hub(ITEM)), Item(item_id="b", notification=over_hub(notification())))
    envelope = Envelope(via="eventhub", received=NOW, items=items)
    await app.pipeline.process(write_envelope(envelope).encode(), dequeue_count=1)

    assert len(feed.changes) == 1
    assert [item.item_id for _, item in app.waiting()] == ["a"]


@pytest.mark.parametrize(
    ("storage_id", "blob", "said"),
    [
        ("blob-7", BLOB[:-30], "not JSON, or breaks off"),
        ("blob-7", b"", "not JSON, or breaks off"),
        ("blob-7", b"{}", "holds nothing of what the item lacks"),
        ("blob-7", json.dumps({"resource": "users/1"}).encode(), "none that subscription"),
        ("blob-7", b" " * 2001, "larger than MAX_BODY_BYTES"),
        ("../secrets", BLOB, "not the name of a blob"),
        ("a/b", BLOB, "not the name of a blob"),
        ("x" * 300, BLOB, "not the name of a blob"),
    ],
)
async def test_what_no_waiting_will_mend_is_a_dead_letter_at_once(
    stand: MakeStand, storage_id: str, blob: bytes, said: str
) -> None:
    app = stand(Handler("feed"))
    app.oversize = replace(app.oversize, largest=max(2000, len(BLOB)) if b" " not in blob[:1] else 2000)
    app.oversize_store.blobs[storage_id] = blob
    await app.pull.take([hub_event(ITEM | {"additionalPayloadStorageId": storage_id})])
    await app.run()
    [letter] = letters(app)

    assert (letter["reason"], letter["attempts"]) == ("cannot be opened", 1)
    assert said in letter["error"]


async def test_blobs_are_fetched_a_few_at_a_time_and_not_waited_for_longer_than_a_little(stand: MakeStand) -> None:
    running, most = 0, 0

    class Slow:
        async def get(self, name: str, *, at_most: int) -> bytes | None:
            nonlocal running, most
            del name, at_most
            running += 1
            most = max(most, running)
            for _ in range(5):
                await asyncio.sleep(0)
            running -= 1
            return BLOB

    app = stand()
    oversize = Oversize(store=Slow(), now=app.clock, largest=1_000_000)
    await asyncio.gather(*(oversize.complete(ITEM, f"blob-{n}", received=NOW) for n in range(20)))

    assert most == 4


# -- dead letters ------------------------------------------------------------------------------------------------------


async def test_a_dead_letter_takes_along_what_graph_keeps_only_for_a_while(stand: MakeStand) -> None:
    feed = Handler("feed", troubles=[GiveUp("no")])
    app = stand(feed)
    app.oversize_store.blobs["blob-7"] = BLOB
    await app.pull.take([hub_event(ITEM)])
    await app.run()
    [letter] = letters(app)
    app.oversize_store.blobs.clear()
    [item] = letter["items"]

    assert item["payload"].startswith("dead/")
    assert json.loads(app.payloads.blobs[item["payload"]]) == WHOLE
    await app.queue.put(json.dumps(letter | {"via": "redrive", "received": "2026-11-20T12:00:00Z"}))
    await app.run()
    assert [change.content for change in feed.changes] == [message_content("7")]


async def test_a_blob_that_cannot_be_read_is_kept_as_it_is(stand: MakeStand) -> None:
    app = stand(Handler("feed"))
    app.oversize_store.blobs["blob-7"] = BLOB[:-30]
    await app.pull.take([hub_event(ITEM)])
    await app.run()
    [letter] = letters(app)
    name = letter["error"].split("kept as '")[1].partition("'")[0]

    assert app.payloads.blobs[name] == BLOB[:-30]
    assert letter["items"][0]["notification"] == over_hub(ITEM)


async def test_our_own_storage_failing_while_a_letter_is_written_is_no_reason_to_forget_the_item(
    stand: MakeStand,
) -> None:
    app = stand(Handler("feed", troubles=[GiveUp("no")]))
    app.oversize_store.blobs["blob-7"] = BLOB
    app.payloads.outage = Outage(away=True)
    with pytest.raises(StorageError):
        await app.pipeline.process(message(over_hub(ITEM)).encode(), dequeue_count=1)
