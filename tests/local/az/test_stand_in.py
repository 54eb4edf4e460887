"""The stand-in for `az` is strict: it takes what the real CLI's parsers take, and nothing that it cannot answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.az import stand_in as module
from local.az.parsing import UsageError, commands, read
from local.az.queries import query
from local.az.stand_in import StandIn
from local.az.tenant import fresh, provisioned, write_state

ROOT = Path(__file__).parents[3]


@pytest.fixture
def az(tmp_path: Path) -> StandIn:
    stand_in = StandIn(tmp_path / "state.json")
    write_state(stand_in.path, provisioned(fresh(["Mail.Read"]), references={"CLIENT_STATE_KEY": "client-state-key"}))
    return stand_in


@pytest.mark.parametrize(
    "line",
    [
        "account shew",
        "keyvault",
        "keyvault secret sett --vault-name kv-x --name a --value b",
        "keyvault secret set --vault-name kv-x --name a --value b --force",
        "keyvault secret set --vault-name kv-x --value b",
        "keyvault secret set --vault-name kv-x --name",
        "keyvault secret set --vault kv-x --name a --value b",
        "keyvault secret set --vault-name kv-x --name a --name b --value c",
        "keyvault secret set --vault-name kv-x --name a --value b --encoding utf-7",
        "keyvault secret set --vault-name kv-x --name a b --value c",
        "keyvault secret set extra --vault-name kv-x --name a --value b",
        "rest --method fetch --url https://graph.microsoft.com/v1.0/organization",
        "account show --output yaml",
        "account show --query length(@)",
        "account show --output tsv",
        "webapp log tail --name x --resource-group y",
    ],
)
def test_what_the_real_one_would_not_take_ends_with_two(az: StandIn, line: str) -> None:
    before = az.path.read_bytes()

    ended = az.run(["az", *line.split()])

    assert ended.code == 2
    assert ended.err.startswith("ERROR: ")
    assert ended.out == ""
    assert az.path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("account show", 0),
        ("keyvault secret set --vault-name kv-x -n a --value b", 0),
        ("keyvault secret set --vault-name=kv-x --name=a --value=b", 0),
        ("keyvault secret set --vault-name nobodys --name a --value b", 1),
        ("keyvault secret set --vault-name kv-x --name a_b --value b", 1),
        ("keyvault secret recover --vault-name kv-x --name a", 1),
        ("rest --url https://graph.microsoft.com/v1.0/planets", 1),
        ("rest --url https://example.com/", 1),
        ("rest --url https://graph.microsoft.com/v1.0/organization", 0),
    ],
)
def test_what_it_takes_it_answers_or_refuses(az: StandIn, line: str, code: int) -> None:
    assert az.run(["az", *line.split()]).code == code


def test_a_value_is_in_what_a_secret_prints_as_with_the_real_one(az: StandIn) -> None:
    """Whence the hooks' `--query id`."""
    line = ["az", "keyvault", "secret", "set", "--vault-name", "kv-x", "--name", "a", "--value", "hush"]

    assert json.loads(az.run(line).out)["value"] == "hush"
    assert json.loads(az.run([*line, "--query", "id"]).out).startswith("https://kv-x.vault.azure.net/secrets/a/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"b": [{"n": "x", "on": True}, {"n": "y", "on": False}]}),
        ("a.b[0].n", "x"),
        ("a.b[1].n", "y"),
        ("a.b[2].n", None),
        ("a.b[?on].n", ["x"]),
        ("a.b[?n=='y'].on", [False]),
        ("a.b[?n=='y'].n | [0]", "y"),
        ("a.b[?n=='z'].n | [0]", None),
        ("a.c.d", None),
    ],
)
def test_queries_are_read_as_the_real_one_reads_them(text: str, expected: object) -> None:
    assert query(text, {"a": {"b": [{"n": "x", "on": True}, {"n": "y", "on": False}]}}) == expected


@pytest.mark.parametrize("text", ["", "a | [1]", "a | [0] | [0]", "a[*]", "a b", "length(a)", "a[?b>'1']"])
def test_a_query_that_it_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="knows no --query"):
        query(text, {})


def test_nobody_who_is_not_signed_in_is_answered(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "state.json")
    write_state(stand_in.path, fresh([], signed_in=False))

    ended = stand_in.run(["az", "account", "show"])

    assert (ended.code, ended.err) == (1, "ERROR: Please run 'az login' to setup account.")


def test_the_reference_was_read_from_a_real_cli_and_names_its_pages() -> None:
    assert json.loads((ROOT / "local/az/reference.json").read_text("utf-8"))["azure-cli"].startswith("2.")
    for name, entry in commands().items():
        assert entry["page"].startswith("https://learn.microsoft.com/cli/azure/"), name
        assert {"--output", "--query", "--only-show-errors"} <= set(entry["flags"]), name


def test_every_answer_is_to_a_command_of_the_reference() -> None:
    assert set(module._HANDLERS) <= set(commands())


def test_a_flag_may_be_given_by_any_of_its_names() -> None:
    command = read(["keyvault", "certificate", "create", "--vault-name", "v", "-n", "c", "-p", "@x"])

    assert (command.one("--name"), command.one("--policy")) == ("c", "@x")
    with pytest.raises(UsageError, match="required: --policy"):
        read(["keyvault", "certificate", "create", "--vault-name", "v", "-n", "c"])


def test_as_a_program_it_answers_the_same(az: StandIn) -> None:
    command = [sys.executable, "-m", "local.az", "az", "account", "show"]

    done = subprocess.run(
        command, cwd=ROOT, env={"AZ_STAND_IN": str(az.path)}, capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(az.run(["az", "account", "show"]).out)


def test_azd_keeps_values_and_does_nothing_else(az: StandIn) -> None:
    assert az.run(["azd", "env", "set", "GRAPH_CLIENT_ID", "x"]).code == 0
    assert az.run(["azd", "env", "set", "GRAPH_CLIENT_ID"]).code == 1
    assert az.run(["azd", "up"]).code == 2
    assert json.loads(az.path.read_text("utf-8"))["azd"]["GRAPH_CLIENT_ID"] == "x"
