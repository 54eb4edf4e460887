"""What Graph would refuse, or accept and never send, is said beforehand."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.catalogue import CATALOGUE, CatalogueEntry
from shared.graph.terms import Terms, problems_with

RICH_MAIL = "users/u/messages?$select=subject,from"


def _terms(resource: str, *change_types: str, **changes: Any) -> Terms:
    return Terms(resource=resource, change_types=change_types or ("updated",), **changes)


@pytest.mark.parametrize(
    "terms",
    [
        _terms("users/u/messages", "created", "deleted"),
        _terms("users/u/messages?$filter=isRead eq false&$expand=extensions", "created"),
        _terms(RICH_MAIL, include_resource_data=True, lifetime=timedelta(minutes=1440), immutable_ids=True),
        _terms(
            f"{RICH_MAIL}&$filter=isRead eq false&$expand=singleValueExtendedProperties($filter=id eq 'x')",
            include_resource_data=True,
        ),
        _terms("chats/getAllMessages?$filter=mentions/any(m: true)", include_resource_data=True),
        _terms("print/printers/p/jobs", notification_query_options="$filter = isFetchable eq true"),
        _terms("solutions/virtualEvents/events", "created"),
        _terms("users", "updated", "deleted", lifetime=timedelta(minutes=41_760), immutable_ids=False),
    ],
)
def test_what_graph_takes_is_no_problem(terms: Terms) -> None:
    assert list(problems_with(terms)) == []


@pytest.mark.parametrize(
    ("terms", "blamed", "expected"),
    [
        (_terms("users", "created"), "changeType", "never has changes of type created"),
        (_terms("drives/d/root", "deleted"), "changeType", "only updated"),
        (_terms("solutions/virtualEvents/events"), "changeType", "only created"),
        (_terms("users", include_resource_data=True), "includeResourceData", "no notifications with resource data"),
        (_terms("users/u/messages", include_resource_data=True), "resource", "needs $select"),
        (_terms("users/u/events?$select=%20", include_resource_data=True), "resource", "needs $select"),
        (_terms("users/u/messages?$select=body", include_resource_data=True), "resource", "does not take body"),
        (_terms(f"{RICH_MAIL}&$top=5", include_resource_data=True), "resource", "takes no $top"),
        (_terms(f"{RICH_MAIL}&%24orderby=subject", include_resource_data=True), "resource", "takes no $orderby"),
        (_terms(f"{RICH_MAIL}&$expand=attachments", include_resource_data=True), "resource", "extended properties"),
        (_terms("teams/getAllMessages?$select=id", include_resource_data=True), "resource", "takes no $select"),
        (_terms("users?$select=id"), "resource", "takes no $select"),
        (_terms("users/u/messages", lifetime=timedelta(minutes=10_081)), "lifetimeMinutes", "10080 minutes at most"),
        (
            _terms(RICH_MAIL, include_resource_data=True, lifetime=timedelta(minutes=1441)),
            "lifetimeMinutes",
            "with resource data lives 1440",
        ),
        (_terms("users", notification_query_options="x"), "notificationQueryOptions", "has none"),
        (_terms("users", immutable_ids=True), "immutableIds", "they are Outlook's"),
        (_terms("me/messages"), "resource", "/me is whoever signed in"),
        (_terms("https://graph.microsoft.com/v1.0/users"), "resource", "not a path"),
        (
            _terms("communications/calls/getEmergencyEventsByPolicy(policyName='p')"),
            "resource",
            "a function's parameters",
        ),
        (_terms("users/u/memberOf"), "resource", "unchecked"),
    ],
)
def test_what_can_never_work_is_blamed_on_a_property(terms: Terms, blamed: str, expected: str) -> None:
    [(name, sentence)] = problems_with(terms)

    assert name == blamed
    assert expected in sentence


def test_unchecked_leaves_all_but_the_path_to_graph() -> None:
    terms = _terms("users/u/memberOf", include_resource_data=True, lifetime=timedelta(days=30))

    assert list(problems_with(terms, unchecked=True)) == []
    assert len(list(problems_with(_terms("me/messages"), unchecked=True))) == 1


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_every_row_takes_its_own_change_types_and_no_others(entry: CatalogueEntry) -> None:
    resource = entry.name.replace("{", "").replace("}", "")

    found = list(problems_with(_terms(resource, "created", "updated", "deleted")))

    assert {sentence.split(" of type ")[1].split(",")[0] for _, sentence in found} == {
        "created",
        "updated",
        "deleted",
    } - entry.kind.change_types


@given(resource=st.text(max_size=60), rich=st.booleans(), options=st.text(max_size=5))
def test_no_text_breaks_it(resource: str, rich: bool, options: str) -> None:  # noqa: FBT001 - drawn
    terms = _terms(resource, include_resource_data=rich, notification_query_options=options)

    assert all(sentence for _, sentence in problems_with(terms))
