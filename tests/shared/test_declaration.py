"""subscriptions.json is read, or every problem in it is said at once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.declaration import CONNECTED, ForEach, read_declaration
from shared.errors import SettingsError
from shared.pull_mode import PullMode
from shared.routing import HandlerChoice

TEAMS: dict[str, Any] = {
    "name": "teams-messages",
    "resource": "/teams/getAllMessages",
    "changeType": "updated, created",
    "includeResourceData": True,
    "delivery": "webhook",
    "handlers": ["feed", {"forward": {"to": "https://example.com/changes", "signingKey": "FORWARD_SIGNING_KEY"}}],
}
MAIL: dict[str, Any] = {"name": "mail", "resource": "users/u/messages", "changeType": "created"}


def _write(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"subscriptions": entries} | more, indent=1).encode()


def _problems(*entries: Any, known: frozenset[str] | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_declaration(_write(*entries), known_handlers=known)
    return caught.value.problems


def test_a_declaration_is_read() -> None:
    declaration = read_declaration(_write(TEAMS, MAIL), known_handlers=frozenset({"feed", "forward"}))

    teams, mail = declaration.subscriptions
    assert (teams.resource, teams.change_type) == ("teams/getAllMessages", "created,updated")
    assert teams.include_resource_data
    assert teams.handlers is not None
    assert teams.handlers[0] == HandlerChoice(name="feed")
    assert teams.handlers[1].options["signingKey"] == "FORWARD_SIGNING_KEY"
    assert (mail.delivery, mail.handlers, mail.include_resource_data) == ("webhook", None, False)


def test_no_list_of_handlers_is_not_an_empty_one() -> None:
    [declared] = read_declaration(_write(MAIL | {"handlers": []}), known_handlers=None).subscriptions

    assert declared.handlers == ()


def test_a_subscription_is_found_by_its_name_and_by_an_instance_of_it() -> None:
    declaration = read_declaration(_write(MAIL), known_handlers=None)

    assert declaration.find("mail") is declaration.find("mail~1a2b") is declaration.subscriptions[0]
    assert declaration.find("other") is None


def test_the_digest_follows_the_meaning_and_not_the_spelling() -> None:
    digest = read_declaration(_write(MAIL), known_handlers=None).digest

    assert read_declaration(b"\n" + _write(dict(reversed(MAIL.items()))), known_handlers=None).digest == digest
    assert read_declaration(_write(MAIL | {"changeType": "deleted"}), known_handlers=None).digest != digest


def test_every_problem_is_said_at_once_and_names_its_subscription() -> None:
    problems = _problems(
        MAIL | {"name": "root", "resource": "drives/d/root"},
        MAIL | {"name": "people", "resource": "users", "changeType": "created,deleted", "includeResourceData": True},
        MAIL | {"name": "rich-mail", "includeResourceData": True, "resource": "users/r/messages"},
        MAIL | {"name": "hub", "lifecycle": "eventhub", "resource": "users/h/messages"},
        MAIL | {"name": "mine", "resource": "/me/messages"},
        MAIL | {"name": "typo", "handlers": ["fed"], "resource": "users/t/messages"},
        MAIL | {"name": "Shouted", "lifetime": 5},
        MAIL,
        MAIL,
        known=frozenset({"feed"}),
    )

    assert [problem.split(":")[0] for problem in problems] == [
        "subscription 'root'",
        "subscription 'people'",
        "subscription 'people'",
        "subscription 'rich-mail'",
        "subscription 'hub'",
        "subscription 'mine'",
        "subscription 'typo'",
        "subscription 'Shouted'",
        "subscription 'Shouted'",
        "subscription 'mail'",
        "subscription 'mail'",
    ]
    assert "never has changes of type created, only updated" in problems[0]
    assert "$select" in problems[3]
    assert "say delivery eventhub" in problems[4]
    assert "no handler 'fed'" in problems[6]
    assert problems[0].endswith("(line 6, $.subscriptions[0].changeType)")
    assert problems[-1].endswith("(line 51, $.subscriptions[8].name)")


HUB_URL = "EventHub:https://contoso.servicebus.windows.net/eventhubname/notifications?tenantId=contoso.com"
HUB = MAIL | {"delivery": "eventhub"}


def test_a_hub_that_graph_is_told_of_and_we_read_is_fine() -> None:
    text, whole = _write(HUB | {"lifecycle": "eventhub"}), PullMode(hub_url=HUB_URL)

    [declared] = read_declaration(text, known_handlers=None, pull_mode=whole).subscriptions

    assert (declared.delivery, declared.lifecycle) == ("eventhub", "eventhub")
    assert read_declaration(_write(HUB), known_handlers=None).subscriptions[0].lifecycle == "webhook"


@pytest.mark.parametrize(
    ("pull_mode", "said"),
    [
        (PullMode(hub_url=""), "EVENT_HUB_NOTIFICATION_URL is missing"),
        (PullMode(hub_url=HUB_URL, unread=("EventHubConnection is missing",)), "nobody would hear it"),
        (PullMode(hub_url=HUB_URL, unread=("EVENT_HUB_NAME is missing",)), "EVENT_HUB_NAME is missing"),
    ],
)
def test_a_hub_that_nobody_fills_or_nobody_reads_is_refused(pull_mode: PullMode, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_declaration(_write(HUB), known_handlers=None, pull_mode=pull_mode)

    [problem] = refused.value.problems
    assert said in problem
    assert problem.endswith("$.subscriptions[0].delivery)")
    assert read_declaration(_write(MAIL), known_handlers=None, pull_mode=pull_mode).subscriptions


@pytest.mark.parametrize("resource", ["/teams/getAllMessages", "/chats/c/messages", "/communications/presences/u"])
def test_lifecycle_events_of_teams_do_not_come_over_the_hub(resource: str) -> None:
    teams = {"name": "teams", "resource": resource, "changeType": "updated", "delivery": "eventhub"}
    if "presence" not in resource:
        teams["changeType"] = "created"

    [problem] = _problems(teams | {"lifecycle": "eventhub"})

    assert "whose lifecycle events come to the webhook: leave it out" in problem
    assert read_declaration(_write(teams), known_handlers=None).subscriptions[0].delivery == "eventhub"


def test_two_that_hear_the_same_are_a_problem() -> None:
    [problem] = _problems(MAIL, MAIL | {"name": "twin", "resource": "/users/u/messages"})

    assert "subscription 'twin'" in problem
    assert "'mail'" in problem


def test_the_name_of_connected_mailboxes_is_nobody_elses() -> None:
    [problem] = _problems(MAIL | {"name": CONNECTED.name})

    assert "kept for the mailboxes that people connect" in problem


def test_a_connected_mailbox_keeps_the_rules_that_a_file_is_held_to() -> None:
    """It is in no file, where somebody would have been told."""
    entry = {
        "name": "as-in-a-file",
        "resource": CONNECTED.resource,
        "changeType": CONNECTED.change_type,
        "immutableIds": CONNECTED.immutable_ids,
        "handlers": ["mailbox"],
        "forEach": {"users": ["u"]},
    }
    [declared] = read_declaration(_write(entry), known_handlers=frozenset({"mailbox"})).subscriptions

    assert (declared.resource, declared.change_types) == (CONNECTED.resource, CONNECTED.change_types)
    assert (declared.handlers, declared.immutable_ids) == (CONNECTED.handlers, CONNECTED.immutable_ids)


def test_rich_mail_with_select_is_fine() -> None:
    rich = MAIL | {"includeResourceData": True, "resource": "/users/u/messages?$select=subject,from"}

    assert read_declaration(_write(rich), known_handlers=None).subscriptions[0].include_resource_data


def test_a_resource_that_the_catalogue_lacks_is_left_to_graph_only_if_somebody_insists() -> None:
    new = MAIL | {"resource": "brandNew/things", "includeResourceData": True, "lifetimeMinutes": 9000}

    [problem] = _problems(new)
    assert '"unchecked": true' in problem
    assert read_declaration(_write(new | {"unchecked": True}), known_handlers=None).find("mail")


def test_unchecked_leaves_the_form_of_the_path_and_the_names_to_us() -> None:
    problems = _problems(MAIL | {"resource": "/me/messages", "unchecked": True, "handlers": ["x"]}, known=frozenset())

    assert len(problems) == 2


def test_what_may_be_said_of_one_subscription_is_read() -> None:
    jobs = {
        "name": "jobs",
        "resource": "print/printers/p/jobs",
        "changeType": "updated",
        "notificationQueryOptions": "$filter = isFetchable eq true",
        "lifetimeMinutes": 120,
        "quietAfterMinutes": 45,
    }
    declared, mail, mutable = read_declaration(
        _write(jobs, MAIL, MAIL | {"name": "mutable", "resource": "users/v/messages", "immutableIds": False}),
        known_handlers=None,
    ).subscriptions

    assert declared.notification_query_options == "$filter = isFetchable eq true"
    assert (declared.lifetime, declared.lifetime_minutes, mail.lifetime_minutes) == (timedelta(hours=2), 120, 0)
    assert (declared.quiet_after, mail.quiet_after) == (timedelta(minutes=45), None)
    assert (declared.immutable_ids, mail.immutable_ids, mutable.immutable_ids) == (False, True, False)


GROUP = "ABCDEF00-0000-4000-8000-00000000000A"
EACH: dict[str, Any] = MAIL | {"resource": "users/{user}/messages"}


def test_an_entry_for_many_users_is_read() -> None:
    people, group = read_declaration(
        _write(
            EACH | {"forEach": {"users": ["a@contoso.com", "b@contoso.com"]}},
            EACH | {"name": "events", "resource": "users('{user}')/events", "forEach": {"group": GROUP}},
        ),
        known_handlers=None,
    ).subscriptions

    assert people.for_each == ForEach(users=("a@contoso.com", "b@contoso.com"))
    assert group.for_each == ForEach(group=GROUP.lower())
    assert people.immutable_ids


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (EACH, "only together with forEach"),
        (MAIL | {"forEach": {"users": ["u"]}}, "needs {user} once"),
        (EACH | {"resource": "users/x{user}/messages", "forEach": {"users": ["u"]}}, "needs {user} once"),
        (EACH | {"forEach": {"group": "sales"}}, "forEach.group)"),
        (EACH | {"forEach": {"users": ["a/b"]}}, "forEach.users[0])"),
        (EACH | {"forEach": {}}, "must have 1 property"),
        (EACH | {"forEach": {"users": [], "group": GROUP}}, "must have 1 property and no more"),
    ],
)
def test_an_entry_for_nobody_in_particular_is_refused(entry: dict[str, Any], expected: str) -> None:
    problems = _problems(entry)

    assert any(expected in problem for problem in problems), problems


def test_an_instance_that_hears_the_same_as_somebody_else_is_a_problem() -> None:
    [problem] = _problems(MAIL, EACH | {"name": "each", "forEach": {"users": ["v", "U"]}})

    assert "subscription 'each': it hears the same as 'mail'" in problem


def test_a_handler_is_asked_about_by_whoever_knows_it() -> None:
    with pytest.raises(SettingsError) as caught:
        read_declaration(
            _write(TEAMS), known_handlers=None, check_handler=lambda choice, _: ["bad"] if choice.options else []
        )

    assert caught.value.problems == ("subscription 'teams-messages': bad (line 11, $.subscriptions[0].handlers[1])",)


def test_what_is_no_json_is_refused_with_its_place() -> None:
    with pytest.raises(SettingsError, match=r"not JSON: Expecting ',' delimiter \(line 2, column 3\)"):
        read_declaration(b'{"subscriptions": []\n  "x": 1}', known_handlers=None)


def test_a_problem_repeats_nothing_that_health_should_not_show() -> None:
    """Health shows problems to anybody: names of entries and handlers, but no resource, no user."""
    person = "secret.person@contoso.com"
    problems = _problems(
        MAIL | {"resource": f"users/{person}/moon"},
        EACH | {"name": "each", "forEach": {"users": [f"{person}/x"]}},
        MAIL | {"name": "long", "resource": f"users/{person}/{'x' * 3000}"},
        MAIL | {"name": "select", "resource": f"users/{person}/messages?$select=x", "notificationQueryOptions": person},
    )

    assert len(problems) >= 4
    assert not any("secret" in problem for problem in problems)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (MAIL | {"forEvery": "user"}, "'forEvery' was unexpected"),
        (MAIL | {"lifetimeMinutes": 59}, "it must be 60 or more"),
        (MAIL | {"name": "Mail"}, "subscription 'Mail'"),
        (MAIL | {"name": "x" * 41}, "it must have the form"),
        (MAIL | {"changeType": "created,moved"}, "(line 6, $.subscriptions[0].changeType)"),
        ({"name": "mail", "resource": "users"}, "'changeType' is a required property"),
        ({"resource": "users", "changeType": "updated"}, "subscription number 1"),
        (MAIL | {"handlers": [{"feed": {}, "dlp": {}}]}, "handlers[0]"),
        (MAIL | {"handlers": [{"feed": "x"}]}, "handlers[0].feed"),
        (MAIL | {"delivery": "pigeon"}, "it must be one of webhook or eventhub"),
        ("mail", "subscription number 1"),
    ],
)
def test_a_wrong_form_is_refused_with_a_sentence(entry: Any, expected: str) -> None:
    [problem] = _problems(entry)

    assert expected in problem


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"subscriptions": {}}', b"[" * 100_000])
def test_what_is_no_declaration_is_refused(text: bytes) -> None:
    with pytest.raises(SettingsError):
        read_declaration(text, known_handlers=None)


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)))
def test_any_json_gives_a_declaration_or_problems(document: Any) -> None:
    try:
        read_declaration(_write(MAIL | {"handlers": document}), known_handlers=frozenset())
    except SettingsError as error:
        assert error.problems  # noqa: PT017 - either way is right; problems without a sentence are not
