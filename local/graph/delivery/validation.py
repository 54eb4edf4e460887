"""The tokens that travel with encrypted items: one for each app and tenant in a body, right, missing or wrong as the knobs say.

Not here: how a token is made, see `identity.tokens`. https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
"""

import functools
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local.graph.delivery.notices import Notice
from local.graph.dice import Dice
from local.graph.identity.tokens import Authority, SigningKey, TokenVersion
from local.graph.knobs import Knobs
from local.graph.subscribing.store import Subscription

HOUR = 3600
STRANGER_APP = "deadbeef-0000-4000-8000-000000000001"
BY_A_STRANGER = "token:signature"

Claims = dict[str, Any]

SPOILT: Mapping[str, Callable[[Claims], Claims]] = {
    "token:publisher": lambda claims: claims | {"appid" if "appid" in claims else "azp": STRANGER_APP},
    "token:audience": lambda claims: claims | {"aud": STRANGER_APP},
    BY_A_STRANGER: lambda claims: claims,
    "token:expired": lambda claims: claims | {"iat": claims["iat"] - 48 * HOUR, "exp": claims["iat"] - 24 * HOUR},
}
"""Ways in which a token is wrong, and what each does to the claims."""


class ValidationTokens:
    """Makes the tokens of bodies, and spoilt ones for those who want to see them refused."""

    def __init__(self, authority: Authority, dice: Dice, knobs: Knobs) -> None:
        self._authority = authority
        self._dice = dice
        self._knobs = knobs

    def of(self, notices: Iterable[Notice], body: int) -> list[str]:
        """Return the tokens of one body, by the number that it has."""
        covered = {(each.subscription.app_id, each.subscription.tenant_id): None for each in notices if each.encrypted}
        if not covered or self._knobs.validation_tokens == "missing":
            return []
        dice = self._dice.of("tokens", body)
        if self._knobs.validation_tokens == "wrong":
            return [self._spoilt(dice.choice(list(SPOILT)), *pair, dice) for pair in covered]
        return [
            self._authority.validation_token(self._version(dice), app_id=app, tenant_id=tenant)
            for app, tenant in covered
        ]

    def spoilt(self, kind: str, subscription: Subscription, dice: random.Random) -> str:
        """Return a token that is wrong in this way."""
        return self._spoilt(kind, subscription.app_id, subscription.tenant_id, dice)

    def of_other_tenant(self, subscription: Subscription, dice: random.Random) -> str:
        """Return a good token for the same app, but for a tenant that the body says nothing of."""
        other = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        return self._authority.validation_token(self._version(dice), app_id=subscription.app_id, tenant_id=other)

    @functools.cached_property
    def _stranger(self) -> SigningKey:
        """A key that is not published; made when first needed, because that takes a while."""
        return SigningKey.make()

    def _spoilt(self, kind: str, app_id: str, tenant_id: str, dice: random.Random) -> str:
        claims = self._authority.validation_claims(self._version(dice), app_id=app_id, tenant_id=tenant_id)
        return self._authority.sign(SPOILT[kind](claims), key=self._stranger if kind == BY_A_STRANGER else None)

    def _version(self, dice: random.Random) -> TokenVersion:
        issuers = self._knobs.issuers
        return dice.choice(("v1", "v2")) if issuers == "mixed" else issuers
