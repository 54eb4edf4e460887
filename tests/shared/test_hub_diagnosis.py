"""The diagnosis of pull mode: each mistake made once is named, with what to do, and nothing else is called wrong."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.hub_url import HubConnection, HubUrl
from shared.hub_diagnosis import Finding, Look, Reader, Seen, Setup, diagnose, print_findings

TENANT = "7e4a0000-0000-4000-8000-000000007e4a"
OTHER = "0e4a0000-0000-4000-8000-000000000e4a"
HOST = "contoso.servicebus.windows.net"
CHANGE_TRACKING = "0bf30f3b-4a52-48df-9a82-234910c4a086"
TOLD = HubUrl(host=HOST, hub="notifications", domain="contoso.com")
IN_VAULT = HubUrl(host="contoso.vault.azure.net", secret="hub", domain="contoso.com")
STORE = HubUrl(host="contoso.vault.azure.net", secret="store", domain="contoso.com")
GOOD = Setup(
    told=TOLD,
    store=STORE,
    connection=HubConnection(host=HOST),
    hub="notifications",
    consumer_group="earshot",
    by_identity=True,
    takes_oversize=True,
    oversize_account="oversize",
)
OK = Look(outcome="ok")
WELL = Seen(
    hub=Look(outcome="ok", detail="4"),
    consumer_group=OK,
    domain=Look(outcome="ok", detail=TENANT),
    store_domain=Look(outcome="ok", detail=TENANT),
    container=OK,
    reader=Reader(tenant_id=TENANT, object_id="0b1ec700-0000-4000-8000-00000000b1ec"),
)


def named(findings: tuple[Finding, ...], verdict: str) -> list[str]:
    return [each.about for each in findings if each.verdict == verdict]


def test_while_all_is_well_only_what_nobody_here_can_see_is_left_to_look_at() -> None:
    findings = diagnose(GOOD, WELL)

    assert named(findings, "wrong") == []
    assert named(findings, "ok") == [
        "settings",
        "one hub for both",
        "hub",
        "consumer group",
        "tenant of the hub",
        "large changes",
    ]
    assert named(findings, "unknown") == [
        "tenant of the blob store",
        "Graph's role",
        "network",
        "Graph's role for large changes",
    ]
    assert print_findings(findings)["ok"] is True


MISTAKES = {
    "nothing is told": (replace(GOOD, told=None), WELL, "settings", "EVENT_HUB_NOTIFICATION_URL"),
    "nothing is read": (replace(GOOD, connection=None), WELL, "settings", "EventHubConnection"),
    "no name": (replace(GOOD, hub=""), WELL, "settings", "EVENT_HUB_NAME"),
    "no group": (replace(GOOD, consumer_group=""), WELL, "settings", "EVENT_HUB_CONSUMER_GROUP"),
    "another hub": (replace(GOOD, hub="other"), WELL, "one hub for both", "nobody hears it"),
    "another namespace": (
        replace(GOOD, connection=HubConnection(host="fabrikam.servicebus.windows.net")), WELL, "one hub for both", "fabrikam",
    ),
    "entity path": (replace(GOOD, connection=HubConnection(host=HOST, hub="x")), WELL, "one hub for both", "EntityPath"),
    "hub missing": (GOOD, replace(WELL, hub=Look(outcome="absent")), "hub", "misspelt"),
    "role missing": (GOOD, replace(WELL, hub=Look(outcome="denied")), "hub", "Azure Event Hubs Data Receiver"),
    "key wrong": (replace(GOOD, by_identity=False), replace(WELL, hub=Look(outcome="denied")), "hub", "Listen"),
    "firewall": (GOOD, replace(WELL, hub=Look(outcome="closed")), "hub", "does not let in"),
    "namespace missing": (GOOD, replace(WELL, hub=Look(outcome="unreachable")), "hub", "nobody answers"),
    "no connection string": (GOOD, replace(WELL, hub=Look(outcome="malformed")), "hub", "no connection string"),
    "group missing": (GOOD, replace(WELL, consumer_group=Look(outcome="absent")), "consumer group", "no consumer group earshot"),
    "group shared": (GOOD, replace(WELL, consumer_group=Look(outcome="crowded")), "consumer group", "its own"),
    "no such domain": (GOOD, replace(WELL, domain=Look(outcome="absent")), "tenant of the hub", "no domain of any tenant"),
    "another tenant": (
        GOOD, replace(WELL, domain=Look(outcome="ok", detail=OTHER)), "tenant of the hub", f"is in tenant {TENANT}",
    ),
    "no such domain for blobs": (
        GOOD, replace(WELL, store_domain=Look(outcome="absent")), "tenant of the blob store", "EVENT_HUB_BLOB_STORE_URL",
    ),
    "nobody reads blobs": (replace(GOOD, takes_oversize=False), WELL, "large changes", "OVERSIZE_STORAGE"),
    "nobody writes blobs": (replace(GOOD, store=None), WELL, "large changes", "EVENT_HUB_BLOB_STORE_URL is missing"),
    "container missing": (
        GOOD, replace(WELL, container=Look(outcome="absent")), "large changes", "microsoft-graph-change-notifications",
    ),
    "blobs denied": (GOOD, replace(WELL, container=Look(outcome="denied")), "large changes", "Storage Blob Data Reader"),
    "blobs malformed": (GOOD, replace(WELL, container=Look(outcome="malformed")), "large changes", "no connection string"),
    "Graph refused": (GOOD, replace(WELL, refused=(("teams", "Graph may not write"),)), "what Graph said", "Graph may not write"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_named_and_nothing_else_is_called_wrong(mistake: str) -> None:
    setup, seen, about, words = MISTAKES[mistake]

    findings = diagnose(setup, seen)

    assert named(findings, "wrong") == [about]
    assert print_findings(findings)["ok"] is False
    [wrong] = [each for each in findings if each.verdict == "wrong"]
    assert words in wrong.says


def commands(*findings: Finding) -> str:
    return "\n".join(command for each in findings for command in (*each.look, *each.mend))


def find(findings: tuple[Finding, ...], about: str) -> Finding:
    return next(each for each in findings if each.about == about)


def test_what_only_azure_sees_comes_with_commands_that_are_filled_in() -> None:
    role = find(diagnose(GOOD, WELL), "Graph's role")

    assert f"az ad sp show --id {CHANGE_TRACKING}" in commands(role)
    assert "--name contoso " in commands(role)
    assert "$NAMESPACE/eventhubs/notifications" in role.mend[-1]
    assert '--role "Azure Event Hubs Data Sender"' in role.mend[-1]


def test_a_secret_s_commands_are_the_vault_s() -> None:
    findings = diagnose(replace(GOOD, told=IN_VAULT), WELL)
    role = find(findings, "Graph's role")

    assert find(findings, "one hub for both").verdict == "unknown"
    assert '--role "Key Vault Secrets User"' in commands(role)
    assert "$VAULT/secrets/hub" in commands(role)
    assert "az keyvault update --name contoso --public-network-access Enabled" in commands(find(findings, "network"))


def test_the_app_s_own_role_is_given_to_its_own_identity() -> None:
    [wrong] = [each for each in diagnose(GOOD, replace(WELL, hub=Look(outcome="denied"))) if each.verdict == "wrong"]

    assert "0b1ec700-0000-4000-8000-00000000b1ec" in wrong.mend[-1]
    assert "Azure Event Hubs Data Receiver" in wrong.mend[-1]
    assert "consumergroups" not in wrong.mend[-1]


def test_a_subscription_that_exists_proves_that_graph_could_write() -> None:
    findings = diagnose(GOOD, replace(WELL, made="teams"))

    assert named(findings, "unknown") == ["tenant of the blob store"]
    assert "teams" in find(findings, "what Graph said").says


def test_an_emulator_is_not_taken_for_a_mistake() -> None:
    setup = replace(GOOD, connection=HubConnection(host="localhost", emulated=True), by_identity=False)

    assert named(diagnose(setup, WELL), "wrong") == []


@pytest.mark.parametrize("outcome", ["failed", "unreachable", "closed", "denied"])
def test_what_could_not_be_asked_is_not_called_wrong(outcome: str) -> None:
    look = Look(outcome=outcome)  # type: ignore[arg-type]
    seen = replace(WELL, domain=look, store_domain=look, consumer_group=look)

    assert named(diagnose(GOOD, seen), "wrong") == []


OUTCOMES = ["ok", "absent", "denied", "closed", "unreachable", "malformed", "crowded", "failed", "not looked"]
LOOKS = st.builds(Look, outcome=st.sampled_from(OUTCOMES), detail=st.text(max_size=8))
PLACES = st.none() | st.builds(HubUrl, host=st.text(max_size=9), domain=st.text(max_size=9), hub=st.text(max_size=9))
SETUPS = st.builds(
    Setup,
    told=PLACES,
    store=PLACES,
    connection=st.none() | st.builds(HubConnection, host=st.text(max_size=9), hub=st.text(max_size=9)),
    hub=st.text(max_size=9) | st.just("$(rm -rf ~)"),
    consumer_group=st.sampled_from(["$Default", "`id`", "a b", '"; id; "', ""]),
    by_identity=st.booleans(),
    takes_oversize=st.booleans(),
    oversize_account=st.text(max_size=9) | st.just("x; id"),
)
SEEN = st.builds(
    Seen,
    hub=LOOKS,
    consumer_group=LOOKS,
    domain=LOOKS,
    store_domain=LOOKS,
    container=LOOKS,
    reader=st.builds(Reader, tenant_id=st.text(max_size=4), object_id=st.text(max_size=9) | st.just('"; id; "')),
    made=st.text(max_size=4),
)


@given(SETUPS, SEEN)
def test_whatever_was_seen_there_is_an_answer_and_no_command_that_runs_another(setup: Setup, seen: Seen) -> None:
    findings = diagnose(setup, seen)

    assert findings
    json.dumps(print_findings(findings))
    for command in commands(*findings).splitlines():
        bare = re.sub(r"^[A-Z]+=\$\((.*)\)$", r"\1", command).partition("  # ")[0]
        for part in bare.split(" || "):
            assert shlex.split(part)[0] == "az"
            assert not re.search(r"[`;\n]|\$\(", part)
