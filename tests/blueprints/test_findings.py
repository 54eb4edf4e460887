"""The findings API's routes. What they answer is in tests/shared/test_finding_reading.py."""

import json
from typing import Any

import azure.functions as func
import pytest

from blueprints import findings
from shared.adapters.memory_findings import MemoryFindingStore
from shared.dlp.values import Match
from shared.finding_reading import FindingReading
from shared.findings import Message, Scan, Version
from tests.blueprints.registered import registered, request, trigger
from tests.builders import NOW, TENANT


@pytest.fixture
async def functions() -> Any:
    store = MemoryFindingStore()
    match = Match(rule="card", kind="card", severity="high", part="body", part_index=0, start=0, length=16)
    for key in ("one", "two"):
        message = Message(key=key, subscription="s", tenant_id=TENANT, resource="chats/c/messages/m", feed="f")
        version = Version(changed=NOW)
        await store.apply(Scan(message=message, version=version, matches=[match], change_key="k", at=NOW))
    return registered(findings.build(FindingReading(store=store, now=lambda: NOW)))


def test_the_routes_are_those_promised_and_want_a_key(functions: Any) -> None:
    found = {each["route"]: (each["methods"], each["authLevel"]) for each in map(trigger, functions.values())}

    assert found == {
        "manage/findings": (["GET"], "FUNCTION"),
        "manage/findings/summary": (["GET"], "FUNCTION"),
    }


async def test_a_page_leads_on_by_a_header(functions: Any) -> None:
    page = functions["findings"].get_user_function()
    answer = await page(request("GET", params={"top": "1"}))

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert (
        answer.headers["Link"] == f'<?top=1&continuation={json.loads(answer.get_body())["continuation"]}>; rel="next"'
    )
    assert "Link" not in (await page(request("GET"))).headers


async def test_what_is_accepted_decides_the_form(functions: Any) -> None:
    asked = func.HttpRequest("GET", "https://app.example/api/x", headers={"Accept": "text/csv"}, params={}, body=b"")
    answer = await functions["findings"].get_user_function()(asked)

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert len(answer.get_body().splitlines()) == 3


async def test_a_summary_and_a_refusal_are_answered(functions: Any) -> None:
    summary = functions["findings_summary"].get_user_function()

    assert (await summary(request("GET", params={"until": "2026-11-21"}))).status_code == 200
    assert (await summary(request("GET", params={"until": "soon"}))).status_code == 400
