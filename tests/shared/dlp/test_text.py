"""Text comes out of HTML as a reader sees it, and the same for what looks the same."""

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dlp.text import LONGEST_SOURCE, LONGEST_TEXT, clean, read_html, read_plain_text
from tests.strategies import SURROGATES_INCLUDED

NUMBER = "4111111111111111"


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("plain", "plain"),
        ("4111<b>1111</b><i>1111</i>1111", NUMBER),
        ("4111<!-- x -->1111<!---->1111<!-->1111", NUMBER),
        ("4111<custom-element a='>'>1111</custom-element>11111111", NUMBER),
        ("4111&shy;1111&#8203;1111\N{WORD JOINER}1111", NUMBER),
        ("4111&nbsp;1111", "4111 1111"),
        ("&#52;&#x31;&#49;1", "4111"),
        (f"&#{'0' * 5_000}52;&#x000000000031;", "41"),
        (f"&#{'1' * 5_000};&#xfffffffff1;", "\N{REPLACEMENT CHARACTER}" * 2),
        ("4111\n1111", "4111 1111"),
        ("&#52aaaaaaaaaa &#x34;gggg", "4aaaaaaaaaa 4gggg"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br/>two<BR>three", "one\ntwo\nthree"),
        ("<table><tr><td>4111</td><td>1111</td></tr></table>", "4111\t\t1111"),
        ("a<style>.x { color: red }</style>b<script>let c = '<p>'</script>d", "abd"),
        ("<style><!--</style>seen", "seen"),
        ("<script src=x>hidden", ""),
        ("a<!-- never closed", "a"),
        ("1 < 2 and 3 > 2 &amp; 4 &lt; 5", "1 < 2 and 3 > 2 & 4 < 5"),
        ("a < b", "a < b"),
        ("<at id='0'>Anna</at> hi", "Anna hi"),
        ('<attachment id="1"></attachment>see', "see"),
        ("<![CDATA[x]]>y<?php z ?>w<!DOCTYPE html>v", "ywv"),
        ("</ >a</>b", "ab"),
        ('<a title="x > y">z</a>', "z"),
        ("<b a=b'c>d</b>", "d"),
    ],
)
def test_html_is_read_as_a_browser_shows_it(source: str, body: str) -> None:
    assert read_html(source).body == body


def test_what_is_quoted_comes_apart() -> None:
    texts = read_html(
        "before<blockquote>old <blockquote>older</blockquote></blockquote>after<blockquote>x</blockquote>"
    )

    assert texts.body == "before\n\nafter"
    assert texts.quoted == ["old\nolder", "x"]


@pytest.mark.parametrize(
    "mark",
    [
        '<div id="divRplyFwdMsg">',
        '<div id="appendonsend"></div><hr>',
        "<div class='gmail_quote gmail_quote_container'>",
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt">',
    ],
)
def test_a_mails_history_is_a_quotation_to_the_end(mark: str) -> None:
    texts = read_html(f"<p>mine</p>{mark}<p>From: Anna</p><blockquote>theirs</blockquote></div><p>theirs too</p>")

    assert texts.body == "mine"
    assert len(texts.quoted) == 1
    assert texts.quoted[0].split() == ["From:", "Anna", "theirs", "theirs", "too"]


def test_what_links_and_pictures_say_without_showing_it_is_kept_apart() -> None:
    texts = read_html(
        '<a href="https://x.example/?a=1&amp;sig=secret">here</a> <img alt="a card" src=y> <i title=\'tip\'>z</i> '
        '<a href="https://shown.example">https://shown.example</a> <p data-href="no">'
    )

    assert texts.attributes == "https://x.example/?a=1&sig=secret\na card\ntip"


def test_plain_text_has_cited_lines_and_history_too() -> None:
    texts = read_plain_text("> he said\n>> she said\nI say\n\n-----Original Message-----\nFrom: Anna\nold")

    assert texts.body == "I say"
    assert texts.quoted == ["he said\nshe said", "From: Anna\nold"]


@pytest.mark.parametrize(
    "line", ["On Monday Anna <a@x.example> wrote:", "Am 1. Mai schrieb Anna <a@x.example>:", "_" * 32]
)
def test_a_line_of_attribution_begins_the_history(line: str) -> None:
    assert read_plain_text(f"mine\n{line}\nold").quoted == ["old"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("\uff14\uff11\uff11\uff11\u3000\uff11", "4111 1"),
        ("\N{MATHEMATICAL BOLD DIGIT FOUR}\N{MATHEMATICAL DOUBLE-STRUCK DIGIT ONE}", "41"),
        ("\N{ARABIC-INDIC DIGIT FOUR}\N{DEVANAGARI DIGIT ONE}", "41"),
        ("4111\N{NON-BREAKING HYPHEN}1111\N{EN DASH}1111\N{MINUS SIGN}1111", "4111-1111-1111-1111"),
        ("4111\N{NO-BREAK SPACE}1111\N{NARROW NO-BREAK SPACE}1111\N{FIGURE SPACE}1111", "4111 1111 1111 1111"),
        ("4\N{VARIATION SELECTOR-16}\N{COMBINING ENCLOSING KEYCAP}1\N{COMBINING LONG STROKE OVERLAY}", "41"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("Pass\x00wort", "Passwort"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_looks_the_same_becomes_the_same(text: str, same: str) -> None:
    assert clean(text) == same


def test_no_digit_dash_space_or_format_character_of_unicode_is_left_as_it_is() -> None:
    """The tables in the code are written by hand; this holds them against the Unicode of this Python."""
    left = [
        hex(code)
        for code in range(0x80, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in {"Nd", "Pd", "Zs", "Zl", "Zp", "Cf", "Cs", "Cc"}
        and not clean(chr(code)).isascii()
        and clean(chr(code)) != "\N{REPLACEMENT CHARACTER}"
    ]

    assert left == []


@given(SURROGATES_INCLUDED)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


TOKENS = st.sampled_from(
    "< > <b> </b> <p <!-- --> <style> </style> <script_ </script> =' =\" ' \" = / & &# ; <blockquote> </blockquote> <a_href= "
    "alt _ \N{NO-BREAK SPACE} 4111 x &nbsp; &#52; >_ -----Original_Message-----".replace("_", " ").split(" ")
)


@given(st.lists(TOKENS | SURROGATES_INCLUDED, max_size=40).map("".join))
def test_any_text_is_read_and_what_comes_out_is_clean(source: str) -> None:
    for texts in (read_html(source), read_plain_text(source)):
        for text in (texts.body, *texts.quoted, texts.attributes):
            assert clean(text) == text
            assert text.encode().decode() == text


@given(st.text(st.sampled_from("ab 1.\n"), max_size=60))
def test_text_without_tags_is_its_own_text(text: str) -> None:
    assert read_html(text).body == " ".join(text.split())


def test_what_is_longer_than_we_look_is_counted() -> None:
    assert read_html("x" * (LONGEST_TEXT + 5)).unread == 5
    assert read_html("<b>" * LONGEST_SOURCE).unread == 2 * LONGEST_SOURCE
    assert read_plain_text("x" * LONGEST_TEXT).unread == 0
    assert read_plain_text("\ufdfa" * LONGEST_TEXT).unread == 17 * LONGEST_TEXT


EVIL = (
    *(
        "<",
        "<a ",
        '<a "',
        '<a ="',
        "<a ='\"",
        "<!--",
        "<style>",
        "<script a='",
        "<a href=",
        "<blockquote>",
        "<p>",
        "<td>",
        "</",
    ),
    *(
        "<a b=c ",
        "&",
        "&#1",
        "&amp",
        "> ",
        "\n> ",
        "=\n",
        "-",
        "_",
        "On a\n",
        "On wrote:",
        " ",
        "\t \n",
        "\ufdfa",
        "1\u0301",
    ),
    *("a\u0301", "\u200b", "href='", "<i href='\"'>"),
)


@pytest.mark.parametrize("piece", EVIL)
def test_no_repetition_takes_more_than_its_length(piece: str) -> None:
    """A million characters of it: milliseconds to a second; anything that grows with the square would take hours."""
    source = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    read_html(source)
    read_plain_text(source)

    assert time.perf_counter() - began < 60
