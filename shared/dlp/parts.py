"""The parts of a message that hold text: of a Teams message or a mail, as Graph gives them.

https://learn.microsoft.com/graph/api/resources/chatmessage, …/chatmessageattachment and …/message say what there is. Whatever
is of another type than they say is passed over: a scan has to go on with the rest.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.dlp.text import LONGEST_SOURCE, Texts, cut, read_html, read_plain_text

PARTS: Final = ("body", "quoted", "subject", "attachment", "card", "attribute")
"""What a message says itself; what it cites; its subject and summary; files' names; cards; links' targets and pictures' texts."""

_MOST_ATTACHMENTS: Final = 500
_CITATIONS: Final = frozenset({"messagereference", "forwardedmessagereference"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One text of a message. ``unread`` is how many characters there were beyond what is looked at."""

    sort: str
    index: int
    text: str
    unread: int = 0


def parts_of(content: Mapping[str, Any]) -> list[Part]:
    """Take a message's texts apart, in the order in which a reader meets them. Never raises."""
    found: dict[str, list[tuple[str, int]]] = {sort: [] for sort in PARTS}
    for sort, text, unread in _texts_of(content):
        if unread or text.strip():
            found[sort].append((text, unread))
    return [
        Part(sort=sort, index=index, text=text, unread=unread)
        for sort, texts in found.items()
        for index, (text, unread) in enumerate(texts)
    ]


_Found = tuple[str, str, int]


def _texts_of(content: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _texts_of_body(content)
    for name in ("subject", "summary"):
        yield "subject", *cut(_text(content.get(name)))
    attachments = content.get("attachments")
    if isinstance(attachments, list):
        for attachment in attachments[:_MOST_ATTACHMENTS]:
            if isinstance(attachment, dict):
                yield from _texts_of_attachment(attachment)
        yield "attachment", "", max(0, len(attachments) - _MOST_ATTACHMENTS)


def _texts_of_body(content: Mapping[str, Any]) -> Iterator[_Found]:
    # a mail's uniqueBody is part of its body; a notification of a mail can only carry the preview
    for name in ("body", "uniqueBody"):
        body = content.get(name)
        if isinstance(body, dict) and isinstance(body.get("content"), str):
            plain = _text(body.get("contentType")).lower() == "text"
            yield from _said((read_plain_text if plain else read_html)(body["content"]))
            return
    yield from _said(read_plain_text(_text(content.get("bodyPreview"))))


def _said(texts: Texts, *, body: str = "body") -> Iterator[_Found]:
    yield body, texts.body, texts.unread
    yield from (("quoted", text, 0) for text in texts.quoted)
    yield "attribute", texts.attributes, 0


def _texts_of_attachment(attachment: Mapping[str, Any]) -> Iterator[_Found]:
    yield "attachment", *cut(_text(attachment.get("name")))
    held = _text(attachment.get("content"))
    if not held:
        return
    values = _read(held)
    if _text(attachment.get("contentType")).lower() in _CITATIONS and isinstance(values, dict):
        preview, original = (_text(values.get(name)) for name in ("messagePreview", "originalMessageContent"))
        yield "quoted", *cut(preview)
        yield from _said(read_html(original), body="quoted")
    else:
        yield "card", *cut(held if values is None else "\n".join(_strings(values)))


def _read(held: str) -> Any:
    """Read an attachment's content, which is JSON by Graph's custom and not by its page; None if it is not."""
    try:
        return json.loads(held[:LONGEST_SOURCE])
    except (ValueError, RecursionError):
        return None


def _strings(values: Any) -> Iterator[str]:
    """Give every text in a card, whatever it is called there: cards have many kinds of elements, and hosts their own."""
    waiting: list[Any] = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        else:
            waiting += reversed(_inside(value))


def _inside(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return tuple(value.values())
    return value if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
