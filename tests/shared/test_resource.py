"""Resource paths: both of Graph's spellings are one path, and nothing leads out of it."""

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphProtocolError
from shared.graph.resource import Resource, Template, read_resource
from tests import strategies

COLLECTIONS = ("teams", "channels", "messages", "replies")


@pytest.mark.parametrize(
    "text",
    [
        "teams('a')/channels('19:b@thread.tacv2')/messages('c')",
        "teams/a/channels/19:b@thread.tacv2/messages/c",
        "/teams/a/channels/19:b@thread.tacv2/messages/c/",
        "Teams/a/Channels/19%3Ab%40thread.tacv2/MESSAGES/c",
        "teams('a')/channels/19:b%40thread.tacv2/messages('c')",
    ],
)
def test_all_spellings_are_one_path(text: str) -> None:
    assert str(read_resource(text)) == "teams/a/channels/19:b@thread.tacv2/messages/c"


@given(st.lists(strategies.SEGMENTS, min_size=1, max_size=4))
def test_both_spellings_of_any_ids_are_equal(ids: list[str]) -> None:
    quoted = [quote(each, safe="") for each in ids]
    pairs = list(zip(COLLECTIONS, quoted, strict=False))
    plain = "/".join(f"{name}/{each}" for name, each in pairs)
    keyed = "/".join(f"{name}('{each}')" for name, each in pairs)

    assert read_resource(plain) == read_resource(keyed)
    assert read_resource(str(read_resource(plain))) == read_resource(plain)


def test_ids_keep_their_case_unless_they_are_guids() -> None:
    mail = read_resource("Users/AAAAAAAA-0000-4000-8000-00000000000A/Messages/AAMkAGI2TH=")

    assert mail.segments == ("users", "aaaaaaaa-0000-4000-8000-00000000000a", "messages", "AAMkAGI2TH=")
    assert read_resource("users/a/messages/AAMk") != read_resource("users/a/messages/aamk")


def test_an_apostrophe_is_doubled_inside_a_key() -> None:
    assert read_resource("sites('it''s')").segments == ("sites", "it's")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//evil.example/users",
        "https://graph.microsoft.com/v1.0/users",
        "http:/users",
        "users/..",
        "users/../me",
        "users/%2e%2e/me",
        "users/..%2Fme",
        "users/a%2F..%2F..%2Fme",
        "users/.%2F",
        "users/.",
        "users//messages",
        "users/a?$select=id",
        "users/a#fragment",
        "users/a%3Fb",
        "users/a%23b",
        "users/a\\b",
        "users/a%5Cb",
        "users/a%00b",
        "users/a\nb",
        "users/\ud800",
        "users('a'",
        "users('')",
        "users(a)",
        "users('a')b",
        "users/" + "x" * 5000,
    ],
)
def test_what_leads_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(GraphProtocolError):
        read_resource(text)


@given(st.text(st.sampled_from("users/(')%2eF.\\?#:a\ud800é\n"), max_size=30) | strategies.SURROGATES_INCLUDED)
def test_any_text_is_a_path_below_graphs_root_or_refused(text: str) -> None:
    try:
        resource = read_resource(text)
    except GraphProtocolError:
        return
    url = f"https://graph.example/v1.0/{resource.path}"

    assert urlsplit(url).hostname == "graph.example"
    assert urlsplit(url).path == "/v1.0/" + resource.path
    assert urlsplit(url)[3:] == ("", "")
    assert ".." not in resource.path.replace("%2F", "/").split("/")
    assert resource.path.isascii()


def test_the_container_is_the_path_without_its_last_id() -> None:
    assert str(read_resource("teams/t/channels/c/messages/m").parent) == "teams/t/channels/c"


CHANNEL_MESSAGE = Template("teams/{team}/channels/{channel}/messages/{message}")


def test_a_template_names_what_it_matches() -> None:
    found = CHANNEL_MESSAGE.match(read_resource("Teams('a')/channels('b')/messages('c')"))

    assert found == {"team": "a", "channel": "b", "message": "c"}


@pytest.mark.parametrize(
    "text",
    ["teams/a", "teams/a/channels/b/messages/c/replies/d", "chats/a/channels/b/messages/c", "teams/getAllMessages"],
)
def test_a_template_matches_whole_paths_only(text: str) -> None:
    assert CHANNEL_MESSAGE.match(read_resource(text)) is None


def test_a_template_may_begin_with_a_slash() -> None:
    assert Template("/users/{user}").match(Resource(("users", "a"))) == {"user": "a"}
