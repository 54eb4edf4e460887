"""The page as steps: calls with the answers to expect, programs to save, commands to type.

Every block of the page must mean something here, so that nothing on it goes untried. The calls have the form of .http files, as
VS Code's REST Client reads them out of Markdown. Not here: doing what the page says, see `walk`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPMethod
from itertools import pairwise

AWAY = "# in a terminal of its own"
"""The first line of a block whose command goes on running."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_DEFINITION = re.compile(r"@([\w-]+)\s*=\s*(.*)")
_NAME = re.compile(r"(?:#|//)\s*@name\s+([\w-]+)")
_REQUEST = re.compile(rf"({'|'.join(HTTPMethod)}) (\S+)")
_STATUS = re.compile(r"HTTP/1\.1 (\d{3}) .+")
_PROGRAM = re.compile(r"# (\S+\.py)\n")


class PageError(Exception):
    """The page holds something that nobody could follow; says in which line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the page shows of an answer: status, headers, and the body as an abridged text."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it stands on the page, with the variables that are defined above it and the answer that it shows."""

    section: str
    line: int
    name: str
    definitions: Mapping[str, str]
    method: str
    url: str
    headers: Mapping[str, str]
    body: str
    expected: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to be saved under the name in its first line."""

    section: str
    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to be typed, and what it prints if the page shows that; `stays` if it goes on running."""

    section: str
    line: int
    words: str
    stays: bool
    output: str


Step = Call | Program | Command


@dataclass(frozen=True, slots=True)
class _Block:
    kind: str
    text: str
    line: int
    section: str


def read_page(text: str) -> tuple[Step, ...]:
    """Return the steps in order. Raises PageError for a block of which nobody could say whether it is true."""
    return tuple(_steps([*_blocks(text), _Block("", "", 0, "")]))


def _blocks(text: str) -> Iterator[_Block]:
    titles = [(found.start(), found[1]) for found in _SECTION.finditer(text)]
    for found in _BLOCK.finditer(text):
        section = next((title for start, title in reversed(titles) if start < found.start()), "")
        yield _Block(found[1], found[2], text.count("\n", 0, found.start()) + 2, section)


def _steps(blocks: Sequence[_Block]) -> Iterator[Step]:
    shown: _Block | None = None
    for block, following in pairwise(blocks):
        answer = following if following.kind == "text" else None
        match block.kind:
            case "http":
                yield _call(block, answer)
            case "sh":
                yield _command(block, answer)
            case "python":
                yield _program(block)
            case "text" if shown is block:
                pass
            case kind:
                raise PageError(
                    f"line {block.line}: a block of {kind or 'no language'} here is neither tried nor an answer"
                )
        shown = answer if block.kind in {"http", "sh"} else None


def _call(block: _Block, answer: _Block | None) -> Call:
    if answer is None:
        raise PageError(f"line {block.line}: the page does not show the answer to this call")
    head, _, body = block.text.strip("\n").partition("\n\n")
    definitions: dict[str, str] = {}
    name, lines = "", head.splitlines()
    while lines and (found := _DEFINITION.fullmatch(lines[0]) or _NAME.fullmatch(lines[0])):
        if found.re is _NAME:
            name = found[1]
        else:
            definitions[found[1]] = found[2]
        lines.pop(0)
    request = _REQUEST.fullmatch(lines[0]) if lines else None
    if request is None:
        raise PageError(f"line {block.line}: a call begins with a method and a URL")
    headers = _headers(lines[1:], block.line)
    if headers.get("Content-Type") == "application/x-www-form-urlencoded":
        body = body.replace("\n&", "&")
    return Call(
        section=block.section,
        line=block.line,
        name=name,
        definitions=definitions,
        method=request[1],
        url=request[2],
        headers=headers,
        body=body.strip("\n"),
        expected=_expected(answer),
    )


def _expected(block: _Block) -> Expected:
    head, _, body = block.text.strip("\n").partition("\n\n")
    first, *lines = head.splitlines()
    status = _STATUS.fullmatch(first)
    if status is None:
        raise PageError(f"line {block.line}: an answer begins with a line such as 'HTTP/1.1 200 OK'")
    return Expected(status=int(status[1]), headers=_headers(lines, block.line), body=body.strip("\n"))


def _headers(lines: Sequence[str], line: int) -> dict[str, str]:
    pairs = [each.partition(": ") for each in lines]
    if not all(found for _, found, _ in pairs):
        raise PageError(f"line {line}: a header is a name, a colon and a value")
    return {name: value for name, _, value in pairs}


def _program(block: _Block) -> Program:
    named = _PROGRAM.match(block.text)
    if named is None:
        raise PageError(f"line {block.line}: a program begins with a comment that names its file")
    return Program(section=block.section, line=block.line, name=named[1], text=block.text)


def _command(block: _Block, answer: _Block | None) -> Command:
    lines = block.text.strip().splitlines()
    stays = lines[0] == AWAY
    words = lines[1:] if stays else lines
    if len(words) != 1:
        raise PageError(f"line {block.line}: one command at a time")
    output = answer.text.strip("\n") if answer else ""
    return Command(section=block.section, line=block.line, words=words[0], stays=stays, output=output)
