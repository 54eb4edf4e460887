"""Commands that show: the tenant, subscriptions, deliveries, health, the catalogue, knobs, judgements.

Not here: commands that do something, see `commands`; how tables look, see `tables`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.graph.cli.tables import print_table
from local.graph.control.door import Answer, Door

LATEST = 25
Row = Sequence[Any]


def refused(answer: Answer) -> int:
    """Say why the simulator would not; return the exit code."""
    print(f"The simulator says no ({answer.status}): {why(answer)}", file=sys.stderr)
    return 1


def why(answer: Answer) -> str:
    """Return the reason that a refusal gives: a control's sentence, or the message in Graph's envelope."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else answer.body
    return str(error.get("message") if isinstance(error, dict) else error)


def show(door: Door, arguments: argparse.Namespace) -> int:
    """Show one of the views."""
    path, printer = VIEWS[arguments.what]
    return _present(door, path, printer, as_json=arguments.json)


def show_knobs(door: Door, arguments: argparse.Namespace) -> int:
    """List the knobs."""
    return _present(door, "knobs", _print_knobs, as_json=arguments.json)


def show_chatter(door: Door, arguments: argparse.Namespace) -> int:
    """Say how the latest run of chatter is going."""
    return _present(door, "chatter", _print_tally, as_json=arguments.json)


def judge(door: Door, arguments: argparse.Namespace) -> int:
    """Print the verdict; with `--strict`, findings are exit code 1."""
    answer = door.control("judge/verdict")
    if not answer.good:
        return refused(answer)
    if arguments.json:
        print(json.dumps(answer.body, indent=2))
    else:
        _print_verdict(answer.body)
    return 1 if arguments.strict and not answer.body["ok"] else 0


def first_subscription(door: Door) -> str | None:
    """Return the id of the oldest live subscription, if there is any."""
    live = door.control("subscriptions").body["subscriptions"]
    return live[0]["id"] if live else None


def _present(door: Door, path: str, printer: Callable[[Any], None], *, as_json: bool) -> int:
    answer = door.control(path)
    if not answer.good:
        return refused(answer)
    if as_json:
        print(json.dumps(answer.body, indent=2))
    else:
        printer(answer.body)
    return 0


def _print_tenant(world: Mapping[str, Any]) -> None:
    print(f"{world['name']} ({world['domain']}), tenant {world['tenant']}")
    if others := [each for each in world["tenants"] if each != world["tenant"]]:
        print(f"other tenants: {', '.join(others)}")
    print_table(
        "People", ("name", "address", "id"), [(each["name"], each["address"], each["id"]) for each in world["people"]]
    )
    places = [place for kind in ("channels", "chats", "mailboxes") for place in world[kind]]
    print_table(
        "Places, and what to subscribe to for their messages",
        ("kind", "name", "resource"),
        [(place["workload"], place["name"], f"/{place['resource']}") for place in places],
    )


def _print_subscriptions(answer: Mapping[str, Any]) -> None:
    rows = [
        (
            each["id"],
            each["resource"],
            each["changeType"],
            each["rich"],
            each["expirationDateTime"][:19],
            each["authorized"],
            each["notificationUrl"],
        )
        for each in answer["subscriptions"]
    ]
    print_table("Subscriptions", ("id", "resource", "changes", "rich", "expires", "authorized", "url"), rows)


def _print_deliveries(answer: Mapping[str, Any]) -> None:
    rows = [
        (each["at"][11:23], each["url"], each["attempt"], each["items"], each["status"], each["ms"], each["rule"])
        for each in answer["deliveries"][-LATEST:]
    ]
    title = f"Deliveries, the latest {len(rows)} of {len(answer['deliveries'])}"
    print_table(title, ("at", "url", "attempt", "items", "status", "ms", "rule broken"), rows)


def _print_changes(answer: Mapping[str, Any]) -> None:
    rows = [
        (each["at"][11:23], each["changeType"], each["resource"], each["text"], bool(each["acknowledged"]))
        for each in answer["changes"][-LATEST:]
    ]
    title = f"Notifications, the latest {len(rows)} of {len(answer['changes'])}"
    print_table(title, ("at", "change", "resource", "text", "acknowledged"), rows)


def _print_items(answer: Mapping[str, Any]) -> None:
    rows = [(each["resource"], each["text"], each["deleted"]) for each in answer["items"][-LATEST:]]
    print_table(f"Messages, the latest {len(rows)} of {len(answer['items'])}", ("resource", "text", "deleted"), rows)


def _print_health(answer: Mapping[str, Any]) -> None:
    rows = [
        (host, each["state"], each["seconds"], each["answers"], each["late"], each["farTooLate"])
        for host, each in answer.items()
    ]
    columns = ("host", "state", "for seconds", "answers", "over 3 s", "over 10 s")
    print_table("What Graph thinks of each host", columns, rows)


def _print_knobs(answer: Mapping[str, Any]) -> None:
    rows = [
        (each["name"], json.dumps(each["value"]), _choices(each["choices"]), each["says"]) for each in answer["knobs"]
    ]
    print_table("Knobs", ("name", "now", "can be", "what it does"), rows)


def _choices(choices: Any) -> str:
    words = {"bool": "true, false", "float": "a number", "int": "a whole number"}
    return words.get(choices, str(choices)) if isinstance(choices, str) else ", ".join(choices)


def _print_repertoire(answer: Mapping[str, Any]) -> None:
    rows = [(each["name"], each["group"], each["title"]) for each in answer["repertoire"]]
    print_table("What can be played: python -m local graph play NAME", ("name", "about", "what happens"), rows)


def _print_forgeries(answer: Mapping[str, Any]) -> None:
    print_table("Forgeries: python -m local graph forge KIND", ("kind", "what is wrong with it"), list(answer.items()))


def _print_catalogue(answer: Mapping[str, Any]) -> None:
    rows = [
        (
            each["key"],
            " ".join(each["paths"]),
            ",".join(each["change_types"]),
            f"{each['max_minutes']} / {each['max_rich_minutes'] or '-'}",
            ",".join(each["lifecycle"]),
            each["delta"],
            next(iter(each["permissions"]), None),
            f"{each['source']} ({each['as_of']})",
        )
        for each in answer["catalogue"]
    ]
    columns = ("resource", "paths", "changes", "minutes, with data", "lifecycle", "delta", "least permission", "source")
    print_table("What can be subscribed to", columns, rows)


def _print_tally(answer: Mapping[str, Any]) -> None:
    print_table("Chatter", ("what", "how much"), [(name, json.dumps(value)) for name, value in answer.items()])


def _print_clock(answer: Mapping[str, Any]) -> None:
    print(
        f"{answer['now']}, {answer['scale']:g} simulated seconds in a real one, deadlines times {answer['patience']:g}"
    )


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    if verdict["ok"]:
        print("The receiver kept every rule that was put to it.")
        return
    rows = [(each["rule"], each["count"], each["says"], each["example"], each["page"]) for each in verdict["findings"]]
    print_table("What the receiver did wrong", ("rule", "times", "Graph says", "for example", "page"), rows)


VIEWS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "tenant": ("world", _print_tenant),
    "subscriptions": ("subscriptions", _print_subscriptions),
    "deliveries": ("deliveries", _print_deliveries),
    "changes": ("changes", _print_changes),
    "items": ("items", _print_items),
    "health": ("health", _print_health),
    "repertoire": ("repertoire", _print_repertoire),
    "forgeries": ("forgeries", _print_forgeries),
    "clock": ("clock", _print_clock),
    "catalogue": ("catalogue", _print_catalogue),
}
