"""The templates as they are: every check holds, and what a reader of the docs is promised is what is made."""

import json
import re

import pytest

from tests.bicep.checks import CHECKS, Check
from tests.bicep.deploying import ENVIRON
from tests.bicep.syntax import BicepError
from tests.bicep.variants import DEPLOYER, GATEWAY, TEMPLATES, VARIANTS, deploy
from tests.house.shipping import ROOT


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_holds_for_every_variant(check: Check) -> None:
    assert check(TEMPLATES) == []


@pytest.mark.parametrize(
    ("size", "memory", "most", "ready"),
    [
        ("small", 512, 40, {}),
        ("standard", 2048, 100, {"http": 1, "function:processor": 1}),
        ("large", 2048, 400, {"http": 4, "function:processor": 4, "function:event_hub": 4}),
    ],
)
def test_sizes_are_what_they_say(size: str, memory: int, most: int, ready: dict[str, int]) -> None:
    scale = deploy(size).one("Microsoft.Web/sites").properties["functionAppConfig"]["scaleAndConcurrency"]

    assert scale["instanceMemoryMB"] == memory
    assert scale["maximumInstanceCount"] == most
    assert {each["name"]: each["instanceCount"] for each in scale["alwaysReady"]} == ready


def test_small_has_nothing_that_is_paid_for_while_nothing_happens() -> None:
    paid = ("EventHub", "SignalRService", "Network")

    assert [
        each for each in deploy("small").resources if each.type.startswith(tuple(f"Microsoft.{name}" for name in paid))
    ] == []


def test_a_single_cell_of_a_size_can_be_changed_and_the_others_stay() -> None:
    paper = TEMPLATES.deploy(scale={"alwaysReady": {"http": 3}, "maximumInstanceCount": 60})
    scale = paper.one("Microsoft.Web/sites").properties["functionAppConfig"]["scaleAndConcurrency"]

    assert scale["maximumInstanceCount"] == 60
    assert {each["name"]: each["instanceCount"] for each in scale["alwaysReady"]} == {
        "http": 3,
        "function:processor": 1,
    }


def test_a_setting_can_be_changed_and_the_others_stay() -> None:
    paper = TEMPLATES.deploy(settings={"RETRY_ATTEMPTS": "20"})

    assert paper.settings["RETRY_ATTEMPTS"] == "20"
    assert paper.settings["SWEEP_SCHEDULE"] == deploy("standard").settings["SWEEP_SCHEDULE"]


def test_what_azd_keeps_in_its_environment_is_what_is_deployed() -> None:
    environ = ENVIRON | {
        "EARSHOT_SIZE": "small",
        "EARSHOT_DELIVERY": "both",
        "EARSHOT_VNET": "true",
        "EARSHOT_SIGNALR": "true",
        "EARSHOT_PAGE_ORIGINS": "http://localhost:7071,https://hear.contoso.com",
        "AZURE_PRINCIPAL_ID": DEPLOYER,
        "AZURE_PRINCIPAL_TYPE": "ServicePrincipal",
        "GRAPH_CLIENT_ID": DEPLOYER,
        "GRAPH_TENANT_DOMAIN": "contoso.onmicrosoft.com",
    }
    paper = TEMPLATES.deploy(environ=environ)

    assert paper.of("Microsoft.Network/privateEndpoints")
    signalr = paper.one("Microsoft.SignalRService/signalR")
    assert signalr.body["sku"]["name"] == "Free_F1"
    own = paper.settings["PUBLIC_BASE_URL"].removesuffix("/api")
    origins = [own, "http://localhost:7071", "https://hear.contoso.com"]
    assert signalr.properties["cors"] == {"allowedOrigins": origins}
    assert paper.settings["GRAPH_CLIENT_ID"] == DEPLOYER
    assert paper.settings["EVENT_HUB_NOTIFICATION_URL"].endswith(
        "/eventhubname/notifications?tenantId=contoso.onmicrosoft.com"
    )
    kinds = {
        each.properties["principalType"]
        for each in paper.of("Microsoft.Authorization/roleAssignments")
        if each.properties["principalId"] == DEPLOYER
    }
    assert kinds == {"ServicePrincipal"}


def test_what_azd_does_not_know_is_asked_for() -> None:
    with pytest.raises(BicepError, match="AZURE_LOCATION is not set"):
        TEMPLATES.deploy(environ={"AZURE_ENV_NAME": "trial"})


def test_pull_mode_without_graphs_principal_gives_nobody_a_way_in() -> None:
    paper = TEMPLATES.deploy(delivery="eventhub", tenantDomain="contoso.onmicrosoft.com")

    assert [each.symbol for each in paper.resources if each.symbol.startswith("graph")] == []


def test_names_are_short_enough_for_azure() -> None:
    """24 characters for storage and vaults, letters and digits for storage; the token that Azure makes has 13."""
    paper = deploy("everything")
    limits = {
        "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
        "Microsoft.KeyVault/vaults": r"[a-z][a-z0-9-]{1,22}[a-z0-9]",
    }

    for type_, pattern in limits.items():
        names = [each.name for each in paper.of(type_)]
        assert len(set(names)) == 2
        assert [name for name in names if not re.fullmatch(pattern, name)] == []


def test_nothing_of_entra_is_made_here() -> None:
    """The scripts do that: who deploys to Azure need not be an administrator of the tenant."""
    for name in VARIANTS:
        assert [each for each in deploy(name).resources if each.type.startswith("Microsoft.Graph")] == []
    assert not [path for path in TEMPLATES.paths if "extension " in path.read_text("utf-8")]


def test_a_gateway_without_a_network_has_its_subnet_and_no_private_endpoints() -> None:
    paper = TEMPLATES.deploy(**GATEWAY)

    assert paper.one("Microsoft.Network/virtualNetworks")
    assert paper.of("Microsoft.Network/privateEndpoints") == []


def test_the_workbook_is_one() -> None:
    book = json.loads((ROOT / "bicep/workbook.json").read_bytes())
    names = [each["name"] for each in book["items"]]

    assert book["version"] == "Notebook/1.0"
    assert len(names) == len(set(names))


def test_azd_finds_templates_service_and_hooks() -> None:
    text = (ROOT / "azure.yaml").read_text("utf-8")
    [service] = re.findall(r"^services:\n  (\w+):\n", text, re.MULTILINE)
    hooks = re.findall(r"^  (pre\w+|post\w+):", text, re.MULTILINE)
    scripts = re.findall(r"run: python3? (\S+)", text)

    assert re.search(r"^infra:\n  provider: bicep\n  path: bicep\n  module: main\n", text, re.MULTILINE)
    assert deploy("standard").one("Microsoft.Web/sites").body["tags"]["azd-service-name"] == service
    assert hooks == ["preprovision", "postprovision", "postdeploy"]
    assert {name for name in scripts if not (ROOT / name).is_file()} == set()
    assert len(scripts) == 2 * len(hooks)
    assert re.search(r"^  template: \w+@\d+\.\d+\.\d+$", text, re.MULTILINE)
