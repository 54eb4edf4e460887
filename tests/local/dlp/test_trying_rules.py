"""`python -m local dlp`: a file of rules is checked and tried by whoever writes it."""

import json
from pathlib import Path

import pytest

from local.__main__ import main
from shared.dlp.checks import CHECKS
from shared.dlp.kinds import KINDS

CARD = "4012 8888 8888 1881"


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["dlp", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_the_sample_is_checked_without_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys)

    assert code == 0
    assert "nothing wrong" in out


def test_a_text_is_tried_and_what_is_found_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, "--text", f"my card\n{CARD}")

    assert code == 0
    assert out.startswith(f"high    payment-card  card  body 0, characters 8 to 27  …my card [{CARD}]…\n1 found by")


def test_data_has_no_texts(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "--json", "--text", f"my card {CARD}")
    [match] = json.loads(out)

    assert (match["rule"], match["start"], match["length"]) == ("payment-card", 8, 19)
    assert "4012" not in out


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mail.html", "<p>card 4012<b>8888</b>88881881</p>"),
        ("note.txt", f"card {CARD}"),
        ("message.json", json.dumps({"subject": "card", "body": {"content": f"<i>card</i> {CARD}"}})),
    ],
)
def test_a_file_is_a_page_a_message_or_a_text(
    name: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    code, out, _ = _run(capsys, "--file", str(tmp_path / name))

    assert code == 0
    assert "payment-card" in out


def test_a_resource_may_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(
        json.dumps({"rules": [{"name": "a", "severity": "low", "kind": "card", "resources": ["chats/{chat}"]}]}),
        "utf-8",
    )
    told = [
        _run(capsys, "--rules", str(rules), "--text", CARD, "--resource", resource)[1]
        for resource in ("chats/1/messages/2", "teams/1/channels/2/messages/3")
    ]

    assert [text.rpartition("\n")[0].rpartition("\n")[2][:7] for text in told] == ["1 found", "0 found"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        (
            "rules.json",
            '{"rules": [{"name": "a", "severity": "low", "pattern": "(?=a)"}]}',
            "line 1, $.rules[0].pattern",
        ),
        ("rules.json", "{", "it is not JSON"),
    ],
)
def test_what_is_wrong_with_rules_is_said(
    name: str, text: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    code, out, err = _run(capsys, "--rules", str(tmp_path / name))

    assert (code, out) == (1, "")
    assert problem in err


@pytest.mark.parametrize(
    "arguments", [["--rules", "nowhere.json"], ["--file", "nowhere.txt"], ["--text", "x", "--resource", "//"]]
)
def test_what_cannot_be_read_is_said_in_a_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _run(capsys, *arguments)

    assert code == 1
    assert err.count("\n") == 1


def test_a_message_is_an_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "message.json").write_text("[]", encoding="utf-8")

    assert "is no message" in _run(capsys, "--file", str(tmp_path / "message.json"))[2]


def test_all_kinds_and_checks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = _run(capsys, "--kinds")

    assert all(f"  {name} " in out for name in (*KINDS, *CHECKS))
