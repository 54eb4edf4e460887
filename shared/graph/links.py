"""Links that Graph gives to what follows, reduced to their path: whatever host they name, only there goes our token.

https://learn.microsoft.com/graph/paging (2026-03)
"""

import re

from shared.errors import GraphProtocolError

_VERSION = re.compile(r"/v1\.0/(?=\S)")
_LONGEST = 100_000


def relative_path(link: object) -> str:
    """Return a link's path and query, relative to Graph's version. Raises GraphProtocolError for what is no link of Graph's."""
    if not isinstance(link, str) or len(link) > _LONGEST:
        raise GraphProtocolError("the link to the next page is no text, or longer than any link")
    found = _VERSION.search(link)
    if found is None:
        raise GraphProtocolError("the link to the next page does not lead to Graph's v1.0")
    return f"/{link[found.end() :]}"
