"""How the list of subscriptions is cut into pages: a link says after which one the next page goes on.

It names a subscription's number and not a position, so that what is deleted meanwhile makes nobody miss anything.
https://learn.microsoft.com/en-us/graph/paging
"""

import base64
import binascii

from yarl import URL

from local.graph.faults import bad_request

_PREFIX = "after:"


def write_link(url: URL, after: int) -> str:
    """Return `@odata.nextLink`."""
    token = base64.urlsafe_b64encode(f"{_PREFIX}{after}".encode()).decode().rstrip("=")
    return str(url.with_query({"$skiptoken": token}))


def read_page(token: str | None) -> int | None:
    """Return the number after which a page begins, None for the first. Raises 400 for a token that is not ours."""
    if token is None:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
        if text.startswith(_PREFIX) and text.removeprefix(_PREFIX).isdecimal():
            return int(text.removeprefix(_PREFIX))
    except (binascii.Error, ValueError):
        pass
    raise bad_request("The $skiptoken is not valid.")
