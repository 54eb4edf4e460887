"""Which handlers a change concerns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.graph.resource import read_resource
from shared.routing import ANY, HandlerChoice, Registration, route, still_owed

MESSAGE = read_resource("teams('t')/channels('c')/messages('m')")
REPLY = read_resource("teams/t/channels/c/messages/m/replies/r")
TEMPLATE = "teams/{team}/channels/{channel}/messages/{message}"


async def nothing() -> None:
    """A handler that does nothing."""


def registration(name: str, template: str = TEMPLATE, *changes: str, listed: bool = False) -> Registration:
    return Registration(
        name=name, function=nothing, template=template, changes=frozenset(changes), content=False, listed=listed
    )


ALL = (
    registration("feed"),
    registration("feed", TEMPLATE + "/replies/{reply}"),
    registration("births", TEMPLATE, "created"),
    registration("edits", TEMPLATE, "updated", "deleted"),
    registration("mail", "users/{user}/messages/{message}"),
    registration("everything", ANY),
    registration("forward", ANY, listed=True),
)


@pytest.mark.parametrize(
    ("change_type", "names"),
    [
        ("created", {"feed", "births", "everything"}),
        ("updated", {"feed", "edits", "everything"}),
        ("deleted", {"feed", "edits", "everything"}),
        ("unknownfuturevalue", {"feed", "everything"}),
    ],
)
def test_without_a_list_every_handler_that_matches_runs(change_type: str, names: set[str]) -> None:
    assert {each.instance for each in route(MESSAGE, change_type, registrations=ALL, choices=None)} == names


def test_a_list_is_the_whole_set() -> None:
    choices = [HandlerChoice(name="edits"), HandlerChoice(name="forward", options={"to": "x"})]
    found = route(MESSAGE, "created", registrations=ALL, choices=choices)

    assert [(each.registration.name, each.options) for each in found] == [("forward", {"to": "x"})]
    assert route(MESSAGE, "created", registrations=ALL, choices=[]) == ()


def test_the_template_that_matches_gives_the_placeholders() -> None:
    [found] = route(REPLY, "created", registrations=ALL, choices=[HandlerChoice(name="feed")])

    assert found.ids == {"team": "t", "channel": "c", "message": "m", "reply": "r"}


def test_a_handler_with_two_templates_that_match_runs_once() -> None:
    twice = (registration("feed"), registration("feed", ANY))
    [found] = route(MESSAGE, "created", registrations=twice, choices=None)

    assert found.ids["team"] == "t"


def test_one_handler_with_two_sets_of_options_is_two() -> None:
    choices = [HandlerChoice(name="forward", options={"to": to}) for to in ("a", "b", "a")]
    instances = [each.instance for each in route(MESSAGE, "created", registrations=ALL, choices=choices)]

    assert len(set(instances)) == len(instances) == 2
    assert all(instance.startswith("forward~") for instance in instances)


@given(st.dictionaries(st.text(), st.text() | st.integers()))
def test_an_instance_does_not_depend_on_the_order_of_its_options(options: dict[str, object]) -> None:
    turned = dict(reversed(options.items()))

    assert HandlerChoice(name="x", options=options).instance == HandlerChoice(name="x", options=turned).instance


def test_options_are_not_printed() -> None:
    assert "canary" not in repr(HandlerChoice(name="x", options={"key": "canary"}))


def test_only_what_is_owed_stays() -> None:
    choices = [HandlerChoice(name="feed"), *(HandlerChoice(name="forward", options={"to": to}) for to in "ab")]
    routes = route(MESSAGE, "created", registrations=ALL, choices=choices)

    assert still_owed(routes, None) == routes
    assert still_owed(routes, []) == ()
    assert still_owed(routes, [routes[1].instance]) == (routes[1],)
    assert still_owed(routes, ["forward"]) == routes[1:]
    assert still_owed(routes, ["gone"]) == ()
