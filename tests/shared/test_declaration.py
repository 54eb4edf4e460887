"""subscriptions.json is read, or every problem in it is said at once."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.declaration import read_declaration
from shared.errors import SettingsError
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
    return json.dumps({"subscriptions": entries} | more).encode()


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
        MAIL | {"name": "hub", "delivery": "eventhub", "resource": "users/h/messages"},
        MAIL | {"name": "mine", "resource": "/me/messages"},
        MAIL | {"name": "typo", "handlers": ["fed"], "resource": "users/t/messages"},
        MAIL,
        MAIL,
        known=frozenset({"feed"}),
    )

    assert [problem.split(":")[0] for problem in problems] == [
        "subscription 'mail'",
        "subscription 'root'",
        "subscription 'people'",
        "subscription 'people'",
        "subscription 'rich-mail'",
        "subscription 'hub'",
        "subscription 'mine'",
        "subscription 'typo'",
    ]
    assert "never has changes of type created, only updated" in problems[1]
    assert "$select" in problems[4]
    assert "pull mode" in problems[5]
    assert "no handler 'fed'" in problems[7]


def test_two_that_hear_the_same_are_a_problem() -> None:
    [problem] = _problems(MAIL, MAIL | {"name": "twin", "resource": "/users/u/messages"})

    assert "subscription 'twin'" in problem
    assert "'mail'" in problem


def test_rich_mail_with_select_is_fine() -> None:
    rich = MAIL | {"includeResourceData": True, "resource": "/users/u/messages?$select=subject,from"}

    assert read_declaration(_write(rich), known_handlers=None).subscriptions[0].include_resource_data


def test_a_resource_newer_than_our_table_is_left_to_graph() -> None:
    new = MAIL | {"resource": "brandNew/things", "includeResourceData": True}

    assert read_declaration(_write(new), known_handlers=None).find("mail")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (MAIL | {"forEach": "users"}, "'forEach' was unexpected"),
        (MAIL | {"name": "Mail"}, "subscription 'Mail'"),
        (MAIL | {"name": "x" * 41}, "does not match"),
        (MAIL | {"changeType": "created,moved"}, "changeType"),
        ({"name": "mail", "resource": "users"}, "'changeType' is a required property"),
        ({"resource": "users", "changeType": "updated"}, "subscription number 1"),
        (MAIL | {"handlers": [{"feed": {}, "dlp": {}}]}, "handlers/0"),
        (MAIL | {"handlers": [{"feed": "x"}]}, "handlers/0"),
        (MAIL | {"delivery": "pigeon"}, "pigeon"),
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
