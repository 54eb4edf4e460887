"""The validation handshake: Graph asks whether an endpoint is ours by having it repeat a token."""

import unicodedata

_LONGEST_TOKEN = 4096
_REFUSED = frozenset({"Cc", "Cs"})  # control characters, and halves of surrogate pairs, which no UTF-8 can carry

HANDSHAKE_HEADERS = {"X-Content-Type-Options": "nosniff"}
"""The answer repeats what a stranger sent: nobody may take it for anything but plain text."""


def is_acceptable(validation_token: str) -> bool:
    """Tell whether a decoded ``validationToken`` may be repeated: not empty, not huge, no control characters.

    The token is opaque; spaces and colons occur, so nothing else is refused.
    https://learn.microsoft.com/graph/change-notifications-delivery-webhooks#notificationurl-validation (2026-04)
    """
    return 0 < len(validation_token) <= _LONGEST_TOKEN and not any(
        unicodedata.category(character) in _REFUSED for character in validation_token
    )
