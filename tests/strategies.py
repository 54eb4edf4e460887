"""What Hypothesis throws at the app: JSON as anybody may send it, notifications nearly as Graph sends them, paths."""

from typing import Any

from hypothesis import strategies as st

from tests import builders

SURROGATES_INCLUDED = st.text(st.characters(codec=None, categories=None), max_size=20)
"""Text that JSON can carry and UTF-8 cannot."""

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | SURROGATES_INCLUDED
    | st.sampled_from(["", "a", builders.TENANT, builders.client_state(), "x" * 5000])
)

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SURROGATES_INCLUDED, inner, max_size=4)
)

_PROPERTIES = (
    "subscriptionId",
    "clientState",
    "changeType",
    "resource",
    "resourceData",
    "tenantId",
    "organizationId",
    "encryptedContent",
    "lifecycleEvent",
)


def _spelled(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.lower(), name.upper(), name[0].upper() + name[1:]])


STRANGE_ITEMS: st.SearchStrategy[Any] = JSON_VALUES | st.dictionaries(
    st.sampled_from(_PROPERTIES).flatmap(_spelled), JSON_VALUES, max_size=9
)
"""Anything in place of a notification, mostly with the names of its properties."""

SPOILED_ITEMS: st.SearchStrategy[Any] = st.builds(
    lambda item, name, value: item | {name: value},
    st.sampled_from([builders.notification(), builders.lifecycle_notification(), builders.rich_notification()]),
    st.sampled_from(_PROPERTIES),
    JSON_VALUES,
)
"""A good notification with one property that is something else."""

SEGMENTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\?#"), min_size=1, max_size=20
).filter(lambda text: text not in {".", ".."})
"""Ids as they may stand in a path."""
