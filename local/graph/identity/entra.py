"""Entra's endpoints: tokens for apps, metadata and keys for those who check tokens, and a managed identity.

Secrets are taken on trust unless one was configured: who may call whom is not what this simulator examines. Not here: what people
get who sign in, see `sign_in`.
"""

import hmac
import html
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from local.graph.identity.choosing import POLICY, print_choice
from local.graph.identity.sign_in import Refused, SignIns
from local.graph.identity.tokens import ACCESS_TOKEN_SECONDS, SHARED_TENANTS, Authority, TokenVersion
from local.graph.tenant.places import Person

SYSTEM_IDENTITY = "5e1f0000-0000-4000-8000-00000000a1d0"
EXCHANGE_AUDIENCES = frozenset(
    {"api://AzureADTokenExchange", "api://AzureADTokenExchangeUSGov", "api://AzureADTokenExchangeChina"}
)
"""What a managed identity's token has to be meant for, cloud by cloud.
https://learn.microsoft.com/en-us/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity"""

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ROLES = ["ChannelMessage.Read.All", "Chat.Read.All", "Mail.Read", "User.Read.All"]


class Entra:
    """The authority's endpoints, the same over http and https."""

    def __init__(
        self,
        authority: Authority,
        *,
        people: Callable[[str], Sequence[Person]],
        client_secret: str | None = None,
    ) -> None:
        self._authority = authority
        self._people = people
        self._client_secret = client_secret
        self._sign_ins = SignIns(authority=authority, find=self._find)
        self.end_sessions = self._sign_ins.end_sessions
        self._grants: dict[str, Callable[[Mapping[str, str], str], dict[str, Any]]] = {
            "client_credentials": self._as_itself,
            "password": self._sign_ins.by_password,
            "authorization_code": self._sign_ins.by_code,
            "refresh_token": self._sign_ins.by_refresh,
            "urn:ietf:params:oauth:grant-type:jwt-bearer": self._on_behalf,
        }

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint; keys and metadata exist for `common` and for the tenant."""
        return [
            web.post("/{tenant}/oauth2/v2.0/token", self.token),
            web.get("/{tenant}/oauth2/v2.0/authorize", self.authorize),
            web.get("/{tenant}/.well-known/openid-configuration", self.metadata_v1),
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self.metadata_v2),
            web.get("/{tenant}/discovery/keys", self.keys),
            web.get("/{tenant}/discovery/v2.0/keys", self.keys),
            web.get("/{tenant}/discovery/instance", self.instance),
            web.get("/msi/token", self.managed_identity),
        ]

    async def token(self, request: web.Request) -> web.Response:
        """Answer whichever grant is asked for, also to a page of another origin: Entra lets those in that an app registered.

        https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow and …-auth-code-flow
        """
        return _for_pages(request, await self._token(request))

    async def _token(self, request: web.Request) -> web.Response:
        try:
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        except (
            ValueError,
            LookupError,
            HttpProcessingError,
        ):  # in pieces that are none, in an encoding that nobody knows
            return _refusal(Refused("invalid_request", "AADSTS900144: The request body must be a form."))
        tenant_id = self._authority.tenant_called(request.match_info["tenant"])
        if tenant_id is None:
            return _refusal(Refused("invalid_request", "AADSTS90002: Tenant not found."))
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            return _refusal(Refused("unsupported_grant_type", "AADSTS70003: The grant type is not supported."))
        try:
            return web.json_response(grant(form, tenant_id))
        except Refused as refused:
            return _refusal(refused)

    async def authorize(self, request: web.Request) -> web.Response:
        """Send the browser back with a code for whom `login_hint` names, or let the person choose who to be."""
        form, tenant_id = dict(request.query), self._authority.tenant_called(request.match_info["tenant"])
        if tenant_id is None or not form.get("client_id") or not form.get("redirect_uri"):
            return _refusal(Refused("invalid_request", "AADSTS900144: client_id and redirect_uri are needed."))
        user = self._find(tenant_id, form.get("login_hint", ""))
        if user is None:
            page = print_choice(request.url, self._people(tenant_id))
            return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})
        answer = {"code": self._sign_ins.write_code(form, tenant_id, user)}
        answer |= {"state": form["state"]} if "state" in form else {}
        return _send_back(form, answer)

    async def metadata_v1(self, request: web.Request) -> web.Response:
        """Answer with the metadata of v1 tokens."""
        return _for_pages(request, self._metadata(request, "v1", ""))

    async def metadata_v2(self, request: web.Request) -> web.Response:
        """Answer with the metadata of v2 tokens."""
        return _for_pages(request, self._metadata(request, "v2", "v2.0/"))

    async def keys(self, _request: web.Request) -> web.Response:
        """Answer with the public keys, the current one first."""
        return web.json_response({"keys": [key.published() for key in self._authority.keys]})

    async def instance(self, request: web.Request) -> web.Response:
        """Answer instance discovery, so that clients which insist on it are content."""
        named = {"preferred_network": request.host, "preferred_cache": request.host, "aliases": [request.host]}
        endpoint = f"{_base(request)}/{self._authority.tenant_id}/v2.0/.well-known/openid-configuration"
        answer = {"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [named]}
        return _for_pages(request, web.json_response(answer))

    async def managed_identity(self, request: web.Request) -> web.Response:
        """Answer as the App Service token endpoint does; any value of its header is taken, none is refused.

        https://learn.microsoft.com/en-us/azure/app-service/overview-managed-identity#rest-endpoint-reference
        """
        if not request.headers.get("X-IDENTITY-HEADER"):
            return web.json_response({"statusCode": 401, "message": "The X-IDENTITY-HEADER is missing."}, status=401)
        resource = request.query.get("resource")
        if not resource:
            return web.json_response({"statusCode": 400, "message": "The resource is missing."}, status=400)
        app_id = request.query.get("client_id", SYSTEM_IDENTITY)
        token = self._authority.access_token(
            audience=resource, app_id=app_id, tenant_id=self._authority.tenant_id, roles=ROLES
        )
        expires = str(int(time.time()) + ACCESS_TOKEN_SECONDS)
        named = {"resource": resource, "token_type": "Bearer", "client_id": app_id}
        return web.json_response({"access_token": token, "expires_on": expires} | named)

    def _as_itself(self, form: Mapping[str, str], tenant_id: str) -> dict[str, Any]:
        app_id, scope = form.get("client_id", ""), form.get("scope", "")
        if not scope.endswith("/.default"):
            raise Refused("invalid_scope", "AADSTS1002012: The scope must end in /.default.")
        self._examine(form, app_id)
        audience = scope.removesuffix("/.default")
        token = self._authority.access_token(audience=audience, app_id=app_id, tenant_id=tenant_id, roles=ROLES)
        lifetime = {"expires_in": ACCESS_TOKEN_SECONDS, "ext_expires_in": ACCESS_TOKEN_SECONDS}
        return {"token_type": "Bearer", "access_token": token} | lifetime

    def _on_behalf(self, form: Mapping[str, str], tenant_id: str) -> dict[str, Any]:
        self._examine(form, form.get("client_id", ""))
        return self._sign_ins.on_behalf_of(form, tenant_id)

    def _examine(self, form: Mapping[str, str], app_id: str) -> None:
        objection = self._object_to(form, app_id)
        if objection:
            raise Refused("invalid_client", objection, 401)

    def _find(self, tenant_id: str, called: str) -> Person | None:
        low = called.lower()
        return next((each for each in self._people(tenant_id) if low in {each.id, each.address.lower()}), None)

    def _tenant_of(self, request: web.Request) -> str | None:
        """Return the tenant that metadata is asked for, a placeholder where it is for all of them, None for one that nobody has."""
        asked = request.match_info["tenant"]
        return "{tenantid}" if asked in SHARED_TENANTS else self._authority.tenant_called(asked)

    def _object_to(self, form: Mapping[str, str], app_id: str) -> str:
        if not app_id:
            return "AADSTS900144: The request body must contain 'client_id'."
        if "client_assertion" in form:
            return self._object_to_assertion(form, app_id)
        secret = form.get("client_secret", "")
        if not secret or (self._client_secret and not hmac.compare_digest(secret, self._client_secret)):
            return "AADSTS7000215: Invalid client secret provided."
        return ""

    def _object_to_assertion(self, form: Mapping[str, str], app_id: str) -> str:
        """Check a federated assertion (of any of our tenants) by its signature, a self-signed one by what it says of itself."""
        if form.get("client_assertion_type") != JWT_BEARER:
            return "AADSTS700024: client_assertion_type must be the JWT bearer type."
        assertion = form["client_assertion"]
        try:
            claims = jwt.decode(assertion, options={"verify_signature": False, "verify_exp": True})
            if claims.get("iss") in {self._authority.issuer("v2", each) for each in self._authority.tenants}:
                self._authority.read(assertion, audiences=EXCHANGE_AUDIENCES)
                return ""
        except jwt.InvalidTokenError:
            return "AADSTS50027: JWT token is invalid or malformed."
        own = claims.get("iss") == claims.get("sub") == app_id
        return "" if own else "AADSTS700021: The assertion's issuer or subject is not the application."

    def _metadata(self, request: web.Request, token_version: TokenVersion, version: str) -> web.Response:
        tenant_id = self._tenant_of(request)
        if tenant_id is None:
            return _refusal(Refused("invalid_tenant", "AADSTS90002: Tenant not found."))
        issuer = self._authority.issuer(token_version, tenant_id)
        tenant = f"{_base(request)}/{request.match_info['tenant']}"
        oauth = f"{tenant}/oauth2/{version}"
        answer: dict[str, Any] = {
            "issuer": issuer,
            "authorization_endpoint": f"{oauth}authorize",
            "token_endpoint": f"{oauth}token",
            "device_authorization_endpoint": f"{oauth}devicecode",
            "jwks_uri": f"{tenant}/discovery/{version}keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        }
        return web.json_response(answer)


def _base(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


def _refusal(refused: Refused) -> web.Response:
    answer = {"error": refused.error, "error_description": refused.description}
    return web.json_response(answer, status=refused.status)


def _send_back(form: Mapping[str, str], answer: Mapping[str, str]) -> web.Response:
    """Return to the app in the way that it asked for: in the query, in the fragment, or as a form."""
    target, mode = form["redirect_uri"], form.get("response_mode", "query")
    if mode == "form_post":
        fields = "".join(f'<input type="hidden" name="{name}" value="{html.escape(answer[name])}">' for name in answer)
        page = f'<form method="post" action="{html.escape(target)}">{fields}<button>Go on</button></form>'
        script = "<script>document.forms[0].submit()</script>"
        return web.Response(text=f"<!doctype html><title>Signed in</title>{page}{script}", content_type="text/html")
    mark = "#" if mode == "fragment" else "&" if "?" in target else "?"
    return web.Response(status=302, headers={"Location": f"{target}{mark}{urllib.parse.urlencode(answer)}"})


def _for_pages(request: web.Request, answer: web.Response) -> web.Response:
    if origin := request.headers.get("Origin"):
        answer.headers["Access-Control-Allow-Origin"] = origin
    return answer
