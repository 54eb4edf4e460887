"""What an endpoint is asked to echo, and how it looks on the wire.

https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks. Not here: the asking, see `handshake`.
"""

import re
import urllib.parse
import uuid
from typing import Literal

from yarl import URL

TokenKind = Literal["graph", "unicode", "html", "long"]
GRAPH_TEXT = "Validation: Testing client application reachability for subscription Request-Id: "
LONG_LENGTH = 2000

_TAILS: dict[str, str] = {
    "graph": "",
    "unicode": " Grüße + 100 % & 漢字 = 😀",
    "html": " <script>alert(\"x\")</script> &amp; <b>'y'</b>",
    "long": " " + "long" * (LONG_LENGTH // 4),
}
_ESCAPE = re.compile("%[0-9A-F]{2}")


def make_token(kind: TokenKind) -> str:
    """Return a new token: Graph's own text, or the same with what a careless receiver trips over."""
    return f"{GRAPH_TEXT}{uuid.uuid4()}{_TAILS[kind]}"


def write_url(url: str, token: str) -> URL:
    """Append the token as Graph does: lower-case escapes, `+` for spaces, after whatever query the URL has.

    A fragment is left out, as it is in every request.
    """
    url = url.partition("#")[0]
    escaped = _ESCAPE.sub(lambda escape: escape[0].lower(), urllib.parse.quote_plus(token))
    return URL(f"{url}{'&' if '?' in url else '?'}validationToken={escaped}", encoded=True)
