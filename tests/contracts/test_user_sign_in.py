"""Tokens with which we act for people: msal against the simulator's authority over https, from the first exchange to the end."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt
import pytest

from local.graph.simulator import Simulator
from shared.adapters.sign_in import PEOPLE, read_no_to_person
from shared.adapters.user_sign_in import MsalUserSignIn
from shared.errors import SignInError, UserSignedOut
from shared.settings import Settings
from tests.contracts.twins import present

APP = "a99e0000-0000-4000-8000-00000000a99e"
GRAPH = "https://graph.microsoft.com"


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Stage:
    """The simulator's authority, and who asks it."""

    simulator: Simulator
    ahead: timedelta = field(default=timedelta(0))

    def settings(self, **more: str) -> Settings:
        return Settings.from_environ(
            {
                "GRAPH_TENANT_ID": self.simulator.tenant_id,
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": "client-secret",
                "GRAPH_CLIENT_SECRET": "right",
                "GRAPH_ENDPOINT": self.simulator.http_url,
                "GRAPH_AUTHORITY": self.simulator.https_url,
                "SSL_CERT_FILE": str(self.simulator.ca_path),
            }
            | more
        )

    def now(self) -> datetime:
        return present() + self.ahead

    def sign_in(self, **more: str) -> MsalUserSignIn:
        return MsalUserSignIn(self.settings(**more), now=self.now)

    @property
    def user_id(self) -> str:
        return self.simulator.world.people[0].id

    def shown(self, *, audience: str = APP, user_id: str = "") -> str:
        """The token that somebody's page has for our API."""
        named = {"oid": user_id or self.user_id, "sub": "s", "name": "n"}
        return self.simulator.authority.user_token(
            audience=audience, app_id=APP, tenant_id=self.simulator.tenant_id, named=named, scopes="access_as_user"
        )


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Simulator(client_secret="right") as simulator:
        yield Stage(simulator=simulator)


def _claims(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


async def test_the_token_that_was_shown_is_exchanged_for_one_of_graph(stage: Stage) -> None:
    grant = await stage.sign_in().exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)
    claims = _claims(grant.token)

    assert (claims["aud"], claims["oid"], claims["azp"]) == (GRAPH, stage.user_id, APP)
    assert set(str(claims["scp"]).split()) >= {"Mail.Read", "Mail.ReadWrite", "Mail.Send"}
    assert grant.user_id == stage.user_id
    assert timedelta(minutes=55) < grant.expires - present() <= timedelta(hours=1)


async def test_an_app_without_a_secret_acts_for_people_by_its_managed_identity(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.simulator.http_url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    sign_in = stage.sign_in(GRAPH_CREDENTIAL="federated", GRAPH_CLIENT_SECRET="")

    first = await sign_in.exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)
    second = await sign_in.refresh(first.cache, tenant_id=stage.simulator.tenant_id, anew=True)

    assert {_claims(each.token)["oid"] for each in (first, second)} == {stage.user_id}
    assert first.token != second.token


async def test_a_token_that_is_good_is_taken_out_of_what_was_kept(stage: Stage) -> None:
    first = await stage.sign_in().exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)
    again = await stage.sign_in().refresh(first.cache, tenant_id=stage.simulator.tenant_id)

    assert (again.token, again.cache, again.user_id) == (first.token, first.cache, first.user_id)


async def test_a_new_token_comes_without_the_person_by_the_refresh_token(stage: Stage) -> None:
    first = await stage.sign_in().exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)
    second = await stage.sign_in().refresh(first.cache, tenant_id=stage.simulator.tenant_id, anew=True)
    third = await stage.sign_in().refresh(second.cache, tenant_id=stage.simulator.tenant_id, anew=True)

    assert len({first.token, second.token, third.token}) == 3
    assert {_claims(each.token)["oid"] for each in (first, second, third)} == {stage.user_id}


async def test_who_has_signed_out_everywhere_is_refused_in_words(stage: Stage) -> None:
    first = await stage.sign_in().exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)
    stage.simulator.entra.end_sessions(stage.user_id)

    with pytest.raises(UserSignedOut, match="connect again") as caught:
        await stage.sign_in().refresh(first.cache, tenant_id=stage.simulator.tenant_id, anew=True)

    assert (caught.value.code, caught.value.message) == ("invalid_grant", PEOPLE[50173])


async def test_a_token_for_another_app_is_not_exchanged(stage: Stage) -> None:
    with pytest.raises(UserSignedOut, match="GRAPH_CLIENT_ID"):
        await stage.sign_in().exchange(stage.shown(audience=GRAPH), tenant_id=stage.simulator.tenant_id)


async def test_a_secret_of_ours_that_is_wrong_is_no_fault_of_theirs(stage: Stage) -> None:
    with pytest.raises(SignInError) as caught:
        await stage.sign_in(GRAPH_CLIENT_SECRET="wrong-one").exchange(
            stage.shown(), tenant_id=stage.simulator.tenant_id
        )

    assert not isinstance(caught.value, UserSignedOut)
    assert "wrong-one" not in str(caught.value)


async def test_an_authority_that_is_away_is_no_fault_of_theirs(stage: Stage) -> None:
    shown = stage.shown()
    with pytest.raises(SignInError) as caught:
        await stage.sign_in(GRAPH_AUTHORITY="https://localhost:9").exchange(shown, tenant_id=stage.simulator.tenant_id)

    assert not isinstance(caught.value, UserSignedOut)
    assert caught.value.status == 0
    assert shown not in str(caught.value)


@pytest.mark.parametrize("kept", ["", "{}", "no json", '{"RefreshToken": {}}'])
async def test_what_was_kept_and_is_good_for_nothing_is_said_to_be(stage: Stage, kept: str) -> None:
    with pytest.raises(SignInError):
        await stage.sign_in().refresh(kept, tenant_id=stage.simulator.tenant_id)


async def test_no_token_shows_in_what_is_printed(stage: Stage) -> None:
    grant = await stage.sign_in().exchange(stage.shown(), tenant_id=stage.simulator.tenant_id)

    assert grant.token not in repr(grant)
    assert grant.cache not in repr(grant)


ENDS = ["invalid_grant", "interaction_required", "consent_required", "login_required"]
PASSES = ["invalid_client", "unauthorized_client", "temporarily_unavailable", "server_error", "invalid_request", ""]


@pytest.mark.parametrize("error", [*ENDS, *PASSES])
def test_only_what_a_person_can_change_ends_what_they_allowed(error: str) -> None:
    refused = read_no_to_person({"error": error, "error_description": "AADSTS50173: secret words"})

    assert isinstance(refused, UserSignedOut) is (error in ENDS)
    assert "secret words" not in str(refused)
