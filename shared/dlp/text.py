"""Text as a reader sees it, taken out of what a message is made of: HTML to text, and the same character for what looks the same.

Matches count characters of what comes out here. Tags within a word leave no gap, so that ``4111<b>1111</b>`` is one
number; blocks end a line, cells a column. Everything here takes time in proportion to its input, whatever that is, and never raises.
Not here: which parts a message has (`shared.dlp.parts`).
"""

import html
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

LONGEST_SOURCE: Final = 2_000_000
"""Characters of HTML that are looked at; what is behind them is not read, and said to be unread."""

LONGEST_TEXT: Final = 500_000
"""Characters of one text that rules look at. Ten times the longest Teams message; only mails have more."""

# A token of HTML: a comment, an element whose text nobody sees, a tag, or what a browser takes for a comment. Each alternative
# ends at the end of the input at the latest, as browsers do it, and gives nothing back: no input makes this slow.
# https://html.spec.whatwg.org/multipage/parsing.html#tokenization
_ATTRIBUTES: Final = r"""(?:[\s/]++|[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+))?+)*+"""
_TOKEN: Final = re.compile(
    rf"""<(?:
        (?P<end>/?)(?P<name>(?!(?i:script|style)[\s/>])[a-zA-Z][^\s/>]*+)(?P<attributes>{_ATTRIBUTES})(?:>|\Z)
      | (?P<unseen>(?i:script|style))(?=[\s/>]){_ATTRIBUTES}
        (?:>.*?(?:</(?i:(?P=unseen))(?=[\s/>]){_ATTRIBUTES}(?:>|\Z)|\Z)|\Z)
      | !--(?:-?>|.*?(?:--!?>|\Z))
      | [!?/][^>]*+(?:>|\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)

# Elements that begin and end a line, as https://html.spec.whatwg.org/multipage/rendering.html has them, and Teams' own codeblock.
_BLOCKS: Final = frozenset(
    """address article aside blockquote body br caption center codeblock dd details dialog div dl dt fieldset figcaption
    figure footer form h1 h2 h3 h4 h5 h6 head header hr legend li main menu nav ol optgroup option p pre section summary table
    tbody textarea tfoot thead title tr ul""".split()  # noqa: SIM905 - fifty names, one a line
)
_CELLS: Final = frozenset({"td", "th"})

_SHOWS_ELSEWHERE: Final = re.compile(
    r"""(?:^|[\s/"'])(?:href|alt|title)\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>]+))""",
    re.IGNORECASE,
)

_HISTORY: Final = re.compile(
    r"""\b(?:divRplyFwdMsg|appendonsend|mail-editor-reference-message-container|OLK_SRC_BODY_SECTION
        |gmail_quote|yahoo_quoted|protonmail_quote)\b
      | border-top:[ ]?solid[ ]\#(?:E1E1E1|B5C4DF)[ ]""",
    re.VERBOSE,
)
"""Ids and classes with which mail programs mark that what follows is the mail that is answered. Nobody publishes them."""

_HISTORY_IN_PLAIN_TEXT: Final = re.compile(
    r"""^(?:-{2,}[ ]?(?:Original[ ]Message|Forwarded[ ]message|Urspr(?:ü|ue)ngliche[ ]Nachricht)[ ]?-{2,}
        |_{20,}
        |(?:On|Am)[ ].{1,200}(?:wrote|schrieb.{0,80}):)[ \t]*$""",
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)
_CITED_LINE: Final = re.compile(r"^[ ]?>[> ]*(.*)\n?", re.MULTILINE)

_SPACES: Final = re.compile(r"[ \t\r\n\f]{2,}|[\t\r\n\f]")
_LEADING_ZEROS: Final = re.compile(r"&#(?:0++(?=[0-9])|([xX])0++(?=[0-9a-fA-F]))")
_LONG_REFERENCE: Final = re.compile(r"&#(?:[0-9]{9,}|[xX][0-9a-fA-F]{9,});?")


@dataclass(slots=True)
class Texts:
    """What an HTML or plain text says: in its own words, quoted, and without showing it; and how much of it was not read."""

    body: str = ""
    quoted: list[str] = field(default_factory=list)
    attributes: str = ""
    unread: int = 0


def read_html(source: str) -> Texts:
    """Take the texts out of HTML: what is shown, what is quoted, and where links and pictures say something of their own.

    Comments, scripts and styles are not shown, and left out. So is a quoted mail's text from the body: it is given apart.
    """
    reader = _Reader()
    reader.read(_SPACES.sub(" ", source[:LONGEST_SOURCE]))
    read = [_unescape("".join(pieces)) for pieces in (reader.body, *reader.quoted)]
    (body, _), *quoted = read
    # a link that shows its own address would be found twice
    shown = {word for text, _ in read for word in text.split()} if reader.attributes else ()
    own = (text for text, _ in map(_unescape, reader.attributes) if text and text not in shown)
    attributes, unread = cut("\n".join(own))
    return Texts(
        body=body,
        quoted=[text for text, _ in quoted if text],
        attributes=attributes,
        unread=unread + sum(rest for _, rest in read) + max(0, len(source) - LONGEST_SOURCE),
    )


def read_plain_text(source: str) -> Texts:
    """Take the texts out of a plain text: its own lines, and those it cites."""
    text, unread = cut(source)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    history = _HISTORY_IN_PLAIN_TEXT.search(text)
    old = text[history.end() :].strip() if history else ""
    own = text[: history.start()] if history else text
    cited = "\n".join(_CITED_LINE.findall(own)).strip()
    body = _CITED_LINE.sub("", own).strip()
    return Texts(body=body, quoted=[each for each in (cited, old) if each], unread=unread)


@dataclass(slots=True)
class _Reader:
    body: list[str] = field(default_factory=list)
    quoted: list[list[str]] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)

    def read(self, source: str) -> None:
        into, depth, history, position = self.body, 0, False, 0
        for token in _TOKEN.finditer(source):
            into.append(source[position : token.start()])
            position = token.end()
            end, name, attributes = token.group("end", "name", "attributes")
            if name is None:
                continue
            name = name.lower()
            if attributes and not end:
                self.attributes += (match[match.lastgroup or 0] for match in _SHOWS_ELSEWHERE.finditer(attributes))
                if not history and "=" in attributes and _HISTORY.search(attributes):
                    history, into = True, self._quote()
            if name == "blockquote" and not history:
                depth = max(0, depth - 1) if end else depth + 1
                if depth == 1 and not end:
                    into = self._quote()
                elif depth == 0:
                    into = self.body
            if name in _BLOCKS:
                into.append("\n")
            elif name in _CELLS:
                into.append("\t")
        into.append(source[position:])

    def _quote(self) -> list[str]:
        self.body.append("\n")
        self.quoted.append([])
        return self.quoted[-1]


def _unescape(text: str) -> tuple[str, int]:
    if "&" in text:
        # a number of thousands of digits is no character, and int() raises for it, unless most of them are zeros
        text = _LONG_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", _LEADING_ZEROS.sub(r"&#\1", text))
        text = html.unescape(text)
    text, unread = cut(text)
    return "\n".join(line.strip() for line in text.split("\n")).strip(), unread


# -- the same character for what looks the same ----------------------------------------------------------------------

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_OVER_A_DIGIT: Final = re.compile("(?<=[0-9])[\u0300-\u036f\u20d0-\u20f0]+")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_END_OF_THE_BASIC_PLANE: Final = 0x10000

# What has no width of its own although Unicode does not call it a format character: fillers, variation selectors.
_WIDTHLESS: Final = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
)
_DASHLIKE: Final = frozenset({0x02D7, 0x2043, 0x2212})
_BY_CATEGORY: Final = {
    "Pd": "-",
    "Zs": " ",
    "Zl": "\n",
    "Zp": "\n",
    "Cf": "",
    "Cc": "",
    "Cs": "\N{REPLACEMENT CHARACTER}",
}


class _Alike(dict[int, str]):
    """What each character is replaced by, worked out when it is first seen; kept for the basic plane, so that memory is bounded."""

    def __missing__(self, code: int) -> str:
        plain = _plain(chr(code))
        if code < _END_OF_THE_BASIC_PLANE:
            self[code] = plain
        return plain


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if ord(character) in _WIDTHLESS:
        return ""
    return "-" if ord(character) in _DASHLIKE else _BY_CATEGORY.get(category, character)


_ALIKE: Final = _Alike()


def clean(text: str) -> str:
    """Write a text with one character for all that look the same, and none for what nobody sees.

    Compatibility forms become plain (NFKC: full-width, mathematical, circled, non-breaking), decimal digits ASCII, dashes
    hyphens; zero-width characters, soft hyphens, controls and marks over digits go. Cleaning twice changes nothing. Of a text that
    is longer than rules look at, the beginning.
    """
    return cut(text)[0]


def cut(text: str) -> tuple[str, int]:
    """Clean a text; also tell how many characters were too many to be looked at."""
    kept, unread = _shorten(text)
    if not kept.isascii():
        # a format character between a letter and its accent keeps NFKC from joining them, hence once before and once after
        kept, more = _shorten(unicodedata.normalize("NFKC", _replace(kept)))  # one character may become eighteen
        kept, unread = _OVER_A_DIGIT.sub("", _replace(kept)), unread + more
    return _CONTROLS.sub("", kept), unread


def _shorten(text: str) -> tuple[str, int]:
    return text[:LONGEST_TEXT], max(0, len(text) - LONGEST_TEXT)


def _replace(text: str) -> str:
    return _NOT_ASCII.sub(lambda some: some[0].translate(_ALIKE), text)
