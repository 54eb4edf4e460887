"""Tokens for Graph, in the four ways of GRAPH_CREDENTIAL.

SDKs are imported when the first token is wanted: they cost a tenth of a second that the webhook need not pay. Not here: tokens
for storage, and tokens of users.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from shared.adapters.trust import verify
from shared.errors import GraphApiError, SettingsError
from shared.settings import CLOUDS, Settings

_EARLY: Final = 300.0
"""Seconds before its expiry from which on a token is not used for a new request."""

_EXCHANGE: Final[Mapping[str, str]] = {
    "global": "api://AzureADTokenExchange",
    "usgov": "api://AzureADTokenExchangeUSGov",
    "usgov-dod": "api://AzureADTokenExchangeUSGov",
    "china": "api://AzureADTokenExchangeChina",
}
"""https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity (2026-02)"""

_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "client-secret": ("GRAPH_TENANT_ID", "GRAPH_CLIENT_ID", "GRAPH_CLIENT_SECRET"),
    "client-certificate": ("GRAPH_TENANT_ID", "GRAPH_CLIENT_ID", "GRAPH_CLIENT_CERTIFICATE_PATH"),
    "federated": ("GRAPH_TENANT_ID", "GRAPH_CLIENT_ID"),
    "managed-identity": (),
}


class TokenSource(Protocol):
    """Fetches one token; its text, and its expiry in seconds since the epoch."""

    def __call__(self, scope: str, /) -> tuple[str, float]:
        """Fetch a token for a scope that ends in ``/.default``."""
        ...


class Credential:
    """The app's tokens in one tenant by scope, kept until shortly before they expire. Blocking, and safe to use from threads.

    Without ``elsewhere`` they are good in every tenant; with it, only in ``home``.
    """

    def __init__(
        self,
        make_source: Callable[[], TokenSource],
        *,
        now: Callable[[], float] = time.time,
        home: str = "",
        elsewhere: Callable[[str], TokenSource] | None = None,
    ) -> None:
        self._make_source = make_source
        self._now = now
        self._home = home
        self._elsewhere = elsewhere
        self._others: dict[str, Credential] = {}
        self._source: TokenSource | None = None
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def of(self, tenant_id: str) -> "Credential":
        """Return the credential for a tenant; for our own, which may be left out, that is this one."""
        if self._elsewhere is None or not tenant_id or tenant_id == self._home:
            return self
        with self._lock:
            if tenant_id not in self._others:
                self._others[tenant_id] = Credential(partial(self._elsewhere, tenant_id), now=self._now)
            return self._others[tenant_id]

    def token(self, scope: str, *, refused: str = "") -> str:
        """Return a token for a scope.

        Args:
            scope: a resource and ``/.default``.
            refused: a token that was answered with 401; if it is the one at hand, a new one is fetched from the authority.

        Raises GraphApiError with status 401 if the authority gives none, 0 if it cannot be reached.
        """
        with self._lock:
            token, expires = self._tokens.get(scope, ("", 0.0))
            if token and token != refused and self._now() < expires - _EARLY:
                return token
            if self._source is None or refused:
                self._source = self._make_source()  # SDKs keep tokens too, and cannot all be told to forget one
            self._tokens[scope] = self._source(scope)
            return self._tokens[scope][0]


def graph_scope(settings: Settings) -> str:
    """Return the scope of Graph's tokens: that of the cloud, also where GRAPH_ENDPOINT points somewhere else."""
    return CLOUDS[settings.graph_cloud].endpoint + "/.default"


def make_credential(settings: Settings) -> Credential:
    """Make the credential that the settings choose. Raises SettingsError if it lacks something."""
    values = {
        "GRAPH_TENANT_ID": settings.graph_tenant_id,
        "GRAPH_CLIENT_ID": settings.graph_client_id,
        "GRAPH_CLIENT_SECRET": settings.graph_client_secret,
        "GRAPH_CLIENT_CERTIFICATE_PATH": settings.graph_client_certificate_path,
    }
    lacking = [name for name in _NEEDS[settings.graph_credential] if not values[name]]
    if lacking:
        raise SettingsError(f"{name} is missing for GRAPH_CREDENTIAL={settings.graph_credential}" for name in lacking)
    path = settings.graph_client_certificate_path
    if settings.graph_credential == "client-certificate" and not Path(path).is_file():
        raise SettingsError([f"GRAPH_CLIENT_CERTIFICATE_PATH {path} is not a file"])
    return Credential(
        partial(_make_source, settings, settings.graph_tenant_id),
        home=settings.graph_tenant_id,
        elsewhere=partial(_make_source, settings),
    )


def only_home(settings: Settings) -> str:
    """Say why the app cannot sign in to other tenants than its own; empty where it can.

    A managed identity lives in one tenant; what it may vouch for is an app that lives in several.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq (2026-02)
    """
    if settings.graph_credential == "managed-identity":
        return "a managed identity can sign in to its own tenant only: GRAPH_CREDENTIAL=federated goes further without a secret"
    return ""


def _make_source(settings: Settings, tenant_id: str) -> TokenSource:
    match settings.graph_credential:
        case "managed-identity":
            if tenant_id != settings.graph_tenant_id:
                raise GraphApiError(f"token for tenant {tenant_id}", status=401, message=only_home(settings))
            return _managed_identity(settings)
        case "client-secret":
            return _entra(settings, tenant_id, settings.graph_client_secret)
        case "client-certificate":
            pem = Path(settings.graph_client_certificate_path).read_text(encoding="ascii")
            return _entra(settings, tenant_id, {"private_key": pem, "public_certificate": pem})
    assertion = _managed_identity(settings)
    scope = _EXCHANGE[settings.graph_cloud] + "/.default"
    return _entra(settings, tenant_id, {"client_assertion": lambda: assertion(scope)[0]})


def _entra(settings: Settings, tenant_id: str, secret: str | Mapping[str, Any]) -> TokenSource:
    import msal  # noqa: PLC0415 - see above
    import requests  # noqa: PLC0415

    session = requests.Session()
    session.verify = verify(settings.environ)
    session.headers["Connection"] = "close"  # the next token is an hour away
    app: Any = None

    def fetch(scope: str) -> tuple[str, float]:
        nonlocal app
        try:
            app = app or msal.ConfidentialClientApplication(
                settings.graph_client_id,
                client_credential=secret,
                authority=f"{settings.authority}/{tenant_id}",
                instance_discovery=False if settings.graph_authority else None,
                http_client=session,
            )
            answer = app.acquire_token_for_client([scope])
        except (requests.RequestException, ValueError) as problem:
            raise GraphApiError(f"token for {scope}", status=0, message=type(problem).__name__) from problem
        if "access_token" not in answer:
            codes = answer.get("error_codes") or []
            detail = f"AADSTS{codes[0]}" if codes else str(answer.get("error_description", ""))[:120]
            raise GraphApiError(f"token for {scope}", status=401, code=str(answer.get("error", "")), message=detail)
        return answer["access_token"], time.time() + float(answer["expires_in"])

    return fetch


def _managed_identity(settings: Settings) -> TokenSource:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - see above
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415

    # a user-assigned identity is chosen by its client id; in Azure every SDK finds it under this name
    credential = ManagedIdentityCredential(client_id=settings.environ.get("AZURE_CLIENT_ID") or None)

    def fetch(scope: str) -> tuple[str, float]:
        try:
            token = credential.get_token(scope)
        except AzureError as problem:
            raise GraphApiError(f"token for {scope}", status=401, message=type(problem).__name__) from problem
        return token.token, float(token.expires_on)

    return fetch
