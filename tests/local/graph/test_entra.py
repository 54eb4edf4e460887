import asyncio
import json
import os
import subprocess
import sys

import aiohttp
import jwt
import pytest

from local.graph.identity.tokens import TokenVersion
from local.graph.simulator import Simulator
from tests.local.graph.stand import App

MSAL = """
import json, msal, sys
tenant, base, scope = sys.argv[1:]
app = msal.ConfidentialClientApplication(
    "the-app", authority=f"{base}/{tenant}", client_credential="any secret", instance_discovery=False)
print(json.dumps(app.acquire_token_for_client([scope])))
"""
IDENTITY = """
import json
from azure.identity import ManagedIdentityCredential
with ManagedIdentityCredential(client_id="the-identity") as credential:
    token = credential.get_token("https://graph.microsoft.com/.default")
print(json.dumps({"access_token": token.token, "expires_on": token.expires_on}))
"""
SECRET = """
import json, sys
from azure.identity import ClientSecretCredential
with ClientSecretCredential(sys.argv[1], "the-app", "any", authority=sys.argv[2],
                            disable_instance_discovery=True) as credential:
    print(json.dumps({"access_token": credential.get_token("https://graph.microsoft.com/.default").token}))
"""


async def run(program: str, *arguments: str, **variables: str) -> dict[str, object]:
    environment = {"PATH": os.environ["PATH"]} | variables  # noqa: TID251 - a child process
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


async def test_msal_gets_a_token_that_graph_takes(graph: Simulator, app: App) -> None:
    scope = "https://graph.microsoft.com/.default"
    trust = {"REQUESTS_CA_BUNDLE": str(graph.ca_path)}
    answer = await run(MSAL, graph.tenant_id, graph.https_url, scope, **trust)
    claims = graph.authority.read(str(answer["access_token"]), audiences=frozenset({"https://graph.microsoft.com"}))
    assert (claims["azp"], claims["ver"], claims["tid"]) == ("the-app", "2.0", graph.tenant_id)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    async with app.session.get(f"{graph.http_url}/v1.0/subscriptions", headers=headers) as listed:
        assert listed.status == 200


async def test_azure_identity_gets_tokens_by_secret_and_by_managed_identity(graph: Simulator) -> None:
    trust = {"REQUESTS_CA_BUNDLE": str(graph.ca_path)}
    identity = {"IDENTITY_ENDPOINT": f"{graph.http_url}/msi/token", "IDENTITY_HEADER": "x"}
    by_identity, by_secret = await asyncio.gather(
        run(IDENTITY, **identity), run(SECRET, graph.tenant_id, graph.https_url, **trust)
    )
    audiences = frozenset({"https://graph.microsoft.com"})
    assert graph.authority.read(str(by_identity["access_token"]), audiences=audiences)["azp"] == "the-identity"
    assert graph.authority.read(str(by_secret["access_token"]), audiences=audiences)["azp"] == "the-app"


@pytest.mark.parametrize(
    ("tenant", "form", "status", "error"),
    [
        ("common", {"client_id": "a", "client_secret": "right"}, 200, None),
        ("contoso.onmicrosoft.com", {"client_id": "a", "client_secret": "right"}, 200, None),
        ("common", {"client_id": "a", "client_secret": "wrong"}, 401, "invalid_client"),
        ("common", {"client_id": "a"}, 401, "invalid_client"),
        ("common", {"client_secret": "right"}, 401, "invalid_client"),
        ("common", {"client_id": "a", "client_assertion": "not a token"}, 401, "invalid_client"),
        ("common", {"client_id": "a", "client_secret": "right", "scope": "Mail.Read"}, 400, "invalid_scope"),
        ("common", {"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        ("common", {"grant_type": "password", "username": "no@body.com", "password": "x"}, 400, "invalid_grant"),
        ("common", {"grant_type": "refresh_token", "refresh_token": "none"}, 400, "invalid_grant"),
        ("elsewhere.example", {"client_id": "a", "client_secret": "right"}, 400, "invalid_request"),
    ],
)
async def test_the_token_endpoint_answers_by_the_grants_rules(
    tenant: str, form: dict[str, str], status: int, error: str | None
) -> None:
    async with Simulator(client_secret="right") as graph:
        whole = {"grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"} | form
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{graph.http_url}/{tenant}/oauth2/v2.0/token", data=whole) as answer,
        ):
            assert answer.status == status
            assert (await answer.json()).get("error") == error


async def test_a_managed_identity_may_vouch_for_an_app(graph: Simulator, app: App) -> None:
    url = f"{graph.http_url}/msi/token?resource=api://AzureADTokenExchange&api-version=2019-08-01"
    async with app.session.get(url, headers={"X-IDENTITY-HEADER": "x"}) as answer:
        assertion = (await answer.json())["access_token"]
    form = {
        "grant_type": "client_credentials",
        "scope": f"{graph.http_url}/.default",
        "client_id": "the-app",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    async with app.session.post(f"{graph.http_url}/common/oauth2/v2.0/token", data=form) as answer:
        token = (await answer.json())["access_token"]
    assert graph.authority.read(token, audiences=frozenset({graph.http_url}))["azp"] == "the-app"


@pytest.mark.parametrize("tenant", ["common", "7e4a0000-0000-4000-8000-000000007e4a"])
async def test_metadata_leads_to_keys_that_check_tokens_of_both_versions(
    graph: Simulator, app: App, tenant: str
) -> None:
    placeholder = "{tenantid}" if tenant == "common" else tenant
    versions: tuple[tuple[TokenVersion, str, str], ...] = (
        ("v1", "", f"https://sts.windows.net/{placeholder}/"),
        ("v2", "/v2.0", f"{graph.https_url}/{placeholder}/v2.0"),
    )
    for version, path, issuer in versions:
        url = f"{graph.http_url}/{tenant}{path}/.well-known/openid-configuration"
        async with app.session.get(url) as answer:
            metadata = await answer.json()
        assert metadata["issuer"] == issuer
        async with app.session.get(metadata["jwks_uri"]) as answer:
            keys = jwt.PyJWKSet.from_dict(await answer.json())
        token = graph.authority.validation_token(version, app_id="the-app", tenant_id=graph.tenant_id)
        kid = jwt.get_unverified_header(token)["kid"]
        claims = jwt.decode(token, keys[kid], algorithms=["RS256"], audience="the-app")
        assert claims["iss"] == issuer.replace("{tenantid}", graph.tenant_id)
        assert claims["appid" if version == "v1" else "azp"] == "0bf30f3b-4a52-48df-9a82-234910c4a086"


async def test_metadata_of_a_domain_leads_to_its_tenant_and_nobody_s_domain_to_none(graph: Simulator, app: App) -> None:
    for name, status, issuer in (
        ("contoso.com", 200, f"{graph.https_url}/{graph.tenant_id}/v2.0"),
        ("nobody.example", 400, None),
        ("99999999-9999-4999-8999-999999999999", 400, None),
    ):
        async with app.session.get(f"{graph.http_url}/{name}/v2.0/.well-known/openid-configuration") as answer:
            assert (answer.status, (await answer.json()).get("issuer")) == (status, issuer)


async def test_rotation_signs_with_a_new_key_and_may_forget_the_old_one(graph: Simulator, app: App) -> None:
    url = f"{graph.http_url}/common/discovery/v2.0/keys"
    before = graph.authority.keys[0].kid
    fresh = (await app.control("rotate-signing-keys", {}))["kid"]
    async with app.session.get(url) as answer:
        assert [key["kid"] for key in (await answer.json())["keys"]] == [fresh, before]
    token = graph.authority.validation_token("v2", app_id="a", tenant_id=graph.tenant_id)
    assert jwt.get_unverified_header(token)["kid"] == fresh
    last = (await app.control("rotate-signing-keys", {"forget": True}))["kid"]
    async with app.session.get(url) as answer:
        assert [key["kid"] for key in (await answer.json())["keys"]] == [last]
