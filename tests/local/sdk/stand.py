"""What a test of Microsoft's own client stands on: `msgraph-sdk` pointed at the simulator, and credentials for it."""

import asyncio
import html
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Self

import httpx
import msal
import requests
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph.graph_request_adapter import GraphRequestAdapter, options
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory  # type: ignore[import-untyped]

from local.graph.simulator import Simulator

APP_ID = "5dc00000-0000-4000-8000-000000005dc0"
SCOPE = "https://graph.microsoft.com/.default"
SECONDS = 30.0
REDIRECT = "http://localhost:9/signed-in"


@asynccontextmanager
async def connect(graph: Simulator, credential: AsyncTokenCredential) -> AsyncIterator[GraphServiceClient]:
    """The SDK's client with its usual middleware; only the address and the trusted certificate are ours."""
    trusted = ssl.create_default_context(cafile=graph.ca_path)
    # the SDK's transport does not close the one beneath it
    async with aclosing(httpx.AsyncHTTPTransport(verify=trusted, trust_env=False, http2=True)) as transport:
        plain = httpx.AsyncClient(transport=transport, timeout=SECONDS)
        http = GraphClientFactory.create_with_default_middleware(client=plain, options=options)
        provider = AzureIdentityAuthenticationProvider(credential, scopes=[SCOPE], allowed_hosts=["localhost"])
        adapter = GraphRequestAdapter(provider, http)
        adapter.base_url = f"{graph.https_url}/v1.0"
        yield GraphServiceClient(request_adapter=adapter)


def as_app(graph: Simulator) -> ClientSecretCredential:
    """An app, by azure-identity."""
    return ClientSecretCredential(
        graph.tenant_id,
        APP_ID,
        "a secret",
        authority=graph.https_url,
        disable_instance_discovery=True,
        connection_verify=str(graph.ca_path),
        use_env_settings=False,
    )


class Person(AsyncTokenCredential):
    """Somebody who signs in through a browser, by msal; azure-identity's credentials for people block the loop that Graph runs on."""

    def __init__(self, graph: Simulator, address: str) -> None:
        self._graph = graph
        self._address = address

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        answer = await asyncio.to_thread(self._sign_in, list(scopes))
        return AccessToken(answer["access_token"], int(time.time()) + answer["expires_in"])

    async def __aenter__(self) -> Self:
        return self

    async def close(self) -> None:
        """Nothing stays open: `_sign_in` closes its session."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    def _sign_in(self, scopes: list[str]) -> dict[str, Any]:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(self._graph.ca_path)
            authority = f"{self._graph.https_url}/{self._graph.tenant_id}"
            app = msal.PublicClientApplication(
                APP_ID, authority=authority, http_client=session, instance_discovery=False
            )
            flow = app.initiate_auth_code_flow(
                scopes, redirect_uri=REDIRECT, login_hint=self._address, response_mode="form_post"
            )
            page = session.get(flow["auth_uri"]).text
            form = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', page)}
            answer: dict[str, Any] = app.acquire_token_by_auth_code_flow(flow, form)
        return answer


def asking(parameters: Any, **headers: str) -> RequestConfiguration[Any]:
    """A request's query parameters and headers."""
    made = RequestConfiguration[Any](query_parameters=parameters)
    for name, value in headers.items():
        made.headers.add(name, value)
    return made


def header_of(refused: APIError, name: str) -> str | None:
    """A header of a refusal, which the SDK says may have none."""
    return (refused.response_headers or {}).get(name)


async def to_the_end(builder: Any, page: Any) -> tuple[list[Any], str | None]:
    """Follow a list's or a delta's pages; return all items, and the link that the last page ends with."""
    items = list(page.value)
    while page.odata_next_link:
        page = await builder.with_url(page.odata_next_link).get()
        items += page.value
    return items, getattr(page, "odata_delta_link", None)
