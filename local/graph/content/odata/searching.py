"""`$search`: keywords and `property:keyword`, joined by AND or OR, as a predicate over an item's JSON.

https://learn.microsoft.com/en-us/graph/search-query-parameter Not here: KQL's ranges and dates, and ranking.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from local.graph.content.odata.comparing import follow
from local.graph.content.odata.filtering import Predicate
from local.graph.faults import GraphFault

ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    "to": ("toRecipients",),
    "cc": ("ccRecipients",),
    "bcc": ("bccRecipients",),
    "participants": ("from", "toRecipients", "ccRecipients", "bccRecipients"),
}
"""Words of mail search that are not a message's property names."""

_WORD = re.compile(r'(?:(?P<property>\w+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))')


def search(text: str) -> Predicate:
    """Return what a search asks of an item. Raises 400 for one without a word in it."""
    # the whole is usually in quotes of its own: $search="subject:launch now"
    whole = text.strip()
    inner = whole[1:-1].replace('\\"', '"') if len(whole) > 1 and whole[0] == whole[-1] == '"' else whole
    alternatives: list[list[Predicate]] = [[]]
    for found in _WORD.finditer(inner):
        if found[0] == "OR":
            alternatives.append([])
        elif found[0] != "AND":
            alternatives[-1].append(_keyword(found))
    if not all(alternatives):
        raise GraphFault(400, "BadRequest", f"Syntax error: the search clause '{text}' is not valid.")
    return lambda content: any(all(word(content) for word in words) for words in alternatives)


def _keyword(found: re.Match[str]) -> Predicate:
    wanted = (found["quoted"] if found["quoted"] is not None else found["plain"]).lower()
    name = found["property"]
    if name is None:
        return lambda content: _somewhere(content, lambda text: wanted in text)
    names = ALSO_CALLED.get(name.lower(), (name,))
    return lambda content: any(_somewhere(follow(content, (each,)), lambda text: wanted in text) for each in names)


def _somewhere(content: Any, holds: Callable[[str], bool]) -> bool:
    """Say whether any text within the JSON holds; without recursion, so that no depth is too deep."""
    left = [content]
    while left:
        value = left.pop()
        if isinstance(value, str) and holds(value.lower()):
            return True
        if isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)
    return False
