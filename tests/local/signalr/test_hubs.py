"""Hubs and the hub protocol as values: whatever a client says ends in an answer or in the end of its connection."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.signalr.frames import END, PING, write_invocation
from local.signalr.hubs import LARGEST_MESSAGE, LONGEST_QUEUE, MOST_LASTING, Connection, Hub
from tests.strategies import JSON_VALUES

HANDSHAKE = '{"protocol":"json","version":1}' + END


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def hub_of(clock: Clock | None = None) -> Hub:
    return Hub(now=clock or Clock())


def greeted(hub: Hub, user: str = "u") -> Connection:
    connection = hub.negotiate(user)
    connection.receive(HANDSHAKE, 0)
    return connection


async def said(connection: Connection) -> list[object]:
    """Everything that a connection was sent so far."""
    batch = await connection.next(0.001)
    return [json.loads(part) for part in (batch or "").split(END) if part]


async def test_a_handshake_is_welcomed_also_in_pieces() -> None:
    hub = hub_of()
    connection = hub.negotiate("u")

    for character in HANDSHAKE[:-1]:
        connection.receive(character, 0)
    assert not hub.connections
    connection.receive(END + PING, 0)

    assert await said(connection) == [{}]
    assert list(hub.connections.values()) == [connection]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"protocol":"messagepack","version":1}', "'messagepack' is not supported"),
        ('{"protocol":"json","version":7}', "version 7"),
        ("nonsense", "parsing"),
        ("[]", "a JSON object"),
    ],
)
async def test_a_handshake_for_something_else_is_refused_in_words(text: str, words: str) -> None:
    hub = hub_of()
    connection = hub.negotiate("u")

    connection.receive(text + END, 0)

    [answer] = await said(connection)
    assert words in json.dumps(answer)
    assert await connection.next(0.001) is None
    assert not hub.connections
    assert not hub.pending


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, "1", None, 99])
async def test_whatever_wants_an_answer_of_a_server_ends_the_connection(kind: object) -> None:
    hub = hub_of()
    connection = greeted(hub)

    connection.receive(json.dumps({"type": kind, "target": "x", "arguments": []}) + END, 0)

    *_, last = await said(connection)
    assert isinstance(last, dict)
    assert last["type"] == 7
    assert "serverless" in last["error"]
    assert "allowReconnect" not in last
    assert not hub.connections


@given(st.lists(st.text() | JSON_VALUES.map(json.dumps) | st.sampled_from([HANDSHAKE, PING, END, '{"type":7}' + END])))
def test_whatever_a_client_says_nothing_is_raised_and_who_is_out_is_out(texts: list[str]) -> None:
    hub = hub_of()
    connection = hub.negotiate("u")
    hub.add_user("u", "g", 60)

    for text in texts:
        connection.receive(text, 0)

    inside = [connection] if not connection.over and connection._greeted else []
    assert list(hub.connections.values()) == list(hub.of_user("u")) == list(hub.in_group("g")) == inside
    assert (connection.token in hub.pending) == (not connection.over)


async def test_a_message_without_an_end_does_not_grow_for_ever() -> None:
    connection = greeted(hub_of())

    connection.receive("x" * (LARGEST_MESSAGE + 1), 0)

    assert connection.over


async def test_one_who_does_not_listen_is_cut_off_and_the_others_hear() -> None:
    hub, cut = hub_of(), []
    deaf, listening = greeted(hub), greeted(hub)
    deaf.cut = lambda: cut.append(deaf)
    frame, heard = write_invocation("feed", ["x"]), 0

    for _ in range(LONGEST_QUEUE + 10):
        for connection in hub.of_user("u"):
            connection.push(frame)
        heard += len([each for each in await said(listening) if each])

    assert (cut, deaf.over, listening.over) == ([deaf], True, False)
    assert heard == LONGEST_QUEUE + 10
    assert not deaf._waiting


async def test_large_messages_wait_by_their_size_and_not_by_their_number() -> None:
    deaf = greeted(hub_of())

    for _ in range(40):
        deaf.push(write_invocation("feed", ["x" * 1_000_000]))

    assert deaf.over


def test_memberships_that_last_are_the_latest_hundred_and_those_with_a_time_are_not_counted() -> None:
    hub = hub_of()
    for number in range(MOST_LASTING + 5):
        hub.add_user("u", f"lasting {number}", None)
        hub.add_user("u", f"short {number}", 60)
    hub.add_user("u", "lasting 50", None)  # the latest again

    connection = greeted(hub)

    assert len([name for name in connection.groups if name.startswith("lasting")]) == MOST_LASTING
    assert "lasting 4" not in connection.groups
    assert {"lasting 5", "lasting 50", "short 0"} <= connection.groups


def test_a_membership_of_no_time_is_for_those_who_are_there() -> None:
    hub = hub_of()
    there = greeted(hub)

    hub.add_user("u", "g", 0)

    assert there.groups == {"g"}
    assert greeted(hub).groups == set()
    assert hub.has_user("u", "g")
    there.leave()
    assert not hub.has_user("u", "g")


def test_a_user_who_is_taken_out_is_out_with_every_connection() -> None:
    hub = hub_of()
    for group in ("a", "b", "c"):
        hub.add_user("u", group, 60)
    connections = [greeted(hub), greeted(hub)]

    hub.remove_user("u", "a")
    assert [each.groups for each in connections] == [{"b", "c"}] * 2
    hub.remove_user_everywhere("u")

    assert [each.groups for each in [*connections, greeted(hub)]] == [set()] * 3
    assert list(hub.in_group("b")) == []


def test_who_never_comes_is_forgotten() -> None:
    clock = Clock()
    hub = hub_of(clock)
    waiting, talking = hub.negotiate("u"), greeted(hub)

    clock.now += 100
    talking.receive(PING, clock.now)
    hub.sweep(60)

    assert waiting.over
    assert list(hub.pending.values()) == [talking]


@given(st.text(), st.lists(JSON_VALUES))
def test_an_invocation_is_one_frame_whatever_it_carries(target: str, arguments: list[object]) -> None:
    frame = write_invocation(target, arguments)

    assert frame.count(END) == 1
    assert json.loads(frame[:-1]) == {"type": 1, "target": target, "arguments": arguments}
