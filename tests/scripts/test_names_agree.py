"""The hooks, the templates and the app mean the same by the same names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.provisioning import entra, hub, signing_in, tenant, vault
from scripts.provisioning.az import Az
from scripts.provisioning.permissions import MEMBERS
from scripts.provisioning.values import CHOICES, FOR_THE_HOOKS, FOUND, OUTPUTS, FileValues
from shared.adapters.credential import _EXCHANGE
from shared.adapters.user_sign_in import scopes_of
from shared.graph.validation_token import PUBLISHER_APP_ID
from shared.settings import CLOUDS, Settings
from shared.web_files import PageConfig, page_scope

ROOT = Path(__file__).parents[2]
MAIN = (ROOT / "bicep/main.bicep").read_text("utf-8")
PARAMETERS = (ROOT / "bicep/main.bicepparam").read_text("utf-8")
ROLES = (ROOT / "bicep/modules/roles.bicep").read_text("utf-8")
SETTINGS = (ROOT / "bicep/modules/settings.bicep").read_text("utf-8")
CLIENT = "5d2a7c1e-3b4f-4e6a-9c8d-0f1e2d3c4b5a"
HOOKS = ["preprovision", "postprovision", "postdeploy"]


def test_what_the_hooks_need_the_templates_say() -> None:
    assert set(OUTPUTS) <= set(re.findall(r"^output (\w+) ", MAIN, re.MULTILINE))


def test_every_key_that_the_templates_refer_to_is_made() -> None:
    """Also one that somebody adds to the templates later."""
    steps = {step.name for step in vault.Vault(az=Az(), values=FileValues(path=Path("nowhere"))).steps()}
    wanted = {name.removesuffix("_SECRET") for name in re.findall(r"^output (\w+_SECRET) ", MAIN, re.MULTILINE)}

    assert wanted
    assert wanted <= steps


def test_what_the_hooks_find_and_a_person_chooses_the_templates_take() -> None:
    taken = set(re.findall(r"readEnvironmentVariable\('(\w+)'", PARAMETERS))

    assert {*FOUND, *CHOICES} <= taken
    assert not set(FOR_THE_HOOKS) & taken
    for name, default in CHOICES.items():
        assert f"readEnvironmentVariable('{name}', '{default}')" in PARAMETERS, name


@pytest.mark.parametrize("role", ["Key Vault Secrets Officer", "Key Vault Certificates Officer", hub.SENDER])
def test_roles_that_the_hooks_need_or_give_the_templates_give(role: str) -> None:
    camel = f"{role[0].lower()}{role[1:].replace(' ', '')}"

    assert re.search(rf"\b{camel}: '[0-9a-f-]{{36}}'", ROLES)


def test_the_senders_role_has_one_id() -> None:
    assert hub.SENDER_ID in ROLES


@pytest.mark.parametrize("hook", HOOKS)
def test_azd_runs_the_hooks(hook: str) -> None:
    section = (ROOT / "azure.yaml").read_text("utf-8").partition(f"\n  {hook}:\n")[2].partition("\n  #")[0]

    assert section.count(f"scripts/{hook}.py") == 2


def test_the_apps_python_is_the_one_that_the_region_is_asked_for() -> None:
    modules = "".join(path.read_text("utf-8") for path in (ROOT / "bicep").rglob("*.bicep"))

    assert f"version: '{tenant.PYTHON}'" in modules


def test_what_the_managed_identity_vouches_for_is_what_the_app_asks_it_for() -> None:
    ours = {cloud: entra.EXCHANGE[each.authority] for cloud, each in CLOUDS.items()}

    assert ours == dict(_EXCHANGE)


def test_graphs_own_principal_is_whose_tokens_the_app_takes() -> None:
    assert tenant.CHANGE_TRACKING == PUBLISHER_APP_ID


def test_the_keys_are_such_as_the_app_takes() -> None:
    made = {name: vault.make_key() for name in ("CLIENT_STATE_KEY", "TOKEN_CACHE_KEY")}
    made["FORWARD_SIGNING_KEY"] = vault.make_signing_key()

    settings = Settings.from_environ(made)

    assert settings.problems == ()
    assert len(settings.client_state_key) == len(settings.token_cache_key) == 32
    assert settings.forward_signing_key == made["FORWARD_SIGNING_KEY"]


def test_no_two_keys_are_alike() -> None:
    assert len({make() for make in (vault.make_key, vault.make_signing_key) for _ in range(50)}) == 100


def test_the_api_in_entra_is_the_one_that_the_app_takes_tokens_for() -> None:
    """In both ways of the templates: GRAPH_CLIENT_ID alone, or the settings that name another registration for people."""
    [written] = re.findall(r"API_AUDIENCES: empty\(webClientId\) \? '' : '(.+?)'", SETTINGS)
    apart = {"GRAPH_CLIENT_ID": entra.GRAPH, "API_AUDIENCES": written.replace("${webClientId}", CLIENT)}

    for environ in ({"GRAPH_CLIENT_ID": CLIENT}, {**apart, "WEB_CLIENT_ID": CLIENT}):
        settings = Settings.from_environ(environ)
        # version 2 names us by the bare id, version 1 by the address that was asked for
        assert settings.api_audiences == {CLIENT, f"api://{CLIENT}"}
        assert settings.web_client_id == CLIENT
        assert settings.api_scope == signing_in.SCOPE
        assert page_scope(settings.api_audiences, settings.api_scope) == f"api://{CLIENT}/{signing_in.SCOPE}"
    assert f"API_SCOPE: '{signing_in.SCOPE}'" in SETTINGS


def test_people_come_back_to_where_the_page_waits_for_them() -> None:
    """Letter by letter, also after signing out."""
    page = (ROOT / "shared/web/js/sign-in.mjs").read_text("utf-8")
    said = re.findall(r"(?:redirectUri|postLogoutRedirectUri): `\$\{location\.origin\}(.+?)`", page)

    assert said == [f"/api{signing_in.PAGE}"] * 2
    assert "output PUBLIC_BASE_URL string = 'https://${publicHost}/api'" in MAIN


def test_what_people_are_asked_for_is_what_page_and_app_ask_for() -> None:
    config = PageConfig(client_id=CLIENT, authority="", scope="ours", sign_in="msal", live="").print()
    graph = CLOUDS["global"].endpoint
    exchanged = [each.removeprefix(f"{graph}/") for each in scopes_of(Settings.from_environ({}))]

    assert {each.permission for each in signing_in.TO_SIGN_IN} == {*config["scopes"]} - {"ours"}  # type: ignore[misc]
    assert {each.permission for each in signing_in.FOR_MAIL} == set(exchanged)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_runs_where_nothing_is_installed_and_explains_itself(hook: str, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / f"scripts/{hook}.py"), "--help"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    for option in ("--dry-run", "--json", "--values"):
        assert option in done.stdout
    assert done.stderr == ""


def test_what_a_person_may_choose_and_what_is_asked_of_people_stands_in_the_pages() -> None:
    pages = "".join((ROOT / f"docs/{name}.md").read_text("utf-8") for name in ("deploy", "deploy-with-core-tools"))
    asked = [each.permission for each in (*signing_in.TO_SIGN_IN, *signing_in.FOR_MAIL)]
    asked += [each.hear for each in MEMBERS.values()]

    assert [name for name in (*CHOICES, *FOR_THE_HOOKS) if name not in pages] == []
    assert [name for name in asked if f"`{name}`" not in pages] == []
    assert signing_in.SCOPE_ID in pages
