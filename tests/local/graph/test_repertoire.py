"""Every entry of the repertoire, played against a simulator with a receiver that answers well."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.graph.control.door import Door
from local.graph.delivery.forgery import KINDS
from local.graph.repertoire.entry import FOLDER, Entry, EntryError, read_entry, repertoire
from local.graph.repertoire.player import CannotPlay, Done, Player
from local.graph.simulator import Simulator
from tests.local.graph.conftest import APP_ID
from tests.local.graph.stand import App, Receiver, Wanted

ENTRIES = repertoire()
BASIC = (
    ("users", "updated,deleted"),
    ("users/{user}/messages", "created,updated,deleted"),
    ("users/{user}/events", "created,updated"),
    ("users/{user}/contacts", "created,updated"),
    ("users/{user}/drive/root", "updated"),
    ("communications/onlineMeetings/getAllRecordings", "created"),
    ("communications/callRecords", "created"),
)


@pytest.fixture
async def graph() -> AsyncIterator[Simulator]:
    async with Simulator(seed=1) as simulator:
        yield simulator


@pytest.fixture
async def subscribed(app: App, wanted: Wanted, rich: dict[str, Any], receiver: Receiver) -> Receiver:
    """A receiver that hears everything that the repertoire does: messages with their data, the rest without."""
    world = await app.control("world")
    names = {"user": world["mailboxes"][0]["user"], "person": world["people"][0]["id"]}
    bodies = [wanted(**rich), wanted(resource="/chats/getAllMessages", **rich)]
    for resource, change_type in BASIC:
        bodies.append(wanted(resource=resource.format(**names), changeType=change_type))
    for body in bodies:
        status, answer = await app.call("POST", "/v1.0/subscriptions", body)
        assert status == 201, answer
    soon = (datetime.now(UTC) + timedelta(minutes=55)).isoformat()  # noqa: TID251 - Graph compares with its own clock
    presence = f"communications/presences/{names['person']}"
    body = wanted(resource=presence, changeType="updated", expirationDateTime=soon)
    status, answer = await (await _as_user(app, world)).call("POST", "/v1.0/subscriptions", body)
    assert status == 201, answer
    return receiver


async def _as_user(app: App, world: dict[str, Any]) -> App:
    """The same app, acting for somebody: presence is not for apps alone."""
    form = {
        "grant_type": "password",
        "client_id": APP_ID,
        "username": world["people"][0]["address"],
        "password": "any",
        "scope": "https://graph.microsoft.com/.default",
    }
    async with app.session.post(f"{app.base}/{world['tenant']}/oauth2/v2.0/token", data=form) as answer:
        return replace(app, token=(await answer.json())["access_token"])


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
async def test_every_entry_does_what_it_says(entry: Entry, graph: Simulator, app: App, subscribed: Receiver) -> None:
    knobs = graph.knobs.printed()
    done = await asyncio.to_thread(_play, entry, graph.http_url)
    assert [(each.step.says, each.answer.status, each.answer.body) for each in done if not each.well] == []
    assert graph.knobs.printed() == knobs, "knobs are turned back"
    expected = entry.expect
    lifecycle = set(expected.lifecycle)
    await subscribed.until(lambda: _items(subscribed) >= expected.items and lifecycle <= set(_events(subscribed)))
    assert expected.most is None or _items(subscribed) <= expected.most
    tally = await app.control("tally")
    assert sum(tally["forged"].values()) == expected.forged
    assert sum(1 for item in subscribed.items if item is None or _is_forged(item)) <= expected.forged, "never repeated"
    if expected.gone:
        assert graph.subscriptions.live(now=graph.clock.now()) == []
    rules = {finding["rule"] for finding in graph.judge.printed()}
    assert all(rule in entry.judge for rule in rules), rules


def test_there_is_an_entry_for_every_kind_of_forgery_and_every_lifecycle_event() -> None:
    bodies = [step.body or {} for entry in ENTRIES for step in entry.steps]
    assert {body.get("kind") for body in bodies} >= set(KINDS)
    assert {body.get("event") for body in bodies} >= {"reauthorizationRequired", "subscriptionRemoved", "missed"}


def test_every_entry_says_why_and_what_a_good_receiver_does() -> None:
    assert len(ENTRIES) >= 25
    assert len({entry.title for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert entry.steps, entry.name
        assert entry.source.startswith("https://"), entry.name
        assert all(len(text) > 5 and text.endswith(".") for text in (entry.why, entry.good, entry.judge)), entry.name


def test_a_file_that_is_wrong_is_named(tmp_path: Path) -> None:
    good = (FOLDER / "message.toml").read_text(encoding="utf-8")
    for spoilt in (good.replace("title", "titel"), good.replace("control", "graph2"), "steps = 1", "not toml at all"):
        (tmp_path / "spoilt.toml").write_text(spoilt, encoding="utf-8")
        with pytest.raises(EntryError, match=r"spoilt\.toml"):
            read_entry(tmp_path / "spoilt.toml")
    both = good.replace('control = "post"', 'control = "post"\ngraph = "GET /v1.0/users"')
    (tmp_path / "spoilt.toml").write_text(both, encoding="utf-8")
    with pytest.raises(EntryError, match="either a control or a call of Graph"):
        read_entry(tmp_path / "spoilt.toml")


async def test_what_is_missing_is_named_and_knobs_are_turned_back_all_the_same(graph: Simulator) -> None:
    entry = next(each for each in ENTRIES if each.name == "lifecycle-as-documented")
    with pytest.raises(CannotPlay, match="nobody has subscribed yet"):
        await asyncio.to_thread(_play, entry, graph.http_url)
    assert graph.knobs.lifecycle_form == "real"


def _play(entry: Entry, url: str) -> list[Done]:
    return list(Player(door=Door(url=url)).play(entry))


def _items(receiver: Receiver) -> int:
    return sum(1 for item in receiver.items if item and "lifecycleEvent" not in item and not _is_forged(item))


def _events(receiver: Receiver) -> list[str]:
    return [item["lifecycleEvent"] for item in receiver.items if item and "lifecycleEvent" in item]


def _is_forged(item: dict[str, Any]) -> bool:
    return "FORGED" in str(item.get("resource"))
