"""What rules can find by name: cards, accounts, national ids, secrets. A table, and the two that need more than a pattern and a check.

Each is as strict as its publisher allows: a check digit where there is one, a known network or country where there is none. What is weak by
itself (a Dutch BSN is one in eleven of all numbers of nine digits) says so; rules should ask for words near it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shared.dlp.checks import Check, iban_length, load_check
from shared.dlp.detectors import Detector, FunctionDetector, PatternDetector, Span
from shared.dlp.expressions import Expression

# -- payment cards ----------------------------------------------------------------------------------------------------

_SHORTEST_CARD, _LONGEST_CARD = 13, 19
_SHORTEST_FIRST_GROUP: Final = 4

# first and last prefix, lengths: ISO/IEC 7812 leaves the numbers to the networks, who publish their ranges for merchants
NETWORKS: Final = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),  # Mastercard since 2017
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("300", "305", (14, 16)),  # Diners Club
    ("3095", "3095", (14, 16)),
    ("36", "36", (14, 16)),
    ("38", "39", (14, 16)),
    ("6011", "6011", (16, 19)),  # Discover
    ("644", "649", (16, 19)),
    ("65", "65", (16, 19)),  # Discover, RuPay
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("81", "82", (16, 17, 18, 19)),  # UnionPay, RuPay
    ("508", "508", (16,)),  # RuPay
    ("5018", "5018", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("5019", "5019", (16,)),  # Dankort
    ("5020", "5020", (13, 14, 15, 16, 17, 18, 19)),
    ("5038", "5038", (13, 14, 15, 16, 17, 18, 19)),
    ("5893", "5893", (13, 14, 15, 16, 17, 18, 19)),
    ("6304", "6304", (13, 14, 15, 16, 17, 18, 19)),
    ("6703", "6703", (16, 17, 18, 19)),  # Bancontact
    ("6759", "6759", (13, 14, 15, 16, 17, 18, 19)),
    ("6761", "6763", (13, 14, 15, 16, 17, 18, 19)),
    ("2200", "2204", (16, 17, 18, 19)),  # Mir
    ("9792", "9792", (16,)),  # Troy
)

# where a number of that length may be cut into groups, as printed on cards; fewer cuts are fine
_CUTS: Final[Mapping[int, tuple[frozenset[int], ...]]] = {
    13: (frozenset({4, 7, 10}), frozenset({4, 8, 12})),
    14: (frozenset({4, 10}), frozenset({4, 8, 12})),
    15: (frozenset({4, 10}), frozenset({5, 10}), frozenset({4, 8, 12})),
    16: (frozenset({4, 8, 12}), frozenset({6, 12})),
    17: (frozenset({4, 8, 12, 16}),),
    18: (frozenset({4, 8, 12, 16}), frozenset({6, 12})),
    19: (frozenset({4, 8, 12, 16}), frozenset({6, 12}), frozenset({6})),
}
_RUN: Final = r"\d(?:[ .\-]{0,3}\d){12,}"
_GROUP: Final = re.compile(rb"\d+")


def _cards_in(data: bytes, start: int, end: int) -> Iterator[Span]:
    """Give the cards in a run of digits: a card may stand between an order number and a date."""
    groups = [(start + match.start(), start + match.end()) for match in _GROUP.finditer(data[start:end])]
    if _is_wordy(data[start - 1 : start]):
        if start > 1 and next(_account_at(data, start - 2), None):
            return  # these are the digits of an IBAN
        groups = groups[1:]
    if _is_wordy(data[end : end + 1]):
        groups = groups[:-1]
    first = 0
    while first < len(groups):
        long_enough = groups[first][1] - groups[first][0] >= _SHORTEST_FIRST_GROUP
        found = _card_from(data, groups, first) if long_enough else None
        if found is not None:
            yield groups[first][0], groups[found][1]
            first = found
        first += 1


def _card_from(data: bytes, groups: list[Span], first: int) -> int | None:
    """Find the group with which a card ends that begins with this one."""
    digits, cuts = "", set[int]()
    for number in range(first, len(groups)):
        start, end = groups[number]
        if len(digits) + end - start > _LONGEST_CARD:
            return None
        digits += data[start:end].decode()
        if len(digits) >= _SHORTEST_CARD and _is_card(digits, cuts):
            return number
        cuts.add(len(digits))
    return None


def _is_card(digits: str, cuts: set[int]) -> bool:
    return (
        any(cuts <= allowed for allowed in _CUTS[len(digits)])
        and any(low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in NETWORKS)
        and load_check("luhn")(digits)
    )


# -- accounts ---------------------------------------------------------------------------------------------------------

_IBAN_BEGINS: Final = r"(?i)\b[a-z]{2}\d{2}[ .\-]{0,2}[a-z0-9]{2}"
_IBAN_GOES_ON: Final = re.compile(rb"[ .\-]{0,2}([A-Za-z0-9])")


def _account_at(data: bytes, start: int, _: int = 0) -> Iterator[Span]:
    """Give the IBAN that begins here, if one does: as long as its country's are, and with right check digits."""
    left, end = iban_length(data[start : start + 2].decode(errors="ignore").upper()), start
    while left and (found := _IBAN_GOES_ON.match(data, end)):
        left, end = left - 1, found.end()
    if start < end and not left and not _is_wordy(data[end : end + 1]) and load_check("iban")(data[start:end].decode()):
        yield start, end


# -- the table --------------------------------------------------------------------------------------------------------

_NO_NINO: Final = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})


def _is_nino(text: str) -> bool:
    return text[:2].upper() not in _NO_NINO


def _is_ssn(text: str) -> bool:
    return load_check("us.ssn")(text.replace(" ", "-"))


def _is_jwt(text: str) -> bool:
    header = text.partition(".")[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, TypeError, RecursionError):
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One thing that can be found by name. ``check`` names one of `shared.dlp.checks`, or is a function of ours."""

    what: str
    pattern: str
    check: str | Check | None = None
    alone: bool = False
    weak: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "card": Kind(what="payment card: a known network's prefix and length, Luhn", pattern=_RUN),
    "iban": Kind(what="bank account: country, length, check digits", pattern=_IBAN_BEGINS),
    "at-svnr": Kind(
        what="Austria, Sozialversicherungsnummer", pattern=r"\b\d{4} ?\d{6}\b", check="at.vnr", alone=True, weak=True
    ),
    "be-nn": Kind(
        what="Belgium, rijksregisternummer",
        pattern=r"\b\d{2}[. ]?\d{2}[. ]?\d{2}[\- ]?\d{3}[. ]?\d{2}\b",
        check="be.nn",
        alone=True,
    ),
    "br-cpf": Kind(what="Brazil, CPF", pattern=r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b", check="br.cpf", alone=True),
    "ca-sin": Kind(
        what="Canada, social insurance number",
        pattern=r"\b\d{3}[ \-]?\d{3}[ \-]?\d{3}\b",
        check="ca.sin",
        alone=True,
        weak=True,
    ),
    "ch-ahv": Kind(
        what="Switzerland, AHV number", pattern=r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", check="ch.ssn", alone=True
    ),
    "de-steuer-id": Kind(
        what="Germany, Steuer-Identifikationsnummer",
        pattern=r"\b[1-9]\d ?\d{3} ?\d{3} ?\d{3}\b",
        check="de.idnr",
        alone=True,
    ),
    "dk-cpr": Kind(what="Denmark, CPR number", pattern=r"\b\d{6}-?\d{4}\b", check="dk.cpr", alone=True, weak=True),
    "es-dni": Kind(what="Spain, DNI", pattern=r"(?i)\b\d{8}[ \-]?[a-z]\b", check="es.dni", alone=True),
    "es-nie": Kind(what="Spain, NIE", pattern=r"(?i)\b[xyz][ \-]?\d{7}[ \-]?[a-z]\b", check="es.nie", alone=True),
    "fi-hetu": Kind(
        what="Finland, henkilötunnus", pattern=r"(?i)\b\d{6}[\-+a-fu-y]\d{3}[0-9a-y]\b", check="fi.hetu", alone=True
    ),
    "fr-nir": Kind(
        what="France, numéro de sécurité sociale",
        pattern=r"(?i)\b[12] ?\d{2} ?\d{2} ?\d[\dab] ?\d{3} ?\d{3} ?\d{2}\b",
        check="fr.nir",
        alone=True,
    ),
    "gb-nhs": Kind(
        what="United Kingdom, NHS number",
        pattern=r"\b\d{3}[ \-]?\d{3}[ \-]?\d{4}\b",
        check="gb.nhs",
        alone=True,
        weak=True,
    ),
    "gb-nino": Kind(
        what="United Kingdom, National Insurance number; it has no check digit",
        pattern=r"(?i)\b[a-ceghj-prtw-z][a-ceghj-nprtw-z] ?\d{2} ?\d{2} ?\d{2} ?[a-d]\b",
        check=_is_nino,
        alone=True,
        weak=True,
    ),
    "it-codice-fiscale": Kind(
        what="Italy, codice fiscale",
        pattern=r"(?i)\b[a-z]{6}[0-9lmnp-v]{2}[abcdehlmprst][0-9lmnp-v]{2}[a-z][0-9lmnp-v]{3}[a-z]\b",
        check="it.codicefiscale",
        alone=True,
    ),
    "nl-bsn": Kind(
        what="Netherlands, BSN", pattern=r"\b\d{4}[. ]?\d{2}[. ]?\d{3}\b", check="nl.bsn", alone=True, weak=True
    ),
    "no-fodselsnummer": Kind(
        what="Norway, fødselsnummer", pattern=r"\b\d{6} ?\d{5}\b", check="no.fodselsnummer", alone=True
    ),
    "pl-pesel": Kind(what="Poland, PESEL", pattern=r"\b\d{11}\b", check="pl.pesel", alone=True, weak=True),
    "se-personnummer": Kind(
        what="Sweden, personnummer",
        pattern=r"\b(?:\d{2})?\d{6}[\-+]?\d{4}\b",
        check="se.personnummer",
        alone=True,
    ),
    "us-ssn": Kind(
        what="United States, social security number, with its dashes or spaces; it has no check digit",
        pattern=r"\b\d{3}(?:-\d{2}-| \d{2} )\d{4}\b",
        check=_is_ssn,
        alone=True,
        weak=True,
    ),
    "aws-access-key": Kind(what="AWS access key id", pattern=r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "aws-secret-key": Kind(
        what="AWS secret access key, with its name before it",
        pattern=r"(?i)aws.{0,20}secret.{0,20}?['\"=: ]{1,5}[a-z0-9/+]{40}\b",
    ),
    "azure-sas": Kind(
        what="signature of an Azure shared access signature", pattern=r"(?i)[?&;]sig=[a-z0-9%/+]{40,}(?:%3d|=)"
    ),
    "azure-shared-access-key": Kind(
        what="key in a connection string of Event Hubs, Service Bus, IoT Hub",
        pattern=r"(?i)SharedAccessKey=[a-z0-9/+]{43}=",
    ),
    "azure-storage-key": Kind(
        what="key in a connection string of Azure Storage or Cosmos DB", pattern=r"(?i)AccountKey=[a-z0-9/+]{86}=="
    ),
    "entra-client-secret": Kind(
        what="client secret of an app registration", pattern=r"\b[A-Za-z0-9_~.\-]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}"
    ),
    "github-token": Kind(
        what="GitHub token", pattern=r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b"
    ),
    "google-api-key": Kind(what="Google API key", pattern=r"\bAIza[A-Za-z0-9_\-]{35}"),
    "jwt": Kind(
        what="JSON web token",
        pattern=r"\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}",
        check=_is_jwt,
    ),
    "private-key": Kind(
        what="private key in PEM or OpenPGP armour",
        pattern=r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
    "slack-token": Kind(what="Slack token", pattern=r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,}"),
}
"""By their names in rules. A ``weak`` one is found in many numbers that it is not: ask for words near it."""

_INSPECTED: Final[Mapping[str, Callable[[bytes, int, int], Iterator[Span]]]] = {"card": _cards_in, "iban": _account_at}


def make_detector(name: str) -> Detector:
    """Make the detector of a kind."""
    kind = KINDS[name]
    expression = Expression(kind.pattern)
    if name in _INSPECTED:
        for needed in ("luhn", "iban"):
            load_check(needed)
        return FunctionDetector(kind=name, expression=expression, inspect=_INSPECTED[name])
    check = load_check(kind.check) if isinstance(kind.check, str) else kind.check
    return PatternDetector(expression=expression, kind=name, check=check, alone=kind.alone)


def _is_wordy(byte: bytes) -> bool:
    return byte.isalnum() or byte == b"_"
