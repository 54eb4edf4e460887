"""What Graph writes around items: the context, the types, and links back to where a request came from."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from local.graph.tenant.entity import Entity
from local.graph.tenant.paths import NAMES

METADATA = "https://graph.microsoft.com/v1.0/$metadata"
SPELT = {
    "calendarview": "calendarView",
    "contactfolders": "contactFolders",
    "deleteditems": "deletedItems",
    "joinedteams": "joinedTeams",
    "mailfolders": "mailFolders",
}
"""How Graph spells what canonical paths have in lower case."""
# directory objects of more than one kind: https://learn.microsoft.com/en-us/graph/api/group-list-members, …/directory-deleteditems-get
MIXED = re.compile(r"groups/[^/]+/(?:members|owners)|directory/deleteditems/.+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request was sent: everything of its URL before the query."""

    url: str

    def link(self, options: Mapping[str, str]) -> str:
        """Return the same URL with these options, encoded as Graph encodes them."""
        query = urllib.parse.urlencode(options, quote_via=urllib.parse.quote, safe="$")
        return f"{self.url}?{query}" if query else self.url


def list_context(key: str, select: str = "") -> str:
    """Return the `@odata.context` of a list under a canonical path."""
    parts: list[str] = []
    for part in key.split("/"):
        if not parts or part in NAMES or re.match(r"getall|microsoft\.", part, re.IGNORECASE):
            parts.append(SPELT.get(part, part))
        else:
            parts[-1] += f"('{urllib.parse.quote(part, safe='')}')"
    return f"{METADATA}#{'/'.join(parts)}" + (f"({select})" if select else "")


def entity_context(entity: Entity) -> str:
    """Return the `@odata.context` of one thing."""
    return f"{list_context(entity.key.rpartition('/')[0])}/$entity"


def type_name(entity: Entity) -> str:
    """Return the `@odata.type` of one thing in a mixed list, or in delta."""
    return f"#microsoft.graph.{entity.row.name}"


def type_among_others(key: str, entity: Entity) -> dict[str, str]:
    """Return the `@odata.type` of what was found under a path, if other kinds are found there too."""
    return {"@odata.type": type_name(entity)} if MIXED.fullmatch(key) else {}
