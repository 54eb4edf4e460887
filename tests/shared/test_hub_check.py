"""The check of pull mode over memory twins: what is asked, how long it may take, and what is answered."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.adapters.memory_hub_looks import MemoryHubLooks
from shared.adapters.memory_subscriptions import MemorySubscriptionStore
from shared.hub_check import HubCheck, read_setup
from shared.hub_diagnosis import Look, Reader
from shared.settings import Settings
from tests import builders

TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
KEY = "c2VjcmV0LWtleS1vZi1hLWh1Yi10aGF0LW5vYm9keS1tYXktc2Vl"
ENVIRON = {
    "PUBLIC_BASE_URL": "https://a.example/api",
    "EVENT_HUB_NOTIFICATION_URL": (
        "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
    ),
    "EventHubConnection": (
        f"Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=app;SharedAccessKey={KEY}"
    ),
    "EVENT_HUB_NAME": "notifications",
    "EVENT_HUB_CONSUMER_GROUP": "$Default",
    "EVENT_HUB_BLOB_STORE_URL": "https://contoso.vault.azure.net/secrets/store?tenantId=contoso.com",
    "OVERSIZE_STORAGE": f"DefaultEndpointsProtocol=https;AccountName=oversize;AccountKey={KEY}",
}


def check(looks: MemoryHubLooks, *, store: MemorySubscriptionStore | None = None, **changes: str) -> HubCheck:
    settings = Settings.from_environ({**ENVIRON, **changes})
    return HubCheck(settings=settings, looks=looks, store=store, seconds=0.05)


@pytest.fixture
def looks() -> MemoryHubLooks:
    return MemoryHubLooks(tenants={"contoso.com": TENANT})


async def verdicts(made: HubCheck) -> dict[str, str]:
    return {each.about: each.verdict for each in await made.run()}


async def test_while_all_is_well_nothing_is_wrong(looks: MemoryHubLooks) -> None:
    code, answer = await check(looks).answer()

    assert (code, answer["ok"]) == (200, True)
    assert [each["about"] for each in answer["findings"] if each["verdict"] == "wrong"] == []


async def test_what_does_not_answer_costs_no_more_than_the_time_for_all_of_it(looks: MemoryHubLooks) -> None:
    looks.silent = True

    found = await verdicts(check(looks))

    assert found["hub"] == "wrong"
    assert found["tenant of the hub"] == "unknown"


async def test_where_pull_mode_is_not_asked_for_there_is_nothing_to_look_at(looks: MemoryHubLooks) -> None:
    made = HubCheck(settings=Settings.from_environ({}), looks=looks, store=None)

    code, answer = await made.answer()

    assert (code, "EVENT_HUB_NOTIFICATION_URL" in answer["problem"]) == (404, True)


async def test_an_identity_s_tenant_is_held_against_the_domain(looks: MemoryHubLooks) -> None:
    looks.identity = Reader(tenant_id="another", object_id="o")
    without_key = {
        "EventHubConnection": "",
        "EventHubConnection__fullyQualifiedNamespace": "contoso.servicebus.windows.net",
    }

    assert (await verdicts(check(looks, **without_key)))["tenant of the hub"] == "wrong"
    assert (await verdicts(check(looks)))["tenant of the hub"] == "unknown"


async def test_what_graph_said_last_is_part_of_it(looks: MemoryHubLooks) -> None:
    tried = builders.live(delivery="eventhub", subscription_id="", problem="Graph may not write into the hub")
    store = MemorySubscriptionStore(rows={tried.name: tried})

    said = [each.says for each in await check(looks, store=store).run() if each.about == "what Graph said"]
    assert said == [f"of subscription {tried.name}: Graph may not write into the hub"]
    store.rows[tried.name] = replace(tried, subscription_id="s", problem="")
    assert (await verdicts(check(looks, store=store)))["Graph's role"] == "ok"


async def test_a_webhook_s_subscription_proves_nothing_of_the_hub(looks: MemoryHubLooks) -> None:
    store = MemorySubscriptionStore(rows={builders.NAME: builders.live()})

    assert (await verdicts(check(looks, store=store)))["Graph's role"] == "unknown"


async def test_a_table_that_is_away_hinders_nothing(looks: MemoryHubLooks) -> None:
    found = await verdicts(check(looks, store=MemorySubscriptionStore(away=True)))

    assert found["hub"] == "ok"
    assert "what Graph said" not in found


@pytest.mark.parametrize("spoiled", ["nonsense", "Endpoint=sb://", f"SharedAccessKey={KEY}"])
async def test_a_connection_string_that_is_none_is_called_so(looks: MemoryHubLooks, spoiled: str) -> None:
    looks.of_hub = Look(outcome="malformed")

    said = " ".join(each.says for each in await check(looks, EventHubConnection=spoiled).run())

    assert "EventHubConnection is no connection string" in said


async def test_no_key_is_ever_in_an_answer(looks: MemoryHubLooks, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    told: list[Any] = [read_setup(Settings.from_environ(ENVIRON))]
    for outcome in ("ok", "absent", "denied", "failed"):
        look = Look(outcome=outcome)  # type: ignore[arg-type]
        looks.of_hub = looks.of_group = looks.of_container = look
        told.append(json.dumps((await check(looks).answer())[1]))

    assert KEY not in f"{told} {caplog.text}"
