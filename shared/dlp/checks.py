"""Check digits by name, so that a rule can ask for one: python-stdnum's, and only those of this table.

python-stdnum (LGPL, no dependencies) is chosen because it has them all, tested against published numbers. A module is loaded
when a rule asks for it. Some look whether a date of birth lies in the past.
"""

import functools
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Final

Check = Callable[[str], bool]
"""Says whether a text, with its separators, is a number of that kind."""

CHECKS: Final = {
    "luhn": "any number whose last digit is Luhn's: cards, IMEI, many customer numbers",
    "verhoeff": "Verhoeff's check digit",
    "iban": "bank account, ISO 13616",
    "bic": "bank, ISO 9362",
    "isin": "security, ISO 6166",
    "lei": "legal entity, ISO 17442",
    "imei": "mobile device",
    "bitcoin": "Bitcoin address",
    "at.vnr": "Austria, Versicherungsnummer",
    "au.tfn": "Australia, tax file number",
    "be.nn": "Belgium, national number",
    "bg.egn": "Bulgaria, personal number",
    "br.cpf": "Brazil, CPF",
    "ca.sin": "Canada, social insurance number",
    "ch.ssn": "Switzerland, AHV number",
    "cn.ric": "China, resident identity card",
    "cz.rc": "Czechia, rodné číslo",
    "de.handelsregisternummer": "Germany, company register",
    "de.idnr": "Germany, Steuer-Identifikationsnummer",
    "de.stnr": "Germany, Steuernummer",
    "dk.cpr": "Denmark, CPR number",
    "ee.ik": "Estonia, isikukood",
    "es.dni": "Spain, DNI",
    "es.nie": "Spain, NIE",
    "eu.vat": "European Union, VAT number",
    "fi.hetu": "Finland, henkilötunnus",
    "fr.nir": "France, numéro de sécurité sociale",
    "gb.nhs": "United Kingdom, NHS number",
    "gb.utr": "United Kingdom, unique taxpayer reference",
    "gr.amka": "Greece, AMKA",
    "hr.oib": "Croatia, OIB",
    "hu.anum": "Hungary, VAT number",
    "ie.pps": "Ireland, PPS number",
    "il.idnr": "Israel, identity number",
    "in_.aadhaar": "India, Aadhaar",
    "in_.pan": "India, PAN",
    "it.codicefiscale": "Italy, codice fiscale",
    "kr.rrn": "South Korea, resident registration number",
    "lt.asmens": "Lithuania, asmens kodas",
    "lv.pvn": "Latvia, personas kods or VAT number",
    "mx.curp": "Mexico, CURP",
    "nl.bsn": "Netherlands, BSN",
    "no.fodselsnummer": "Norway, fødselsnummer",
    "nz.ird": "New Zealand, IRD number",
    "pl.pesel": "Poland, PESEL",
    "pt.nif": "Portugal, NIF",
    "ro.cnp": "Romania, CNP",
    "se.personnummer": "Sweden, personnummer",
    "sk.rc": "Slovakia, rodné číslo",
    "th.pin": "Thailand, personal identification number",
    "tr.tckimlik": "Turkey, identity number",
    "us.ein": "United States, employer identification number",
    "us.itin": "United States, individual taxpayer identification number",
    "us.rtn": "United States, bank routing number",
    "us.ssn": "United States, social security number",
    "za.idnr": "South Africa, identity number",
}
"""Names as rules write them, which are python-stdnum's modules, and what each is."""

# its list of banks is never complete: even the IBAN registry's example for Belgium is not on it
_TOLD: Final[Mapping[str, Mapping[str, bool]]] = {"iban": {"check_country": False}}
_BARE: Final = frozenset({"luhn", "verhoeff"})
_LONGEST: Final = 100
_CHECK_DIGITS: Final = 2
_SEPARATORS: Final = str.maketrans("", "", " .-/\n\t")


@functools.cache
def load_check(name: str) -> Check:
    """Load a check of the table by its name."""
    module = importlib.import_module(f"stdnum.{name}")
    separators = _SEPARATORS if name in _BARE else {}
    told = _TOLD.get(name, {})

    def check(text: str) -> bool:
        # int() raises for what is far too long to be a number of any kind
        return len(text) <= _LONGEST and bool(module.is_valid(text.translate(separators), **told))

    return check


@functools.cache
def iban_length(country: str) -> int:
    """Tell how many letters and digits an IBAN of a country has; 0 for a country that has none."""
    known = importlib.import_module("stdnum.numdb").get("iban").info(country)
    form = known[0][1].get("bban", "")  # such as 4!a6!n8!n
    return len(country) + _CHECK_DIGITS + sum(map(int, re.findall(r"(\d+)!", form))) if form else 0
