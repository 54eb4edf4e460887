"""How each resource is followed, and pages read whatever is on them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.graph.content.delta_reading import SUPPORTED, delta_of
from local.graph.content.reading import own_path
from shared.delta_items import LAG, Round, tell, write_told
from shared.envelope import pack, read_envelope
from shared.errors import GraphApiError, GraphProtocolError
from shared.graph.catalogue import CATALOGUE, concerns
from shared.graph.delta_page import DeltaItem, has_lost_its_state, read_page
from shared.graph.following import FOLLOWING, Step, begin, begin_with_now, fill, follow
from shared.graph.resource import read_resource
from tests.builders import NOW

USER = "11111111-0000-4000-8000-000000000001"
IDS = {
    "user": USER,
    "folder": "AAMk=",
    "team": USER,
    "channel": "19:a@thread.tacv2",
    "chat": "19:b@thread.v2",
    "drive": "b!x",
    "site": "contoso.sharepoint.com,1,2",
    "list": USER,
    "group": USER,
    "meeting": "MSo1N2Y5",
}


class Anything(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return IDS.get(key, f"a-{key}")


def declared(name: str) -> str:
    return name.format_map(Anything())


# -- the table ----------------------------------------------------------------------------------------------------------


def test_every_row_of_the_catalogue_says_how_it_is_followed() -> None:
    assert set(FOLLOWING) == {entry.name for entry in CATALOGUE}


@pytest.mark.parametrize("name", FOLLOWING)
def test_a_row_has_steps_or_says_what_to_do_instead(name: str) -> None:
    followed = follow(declared(name))
    assert followed is not None
    if not followed.following.steps:
        assert len(followed.following.limit) > 20
        assert followed.following.how == f"not possible: {followed.following.limit}"
        return
    *finds, last = followed.following.steps
    assert {step.kind for step in finds} <= {"find"}
    assert last.kind in {"delta", "window"}
    assert followed.following.how == last.kind


@pytest.mark.parametrize("name", [name for name, row in FOLLOWING.items() if row.steps])
def test_what_is_told_is_what_the_subscription_declares(name: str) -> None:
    """Else the processor would take it for an attempt to have something else fetched."""
    resource = declared(name)
    followed = follow(resource)
    assert followed is not None
    step = followed.following.steps[-1]
    ids = {**IDS, **followed.ids}
    item = DeltaItem(id=USER, content={"id": USER, "chatId": IDS["chat"], "meetingId": IDS["meeting"]})
    about = Round(mark="m", since=NOW)
    every = ("created", "updated", "deleted")
    told = list(tell(step, ids, [item], about, change_types=every, subscribed=read_resource(followed.resource)))

    assert told
    for each in told:
        assert concerns(resource, read_resource(str(each.resource)))
        assert read_resource(str(each.resource)) == each.resource


@pytest.mark.parametrize("name", [name for name, row in FOLLOWING.items() if row.how == "delta"])
def test_every_delta_is_one_that_graph_has(name: str) -> None:
    followed = follow(declared(name))
    assert followed is not None
    step, ids = followed.following.steps[-1], {**IDS, **followed.ids}
    path = fill(step.path, ids).lstrip("/").lower()
    function = delta_of(own_path(path, None))
    assert function is not None
    assert SUPPORTED.fullmatch(function[0].replace("users/" + USER + "/drive", "drives/d").replace("%27", "'"))


@pytest.mark.parametrize("name", [name for name, row in FOLLOWING.items() if row.steps])
def test_requests_are_relative_and_have_nothing_left_to_fill_in(name: str) -> None:
    followed = follow(declared(name))
    assert followed is not None
    for step in followed.following.steps:
        for path in (begin(step, {**IDS, **followed.ids}, now=NOW, since=NOW), begin_with_now(step, IDS)):
            assert not set(path) & set("{} \n#")
            assert path.startswith("/") or not path


def test_a_mailbox_is_looked_at_for_thirty_days_or_as_far_back_as_something_is_missing() -> None:
    step = FOLLOWING["users/{user}/messages"].steps[-1]
    assert "receivedDateTime%20ge%202026-10-21T12:00:00Z" in begin(step, IDS, now=NOW)
    long_ago = NOW - timedelta(days=60)
    assert "receivedDateTime%20ge%202026-09-21T11:50:00Z" in begin(step, IDS, now=NOW, since=long_ago)


def test_ids_cannot_leave_their_place() -> None:
    step = Step(kind="delta", path="users/{user}/x/delta", query="$filter=id eq '{user}'", item="users/{id}")
    path = begin(step, {"user": "a/../b?c'd&$e=f"}, now=NOW)
    assert path == "/users/a%2F..%2Fb%3Fc%27d%26%24e=f/x/delta?$filter=id%20eq%20%27a%2F..%2Fb%3Fc%27%27d%26%24e%3Df%27"


@pytest.mark.parametrize("resource", ["nothing/known", "https://evil.example/x", "", "me/messages"])
def test_what_the_catalogue_lacks_is_not_followed(resource: str) -> None:
    assert follow(resource) is None


# -- pages ----------------------------------------------------------------------------------------------------------------

BASE = "https://graph.microsoft.com/v1.0/"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=8)
        | st.integers()
        | st.sampled_from(["\ud800", "a\x00", "..", "a/../b", "x" * 70_000, "a?b#c"]),
        "@removed": JSON | st.just({"reason": "changed"}) | st.just({"reason": "deleted"}),
        "deleted": JSON,
        "deletedDateTime": JSON | st.just("2026-11-20T12:00:00Z"),
        "createdDateTime": JSON | st.just("2026-11-20T12:00:00Z"),
        "lastModifiedDateTime": JSON | st.just("2026-11-20T12:00:00Z"),
        "@odata.etag": JSON,
        "etag": JSON,
        "replies": JSON | st.lists(st.fixed_dictionaries({"id": st.text(max_size=5)}), max_size=2),
        "type": st.just("occurrence") | JSON,
        "chatId": JSON | st.sampled_from(["\ud800", ".."]),
    },
)
PAGES = st.fixed_dictionaries(
    {},
    optional={
        "value": JSON | st.lists(MEMBERS | JSON, max_size=6),
        "@odata.nextLink": JSON | st.just(BASE + "users/delta?$skiptoken=x"),
        "@odata.deltaLink": JSON | st.just(BASE + "users/delta?$deltatoken=x"),
    },
)


@given(answer=PAGES, delta=st.booleans())
def test_any_answer_is_a_page_or_is_said_to_be_none(answer: Mapping[str, Any], *, delta: bool) -> None:
    try:
        page = read_page(answer, delta=delta)
    except GraphProtocolError:
        return
    assert not (page.following and page.ended)
    assert not delta or page.following or page.ended
    assert len({item.id for item in page.items}) == len(page.items)
    assert all(link == "" or link.startswith("/") for link in (page.following, page.ended))


@given(
    items=st.lists(MEMBERS, max_size=6),
    name=st.sampled_from([name for name, row in FOLLOWING.items() if row.steps]),
    since=st.none() | st.just(NOW),
    anew=st.booleans(),
)
def test_whatever_is_on_a_page_what_is_told_can_be_queued_and_read(
    items: list[Mapping[str, Any]], name: str, since: datetime | None, *, anew: bool
) -> None:
    followed = follow(declared(name))
    assert followed is not None
    page = read_page({"value": items, "@odata.deltaLink": BASE + "x"})
    told = tell(
        followed.following.steps[-1],
        {**IDS, **followed.ids},
        page.items,
        Round(mark="m", since=since, anew=anew),
        change_types=("created", "updated", "deleted"),
        subscribed=read_resource(followed.resource),
    )
    written = [
        text
        for each in told
        for text in write_told(
            each, item_id="i", odata_type="message", tenant_id=USER, subscription_id="s", client_state="c"
        )
    ]
    for envelope in pack(written, via="delta", received=NOW):
        assert read_envelope(envelope.encode("ascii")).via == "delta"


def test_of_what_is_on_a_page_twice_the_last_counts() -> None:
    items = [{"id": "a", "n": 1}, {"id": "b"}, {"id": "a", "n": 2}]
    page = read_page({"value": items, "@odata.nextLink": BASE + "x", "@odata.deltaLink": BASE + "y"})
    assert [(item.id, item.content.get("n")) for item in page.items] == [("b", None), ("a", 2)]
    assert (page.following, page.ended) == ("/x", "")


@pytest.mark.parametrize("host", ["https://evil.example/v1.0/users", "http://169.254.169.254/v1.0/x"])
def test_a_links_host_does_not_matter(host: str) -> None:
    page = read_page({"value": [], "@odata.nextLink": host})
    assert page.following == "/" + host.rpartition("/v1.0/")[2]


@pytest.mark.parametrize(
    ("item", "gone"),
    [
        ({"id": "1"}, ""),
        ({"id": "1", "@removed": {"reason": "changed"}}, "changed"),
        ({"id": "1", "@removed": {"reason": "deleted"}}, "deleted"),
        ({"id": "1", "@removed": {}}, "deleted"),
        ({"id": "1", "deleted": {"state": "deleted"}}, "deleted"),
        ({"id": "1", "deletedDateTime": "2026-11-20T12:00:00Z"}, "deleted"),
        ({"id": "1", "deletedDateTime": None, "deleted": None}, ""),
    ],
)
def test_each_workload_says_in_its_own_way_that_something_is_gone(item: Mapping[str, Any], gone: str) -> None:
    [read] = read_page({"value": [item]}, delta=False).items
    assert read.gone == gone


@pytest.mark.parametrize(
    ("status", "code", "lost"),
    [
        (410, "", True),
        (410, "resyncRequired", True),
        (404, "SyncStateNotFound", True),
        (400, "SyncStateInvalid", True),
        (400, "BadRequest", True),
        (404, "ErrorItemNotFound", False),
        (403, "ErrorAccessDenied", False),
        (429, "TooManyRequests", False),
        (503, "", False),
        (0, "", False),
    ],
)
def test_it_is_known_when_to_begin_anew(status: int, code: str, *, lost: bool) -> None:
    assert has_lost_its_state(GraphApiError("GET /x", status=status, code=code)) is lost


# -- what happened ----------------------------------------------------------------------------------------------------------


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat()


MAIL = FOLLOWING["users/{user}/messages"].steps[-1]


def happened(
    content: Mapping[str, Any], *, wanted: tuple[str, ...] = ("created", "updated", "deleted"), anew: bool = False
) -> tuple[str, ...]:
    page = read_page({"value": [{"id": "m", **content}]}, delta=False)
    about = Round(mark="m", since=NOW, anew=anew)
    told = list(tell(MAIL, IDS, page.items, about, change_types=wanted, subscribed=read_resource("users/x/messages")))
    return told[0].change_types if told else ()


@pytest.mark.parametrize(
    ("created", "modified", "types"),
    [
        (1, 1, ("created",)),
        (1, 2, ("created", "updated")),
        (-60, 2, ("updated",)),
        (-LAG / timedelta(minutes=2), 2, ("created", "updated")),  # the delta may have been behind
    ],
)
def test_times_tell_created_from_updated(created: float, modified: float, types: tuple[str, ...]) -> None:
    content = {"createdDateTime": at(created), "lastModifiedDateTime": at(modified)}
    assert happened(content) == types
    assert happened(content, wanted=("deleted",)) == ()
    assert set(happened(content, wanted=("created",))) == set(types) & {"created"}


def test_what_says_nothing_of_times_may_be_either() -> None:
    assert set(happened({})) == {"created", "updated"}


@pytest.mark.parametrize(("reason", "types"), [("changed", ("updated",)), ("deleted", ("deleted",))])
def test_what_is_removed_for_now_is_updated_and_for_good_deleted(reason: str, types: tuple[str, ...]) -> None:
    assert happened({"@removed": {"reason": reason}}) == types


def test_a_list_of_everything_tells_only_what_changed_since() -> None:
    assert happened({"lastModifiedDateTime": at(-60)}, anew=True) == ()
    assert happened({"lastModifiedDateTime": at(-60)}) != ()
    assert happened({}, anew=True) != ()
    assert happened({"createdDateTime": at(-600)}, anew=True) != ()  # a user says no more


def test_an_occurrence_is_told_by_its_series() -> None:
    assert happened({"type": "occurrence"}) == ()
    assert happened({"type": "seriesMaster"}) != ()


def test_what_goes_by_one_name_is_told_once_a_page() -> None:
    step = FOLLOWING["drives/{drive}/root"].steps[-1]
    items = [DeltaItem(id=each, content={}) for each in "abc"]
    subscribed = read_resource("drives/b!x/root")
    about = Round(mark="m", since=NOW)
    told = list(tell(step, IDS, items, about, change_types=("updated",), subscribed=subscribed))
    assert [each.resource for each in told] == [subscribed]
    assert not list(tell(step, IDS, [], about, change_types=("updated",), subscribed=subscribed))


def test_nothing_of_the_content_travels() -> None:
    content = {"id": "m", "subject": "confidential", "body": {"content": "confidential"}, "@odata.etag": 'W/"1"'}
    page = read_page({"value": [content]}, delta=False)
    [told] = tell(
        MAIL,
        IDS,
        page.items,
        Round(mark="m", since=NOW),
        change_types=("updated",),
        subscribed=read_resource("users/x"),
    )
    [text] = write_told(told, item_id="i", odata_type="message", tenant_id=USER, subscription_id="s", client_state="c")
    assert "confidential" not in text
    notification = json.loads(text)["notification"]
    assert notification["resourceData"]["@odata.etag"] == 'W/"1"'
    assert "confidential" not in repr(page)
