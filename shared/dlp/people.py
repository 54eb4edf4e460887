"""Who wrote a message, and who may read it, as far as the message itself says so.

A mail names its recipients. A Teams message does not name the members of its chat or channel: only that its author, or somebody whom
it mentions, is from outside (https://learn.microsoft.com/graph/api/resources/teamworkuseridentity).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_RECIPIENTS: Final = ("toRecipients", "ccRecipients", "bccRecipients")
_LONGEST_DOMAIN: Final = 255
_OUTSIDE: Final = frozenset(
    {
        "anonymousGuest",
        "federatedUser",
        "personalMicrosoftAccountUser",
        "skypeUser",
        "phoneUser",
        "emailUser",
        "azureCommunicationServicesUser",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who wrote a message: an object id (Teams) or an address (mail), in lower case; both empty if it does not say."""

    id: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderList:
    """Senders by address, by domain or by object id."""

    names: frozenset[str]

    def __contains__(self, sender: Sender) -> bool:
        known = {sender.id, sender.address} - {""}
        return not known.isdisjoint(self.names) or in_domains(sender.address, self.names)


def read_sender(content: Mapping[str, Any]) -> Sender:
    """Read who wrote a mail or a Teams message. Never raises."""
    author = _object(content.get("from")) or _object(content.get("sender"))
    address = _address(author)
    who = next((_object(author.get(kind)) for kind in ("user", "application", "device") if author.get(kind)), {})
    return Sender(id=_text(who.get("id")).lower(), address=address)


def reaches_outside(content: Mapping[str, Any], domains: frozenset[str]) -> bool | None:
    """Tell whether somebody outside of these domains gets a message; None where the message does not say.

    An address without a domain (Exchange's own form) is none of those domains', hence outside.
    """
    lists = [content[name] for name in _RECIPIENTS if isinstance(content.get(name), list)]
    if lists:
        addresses = (_address(_object(recipient)) for recipients in lists for recipient in recipients)
        return any(not in_domains(address, domains) for address in addresses)
    return True if any(_text(user.get("userIdentityType")) in _OUTSIDE for user in _users(content)) else None


def in_domains(address: str, domains: Iterable[str]) -> bool:
    """Tell whether an address lies in one of these domains, or below one."""
    domain = address.rpartition("@")[2][-_LONGEST_DOMAIN:] if "@" in address else ""
    while domain:
        if domain in domains:
            return True
        domain = domain.partition(".")[2]
    return False


def _users(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield _object(_object(content.get("from")).get("user"))
    mentions = content.get("mentions")
    for mention in mentions if isinstance(mentions, list) else ():
        yield _object(_object(_object(mention).get("mentioned")).get("user"))


def _address(person: Mapping[str, Any]) -> str:
    return _text(_object(person.get("emailAddress")).get("address")).strip().lower()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
