"""One entry for many users becomes one subscription for each, and not to know a group is no reason to delete."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.declaration import CONNECTED, Declaration, DeclaredSubscription, ForEach
from shared.fan_out import expand, instance_name, instance_of, shared_instance
from shared.graph.catalogue import concerns
from shared.graph.client_state import NAME, mint_client_state
from shared.graph.resource import read_resource
from shared.graph.subscription import LiveSubscription

GROUP = "abcdef00-0000-4000-8000-00000000000a"
MAIL = DeclaredSubscription(
    name="mail", resource="users/{user}/messages", change_types=("created",), for_each=ForEach(group=GROUP)
)
PLAIN = DeclaredSubscription(name="teams", resource="teams/getAllMessages", change_types=("created",))


def _declaration(*subscriptions: DeclaredSubscription) -> Declaration:
    return Declaration(subscriptions=subscriptions, digest="d")


def _row(name: str, resource: str) -> LiveSubscription:
    return LiveSubscription(
        name=name,
        generation=1,
        resource=resource,
        change_type="created",
        include_resource_data=False,
        delivery="webhook",
    )


def test_there_is_one_for_each_member_and_the_rest_is_as_it_was() -> None:
    found = expand(_declaration(PLAIN, MAIL), {GROUP: ("u1", "u2", "U1")}, [])

    assert [each.resource for each in found] == ["teams/getAllMessages", "users/U1/messages", "users/u2/messages"]
    assert found[1].name == instance_name("mail", "u1")
    assert all(each.for_each is None for each in found)


def test_nobody_in_a_group_is_nobody() -> None:
    assert expand(_declaration(MAIL), {GROUP: ()}, [_row("mail~1", "users/u/messages")]) == ()


def test_of_a_group_that_nobody_knows_what_lives_stays() -> None:
    rows = [_row("mail~1", "users/u1/messages"), _row("other~1", "users/u2/messages"), _row("mail", "x")]

    [kept] = expand(_declaration(MAIL), {}, rows)

    assert (kept.name, kept.resource, kept.change_types) == ("mail~1", "users/u1/messages", ("created",))


def test_an_instance_is_its_entry_with_its_rows_resource() -> None:
    assert instance_of(PLAIN, _row("teams", "elsewhere")) is PLAIN
    assert instance_of(MAIL, None) is MAIL
    instance = instance_of(MAIL, _row("mail~1", "users/u1/messages"))
    assert concerns(instance.resource, read_resource("users/u1/messages/m"))
    assert not concerns(instance.resource, read_resource("users/u2/messages/m"))


USERS = st.from_regex(r"[A-Za-z0-9'._!^~@-]{1,113}", fullmatch=True).filter(lambda user: user not in {".", ".."})


@given(USERS, st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True))
def test_any_user_has_a_name_that_clientstate_takes_and_a_path_that_graph_takes(user: str, name: str) -> None:
    each = replace(MAIL, name=name, for_each=ForEach(users=(user,)))
    [instance] = expand(_declaration(each), {}, [])

    assert NAME.fullmatch(instance.name)
    state = mint_client_state(b"k", tenant_id="t", delivery="webhook", name=instance.name, generation=999_999_999)
    assert len(state) <= 128
    assert read_resource(instance.resource).segments[1].lower() == user.lower()
    assert instance_name(name, user) == instance_name(name, user.upper().lower())


def test_a_hundred_thousand_users_have_names_of_their_own() -> None:
    users = tuple(f"user-{number}@contoso.com" for number in range(100_000))

    assert len({instance_name("mail", user) for user in users}) == len(users)


def test_a_connected_mailbox_is_declared_by_its_row_alone() -> None:
    """Whose it is, in which tenant and as whom it is asked for: the row says, and no file can."""
    row = replace(
        _row(instance_name(CONNECTED.name, "u1"), "users/u1/mailFolders('inbox')/messages"),
        actor="user:u1",
        tenant_id="t2",
    )
    [found] = expand(_declaration(), {}, [row])

    assert (found.name, found.resource, found.actor, found.tenant_id) == (row.name, row.resource, "user:u1", "t2")
    assert found.handlers == CONNECTED.handlers
    assert expand(_declaration(), {}, []) == ()
    assert _declaration().find(row.name) is CONNECTED


def test_a_share_of_a_comparison_knows_a_mailbox_only_by_its_row() -> None:
    row = replace(_row(f"{CONNECTED.name}~1", "users/u1/messages"), actor="user:u1")

    assert shared_instance(CONNECTED, row.name, "users/somebody-else/messages", None) is None
    found = shared_instance(CONNECTED, row.name, "users/somebody-else/messages", row)
    assert found is not None
    assert (found.resource, found.actor) == ("users/u1/messages", "user:u1")
    ordinary = shared_instance(MAIL, "mail~1", "users/u2/messages", None)
    assert ordinary is not None
    assert (ordinary.resource, ordinary.actor) == ("users/u2/messages", "")


def test_no_entry_of_a_file_is_anybody_but_the_app() -> None:
    row = replace(_row(instance_name("mail", "u1"), "users/u1/messages"), actor="")

    assert {each.actor for each in expand(_declaration(PLAIN, MAIL), {GROUP: ("u1",)}, [row])} == {""}
