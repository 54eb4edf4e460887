"""How many messages a second the rules of data loss prevention take on one core, at 5, 50 and 500 rules.

Messages are chat as people write it: HTML of a few hundred characters with mentions, links, entities and emoji; one in fifty has
something to be found. Rules are of all sorts, and most concern nothing that is said, as in life.
"""

import json
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from local.bench.figures import Figure
from shared.dlp.kinds import KINDS
from shared.dlp.rules import RuleSet, read_rules

_SIZES: Final = (5, 50, 500)
_MESSAGES, _QUICK_MESSAGES = 5_000, 1_000
_ROUNDS, _QUICK_ROUNDS = 5, 2
_FINDINGS: Final = 0.02
_FIRST_KINDS: Final = ("card", "iban", "private-key")

_PHRASES: Final = (
    "could you have a look at the numbers before the meeting",
    "das Angebot für Müller &amp; Söhne geht heute noch raus",
    "the build is green again &#128512;",
    "I moved the call to <b>10:30</b>, same link as last week",
    'see <a href="https://contoso.sharepoint.example/sites/sales/Shared%20Documents/Q4.xlsx?web=1">Q4.xlsx</a>',
    "Ticket CHG0048123 is closed, INC0991827 is not",
    "Rückmeldung bitte bis Freitag, danke!",
    "phone +49 30 901820, extension 4711",
    "order 2026-0012345 ships on 2026-12-04",
    "room 4.012, building&nbsp;7",
    "GUID 550e8400-e29b-41d4-a716-446655440000 again, same stack trace",
    "ok 👍🏽",
    "we are at 1,234,567.89 EUR against 1,180,000.00 planned",
    "version 10.0.19045.3803 crashes, 10.0.22631 does not",
)
_SECRETS: Final = (
    "my card is 4012&nbsp;8888&nbsp;8888&nbsp;1881, valid until 12/29",
    "please pay to GB29 NWBK 6016 1331 9268 19",
    "the key is AKIA" + "IOSFODNN7EXAMPLE",
    "strictly confidential: see below",
)
_SYLLABLES: Final = "an ber co dor el fal gar hin io ka lum mer nor os pra quin ros sal tor um ven wal xa yor zen"


def measure_rules(*, quick: bool = False) -> list[Figure]:
    """Measure the rate at 50 rules, and how the time of a message grows from 5 rules to 500."""
    dice = random.Random(5)  # noqa: S311 - the same messages and rules in every run
    messages = [_message(dice) for _ in range(_QUICK_MESSAGES if quick else _MESSAGES)]
    every = list(_rules(dice, max(_SIZES)))
    spent = {size: _spent(every[:size], messages, _QUICK_ROUNDS if quick else _ROUNDS) for size in _SIZES}
    few, some, many = (spent[size][0] for size in _SIZES)
    rates = ", ".join(f"{1 / spent[size][0]:,.0f} a second at {size}" for size in _SIZES)
    reading = ", ".join(f"{spent[size][1] * 1_000:.0f} ms for {size}" for size in _SIZES)
    return [
        Figure(
            name="DLP: messages on one core at 50 rules",
            value=1 / some,
            unit="a second",
            target=5_000,
            at_least=True,
            note=f"{rates}; reading the rules takes {reading}",
        ),
        Figure(
            name="DLP: time of a message at 500 rules, of that at 5",
            value=many / few,
            unit="x",
            target=2,
            note="; ".join(
                f"{spent[size][0] * 1e6:.0f} µs, {spent[size][2]:.1%} with findings, at {size}" for size in _SIZES
            ),
        ),
    ]


def _spent(rules: Sequence[Any], messages: Sequence[Mapping[str, Any]], rounds: int) -> tuple[float, float, float]:
    """Give the CPU seconds of a message, those of reading the rules, and how many messages have findings."""
    began = time.process_time()
    read = read_rules(json.dumps({"rules": rules}).encode(), classifiers={})
    reading = time.process_time() - began
    found = sum(bool(read.scan(message)) for message in messages) / len(messages)
    return statistics.median(_round(read, messages) for _ in range(rounds)), reading, found


def _round(rules: RuleSet, messages: Sequence[Mapping[str, Any]]) -> float:
    began = time.process_time()
    for message in messages:
        rules.scan(message)
    return (time.process_time() - began) / len(messages)


def _message(dice: random.Random) -> dict[str, Any]:
    phrases = [*dice.sample(_PHRASES, dice.randint(2, 6)), " ".join(_word(dice) for _ in range(dice.randint(3, 30)))]
    if dice.random() < _FINDINGS:
        phrases.append(dice.choice(_SECRETS))
    dice.shuffle(phrases)
    paragraphs = "".join(f"<p>{phrase}</p>" for phrase in phrases)
    reply = {"messageId": "1", "messagePreview": dice.choice(_PHRASES)}
    attachment = {"id": "1", "contentType": "messageReference", "content": json.dumps(reply), "name": None}
    return {
        "messageType": "message",
        "subject": None,
        "from": {"user": {"id": f"{dice.getrandbits(128):032x}", "userIdentityType": "aadUser"}},
        "body": {"contentType": "html", "content": f'<div><at id="0">Anna Müller</at>&nbsp;{paragraphs}</div>'},
        "attachments": [attachment] if dice.random() < 0.2 else [],  # noqa: PLR2004 - one in five is an answer
        "mentions": [],
    }


def _rules(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    kinds = [*_FIRST_KINDS, *(name for name in KINDS if name not in _FIRST_KINDS)]
    confidential = {"keywords": ["strictly confidential", "streng vertraulich", "internal use only"]}
    known: list[dict[str, Any]] = [{"kind": name} for name in kinds]
    known.insert(len(_FIRST_KINDS), confidential)
    for number in range(count):
        if number < len(known):
            what = known[number]
        elif number % 2:
            what = {"keywords": [f"{_word(dice)} {_word(dice)}" for _ in range(10)]}
        else:
            what = {"pattern": rf"\b{_word(dice)[:3].upper()}-?\d{{6,10}}\b"}
        yield {"name": f"rule-{number}", "severity": "medium", **what}


def _word(dice: random.Random) -> str:
    return "".join(dice.choices(_SYLLABLES.split(), k=dice.randint(2, 4)))
