"""OData's options: what a filter, a search and an order mean, and that no text is too strange."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.content.odata.filtering import DEEPEST, predicate
from local.graph.content.odata.query import page_size, read_query
from local.graph.content.odata.searching import search
from local.graph.faults import GraphFault

MAIL: dict[str, Any] = {
    "id": "AAMk1",
    "subject": "The Launch",
    "isRead": False,
    "importance": "high",
    "size": 12,
    "receivedDateTime": "2026-03-01T10:00:00Z",
    "categories": ["Red", "Blue"],
    "from": {"emailAddress": {"name": "Adele", "address": "adele@contoso.com"}},
    "toRecipients": [
        {"emailAddress": {"name": "Lee", "address": "lee@contoso.com"}},
        {"emailAddress": {"name": "O'Hara", "address": "ohara@contoso.com"}},
    ],
    "body": {"contentType": "text", "content": "see you on Friday"},
    "replyToId": None,
    "weight": 1.5,
}

TRUE = [
    "subject eq 'The Launch'",
    "subject eq 'the launch'",
    "Subject eq 'The Launch'",
    "subject ne 'Other'",
    "isRead eq false",
    "not isRead",
    "not (isRead eq true)",
    "isRead ne true and importance eq 'high'",
    "isRead or size gt 10",
    "false or true",
    "size ge 12 and size le 12 and size lt 13 and size gt 11",
    "weight eq 1.5",
    "weight lt 2",
    "size gt -3",
    "replyToId eq null",
    "nothing eq null",
    "null eq nothing",
    "subject ne null",
    "receivedDateTime ge 2026-03-01T10:00:00Z",
    "receivedDateTime gt 2026-02-28",
    "receivedDateTime lt 2026-03-01T10:00:00.0000001+00:00 or receivedDateTime eq 2026-03-01T11:00:00+01:00",
    "receivedDateTime ge '2026-03-01T10:00:00Z'",
    "importance in ('low', 'high')",
    "importance eq microsoft.graph.importance'high'",
    "id in ('x','AAMk1')",
    "contains(subject, 'launch')",
    "startsWith(subject,'the')",
    "endswith(from/emailAddress/address,'@contoso.com')",
    "contains(subject,'launch') eq true",
    "from/emailAddress/address eq 'adele@contoso.com'",
    "toRecipients/any(r: r/emailAddress/address eq 'lee@contoso.com')",
    "toRecipients/any(r: r/emailAddress/name eq 'O''Hara')",
    "toRecipients/all(r:endswith(r/emailAddress/address,'contoso.com'))",
    "toRecipients/any()",
    "categories/any(c:c eq 'red')",
    "categories/any(c: c eq 'Red' and importance eq 'high')",
    "categories/all(c: toRecipients/any(r: startswith(r/emailAddress/name, 'L') and contains(c, 'e')))",
    "nothing/all(n: n eq 1)",
    "importance eq 'low' and isRead or size eq 12",
    "(((size eq 12)))",
    "12 eq size",
    "12ab34cd-0000-4000-8000-000000000001 ne id",
    "'x' in ('x')",
]

FALSE = [
    "subject eq 'launch'",
    "isRead",
    "subject eq 12",
    "subject gt 5",
    "size lt null",
    "nothing gt 1",
    "nothing ge null",
    "not nothing",
    "body eq body",
    "subject/any(s: s eq 'x')",
    "nothing/any()",
    "toRecipients/any(r: r/emailAddress/address eq 'nobody')",
    "contains(size, '1')",
    "importance in ('low')",
    "isRead or (size eq 12 and importance eq 'low')",
    "receivedDateTime gt 2026-03-01T10:00:00Z",
    "subject gt 2026-03-01",
]

WRONG = [
    "",
    " ",
    "subject eq",
    "eq 'x'",
    "subject eq 'x",
    "subject eq x'",
    "subject == 'x'",
    "subject eq 'x' and",
    "subject eq 'x' 'y'",
    "(subject eq 'x'",
    "subject eq 'x')",
    "contains(subject)",
    "unknown(subject,'x')",
    "12",
    "'text'",
    "size eq 12 and 'text'",
    "'text' and size eq 12",
    "not 5",
    "importance in 'low'",
    "importance in ()",
    "importance in (subject)",
    "a/any(b)",
    "a/any(b:)",
    "a/all()",
    "a//b eq 1",
    "receivedDateTime gt 2026-13-01",
    "receivedDateTime gt 0001-01-01T00:00:00+14:00",
    "subject eq 'a' %",
    "(" * 10_000,
    "not " * 10_000 + "true",
    "contains(" * 10_000,
    "a/any(x:" * 10_000,
]


@pytest.mark.parametrize("text", TRUE)
def test_a_filter_keeps_what_it_describes(text: str) -> None:
    assert predicate(text)(MAIL)


@pytest.mark.parametrize("text", FALSE)
def test_a_filter_leaves_out_the_rest(text: str) -> None:
    assert not predicate(text)(MAIL)


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_what_is_no_filter_is_refused_in_graphs_words(text: str) -> None:
    with pytest.raises(GraphFault) as refused:
        predicate(text)
    assert (refused.value.status, refused.value.code) == (400, "BadRequest")
    assert refused.value.message.startswith("Invalid filter clause: ")


def test_parentheses_may_lie_within_one_another_to_a_limit() -> None:
    deep = "(" * DEEPEST + "size eq 12" + ")" * DEEPEST
    assert predicate(deep)(MAIL)
    with pytest.raises(GraphFault):
        predicate(f"({deep})")


def test_a_very_long_filter_is_no_deep_one() -> None:
    assert predicate(" or ".join(f"id eq 'no{number}'" for number in range(5_000)) + " or size eq 12")(MAIL)


def read_or_refuse(read: Callable[[], Any]) -> Any:
    """Return what is read, or None where it is refused as Graph refuses; anything else fails the test."""
    status, made = 400, None
    try:
        made = read()
    except GraphFault as refused:
        status = refused.status
    assert status == 400
    return made


PIECES = st.sampled_from(
    [
        "subject",
        "a/b",
        "eq",
        "ne",
        "in",
        "and",
        "or",
        "not",
        "(",
        ")",
        ",",
        "'x'",
        "12",
        "1.5e3",
        "null",
        "true",
        "any(x:",
        "contains(",
        "x",
        ":",
        "/",
        "2026-01-01T00:00:00Z",
        "99999-01-01",
        "'",
        "all(",
        "-",
        "'it''s'",
        "categories/any(c:c",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-01-01T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "subject", "x"]), inner),
    max_leaves=8,
)


@given(
    st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=40),
    st.dictionaries(st.sampled_from(["a", "b"]), JSON),
)
def test_any_text_gives_a_predicate_that_any_item_survives_or_a_400(text: str, content: dict[str, Any]) -> None:
    keeps = read_or_refuse(lambda: predicate(text))
    assert keeps is None or keeps(content) in {True, False}


@given(st.text(max_size=30), JSON)
def test_any_search_gives_a_predicate_or_a_400(text: str, content: Any) -> None:
    found = read_or_refuse(lambda: search(text))
    assert found is None or found({"a": content}) in {True, False}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("launch", True),
        ('"launch"', True),
        ('"subject:launch"', True),
        ('"subject:friday"', False),
        ('"from:adele friday"', True),
        ('"from:lee"', False),
        ('"to:lee"', True),
        ('"participants:adele"', True),
        ('"body:friday AND subject:launch"', True),
        ('"missing OR friday"', True),
        ('"missing AND friday"', False),
        ('"subject:\\"the launch\\""', True),
        ('"\\"launch the\\""', False),
    ],
)
def test_a_search_finds_its_words(text: str, found: bool) -> None:  # noqa: FBT001 - one column of a table
    assert search(text)(MAIL) is found


@pytest.mark.parametrize("text", ["", '""', "OR", "a OR", "AND"])
def test_a_search_without_words_is_refused(text: str) -> None:
    with pytest.raises(GraphFault):
        search(text)


def test_options_are_read_with_and_without_the_dollar_and_in_any_case() -> None:
    query = read_query([("$Select", "id, Subject,from/emailAddress"), ("top", "5"), ("$count", "true"), ("x", "y")])
    assert (query.select, query.top, query.count) == (frozenset({"id", "subject", "from"}), 5, True)
    assert set(query.selected(MAIL)) == {"id", "subject", "from"}


@pytest.mark.parametrize(
    "options",
    [
        [("$top", "-1")],
        [("$top", "many")],
        [("$top", "٣")],
        [("$skip", "1.5")],
        [("$top", "1"), ("top", "2")],
        [("$count", "maybe")],
        [("$nonsense", "1")],
        [("$orderby", "subject sideways")],
        [("$orderby", "sub ject")],
        [("$filter", "subject")] * 2,
        [("$token", "latest")],
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[tuple[str, str]]) -> None:
    with pytest.raises(GraphFault) as refused:
        read_query(options)
    assert refused.value.status == 400


def test_items_are_ordered_by_several_properties_with_nulls_first() -> None:
    items = [{"a": "b", "n": 1}, {"a": "A", "n": 2}, {"a": "b", "n": 3}, {"n": 4}]
    query = read_query([("$orderby", "a,n desc")])
    assert query.ordered((item, item["n"]) for item in items) == [4, 2, 3, 1]


@given(
    st.lists(
        st.tuples(st.sampled_from(["$top", "$filter", "$orderby", "$select", "$search", "$expand", "q"]), st.text())
    )
)
def test_any_options_give_a_query_or_a_400(options: list[tuple[str, str]]) -> None:
    query = read_or_refuse(lambda: read_query(options))
    assert query is None or query.skip >= 0


def test_the_page_size_is_read_from_what_the_caller_prefers() -> None:
    assert page_size('odata.maxpagesize=7, IdType="ImmutableId"') == 7
    assert page_size('outlook.timezone="UTC", odata.maxpagesize="12"') == 12
    assert page_size("return=minimal") is None
    assert page_size("odata.maxpagesize=0") is None
