"""The rules for notifications that carry the resource: where they exist, what may be selected, and the certificate.

Pure. Not here: encrypting, see `delivery.encryption`.
https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.graph.catalogue.row import Row
from local.graph.delivery.encryption import EncryptionCertificate, read_certificate
from local.graph.faults import invalid
from local.graph.subscribing.properties import CERTIFICATE_ID_LENGTH, read_text

# what Outlook refuses: https://learn.microsoft.com/en-us/graph/outlook-change-notifications-overview
NOT_WITH_OUTLOOK = ("$top", "$skip", "$orderby")
NOT_SELECTABLE = frozenset({"body", "uniquebody"})
EXPANDABLE = ("singlevalueextendedproperties", "multivalueextendedproperties")
WORKLOADS = {"directory": "Azure Active Directory", "files": "File Services"}
"""How refusals call them, as users saw it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it was sent and as it is used. Equal ones are one object, however many subscriptions have them."""

    text: str
    parsed: EncryptionCertificate


def check_rich(row: Row, options: Mapping[str, str], selected: frozenset[str]) -> None:
    """Refuse what cannot be had with resource data."""
    if row.max_rich_minutes is None:
        raise invalid(f"{WORKLOADS.get(row.family, row.name)} workload is not enabled for rich notifications.")
    if row.family == "outlook":
        _check_outlook(options, selected)
    elif "$select" in options:
        raise invalid("$select is not supported for this resource.")


def check_basic(row: Row) -> None:
    """Refuse what can only be had with resource data."""
    if row.only_rich:
        raise invalid(f"includeResourceData must be true for a subscription to {row.name}.")


def read_pair(body: Mapping[str, Any]) -> Certificate:
    """Return the certificate and its id, which come together."""
    text = read_text(body, "encryptionCertificate")
    label = read_text(body, "encryptionCertificateId", at_most=CERTIFICATE_ID_LENGTH)
    if not text or not label:
        raise invalid("encryptionCertificate and encryptionCertificateId are required with includeResourceData.")
    return parse(text, label)


@functools.lru_cache(maxsize=256)
def parse(text: str, label: str) -> Certificate:
    """Return a certificate, the same object for the same text and id. Raises 400 for what is none."""
    return Certificate(text, read_certificate(text, label))


def _check_outlook(options: Mapping[str, str], selected: frozenset[str]) -> None:
    if not selected:
        raise invalid("$select is required in the resource when includeResourceData is true.")
    unwanted = [name for name in NOT_WITH_OUTLOOK if name in options] + sorted(NOT_SELECTABLE & selected)
    expanded = [each.strip().lower() for each in options.get("$expand", "").split(",") if each.strip()]
    unwanted += [each for each in expanded if not each.startswith(EXPANDABLE)]
    if unwanted:
        raise invalid(f"{unwanted[0]} in the resource is not supported when includeResourceData is true.")
