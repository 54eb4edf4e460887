"""The findings API's answers."""

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.memory import Outage
from shared.adapters.memory_findings import MemoryFindingStore
from shared.dlp.values import Match
from shared.feeds import feed_id
from shared.finding_reading import COLUMNS, Answer, FindingReading, write_csv
from shared.findings import ListedFinding, Message, Scan, Version, write_continuation
from shared.graph.resource import read_resource
from tests.builders import NOW, TENANT

CHAT = "chats/19:c@thread.v2"
SENDER = "alex@contoso.com"


def message(number: int = 0, **changes: Any) -> Message:
    valid = Message(
        key=f"key{number}",
        subscription="teams-messages",
        tenant_id=TENANT,
        resource=f"{CHAT}/messages/{number}",
        feed=feed_id(read_resource(CHAT)),
        sender=SENDER,
        sent=NOW,
        link="https://teams.example/1",
    )
    return replace(valid, **changes)


async def reading(findings: int = 3, *, away: bool = False) -> FindingReading:
    """Findings, one an hour: the even ones are cards, the odd ones ibans."""
    store = MemoryFindingStore()
    for number in range(findings):
        rule, severity = ("iban", "low") if number % 2 else ("card", "high")
        match = Match(rule=rule, kind=rule, severity=severity, part="body", part_index=0, start=7, length=16)  # type: ignore[arg-type]
        version = Version(changed=NOW, name="1")
        at = NOW + timedelta(hours=number)
        await store.apply(Scan(message=message(number), version=version, matches=[match], change_key="k", at=at))
    store.outage = Outage(away=away)
    return FindingReading(store=store, now=lambda: NOW + timedelta(days=1))


async def page(source: FindingReading, *, accept: str = "", **query: str) -> Any:
    answer = await source.page(query, accept=accept)
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


def resources(body: Any) -> list[str]:
    return [each["resource"].rpartition("/")[2] for each in body["findings"]]


async def test_the_newest_come_first_with_everything_that_is_known_but_what_it_was() -> None:
    body = await page(await reading(2))

    assert resources(body) == ["1", "0"]
    assert body["findings"][1] == {
        "id": body["findings"][1]["id"],
        "found": "2026-11-20T12:00:00Z",
        "rule": "card",
        "kind": "card",
        "severity": "high",
        "status": "open",
        "part": "body",
        "partIndex": 0,
        "start": 7,
        "length": 16,
        "sender": SENDER,
        "sent": "2026-11-20T12:00:00Z",
        "subscription": "teams-messages",
        "tenantId": TENANT,
        "resource": f"{CHAT}/messages/0",
        "feed": feed_id(read_resource(CHAT)),
        "link": "https://teams.example/1",
        "version": "1",
        "changeKey": "k",
    }
    assert "continuation" not in body


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"rule": "card"}, ["2", "0"]),
        ({"severity": "low"}, ["1"]),
        ({"status": "open"}, ["2", "1", "0"]),
        ({"status": "edited-away"}, []),
        ({"since": "2026-11-20T13:00:00Z"}, ["2", "1"]),
        ({"since": "2026-11-20T14:00:00 01:00"}, ["2", "1"]),  # a plus that nobody encoded
        ({"until": "2026-11-20T13:00:00Z"}, ["0"]),
        ({"since": "2026-11-21"}, []),
        ({"subscription": "teams-messages"}, ["2", "1", "0"]),
        ({"subscription": "other"}, []),
        ({"sender": "Alex@Contoso.com"}, ["2", "1", "0"]),
        ({"resource": f"/{CHAT}/messages/1"}, ["1"]),
        ({"resource": "chats('19:c@thread.v2')"}, ["2", "1", "0"]),
        ({"resource": "chats/other"}, []),
        ({"code": "the function key", "clientId": "default", "top": "1000"}, ["2", "1", "0"]),
    ],
)
async def test_each_filter_finds_its_own(query: dict[str, str], found: list[str]) -> None:
    assert resources(await page(await reading(), **query)) == found


async def test_pages_lead_on_by_a_link_and_a_continuation_and_never_with_the_key() -> None:
    source = await reading(5)
    first = await source.page({"top": "2", "rule": "card", "code": "canary", "format": "json"}, accept="")
    link, relation = first.link.split("; ")
    asked = {name: values[0] for name, values in parse_qs(link.removeprefix("<?").removesuffix(">")).items()}
    second = await source.page(asked, accept="")

    assert relation == 'rel="next"'
    assert asked == {
        "top": "2",
        "rule": "card",
        "format": "json",
        "continuation": json.loads(first.body)["continuation"],
    }
    assert [resources(json.loads(each.body)) for each in (first, second)] == [["4", "2"], ["0"]]
    assert (second.link, "continuation" in json.loads(second.body)) == ("", False)


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("text/csv", {}, "text/csv"),
        ("text/csv;q=0.9, text/plain", {}, "text/csv"),
        ("application/json, text/csv", {}, "application/json"),
        ("*/*", {}, "application/json"),
        ("", {"format": "csv"}, "text/csv"),
        ("text/csv", {"format": "json"}, "application/json"),
    ],
)
async def test_csv_is_for_who_asks_for_it(accept: str, query: dict[str, str], kind: str) -> None:
    answer = await (await reading()).page(query, accept=accept)

    assert answer.content_type == kind
    assert answer.body.startswith("id,found,rule" if kind == "text/csv" else '{"findings"')


async def test_a_table_has_the_same_columns_as_the_objects() -> None:
    source = await reading(2)
    answer = await source.page({}, accept="text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.body, newline="")))

    printed = (await page(source))["findings"]
    assert rows == [{name: str(value) for name, value in each.items()} for each in printed]
    assert tuple(printed[0]) == COLUMNS
    assert answer.body.count("\r\n") == 3


TRICKY = st.text(st.sampled_from("=+-@\t\r\n \",;|a'")) | st.text(max_size=20)


@given(TRICKY, TRICKY)
async def test_no_cell_is_a_formula_and_every_cell_reads_back(sender: str, link: str) -> None:
    [listed] = [each async for each in _listed(sender, link)]
    _, row = csv.reader(io.StringIO(write_csv([listed]), newline=""))
    cells = dict(zip(COLUMNS, row, strict=True))

    for cell, text in ((cells["sender"], sender), (cells["link"], link)):
        assert cell in {text, f"'{text}"}
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


async def _listed(sender: str, link: str) -> Any:
    source = await reading(1)
    for each in (await source.store.page(_everything(), after="", top=1)).findings:
        yield ListedFinding(
            message=replace(each.message, sender=sender, link=link), finding=each.finding, status=each.status
        )


def _everything() -> Any:
    from shared.findings import FindingQuery  # noqa: PLC0415

    return FindingQuery()


@pytest.mark.parametrize(
    "query",
    [
        {"top": "0"},
        {"top": "1001"},
        {"top": "-1"},
        {"top": "²"},
        {"top": ""},
        {"since": "yesterday"},
        {"until": "1969-12-31"},
        {"severity": "grave"},
        {"status": "closed"},
        {"rule": ""},
        {"rule": "x" * 2000},
        {"resource": "https://evil.example/x"},
        {"format": "xml"},
        {"rules": "card"},
        {"continuation": "bm90IG91cnM"},
        {"continuation": "☃"},
        {"continuation": write_continuation("9" * 18 + "~~") + "="},
    ],
)
async def test_what_cannot_be_asked_is_said_by_name(query: dict[str, str]) -> None:
    answer = await (await reading()).page(query, accept="text/csv")

    assert answer.status == 400
    assert [each["target"] for each in json.loads(answer.body)["error"]["details"]] == list(query)


async def test_everything_that_is_wrong_is_said_at_once() -> None:
    answer = await (await reading()).page({"top": "x", "since": "x", "nobody": "x"}, accept="")

    assert {each["target"] for each in json.loads(answer.body)["error"]["details"]} == {"top", "since", "nobody"}


NAMES = st.sampled_from(
    ["since", "until", "rule", "status", "resource", "sender", "top", "continuation", "format", "x"]
)


@given(st.dictionaries(NAMES, st.text(max_size=30)), st.text(max_size=30))
async def test_any_query_gets_an_answer(query: dict[str, str], accept: str) -> None:
    source = await reading(1)
    answers = [await source.page(query, accept=accept), await source.summary(query)]

    assert {answer.status for answer in answers} <= {200, 400}


async def test_a_summary_counts_by_rule_and_severity() -> None:
    answer = await (await reading(5)).summary({})

    assert json.loads(answer.body) == {
        "since": "2026-11-14T12:00:00Z",
        "until": "2026-11-21T12:00:00Z",
        "complete": True,
        "findings": 5,
        "rules": [
            {
                "rule": rule,
                "severity": severity,
                "findings": number,
                "byStatus": {"open": number, "edited-away": 0, "message-deleted": 0},
            }
            for rule, severity, number in (("card", "high", 3), ("iban", "low", 2))
        ],
    }


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-11-22T12:00:00Z"},
        {"since": "2026-01-01", "until": "2026-06-01"},
        {"until": "soon"},
        {"rule": "card"},
    ],
)
async def test_a_summary_is_of_a_bounded_time_and_nothing_else(query: dict[str, str]) -> None:
    assert (await (await reading()).summary(query)).status == 400


async def test_when_storage_is_away_it_says_so() -> None:
    source = await reading(away=True)
    answers: list[Answer] = [await source.page({}, accept=""), await source.summary({})]

    assert [answer.status for answer in answers] == [503, 503]
