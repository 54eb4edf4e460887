"""The rules file is read, or every problem in it is said at once; and rules find what, where and when they say."""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.dlp.kinds import KINDS
from shared.dlp.parts import parts_of
from shared.dlp.rule import MOST_MATCHES
from shared.dlp.rules import NOT_READ, RuleSet, read_rules
from shared.dlp.text import LONGEST_TEXT
from shared.dlp.values import Classifier, ClassifierError, Match
from shared.errors import SettingsError
from shared.graph.resource import read_resource

ROOT = Path(__file__).parents[3]
CARD = "4012888888881881"
OTHER_CARD = "5105105105105100"
CARDS: dict[str, Any] = {"name": "cards", "severity": "high", "kind": "card"}
CHAT = read_resource("chats/19:a/messages/1")
CHANNEL = read_resource("teams('t')/channels('c')/messages('1')")


def _write(*rules: Any, **more: Any) -> bytes:
    return json.dumps({"rules": rules} | more, indent=1).encode()


def _read(*rules: Any, classifiers: Mapping[str, Classifier] | None = None, **more: Any) -> RuleSet:
    return read_rules(_write(*rules, **more), classifiers=classifiers or {})


def _problems(*rules: Any, **more: Any) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        _read(*rules, **more)
    return caught.value.problems


def _message(text: str, **more: Any) -> dict[str, Any]:
    return {"body": {"contentType": "text", "content": text}} | more


def _mail(text: str, *recipients: str, sender: str = "anna@contoso.com") -> dict[str, Any]:
    people = [{"emailAddress": {"address": address}} for address in recipients]
    return _message(text, toRecipients=people, **{"from": {"emailAddress": {"address": sender}}})


def _shown(content: Mapping[str, Any], matches: Iterable[Match]) -> list[tuple[str, str]]:
    texts = {(part.sort, part.index): part.text for part in parts_of(content)}
    return [
        (match.rule, texts[match.part, match.part_index][match.start : match.start + match.length]) for match in matches
    ]


def _found(rules: RuleSet, content: dict[str, Any]) -> list[tuple[str, str]]:
    return _shown(content, rules.scan(content))


# -- what is wrong with a file ----------------------------------------------------------------------------------------


def test_every_problem_is_said_at_once_and_names_its_rule_line_and_path() -> None:
    problems = _problems(
        CARDS | {"severity": "grave"},
        CARDS | {"name": "twin"},
        CARDS | {"name": "twin", "kind": "cards"},
        {"name": "ahead", "severity": "low", "pattern": "(?=a)", "check": "lun"},
        {"name": "nothing", "severity": "low"},
        CARDS | {"name": "both", "pattern": "x", "typo": 1},
        {"name": "mine", "severity": "low", "classifier": "mine", "near": {"words": [" "]}},
        CARDS | {"name": "odd", "check": "luhn"},
        {"severity": "low", "keywords": []},
        **{"except": {"patterns": ["a*"]}},
    )

    assert [problem.split(":")[0] for problem in problems] == [
        "rule 'cards'",
        "rule 'twin'",
        "rule 'twin'",
        "rule 'twin'",
        "rule 'ahead'",
        "rule 'ahead'",
        "rule 'nothing'",
        "rule 'both'",
        "rule 'both'",
        "rule 'mine'",
        "rule 'odd'",
        "rule number 9",
        "rule number 9",
        "the rules file",
    ]
    assert problems[0].endswith("it must be one of low or medium or high (line 5, $.rules[0].severity)")
    assert "did you mean card?" in problems[3]
    assert "did you mean luhn?" in problems[5]
    assert "exactly one of kind, pattern, keywords, classifier" in problems[6]
    assert "'typo' was unexpected" in " ".join(problems)
    assert problems[-1].endswith("$.except.patterns[0])")


def test_a_rule_may_name_only_a_classifier_that_there_is() -> None:
    mine = {"name": "mine", "severity": "low", "classifier": "mine"}

    assert "there are none" in _problems(mine)[0]
    with pytest.raises(SettingsError, match="there are other"):
        _read(mine, classifiers={"other": lambda _: ()})


def test_the_name_of_what_was_not_read_is_taken() -> None:
    assert "taken" in _problems(CARDS | {"name": NOT_READ})[0]


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"rules": []}', b'{"rules": 5}', b"null", b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_rules_file_is_said(text: bytes) -> None:
    with pytest.raises(SettingsError, match="the rules file"):
        read_rules(text, classifiers={})


def test_words_that_are_too_many_together_are_a_problem() -> None:
    words = [f"{number:x}" * 12 for number in range(1000)]
    [problem] = _problems({"name": "words", "severity": "low", "keywords": words})

    assert "the words cannot be used together" in problem


def test_the_digest_follows_the_meaning_and_not_the_spelling() -> None:
    digest = _read(CARDS).digest

    assert read_rules(b"\n" + _write(dict(reversed(CARDS.items()))), classifiers={}).digest == digest
    assert _read(CARDS | {"severity": "low"}).digest != digest


def test_the_names_have_their_severities() -> None:
    assert _read(CARDS).names == {"cards": "high", NOT_READ: "low"}


def test_every_property_of_the_schema_is_described() -> None:
    schema = json.loads((ROOT / "shared/schemas/dlp_rules.schema.json").read_bytes())

    def lacking(part: Any, path: str) -> Iterable[str]:
        for name, held in part.get("properties", {}).items():
            kind = schema["$defs"].get(held.get("$ref", "").rpartition("/")[2], {})
            if "description" not in held | kind:
                yield f"{path}.{name}"
            yield from lacking(held, f"{path}.{name}")

    parts = [("", schema), *schema["$defs"].items()]
    assert [each for name, part in parts for each in lacking(part, name)] == []


# -- the sample ---------------------------------------------------------------------------------------------------------


def _sample() -> RuleSet:
    return read_rules((ROOT / "dlp_rules.json").read_bytes(), classifiers={})


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (f"card {CARD} exp 12/29", ["payment-card"]),
        ("Meine Steuer-ID ist 36 574 261 809", ["tax-id-germany"]),
        ("ticket 36574261809", []),
        ("SSN 536-90-4399", ["social-security-us"]),
        ("NHS no. 943 476 5919", ["nhs-number"]),
        ("password: hunter2hunter2", ["password"]),
        ("password: ********", []),
        ("password = ${PASSWORD}", []),
        ("the published 4111 1111 1111 1111 card", []),
        ("strictly  Confidential!", ["confidential"]),
        ("IBAN GB29 NWBK 6016 1331 9268 19", []),
        ("lunch at 12:30?", []),
    ],
)
def test_the_sample_finds_what_it_says(text: str, rules: list[str]) -> None:
    assert [match.rule for match in _sample().scan(_message(text))] == rules


def test_the_sample_knows_key_files_and_what_leaves_the_house() -> None:
    mail = _mail("GB29 NWBK 6016 1331 9268 19", "x@evil.example") | {"attachments": [{"name": "server.pfx"}]}

    assert [match.rule for match in _sample().scan(mail)] == ["bank-account", "key-file"]


def test_ten_different_cards_are_a_list() -> None:
    cards = " ".join(f"card {each}," for each in _ten_cards())

    assert {match.rule for match in _sample().scan(_message(cards))} == {"many-cards"}
    assert {match.rule for match in _sample().scan(_message(cards.partition(",")[2]))} == {"payment-card"}


def _ten_cards() -> list[str]:
    numbers = [f"40000000000000{number:02}" for number in range(100)]
    return [each for each in numbers if _read(CARDS).scan(_message(each))]


# -- what rules find ----------------------------------------------------------------------------------------------------


def test_a_match_says_where_and_not_what() -> None:
    [match] = _read(CARDS).scan(_message(f"Grüße 😀 {CARD}"))

    assert match == Match(
        rule="cards", kind="card", severity="high", part="body", part_index=0, start=8, length=len(CARD)
    )


def test_patterns_may_ask_for_check_digits() -> None:
    rules = _read({"name": "id", "severity": "low", "pattern": r"\bID \d{11}\b", "check": "luhn"})
    with_check = _read({"name": "tax", "severity": "low", "pattern": r"\b\d{11}\b", "check": "de.idnr"})

    assert rules.scan(_message("ID 79927398713")) == ()  # the check sees the whole match
    assert _found(with_check, _message("36574261809 36574261808")) == [("tax", "36574261809")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Projekt Falke", ["Projekt Falke"]),
        ("projekt\n falke!", ["projekt\n falke"]),
        ("PROJEKT FALKE-2", ["PROJEKT FALKE"]),
        ("Projekt Falken", []),
        ("xProjekt Falke", []),
        ("Projekt_Falke", []),
        ("Straße, STRASSE", ["Straße"]),
        ("straßen", []),
        ("c++ code", ["c++"]),
        ("我们的机密文件", ["机密"]),
        ("비밀번호를 알려", ["비밀번호"]),
        ("E\N{COMBINING ACUTE ACCENT}TE\N{COMBINING ACUTE ACCENT}", ["ÉTÉ"]),
    ],
)
def test_keywords_are_whole_words_however_they_are_capitalised(text: str, found: list[str]) -> None:
    words = ["Projekt Falke", "Straße", "C++", "机密", "비밀번호", "été"]
    rules = _read({"name": "words", "severity": "low", "keywords": words})

    assert [word for _, word in _found(rules, _message(text))] == found


def test_a_classifier_finds_what_it_likes() -> None:
    rules = _read(
        {"name": "mine", "severity": "low", "classifier": "vowels"},
        classifiers={"vowels": lambda text: [(place, 1) for place, each in enumerate(text) if each in "aü"]},
    )

    assert _found(rules, _message("für das")) == [("mine", "ü"), ("mine", "a")]


SECRET = "secret-in-a-message"


def _raises(text: str) -> Iterable[tuple[int, int]]:
    raise ValueError(text)


@pytest.mark.parametrize(
    ("classifier", "problem"),
    [
        (_raises, "raised ValueError"),
        (lambda _: None, "raised TypeError"),
        (lambda _: [5], "raised TypeError"),
        (lambda text: [(text, text)], "raised TypeError"),
        (lambda _: [(-1, 2)], "outside"),
        (lambda _: [(0, 0)], "outside"),
        (lambda text: [(0, len(text) + 1)], "outside"),
        (lambda _: [(10**9, 1)], "outside"),
    ],
)
def test_a_classifier_that_fails_is_named_without_its_words(classifier: Any, problem: str) -> None:
    rules = _read({"name": "mine", "severity": "low", "classifier": "mine"}, classifiers={"mine": classifier})

    with pytest.raises(ClassifierError, match=problem) as caught:
        rules.scan(_message(SECRET))
    assert "'mine'" in str(caught.value)
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


# -- near, at least, except -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        (f"Karte {CARD}", "high"),
        (f"{CARD} is my card", "high"),
        (f"Karte {'x' * 30} {CARD}", "low"),
        (f"{CARD} {'x' * 30} card", "low"),
        (f"cards {CARD}", "low"),
        (CARD, "low"),
    ],
)
def test_words_near_a_match_raise_it(text: str, severity: str) -> None:
    near = {"words": ["card", "Karte"], "within": 20, "otherwise": "low"}
    [match] = _read(CARDS | {"near": near}).scan(_message(text))

    assert match.severity == severity


def test_without_otherwise_a_word_must_be_near_and_in_the_same_part() -> None:
    rules = _read(CARDS | {"near": {"words": ["card"]}})

    assert rules.scan(_message(CARD, subject="card")) == ()
    assert len(rules.scan(_message(f"{CARD} card"))) == 1


def test_at_least_counts_different_texts_in_the_whole_message() -> None:
    rules = _read(CARDS | {"atLeast": 2})

    assert rules.scan(_message(f"{CARD} {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}")) == ()
    assert len(rules.scan(_message(CARD, subject=OTHER_CARD))) == 2


def test_below_at_least_there_is_nothing_however_often_it_is_said() -> None:
    first, *others = _ten_cards()
    rules = _read(CARDS | {"atLeast": 10})

    assert len(others) == 9
    assert rules.scan(_message(" and ".join(others * 3))) == ()
    assert len(rules.scan(_message(" and ".join([first, *others])))) == 10


def test_excepted_texts_are_no_findings_however_they_are_written() -> None:
    rules = _read(CARDS | {"except": {"texts": ["4012 8888 8888 1881"]}})
    general = _read(CARDS, **{"except": {"texts": [CARD], "patterns": ["5.*"]}})

    assert _found(rules, _message(f"{CARD}, {OTHER_CARD}")) == [("cards", OTHER_CARD)]
    assert general.scan(_message(f"4012-8888-8888-1881, {OTHER_CARD}")) == ()


def test_an_excepted_pattern_must_match_the_whole() -> None:
    rules = _read({"name": "p", "severity": "low", "pattern": r"\d{4,8}", "except": {"patterns": [r"\d{4}"]}})

    assert _found(rules, _message("1234 12345")) == [("p", "12345")]


# -- where and when a rule holds ----------------------------------------------------------------------------------------


def test_a_rule_looks_only_at_its_parts() -> None:
    content = _message(f"> {CARD}\nmine", subject=OTHER_CARD, attachments=[{"name": f"{CARD}.txt"}])

    assert _found(_read(CARDS | {"parts": ["subject"]}), content) == [("cards", OTHER_CARD)]
    assert _found(_read(CARDS | {"parts": ["quoted", "attachment"]}), content) == [("cards", CARD)] * 2
    assert _found(_read(CARDS | {"parts": ["body", "card"]}), content) == []


def test_a_rule_for_recipients_outside_holds_only_for_mail_that_goes_there() -> None:
    rules = _read(CARDS | {"recipients": {"outside": ["Contoso.com"]}})

    assert rules.scan(_mail(CARD, "a@contoso.com", "b@eu.contoso.com")) == ()
    assert len(rules.scan(_mail(CARD, "a@contoso.com", "x@evil.example"))) == 1


def test_where_nobody_knows_the_recipients_the_rule_holds_unless_it_says_otherwise() -> None:
    """A finding too many is seen; one too few is not."""
    outside = {"outside": ["contoso.com"]}
    guest = _message(CARD, **{"from": {"user": {"id": "g", "userIdentityType": "anonymousGuest"}}})
    skipping = _read(CARDS | {"recipients": outside | {"whenUnknown": "skip"}})

    assert len(_read(CARDS | {"recipients": outside}).scan(_message(CARD))) == 1
    assert skipping.scan(_message(CARD)) == ()
    assert len(skipping.scan(guest)) == 1


def test_a_rule_may_be_for_certain_senders_or_except_them() -> None:
    mail = _mail(CARD, sender="Bot@Contoso.com")

    assert len(_read(CARDS | {"senders": ["bot@contoso.com"]}).scan(mail)) == 1
    assert _read(CARDS | {"senders": ["anna@contoso.com"]}).scan(mail) == ()
    assert _read(CARDS | {"except": {"senders": ["contoso.com"]}}).scan(mail) == ()
    assert _read(CARDS, **{"except": {"senders": ["Contoso.com"]}}).scan(mail) == ()


def test_a_rule_may_be_for_certain_resources_or_except_them() -> None:
    chats = _read(CARDS | {"resources": ["chats/{chat}"]})
    others = _read(CARDS | {"except": {"resources": ["teams/t/channels/{channel}/"]}})
    content = _message(CARD)

    assert [len(rules.scan(content, resource=CHAT)) for rules in (chats, others)] == [1, 1]
    assert [len(rules.scan(content, resource=CHANNEL)) for rules in (chats, others)] == [0, 0]
    assert [len(rules.scan(content)) for rules in (chats, others)] == [1, 1]


# -- several in one place -----------------------------------------------------------------------------------------------


def test_of_several_matches_in_one_place_the_gravest_speaks() -> None:
    low = {"name": "digits", "severity": "low", "pattern": r"\d{16}"}
    medium = {"name": "sentence", "severity": "medium", "pattern": r"pay \d+ now"}
    twin = CARDS | {"name": "twin"}
    content = _message(f"pay {CARD} now")

    assert _found(_read(low, CARDS, twin), content) == [("cards", CARD)]
    assert _found(_read(low, medium), content) == [("sentence", f"pay {CARD} now")]
    assert [rule for rule, _ in _found(_read(low, medium, CARDS), content)] == ["sentence", "cards"]
    assert [rule for rule, _ in _found(_read(low), _message(f"{CARD} {CARD}"))] == ["digits", "digits"]


def test_matches_come_in_the_order_of_parts_and_places() -> None:
    rules = _read(
        {"name": "b", "severity": "low", "keywords": ["two"]}, {"name": "a", "severity": "low", "keywords": ["one"]}
    )
    content = _message("one two", subject="two")

    assert _found(rules, content) == [("a", "one"), ("b", "two"), ("b", "two")]


# -- bounds ---------------------------------------------------------------------------------------------------------------


def test_what_was_not_read_is_a_finding_of_its_own() -> None:
    [match] = _read(CARDS).scan(_message("x" * LONGEST_TEXT + CARD))

    assert (match.rule, match.severity, match.start, match.length) == (NOT_READ, "low", LONGEST_TEXT, len(CARD))


@pytest.mark.parametrize(
    "piece",
    [
        "4",
        "4111 ",
        "4012888888881881 ",
        "DE89 ",
        "de89370400440532013000 ",
        "GB29 NWBK ",
        "eyJ",
        "eyJhbGciOiJ9.",
        "ghp_",
        "1 ",
        "-",
        "a@",
    ],
)
def test_no_text_keeps_any_kind_busy_for_long(piece: str) -> None:
    """Half a million characters of what every detector likes: seconds; the square of it would be days."""
    kinds = [{"name": kind, "severity": "low", "kind": kind} for kind in KINDS]
    rules = _read(*kinds, {"name": "any", "severity": "low", "pattern": r"\d+", "check": "luhn"})
    began = time.perf_counter()
    rules.scan(_message(piece * (LONGEST_TEXT // len(piece))))

    assert time.perf_counter() - began < 60


def test_one_rule_finds_no_more_than_so_many_in_a_part() -> None:
    rules = _read({"name": "a", "severity": "low", "pattern": "a"})

    assert len(rules.scan(_message("a " * 1_000))) == MOST_MATCHES
