"""What the header `Prefer` can ask for when a subscription is created.

https://learn.microsoft.com/en-us/graph/api/subscription-post-subscriptions. Not here: what it changes, see `delivery`.
"""

from collections.abc import Iterable

IMMUTABLE_IDS = 'IdType="ImmutableId"'
SECURITY_WEBHOOKS = "includesecuritywebhooks"
UNKNOWN_MEMBERS = "include-unknown-enum-members"

_KNOWN = {name.lower().replace('"', ""): name for name in (IMMUTABLE_IDS, SECURITY_WEBHOOKS, UNKNOWN_MEMBERS)}


def read_preferences(headers: Iterable[str]) -> frozenset[str]:
    """Return the preferences that matter to a subscription, as they are spelt above; others are ignored, as HTTP wants it."""
    asked = (each.strip().lower().replace('"', "").replace(" ", "") for header in headers for each in header.split(","))
    return frozenset(_KNOWN[each] for each in asked if each in _KNOWN)
