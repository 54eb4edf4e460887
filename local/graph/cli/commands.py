"""The commands for a running simulator, as a table: what each is for, what it takes, what it asks for, how its answer is shown.

Not here: `show`, `judge` and `play`, which read more than one answer, see `reading` and `playing`.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from local.graph.cli import playing, reading
from local.graph.cli.command import Arguments, Command, calls, option
from local.graph.cli.words import read_duration, read_object, read_pair, read_value
from local.graph.control.door import Door


def _told(answer: Mapping[str, Any]) -> str:
    count = len(answer["told"])
    heard = "nobody heard of it" if not count else f"{count} notification{'s' if count > 1 else ''} on the way"
    return f"{answer['resource']}\n{heard}"


def _whose(door: Door, arguments: Arguments) -> str | None:
    """Return the subscription that is meant, None (and a word about it) where there is none."""
    chosen = arguments.subscription or reading.first_subscription(door)
    if chosen is None:
        print("nobody has subscribed yet, so that there is nobody to tell", file=sys.stderr)
    return chosen


def _handshake(door: Door, arguments: Arguments) -> int:
    chosen = _whose(door, arguments)
    if chosen is None:
        return 1
    ask = calls(
        "handshake",
        lambda _: {"subscriptionId": chosen},
        lambda answer: "\n".join(f"echoed by {url}" for url in answer["asked"]),
    )
    return ask(door, arguments)


def _lifecycle(door: Door, arguments: Arguments) -> int:
    chosen = _whose(door, arguments)
    if chosen is None:
        return 1
    send = calls(
        "lifecycle",
        lambda given: {"subscriptionId": chosen, "event": given.event, "force": given.force},
        lambda answer: (
            f"{answer['event']} for {answer['subscriptionId']}" + ("" if answer["told"] else ", nobody told")
        ),
    )
    return send(door, arguments)


def _knob(door: Door, arguments: Arguments) -> int:
    turn = calls(
        "knobs",
        lambda given: {given.name: given.value},
        lambda answer: "\n".join(f"{name} = {json.dumps(value)}" for name, value in answer.items()),
    )
    return turn(door, arguments)


def _running(answer: Mapping[str, Any]) -> str:
    return f"started; 'python -m local graph chatter --status' says how far it is ({answer['changes']} changes so far)"


def _chatter(door: Door, arguments: Arguments) -> int:
    if arguments.status:
        return reading.show_chatter(door, arguments)
    names = (
        "rate",
        "seconds",
        "duplicates",
        "forged",
        "edit",
        "delete",
        "mail",
        "chats",
        "replies",
        "reactions",
        "other",
        "sensitive",
    )
    return calls("chatter", lambda given: {name: getattr(given, name) for name in names}, _running)(door, arguments)


RESOURCE = option("resource", metavar="RESOURCE", help="what post answered, or 'show items' lists")
SHARES = {
    "duplicates": "notifications told twice",
    "forged": "forgeries beside real ones",
    "edit": "edits",
    "delete": "deletions",
    "mail": "mails instead of channel messages",
    "chats": "chat messages instead of channel messages",
    "replies": "replies instead of new threads",
    "reactions": "reactions",
    "other": "meetings, files, contacts, presence, people",
    "sensitive": "texts with a card's number, an IBAN or a password in them",
}
COMMANDS: dict[str, Command] = {
    "post": Command(
        purpose="let somebody write a message",
        example='post General "hello" --from "Adele Vance"',
        options=[
            option("where", metavar="WHERE", help="a channel, a chat or a mailbox: its name or its owner's address"),
            option("text", metavar="TEXT", help="what is said"),
            option("--from", dest="author", metavar="NAME", help="who says it"),
            option("--subject", metavar="TEXT", help="of a mail or a thread"),
            option("--reply-to", metavar="ID", help="the id of the message that is answered"),
        ],
        does=calls(
            "post",
            lambda given: {
                "where": given.where,
                "text": given.text,
                "from": given.author,
                "subject": given.subject,
                "replyTo": given.reply_to,
            },
            _told,
        ),
    ),
    "edit": Command(
        purpose="give a message another text, or a thing another name",
        example='edit "$RESOURCE" "hello again"',
        options=[RESOURCE, option("text", metavar="TEXT", help="what it says from now on")],
        does=calls("edit", lambda given: {"resource": given.resource, "text": given.text}, _told),
    ),
    "delete": Command(
        purpose="delete a message or another thing",
        example='delete "$RESOURCE"',
        options=[RESOURCE],
        does=calls("delete", lambda given: {"resource": given.resource}, _told),
    ),
    "react": Command(
        purpose="put a reaction under a Teams message",
        example='react "$RESOURCE" heart',
        options=[
            RESOURCE,
            option("reaction", nargs="?", default="like", metavar="REACTION", help="like, heart, … (default: like)"),
            option("--from", dest="author", metavar="NAME", help="whose it is"),
            option("--take-back", action="store_true", help="take it back instead"),
        ],
        does=calls(
            "react",
            lambda given: {
                "resource": given.resource,
                "reaction": given.reaction,
                "from": given.author,
                "takeBack": given.take_back,
            },
            _told,
        ),
    ),
    "move": Command(
        purpose="move a mail to another folder",
        example='move "$RESOURCE" archive',
        options=[RESOURCE, option("folder", metavar="FOLDER", help="inbox, archive, deleteditems, … or a folder's id")],
        does=calls("move", lambda given: {"resource": given.resource, "folder": given.folder}, _told),
    ),
    "happen": Command(
        purpose="let anything happen that can be subscribed to",
        example="happen call-recording",
        options=[
            option("kind", metavar="KIND", help="a kind of resource; a wrong one is answered with all of them"),
            option("--change-type", choices=("created", "updated", "deleted"), help="what happens to it"),
            option("--id", action="append", default=[], type=read_pair, metavar="NAME=ID", help="an id in its path"),
            option("--content", type=read_object, metavar="JSON", help="properties that replace the sample's"),
        ],
        does=calls(
            "happen",
            lambda given: {
                "kind": given.kind,
                "changeType": given.change_type,
                "ids": dict(given.id),
                "content": given.content,
            },
            _told,
        ),
    ),
    "forge": Command(
        purpose="send a forgery after the pattern of the last real notification",
        example="forge wrong-client-state",
        options=[
            option("kind", metavar="KIND", help="'show forgeries' lists them"),
            option("--subscription", metavar="ID", help="whose; the last one that was told something by default"),
        ],
        does=calls(
            "forge",
            lambda given: {"kind": given.kind, "subscriptionId": given.subscription},
            lambda answer: f"{answer['kind']} for {answer['subscriptionId']}: {answer['says']}",
        ),
    ),
    "handshake": Command(
        purpose="ask an endpoint to echo a token once more",
        example="handshake",
        options=[
            option("subscription", nargs="?", metavar="ID", help="whose URLs; the first subscription's by default")
        ],
        does=_handshake,
    ),
    "lifecycle": Command(
        purpose="send a lifecycle notification",
        example="lifecycle reauthorizationRequired",
        options=[
            option("event", metavar="EVENT", help="reauthorizationRequired, subscriptionRemoved or missed"),
            option("--subscription", metavar="ID", help="which; the first by default"),
            option("--force", action="store_true", help="even if Graph would not send it for this resource"),
        ],
        does=_lifecycle,
    ),
    "expire": Command(
        purpose="let subscriptions end now, or make delta links too old",
        example="expire --all",
        options=[
            option("subscription", nargs="?", metavar="ID", help="which"),
            option("--all", action="store_true", help="every subscription"),
            option("--delta", action="store_true", help="every delta link"),
        ],
        does=calls(
            "expire",
            lambda given: {"subscriptionId": given.subscription, "all": given.all, "delta": given.delta},
            lambda answer: "delta links are too old" if "delta" in answer else f"expired: {len(answer['expired'])}",
        ),
    ),
    "revoke": Command(
        purpose="withdraw consent from an app: renewing is answered 403 from now on",
        example="revoke 11111111-1111-4111-8111-111111111111",
        options=[
            option("app", metavar="APP", help="the client id"),
            option("--restore", action="store_true", help="give consent again"),
        ],
        does=calls(
            "revoke",
            lambda given: {"appId": given.app, "restore": given.restore},
            lambda answer: f"{answer['appId']}: consent {'withdrawn' if answer['revoked'] else 'given again'}",
        ),
    ),
    "outage": Command(
        purpose="let Graph send nothing for a while, without telling anybody",
        example="outage 1h --lose",
        options=[
            option("duration", type=read_duration, metavar="DURATION", help="simulated time: 90, 15m, 1h"),
            option("--lose", action="store_true", help="what happens meanwhile is never told"),
        ],
        does=calls(
            "outage",
            lambda given: {"seconds": given.duration, "lose": given.lose},
            lambda answer: f"nothing is sent until {answer['until']}" + (", and it is lost" if answer["lose"] else ""),
        ),
    ),
    "storm": Command(
        purpose="let very much happen at once",
        example="storm --changes 1000 --rate 300",
        options=[
            option("--changes", type=int, metavar="N", help="how many (default: 500)"),
            option("--rate", type=float, metavar="N", help="how many a second (default: 200)"),
        ],
        does=calls("storm", lambda given: {"changes": given.changes, "rate": given.rate}, _running),
    ),
    "chatter": Command(
        purpose="let people talk for a while",
        example="chatter --rate 5 --seconds 60 --other 0.1",
        options=[
            option("--rate", type=float, metavar="N", help="changes a second (default: 20)"),
            option("--seconds", type=float, metavar="N", help="for how long (default: 15)"),
            *(
                option(f"--{name}", type=float, metavar="SHARE", help=f"share of {says}")
                for name, says in SHARES.items()
            ),
            option("--status", action="store_true", help="only say how far the latest run is"),
        ],
        does=_chatter,
    ),
    "rotate-keys": Command(
        purpose="sign validation tokens with a new key",
        example="rotate-keys --forget",
        options=[option("--forget", action="store_true", help="take the old keys away at once")],
        does=calls(
            "rotate-keys", lambda given: {"forget": given.forget}, lambda answer: f"signing with {answer['kid']}"
        ),
    ),
    "knobs": Command(
        purpose="list the knobs: what Graph can be made to do differently",
        example="knobs",
        options=[],
        does=reading.show_knobs,
    ),
    "knob": Command(
        purpose="turn a knob",
        example="knob duplicates 0.2",
        options=[
            option("name", metavar="NAME", help="'knobs' lists them"),
            option("value", type=read_value, metavar="VALUE", help="a number, true, false or a word"),
        ],
        does=_knob,
    ),
    "advance": Command(
        purpose="move the simulated clock on",
        example="advance 2h",
        options=[option("duration", type=read_duration, metavar="DURATION", help="90, 15m, 2h, 3d")],
        does=calls("clock", lambda given: {"advance": given.duration}, lambda answer: f"it is {answer['now']}"),
    ),
    "show": Command(
        purpose="show what there is, or the catalogue of what can be subscribed to",
        example="show subscriptions",
        options=[option("what", choices=sorted(reading.VIEWS), help="what to show")],
        does=reading.show,
    ),
    "judge": Command(
        purpose="say what the receiver did wrong, with Graph's page about it",
        example="judge --strict",
        options=[option("--strict", action="store_true", help="exit with 1 if there is anything")],
        does=reading.judge,
    ),
    "play": Command(
        purpose="let something happen that happens in real life, and say what to look for",
        example="play mail-moved",
        options=[
            option("name", nargs="?", metavar="NAME", help="which; --list shows them"),
            option("--list", action="store_true", help="list what can be played"),
        ],
        does=playing.play,
    ),
}
