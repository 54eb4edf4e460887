"""Tokens for Graph with which we act for people: on behalf of whoever showed us one, and then without them, by refresh tokens.

msal for Python asks for a refresh token with the exchange and keeps it in the token cache of the client that made it, whence
``acquire_token_silent`` takes it long after the token that was shown has expired; there is to be one cache a person, and where it is
kept is ours to say (`shared.user_tokens`). So a client is made for each call, over that person's cache alone, and nobody's token
can come out of somebody else's.
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-on-behalf-of-flow
https://learn.microsoft.com/entra/msal/python/advanced/msal-python-token-cache-serialization
https://github.com/AzureAD/microsoft-authentication-library-for-python/blob/1.39.0/msal/application.py (acquire_token_on_behalf_of)
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shared.adapters.credential import make_client, open_session
from shared.adapters.sign_in import read_no_to_person, unanswered
from shared.errors import UserSignedOut
from shared.ports import Clock, Grant
from shared.settings import CLOUDS, Settings

_WHAT: Final = "token of a person"
_PERMISSIONS: Final = ("Mail.Read", "Mail.ReadWrite", "Mail.Send")
"""Subscriptions are given for reading alone: whoever may write is turned away there without Mail.Read. msal adds ``offline_access`` by
itself, without which there would be no refresh token.
https://learn.microsoft.com/graph/permissions-reference#mail-permissions
https://learn.microsoft.com/graph/api/subscription-post-subscriptions#permissions"""

_NOTHING_KEPT: Final = "nothing is kept with which we could act for them: connect again"


def scopes_of(settings: Settings) -> list[str]:
    """Name the permissions that we ask for, as the cloud's Graph has them."""
    return [f"{CLOUDS[settings.graph_cloud].endpoint}/{each}" for each in _PERMISSIONS]


def acts_for_nobody(settings: Settings) -> str:
    """Say why the app cannot act for people; empty where it can. It takes an app registration that they have let in."""
    if settings.graph_credential == "managed-identity":
        return (
            "GRAPH_CREDENTIAL managed-identity acts for nobody but itself: federated does, and needs no secret either"
        )
    return ""


class MsalUserSignIn:
    """ports.UserSignIn over msal, whose requests are made in threads."""

    def __init__(self, settings: Settings, *, now: Clock) -> None:
        self._settings = settings
        self._now = now
        self._scopes = scopes_of(settings)

    async def exchange(self, assertion: str, *, tenant_id: str) -> Grant:
        """Exchange the token that somebody showed us."""
        return await asyncio.to_thread(self._exchange, assertion, tenant_id)

    async def refresh(self, cache: str, *, tenant_id: str, anew: bool = False) -> Grant:
        """Give a token out of what was kept, or with it from the authority."""
        return await asyncio.to_thread(self._refresh, cache, tenant_id, anew)

    def _exchange(self, assertion: str, tenant_id: str) -> Grant:
        return self._ask("", tenant_id, lambda client: client.acquire_token_on_behalf_of(assertion, self._scopes))

    def _refresh(self, kept: str, tenant_id: str, anew: bool) -> Grant:  # noqa: FBT001 - as it is handed to the thread
        def ask(client: Any) -> Any:
            accounts = client.get_accounts()
            if len(accounts) != 1:
                return None
            return client.acquire_token_silent_with_error(self._scopes, account=accounts[0], force_refresh=anew)

        return self._ask(kept, tenant_id, ask)

    def _ask(self, kept: str, tenant_id: str, ask: Callable[[Any], Any]) -> Grant:
        import msal  # noqa: PLC0415 - heavy, on first use
        import requests  # noqa: PLC0415

        cache = msal.SerializableTokenCache()
        with open_session(self._settings) as session:
            try:
                if kept:
                    cache.deserialize(kept)
                answer = ask(make_client(self._settings, tenant_id, session=session, token_cache=cache))
            except (requests.RequestException, msal.exceptions.MsalError, ValueError) as problem:
                raise unanswered(_WHAT, self._settings.authority, problem) from problem
        if answer is None:
            raise UserSignedOut(_NOTHING_KEPT)
        if "access_token" not in answer:
            raise read_no_to_person(answer)
        expires = datetime.fromtimestamp(self._now().timestamp() + float(answer["expires_in"]), UTC)
        return Grant(user_id=_owner(cache), token=answer["access_token"], expires=expires, cache=cache.serialize())


def _owner(cache: Any) -> str:
    """Give the object id of the one person whose cache it is; empty where that cannot be told."""
    accounts: list[Mapping[str, Any]] = list(cache.search(cache.CredentialType.ACCOUNT))
    owners = {str(each.get("local_account_id") or "").lower() for each in accounts}
    return owners.pop() if len(owners) == 1 else ""
