"""What a pipeline hands to the templates, and what it must not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.pipeline_values import OUTPUTS, TEMPLATE, choose, made, main, read_by_the_templates

NAMES = read_by_the_templates(TEMPLATE.read_text("utf-8"))
GOOD = {"AZURE_ENV_NAME": "prod", "AZURE_LOCATION": "eastus", "GRAPH_CLIENT_ID": "c-1"}


def test_what_is_there_is_handed_on_and_what_is_blank_stays_away() -> None:
    assert choose(GOOD | {"EARSHOT_SIZE": " ", "EARSHOT_ALERT_EMAIL": "", "OTHER": "x"}, NAMES) == GOOD


def test_a_pipeline_gives_itself_no_rights_in_the_vault() -> None:
    assert "AZURE_PRINCIPAL_ID" in NAMES
    assert "AZURE_PRINCIPAL_ID" not in choose(GOOD | {"AZURE_PRINCIPAL_ID": "p-1"}, NAMES)


@pytest.mark.parametrize("name", GOOD)
def test_without_it_nothing_is_deployed(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is missing"):
        choose({key: value for key, value in GOOD.items() if key != name}, NAMES)


def test_a_managed_identity_needs_no_registration() -> None:
    given = {name: GOOD[name] for name in ("AZURE_ENV_NAME", "AZURE_LOCATION")} | {
        "GRAPH_CREDENTIAL": "managed-identity"
    }

    assert choose(given, NAMES) == given
    with pytest.raises(ValueError, match="GRAPH_CLIENT_ID is missing"):  # which people would sign in to
        choose(given | {"EARSHOT_SIGNALR": "true"}, NAMES)


@pytest.mark.parametrize("delivery", ["eventhub", "both"])
def test_pull_mode_needs_what_the_hooks_have_found(delivery: str) -> None:
    with pytest.raises(
        ValueError, match=r"GRAPH_TENANT_DOMAIN is missing; GRAPH_CHANGE_TRACKING_PRINCIPAL_ID is missing"
    ):
        choose(GOOD | {"EARSHOT_DELIVERY": delivery}, NAMES)


@pytest.mark.parametrize("value", ["a\nPATH=/evil", "a\rb", "a\x1bb"])
def test_a_value_cannot_bring_another_one_in(value: str) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        choose(GOOD | {"EARSHOT_ALERT_EMAIL": value}, NAMES)


def test_it_writes_where_the_next_steps_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "env"

    assert main([], {"VARIABLES": json.dumps(GOOD), "GITHUB_ENV": str(file)}) == 0
    assert file.read_text("utf-8").splitlines() == [
        *(f"{name}={value}" for name, value in sorted(GOOD.items())),
        "AZURE_PRINCIPAL_TYPE=ServicePrincipal",
    ]
    assert "eastus" not in capsys.readouterr().out  # names are enough


@pytest.mark.parametrize("variables", ["", "[]", "{", '{"AZURE_ENV_NAME": 1}'])
def test_what_it_cannot_read_it_refuses(variables: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "env"

    assert main([], {"VARIABLES": variables, "GITHUB_ENV": str(file)}) == 1
    assert "gh variable set" in capsys.readouterr().err
    assert not file.exists()


def test_outputs_are_found_whatever_their_case(tmp_path: Path) -> None:
    outputs = {
        "azurE_RESOURCE_GROUP": {"value": "rg"},
        "FUNCTION_APP_NAME": {"value": "f"},
        "other": {"value": []},
    }
    outputs |= {"function_APP_HOST_NAME": {"value": "f.example"}}
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))

    assert main(["--outputs", str(tmp_path / "outputs.json")], {"GITHUB_ENV": str(tmp_path / "env")}) == 0
    assert (tmp_path / "env").read_text("utf-8").splitlines() == [
        "AZURE_RESOURCE_GROUP=rg",
        "FUNCTION_APP_NAME=f",
        "FUNCTION_APP_HOST_NAME=f.example",
    ]


@pytest.mark.parametrize("spoilt", [{}, {"value": ""}, {"value": 1}, {"value": "a\nb"}, "f"])
def test_an_output_that_is_not_there_is_named(spoilt: object) -> None:
    good: dict[str, object] = {name: {"value": "x"} for name in OUTPUTS}

    with pytest.raises(ValueError, match=OUTPUTS[1]):
        made(good | {OUTPUTS[1]: spoilt})


def test_the_templates_put_it_out() -> None:
    main_bicep = (TEMPLATE.parent / "main.bicep").read_text("utf-8")

    assert all(f"output {name} string" in main_bicep for name in OUTPUTS)


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), st.text() | st.integers() | st.none()))
def test_whatever_the_variables_are_they_are_chosen_or_refused(variables: dict[str, object]) -> None:
    try:
        chosen = choose(variables, NAMES)
    except ValueError:
        return
    assert set(chosen) <= set(NAMES)
    assert all(value.isprintable() and value for value in chosen.values())
