"""A message's texts, each by its sort: of Teams messages, mails, and of whatever else comes."""

import json
from typing import Any

import pytest

from shared.dlp.parts import PARTS, parts_of
from shared.dlp.text import LONGEST_TEXT
from tests import builders


def _texts(content: dict[str, Any]) -> list[tuple[str, int, str]]:
    return [(part.sort, part.index, part.text) for part in parts_of(content)]


def _attached(content_type: str, content: Any, name: str | None = None) -> dict[str, Any]:
    held = content if isinstance(content, str) or content is None else json.dumps(content)
    return {"attachments": [{"id": "1", "contentType": content_type, "content": held, "name": name}]}


def test_a_teams_message_has_a_body_a_subject_and_a_summary() -> None:
    message = builders.message_content(
        "1", subject="Budget", summary="In short", body={"contentType": "html", "content": "<p>hi</p>"}
    )

    assert _texts(message) == [("body", 0, "hi"), ("subject", 0, "Budget"), ("subject", 1, "In short")]


def test_a_reply_quotes_the_message_it_answers() -> None:
    """https://learn.microsoft.com/graph/api/resources/chatmessageattachment: content is JSON with a preview."""
    reply = _attached("messageReference", {"messageId": "1", "messagePreview": "the old one", "messageSender": {}})

    assert _texts(
        reply | {"body": {"contentType": "html", "content": '<attachment id="1"></attachment><p>new</p>'}}
    ) == [
        ("body", 0, "new"),
        ("quoted", 0, "the old one"),
    ]


def test_a_forwarded_message_is_quoted_whole() -> None:
    forwarded = _attached("forwardedMessageReference", {"originalMessageContent": "<p>4111<b>1111</b></p>"})

    assert _texts(forwarded) == [("quoted", 0, "41111111")]


def test_a_card_is_all_its_texts() -> None:
    body = [{"type": "TextBlock", "text": "Pay"}, {"type": "FactSet", "facts": [{"title": "IBAN", "value": "DE89"}]}]
    [(sort, _, text)] = _texts(
        _attached("application/vnd.microsoft.card.adaptive", {"type": "AdaptiveCard", "body": body})
    )

    assert sort == "card"
    assert text.split("\n") == ["AdaptiveCard", "TextBlock", "Pay", "FactSet", "IBAN", "DE89"]


@pytest.mark.parametrize("content", ["no JSON", '{"half": ', "[" * 100_000, '"a text"', "4711"])
def test_an_attachments_content_that_is_no_card_is_text_or_nothing(content: str) -> None:
    texts = _texts(_attached("application/vnd.microsoft.card.hero", content))

    assert [sort for sort, _, _ in texts] == ([] if content == "4711" else ["card"])


def test_files_are_known_by_their_names() -> None:
    files = {"attachments": [{"contentType": "reference", "name": "Gehälter.xlsx"}, {"name": "a\N{SOFT HYPHEN}b.pem"}]}

    assert _texts(files) == [("attachment", 0, "Gehälter.xlsx"), ("attachment", 1, "ab.pem")]


def test_a_mail_has_a_subject_a_body_and_history() -> None:
    content = '<p>mine</p><div id="appendonsend"></div><div id="divRplyFwdMsg">From: Anna</div>theirs'
    mail = {"subject": "Re: x", "body": {"contentType": "html", "content": content}, "bodyPreview": "mine"}

    assert _texts(mail) == [("body", 0, "mine"), ("quoted", 0, "From: Anna\ntheirs"), ("subject", 0, "Re: x")]


def test_a_mail_without_a_body_has_its_preview() -> None:
    """A notification with resource data cannot carry a mail's body, only the first 255 characters of it."""
    assert _texts({"bodyPreview": "begins so"}) == [("body", 0, "begins so")]
    assert _texts({"uniqueBody": {"contentType": "text", "content": "own"}, "bodyPreview": "no"}) == [
        ("body", 0, "own")
    ]


def test_links_are_a_part_of_their_own() -> None:
    message = {"body": {"contentType": "html", "content": '<a href="https://x.example/?sig=1">here</a>'}}

    assert _texts(message) == [("body", 0, "here"), ("attribute", 0, "https://x.example/?sig=1")]


def test_what_is_not_read_is_counted() -> None:
    [body] = parts_of({"body": {"contentType": "text", "content": "x" * (LONGEST_TEXT + 7)}})
    [*names, beyond] = parts_of({"attachments": [{"name": "n"}] * 502})

    assert (len(body.text), body.unread) == (LONGEST_TEXT, 7)
    assert (len(names), beyond.sort, beyond.unread) == (500, "attachment", 2)


def test_parts_come_in_a_fixed_order() -> None:
    everything = _attached("x", {"a": "card"}, "name") | {
        "subject": "s",
        "body": {"contentType": "html", "content": "b<blockquote>q</blockquote><img alt='i'>"},
    }

    assert [part.sort for part in parts_of(everything)] == list(PARTS)
