"""Prices, figures and sizes as they lie in their files, and sizes as the infrastructure has them."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from local.cost import model
from local.cost.tables import ASSUMED, OPTIONS, Price, Size, figures, prices, sizes
from tests.house.shipping import ROOT

BICEP = ROOT / "bicep"


def bicep(name: str) -> str:
    return (BICEP / name).read_text("utf-8")


def row_of(size: str) -> dict[str, int]:
    """A size's row in sizes.bicep, its numbers by their path."""
    table = bicep("sizes.bicep").partition("var sizes = {")[2]
    row = re.search(rf"^  {size}: \{{\n(.*?)^  \}}", table, re.MULTILINE | re.DOTALL)
    assert row, size
    found: dict[str, int] = {}
    for line in row[1].splitlines():
        name, _, rest = line.strip().partition(": ")
        inner = re.findall(r"(\w+): (-?\d+)", rest)
        found |= {f"{name}.{key}": int(value) for key, value in inner} if inner else {}
        if rest.lstrip("-").isdigit():
            found[name] = int(rest)
    return found


@pytest.mark.parametrize("known", sizes().values(), ids=sizes())
def test_a_size_is_what_the_infrastructure_makes_of_it(known: Size) -> None:
    row = row_of(known.key)
    tier = bicep("sizes.bicep").partition(f"  {known.key}: {{")[2].partition("signalR: { tier: '")[2].partition("'")[0]

    assert (known.memory_mb, known.most_instances) == (row["instanceMemoryMB"], row["maximumInstanceCount"])
    assert known.ready_http == row["alwaysReady.http"]
    assert known.ready_processor == row["alwaysReady.processor"]
    assert known.ready_hub == row["alwaysReady.eventHub"]
    assert known.hub_units == row["eventHub.throughputUnits"]
    assert known.most_hub_units == row["eventHub.maximumThroughputUnits"]
    assert known.hub_partitions == row["eventHub.partitions"]
    assert known.log_quota_gb == max(row["logDailyQuotaGB"], 0)
    assert known.signalr_units == (0 if tier == "Free_F1" else row["signalR.units"])


SAID = {"delivery": "hub", "signalREnabled": "signalr", "gatewayEnabled": "gateway", "vnetEnabled": "network"}
OFF = {"false", "'webhook'"}


@pytest.mark.parametrize("size", sizes())
def test_a_size_has_the_options_that_its_parameter_file_turns_on(size: str) -> None:
    given = dict(re.findall(r"^param (\w+) = (.+)$", bicep(f"{size}.bicepparam"), re.MULTILINE))

    on = {
        option
        for name, option in SAID.items()
        if given.get(name, "false") not in OFF and "'false'" not in given.get(name, "")
    }
    assert set(sizes()[size].options) == on
    assert set(SAID.values()) == set(OPTIONS)


def test_what_modules_make_besides_is_counted() -> None:
    assert len(
        re.findall(r"^    name: '[a-z-]+'$", bicep("modules/alerts.bicep").partition("var rules")[2], re.MULTILINE)
    ) == (model.LOG_ALERTS)
    assert "evaluationFrequency: 'PT15M'" in bicep("modules/alerts.bicep")
    assert bicep("modules/privateendpoints.bicep").count("{ group: ") == model.PRIVATE_ENDPOINTS
    assert "minCapacity: 0" in bicep("modules/gateway.bicep")
    assert model.GATEWAY_UNITS == 1


def test_the_timers_are_reckoned_as_they_are_set() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_bytes())["Values"]

    assert (values["RENEWAL_SCHEDULE"], values["SWEEP_SCHEDULE"]) == ("0 */5 * * * *", "30 */15 * * * *")
    assert pytest.approx(730 * (12 + 4)) == model.TIMER_RUNS


@pytest.mark.parametrize("price", prices().values(), ids=prices())
def test_a_price_has_a_date_and_a_source(price: Price) -> None:
    year, month = map(int, price.as_of.split("-"))

    assert date(2025, 1, 1) <= date(year, month, 1)
    assert price.source.startswith(("https://azure.microsoft.com/pricing/", "https://learn.microsoft.com/"))
    assert price.amount > 0
    assert price.lot > 0


def test_every_price_and_figure_is_used() -> None:
    code = "".join(
        path.read_text("utf-8") for part in ("cost", "scale", "bench") for path in (ROOT / "local" / part).glob("*.py")
    )
    assert [key for key in (*prices(), *figures()) if f'"{key}"' not in code] == []


def test_a_figure_says_who_measured_it() -> None:
    commands = {figure.by for figure in figures().values() if figure.by.startswith("python -m local ")}
    files = {figure.by for figure in figures().values() if re.match(r"^[\w/.-]+\.(py|md)$", figure.by)}

    assert {command.split()[-1] for command in commands} <= {"envelope", "opening", "ack"}
    assert all((ROOT / file).is_file() for file in files)
    assert {figure.key for figure in figures().values() if figure.by == ASSUMED} == {
        "row-bytes",
        "request-bytes",
        "cpu-ms-of-host-per-execution",
        "busy-share",
        "ownership-writes-per-second",
    }


def test_sizes_come_in_order() -> None:
    assert list(sizes()) == ["small", "standard", "large"]
    assert {path.stem for path in Path(BICEP).glob("*.bicepparam")} - {"main"} == set(sizes())
