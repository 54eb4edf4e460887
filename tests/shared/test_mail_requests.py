"""What people ask of their own mailbox: always their own, whatever they send; and nothing of Graph's links but what leads on."""

import base64
import json
import re
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import BadRequest, GraphProtocolError
from shared.mail_requests import (
    LARGEST_TOP,
    LONGEST_COMMENT,
    Ask,
    Reply,
    ask_delete,
    ask_delta,
    ask_draft_of_reply,
    ask_folders,
    ask_mark,
    ask_message,
    ask_messages,
    ask_move,
    ask_role,
    ask_send,
    ask_whether_draft,
    read_key,
    read_reply,
    read_token,
    write_token,
)
from tests.builders import NOW
from tests.strategies import JSON_VALUES

BASE = "https://graph.microsoft.com/v1.0/me/mailFolders('inbox')/messages"
OWN = re.compile(r"/me/(?:mailFolders|messages)(?:[/?][^#\s]*)?")
REPLY = Reply(comment="x")


def asked(text: str, body: bytes = b"{}") -> list[Ask]:
    """Everything that Graph is asked where somebody sends this text, in whichever place."""
    makers = (
        lambda: ask_message(text),
        lambda: ask_whether_draft(text),
        lambda: ask_delete(text),
        lambda: ask_send(text),
        lambda: ask_mark(text, body),
        lambda: ask_move(text, b'{"folder":"archive"}'),
        lambda: ask_move("m", json.dumps({"folder": text}).encode()),
        lambda: ask_draft_of_reply(text, REPLY),
        lambda: ask_messages({"folder": text}),
        lambda: ask_messages({"skipToken": text}),
        lambda: ask_messages({"top": text}),
        lambda: ask_delta({"folder": text}, now=NOW),
        lambda: ask_delta({"token": text}, now=NOW),
    )
    made: list[Ask] = []
    for make in makers:
        with suppress(BadRequest):
            made.append(make())
    return made


@given(st.text(max_size=60) | st.text("./%?#&=$'()\\~@: ame", max_size=30))
@example("../../users/other/messages")
@example("%2e%2e/users")
@example("x')/messages('y")
@example("m?$expand=attachments")
def test_whatever_is_sent_only_ones_own_mailbox_is_asked_for(text: str) -> None:
    for ask in asked(text):
        path = ask.path.partition("?")[0]
        assert OWN.fullmatch(ask.path), ask
        assert unquote(path) == path.replace("%2B", "+").replace("%3D", "="), "nothing hides in an escape"
        assert ".." not in path


@given(st.dictionaries(st.sampled_from(["$skip", "$skiptoken", "$filter", "$select", "$expand", "x"]), st.text()))
def test_a_token_that_somebody_made_up_asks_for_no_more_than_a_list_of_their_own(options: dict[str, str]) -> None:
    token = base64.urlsafe_b64encode(json.dumps(options).encode()).decode()
    try:
        ask = ask_messages({"skipToken": token})
    except BadRequest:
        return
    path, _, query = ask.path.partition("?")
    assert path == "/me/mailFolders/inbox/messages"
    assert set(parse_qs(query, keep_blank_values=True)) <= {"$skip", "$skiptoken", "$filter", "$select"}


@given(st.binary() | st.text().map(str.encode) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_read_or_is_a_bad_request(body: bytes) -> None:
    for read in (read_reply, lambda told: ask_mark("m", told), lambda told: ask_move("m", told)):
        with suppress(BadRequest):
            read(body)


@given(st.text(max_size=200))
@example("A" * 20_000)
@example("[" * 10_000)
@example(base64.urlsafe_b64encode(b"[" * 9_000).decode())
def test_any_text_is_a_token_or_is_none(text: str) -> None:
    with suppress(BadRequest):
        read_token(text)


@pytest.mark.parametrize(
    ("link", "options"),
    [
        (f"{BASE}?$skip=25&$top=25", {"$skip": "25", "$top": "25"}),
        (f"{BASE}/delta?$skiptoken=a%2Bb%3D", {"$skiptoken": "a+b="}),
        (f"{BASE}/delta?$deltatoken=x&$evil=y", {"$deltatoken": "x"}),
        ("https://elsewhere.example/v1.0/users/other/messages?$skip=1", {"$skip": "1"}),
    ],
)
def test_of_a_link_only_what_leads_on_is_handed_out(link: str, options: dict[str, str]) -> None:
    token = write_token(link)

    assert read_token(token) == options
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


@pytest.mark.parametrize("link", [None, 5, "", "https://graph.microsoft.com/v1.0/me", f"{BASE}?other=1", "no link"])
def test_a_link_that_leads_nowhere_is_none(link: Any) -> None:
    with pytest.raises(GraphProtocolError):
        write_token(link)


def test_pages_begin_with_the_newest_and_are_bounded() -> None:
    ask = ask_messages({"folder": "archive", "top": "5000"})
    query = parse_qs(ask.path.partition("?")[2])

    assert ask.path.startswith("/me/mailFolders/archive/messages?")
    assert (query["$top"], query["$orderby"]) == ([str(LARGEST_TOP)], ["receivedDateTime desc"])


def test_a_delta_begins_a_month_ago_and_goes_on_with_its_token() -> None:
    first = ask_delta({}, now=NOW)
    onwards = ask_delta({"token": write_token(f"{BASE}/delta?$deltatoken=abc")}, now=NOW)

    assert "$filter=receivedDateTime%20ge%202026-10-21T12%3A00%3A00Z" in first.path
    assert onwards.path == "/me/mailFolders/inbox/messages/delta?$deltatoken=abc"


def test_everything_goes_by_ids_that_survive_a_move() -> None:
    asks = [*asked("m"), ask_folders(), ask_role("inbox"), ask_delta({}, now=NOW)]

    assert len(asks) > 12
    assert all('IdType="ImmutableId"' in ask.headers["Prefer"] for ask in asks)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"no json",
        b'{"comment":""}',
        b'{"comment":" \\n"}',
        b'{"comment":5}',
        b'{"comment":"x","all":"yes"}',
        b'{"comment":"\\ud800"}',
        json.dumps({"comment": "x" * (LONGEST_COMMENT + 1)}).encode(),
    ],
)
def test_a_reply_that_says_nothing_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        read_reply(body)


def test_a_reply_goes_to_whoever_wrote_or_to_everybody() -> None:
    assert ask_draft_of_reply("m", read_reply(b'{"comment":"x"}')).path == "/me/messages/m/createReply"
    assert ask_draft_of_reply("m", read_reply(b'{"comment":"x","all":true}')).path == "/me/messages/m/createReplyAll"


def test_marking_means_as_read_unless_it_says_otherwise() -> None:
    assert [ask_mark("m", body).body for body in (b"", b"{}", b'{"isRead":false}')] == [
        {"isRead": True},
        {"isRead": True},
        {"isRead": False},
    ]
    with pytest.raises(BadRequest):
        ask_mark("m", b'{"isRead":"yes"}')


@pytest.mark.parametrize("top", ["0", "-1", "x", "1.5", "", "9" * 30, "\u0661"])
def test_a_page_has_some_messages(top: str) -> None:
    with pytest.raises(BadRequest, match="top"):
        ask_messages({"top": top})


def test_a_key_is_read_in_whatever_case_its_header_has() -> None:
    assert read_key({"IDEMPOTENCY-KEY": " abc "}) == "abc"
    assert read_key({}) == ""
    for wrong in ("a b", "ä", "x" * 201):
        with pytest.raises(BadRequest, match="Idempotency-Key"):
            read_key({"Idempotency-Key": wrong})
