"""Tokens for Graph, in the four ways of GRAPH_CREDENTIAL.

SDKs are imported when the first token is wanted: they cost a tenth of a second that the webhook need not pay. Not here: tokens
for storage, and tokens with which we act for people (`shared.adapters.user_sign_in`).
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from shared.adapters.sign_in import read_no, read_no_identity, read_pem, unanswered
from shared.adapters.trust import verify
from shared.errors import SettingsError, SignInError
from shared.settings import CLOUDS, Settings

if TYPE_CHECKING:
    import requests

_REFUSED: Final = 401
_EARLY: Final = 300.0
"""Seconds before its expiry from which on a token is not used for a new request."""

_AGAIN: Final = 5.0
"""Seconds between two attempts after one that failed: a thousand requests that wait for a token must not ask one by one."""

_TIMEOUT: Final = (5.0, 15.0)
"""Seconds to connect, and for each part of an answer; SDKs would wait for ever."""

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
        self._problem: SignInError | None = None
        self._failed = 0.0
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def of(self, tenant_id: str) -> "Credential":
        """Return the credential for a tenant; for our own, which may be left out, that is this one."""
        if self._elsewhere is None or not tenant_id or tenant_id == self._home:
            return self
        # without the lock, which is held as long as an authority takes to answer
        return self._others.setdefault(tenant_id, Credential(partial(self._elsewhere, tenant_id), now=self._now))

    def token(self, scope: str, *, refused: str = "") -> str:
        """Return a token for a scope.

        Args:
            scope: a resource and ``/.default``.
            refused: a token that was answered with 401; if it is the one at hand, a new one is fetched from the authority.

        Raises SignInError with status 401 if the authority gives none, 0 if it cannot be reached. For a few seconds the same is
        said again without asking; then everything is looked at anew, certificate and all.
        """
        with self._lock:
            token, expires = self._tokens.get(scope, ("", 0.0))
            if token and token != refused and self._now() < expires - _EARLY:
                return token
            if self._problem is not None and self._now() - self._failed < _AGAIN:
                raise self._problem.with_traceback(None)
            try:
                if self._source is None or refused:
                    self._source = self._make_source()  # SDKs keep tokens too, and cannot all be told to forget one
                self._tokens[scope] = self._source(scope)
            except SignInError as problem:
                self._problem, self._failed, self._source = problem, self._now(), None
                raise
            self._problem = None
            return self._tokens[scope][0]


def graph_scope(settings: Settings) -> str:
    """Return the scope of Graph's tokens: that of the cloud, also where GRAPH_ENDPOINT points somewhere else."""
    return CLOUDS[settings.graph_cloud].endpoint + "/.default"


def make_credential(settings: Settings, *, now: Callable[[], float] = time.time) -> Credential:
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
        partial(_make_source, settings, now, settings.graph_tenant_id),
        now=now,
        home=settings.graph_tenant_id,
        elsewhere=partial(_make_source, settings, now),
    )


def own_identity(settings: Settings) -> TokenSource:
    """Give what fetches the app's tokens for Azure's own services: its managed identity, unless the registration signs in by itself.

    With ``federated`` it is the identity: the registration may live in another tenant than the service.
    """
    if settings.graph_credential in {"client-secret", "client-certificate"}:
        return _make_source(settings, time.time, settings.graph_tenant_id)
    return _managed_identity(settings)


def only_home(settings: Settings) -> str:
    """Say why the app cannot sign in to other tenants than its own; empty where it can.

    A managed identity lives in one tenant; what it may vouch for is an app that lives in several.
    https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/managed-identities-faq (2026-02)
    """
    if settings.graph_credential == "managed-identity":
        return "a managed identity can sign in to its own tenant only: GRAPH_CREDENTIAL=federated goes further without a secret"
    return ""


def _make_source(settings: Settings, now: Callable[[], float], tenant_id: str) -> TokenSource:
    if settings.graph_credential != "managed-identity":
        return _entra(settings, tenant_id, _proof(settings, now, tenant_id))
    if tenant_id != settings.graph_tenant_id:
        raise SignInError(f"token in tenant {tenant_id}", status=_REFUSED, message=only_home(settings))
    return _managed_identity(settings)


def _proof(settings: Settings, now: Callable[[], float], tenant_id: str) -> str | Mapping[str, Any]:
    """Give what the app registration proves itself with, as msal takes it. Raises SignInError."""
    if settings.graph_credential == "client-secret":
        return settings.graph_client_secret
    if settings.graph_credential == "client-certificate":
        path = settings.graph_client_certificate_path
        pem = read_pem(f"token in tenant {tenant_id}", path, now=now())
        return {"private_key": pem, "public_certificate": pem}
    assertion = _managed_identity(settings)
    scope = _EXCHANGE[settings.graph_cloud] + "/.default"
    return {"client_assertion": lambda: assertion(scope)[0]}


def open_session(settings: Settings) -> "requests.Session":
    """Open a session for requests to the authority, which is seldom asked twice in a row."""
    import requests  # noqa: PLC0415 - see above

    session = requests.Session()
    session.verify = verify(settings.environ)
    session.headers["Connection"] = "close"  # the next token is an hour away
    session.request = partial(session.request, timeout=_TIMEOUT)  # type: ignore[method-assign]
    return session


def make_client(settings: Settings, tenant_id: str, *, session: Any, proof: Any = None, token_cache: Any = None) -> Any:
    """Make msal's client of the app registration in a tenant, which asks for its endpoints. Raises as msal does, and SignInError."""
    import msal  # noqa: PLC0415 - see above

    return msal.ConfidentialClientApplication(
        settings.graph_client_id,
        client_credential=_proof(settings, time.time, tenant_id) if proof is None else proof,
        authority=f"{settings.authority}/{tenant_id}",
        instance_discovery=False if settings.graph_authority else None,
        http_client=session,
        token_cache=token_cache,
    )


def _entra(settings: Settings, tenant_id: str, proof: str | Mapping[str, Any]) -> TokenSource:
    import msal  # noqa: PLC0415 - see above
    import requests  # noqa: PLC0415

    session = open_session(settings)
    app: Any = None

    def fetch(scope: str) -> tuple[str, float]:
        nonlocal app
        what = f"token in tenant {tenant_id}"
        try:
            app = app or make_client(settings, tenant_id, session=session, proof=proof)
            answer = app.acquire_token_for_client([scope])
        except (requests.RequestException, msal.exceptions.MsalError, ValueError) as problem:
            raise unanswered(what, settings.authority, problem) from problem
        if "access_token" not in answer:
            raise read_no(what, answer)
        return answer["access_token"], time.time() + float(answer["expires_in"])

    return fetch


def _managed_identity(settings: Settings) -> TokenSource:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - see above
    from azure.identity import ManagedIdentityCredential  # noqa: PLC0415

    # a user-assigned identity is chosen by its client id; in Azure every SDK finds it under this name
    connect, read = _TIMEOUT
    credential = ManagedIdentityCredential(
        client_id=settings.environ.get("AZURE_CLIENT_ID") or None,
        retry_total=1,
        connection_timeout=connect,
        read_timeout=read,
    )

    def fetch(scope: str) -> tuple[str, float]:
        try:
            token = credential.get_token(scope)
        except AzureError as problem:
            raise read_no_identity(problem) from problem
        return token.token, float(token.expires_on)

    return fetch
