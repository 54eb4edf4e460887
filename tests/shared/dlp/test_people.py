"""Who wrote a message and who gets it, as far as it says."""

from typing import Any

import pytest

from shared.dlp.people import Sender, SenderList, in_domains, reaches_outside, read_sender

ANNA = "11111111-1111-4111-8111-11111111111A"
OURS = frozenset({"contoso.com"})


def _recipient(address: str) -> dict[str, Any]:
    return {"emailAddress": {"address": address, "name": "Somebody"}}


def test_a_mails_sender_is_an_address_and_a_teams_messages_an_object_id() -> None:
    assert read_sender({"from": _recipient("Anna@Contoso.com")}) == Sender(address="anna@contoso.com")
    assert read_sender({"from": {"user": {"id": ANNA}, "application": None}}) == Sender(id=ANNA.lower())
    assert read_sender({"from": {"user": None, "application": {"id": "bot"}}}) == Sender(id="bot")
    assert read_sender({"sender": _recipient("a@b.c")}).address == "a@b.c"


@pytest.mark.parametrize(
    "content", [{}, {"from": None}, {"from": {"user": 5}}, {"from": {"emailAddress": {"address": 5}}}]
)
def test_who_is_not_named_is_nobody(content: dict[str, Any]) -> None:
    assert read_sender(content) == Sender()
    assert read_sender(content) not in SenderList(names=frozenset({"", "contoso.com"}))


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("contoso.com", True),
        ("anna@mail.contoso.com", True),
        ("mail.contoso.com", True),
        ("toso.com", False),
        ("anna@contoso.com", False),
        ("com.contoso", False),
    ],
)
def test_a_list_of_senders_has_addresses_and_domains_with_what_is_below(name: str, *, listed: bool) -> None:
    assert (Sender(address="anna@mail.contoso.com") in SenderList(names=frozenset({name}))) is listed


def test_a_list_of_senders_has_object_ids() -> None:
    assert Sender(id=ANNA.lower()) in SenderList(names=frozenset({ANNA.lower()}))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("a@contoso.com", True),
        ("a@eu.contoso.com", True),
        ("a@evilcontoso.com", False),
        ("a@contoso.com.evil.example", False),
        ("a@contoso.com@evil.example", False),
        ("/o=ExchangeLabs/ou=x/cn=anna", False),
        ("", False),
        ("a@" + "contoso.com." * 100_000, False),
    ],
)
def test_an_address_lies_in_a_domain_or_not(address: str, *, inside: bool) -> None:
    assert in_domains(address, OURS) is inside


@pytest.mark.parametrize("field", ["toRecipients", "ccRecipients", "bccRecipients"])
def test_a_mail_reaches_outside_if_one_recipient_is_outside(field: str) -> None:
    inside = {"toRecipients": [_recipient("a@contoso.com")]}

    assert reaches_outside(inside, OURS) is False
    assert reaches_outside(inside | {field: [_recipient("a@contoso.com"), _recipient("x@evil.example")]}, OURS) is True


def test_a_teams_message_says_so_only_if_somebody_from_outside_writes_or_is_mentioned() -> None:
    """Who else is in the chat it does not say."""
    inside = {"from": {"user": {"id": ANNA, "userIdentityType": "aadUser"}}, "mentions": []}
    mention = {"id": 0, "mentioned": {"user": {"id": "x", "userIdentityType": "federatedUser"}}}

    assert reaches_outside(inside, OURS) is None
    assert reaches_outside(inside | {"mentions": [mention]}, OURS) is True
    assert reaches_outside({"from": {"user": {"userIdentityType": "emailUser"}}}, OURS) is True
    assert reaches_outside({"from": {"user": {"userIdentityType": ["odd"]}}, "mentions": [None, 5]}, OURS) is None
