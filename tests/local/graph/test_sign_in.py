"""People who sign in, with Microsoft's own client where there is one."""

import asyncio
import html
import re
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import jwt
import msal
import pytest
import requests

from local.graph.simulator import Simulator
from tests.local.graph.stand import App

ADELE = "adele.vance@contoso.com"
REDIRECT = "http://localhost:9/signed-in"
GRAPH = frozenset({"https://graph.microsoft.com"})


@pytest.fixture
def session(graph: Simulator) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env, made.verify = False, str(graph.ca_path)
        yield made


Clients = Callable[[type[msal.ClientApplication], str, str | None], Awaitable[Any]]


@pytest.fixture
def client(graph: Simulator, session: requests.Session) -> Clients:
    async def make(kind: type[msal.ClientApplication], app_id: str, secret: str | None) -> Any:
        options = {"authority": f"{graph.https_url}/{graph.tenant_id}", "http_client": session}
        return await asyncio.to_thread(
            lambda: kind(app_id, client_credential=secret, instance_discovery=False, **options)
        )

    return make


async def in_thread(ask: Callable[[], Any]) -> dict[str, Any]:
    answer: dict[str, Any] = await asyncio.to_thread(ask)
    return answer


def claims_of(graph: Simulator, token: str) -> dict[str, Any]:
    return graph.authority.read(token, audiences=GRAPH)


async def sent_back(app: App, url: str) -> dict[str, str]:
    """What the browser brings to the app: in the query, or in the form that it would submit by itself."""
    async with app.session.get(url, allow_redirects=False) as answer:
        if answer.status == 302:
            return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["Location"]).query))
        fields = re.findall(r'name="(\w+)" value="([^"]*)"', await answer.text())
        return {name: html.unescape(value) for name, value in fields}


async def user_token(app: App, client_id: str, scope: str, username: str = ADELE) -> tuple[int, dict[str, Any]]:
    form = {"grant_type": "password", "client_id": client_id, "scope": scope, "username": username, "password": "any"}
    async with app.session.post(f"{app.base}/organizations/oauth2/v2.0/token", data=form) as answer:
        return answer.status, await answer.json()


@pytest.mark.filterwarnings("ignore:response_mode")
@pytest.mark.parametrize("mode", ["query", "form_post"])
async def test_msal_signs_somebody_in_through_the_browser_and_renews_without_it(
    graph: Simulator, app: App, client: Clients, mode: str
) -> None:
    public, wanted = await client(msal.PublicClientApplication, "mail-app", None), ["Mail.ReadWrite"]
    flow = await in_thread(
        lambda: public.initiate_auth_code_flow(wanted, redirect_uri=REDIRECT, login_hint=ADELE, response_mode=mode)
    )
    brought = await sent_back(app, flow["auth_uri"].replace(graph.https_url, graph.http_url))
    answer = await in_thread(lambda: public.acquire_token_by_auth_code_flow(flow, brought))
    claims = claims_of(graph, answer["access_token"])
    assert (claims["oid"], claims["scp"]) == (graph.world.people[0].id, "Mail.ReadWrite")
    assert answer["id_token_claims"]["preferred_username"] == ADELE
    account = public.get_accounts()[0]
    renewed = await in_thread(lambda: public.acquire_token_silent(wanted, account=account, force_refresh=True))
    assert claims_of(graph, renewed["access_token"])["oid"] == claims["oid"]
    again = await in_thread(lambda: public.acquire_token_by_auth_code_flow(flow, brought))
    assert again["error"] == "invalid_grant"


async def test_a_password_is_good_for_who_exists(graph: Simulator, app: App) -> None:
    status, answer = await user_token(app, "mail-app", "Mail.Read offline_access")
    assert (status, claims_of(graph, answer["access_token"])["name"]) == (200, "Adele Vance")
    assert answer["refresh_token"]
    status, answer = await user_token(app, "mail-app", "Mail.Read", username="no@body.com")
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_an_app_gets_a_token_for_graph_on_behalf_of_who_called_it(
    graph: Simulator, app: App, client: Clients
) -> None:
    server = await client(msal.ConfidentialClientApplication, "server", "secret")
    _, called = await user_token(app, "page", "api://server/access")
    assert jwt.decode(called["access_token"], options={"verify_signature": False})["aud"] == "server"
    answer = await in_thread(
        lambda: server.acquire_token_on_behalf_of(called["access_token"], ["https://graph.microsoft.com/Mail.Send"])
    )
    claims = claims_of(graph, answer["access_token"])
    assert (claims["azp"], claims["oid"]) == ("server", graph.world.people[0].id)
    own = await in_thread(lambda: server.acquire_token_for_client(["api://server/.default"]))
    refused = await in_thread(lambda: server.acquire_token_on_behalf_of(own["access_token"], ["Mail.Send"]))
    assert refused["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("spoilt", "description"),
    [
        ({"code": "no code"}, "AADSTS70008"),
        ({"redirect_uri": "http://localhost:9/elsewhere"}, "AADSTS50011"),
        ({"client_id": "another"}, "AADSTS50011"),
        ({"code_verifier": "guessed"}, "AADSTS501481"),
    ],
)
async def test_a_code_is_good_only_for_who_asked_for_it(app: App, spoilt: dict[str, str], description: str) -> None:
    asked = {"client_id": "a", "redirect_uri": REDIRECT, "login_hint": ADELE, "scope": "Mail.Read", "state": "s"}
    query = urllib.parse.urlencode(asked | {"code_challenge": "proof", "code_challenge_method": "plain"})
    given = await sent_back(app, f"{app.base}/common/oauth2/v2.0/authorize?{query}")
    assert given["state"] == "s"
    form = {"grant_type": "authorization_code", "code": given["code"], "code_verifier": "proof", **asked} | spoilt
    async with app.session.post(f"{app.base}/common/oauth2/v2.0/token", data=form) as answer:
        assert answer.status == 400
        assert description in (await answer.json())["error_description"]


async def test_who_is_not_named_may_choose_and_nothing_of_the_address_becomes_markup(
    graph: Simulator, app: App
) -> None:
    query = urllib.parse.urlencode({"client_id": "a", "redirect_uri": REDIRECT, "state": '"><script>'})
    async with app.session.get(f"{app.base}/common/oauth2/v2.0/authorize?{query}") as page:
        text = await page.text()
    assert page.status == 200
    assert all(person.name in text for person in graph.world.people)
    assert "<script>" not in text


async def test_a_page_of_another_origin_may_redeem_its_code(graph: Simulator, app: App) -> None:
    """Entra answers pages of the origins that an app has registered; here any will do."""
    url = f"{graph.http_url}/{graph.tenant_id}/oauth2/v2.0/token"
    for headers, allowed in (({"Origin": "http://127.0.0.1:7071"}, "http://127.0.0.1:7071"), ({}, None)):
        async with app.session.post(url, data={"grant_type": "none"}, headers=headers) as answer:
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed


async def test_who_does_not_say_who_they_are_chooses_on_a_page_that_may_do_nothing(graph: Simulator, app: App) -> None:
    query = urllib.parse.urlencode({"client_id": "c", "redirect_uri": REDIRECT, "state": '"><script>'})
    async with app.session.get(f"{graph.http_url}/{graph.tenant_id}/oauth2/v2.0/authorize?{query}") as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]

    [link] = [each for each in re.findall(r'href="([^"]*)"', page) if "adele.vance" in each]
    assert "<script" not in page
    assert policy.startswith("default-src 'none'")
    assert (await sent_back(app, f"{graph.http_url}{html.unescape(link)}"))["state"] == '"><script>'
