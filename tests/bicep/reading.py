"""Reads as much of Bicep as the files under ``bicep/`` use, and refuses the rest.

It is no compiler, and knows no types: whoever has the real one runs it with `make lint`. What is read here is worked out on paper by
`tests.bicep.deploying`. https://learn.microsoft.com/azure/azure-resource-manager/bicep/file (2026-04)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.bicep.syntax import (
    Array,
    BicepError,
    Call,
    Choice,
    Declaration,
    File,
    Index,
    Literal,
    Loop,
    Member,
    Name,
    Object,
    Operation,
    Text,
)

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*)|(?P<space>[ \t\r]+)|(?P<line>\n)|(?P<number>\d+)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>\?\?|\.\?|==|!=|>=|<=|&&|\|\||::|=>|[{}\[\]().,:=?!<>+\-*/%@|])"""
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "'": "'", "\\": "\\", "$": "$"}
_BINARY = {
    "||": 1,
    "??": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
}


@dataclass(frozen=True)
class Token:
    """A piece of the source; a string's value is a `Literal` or `Text`."""

    kind: str
    value: Any
    at: int


def tokens(source: str) -> list[Token]:
    """Cut a source up. Raises BicepError."""
    found: list[Token] = []
    at = 0
    while at < len(source):
        if source[at] == "'":
            value, end = _string(source, at)
            found.append(Token("string", value, at))
            at = end
            continue
        match = _TOKEN.match(source, at)
        if not match:
            raise BicepError(f"line {source.count(chr(10), 0, at) + 1}: {source[at : at + 20]!r} cannot be read")
        if match.lastgroup not in {"comment", "space"}:
            found.append(Token(str(match.lastgroup), match[0], at))
        at = match.end()
    return [*found, Token("line", "\n", at), Token("end", "", at)]


def _string(source: str, start: int) -> tuple[Any, int]:
    if source.startswith("'''", start):
        raise BicepError("strings of several lines are not read here")
    parts: list[Any] = []
    text, at = "", start + 1
    while at < len(source) and source[at] != "\n":
        if source[at] == "'":
            parts.append(text)
            return (Literal(text) if len(parts) == 1 else Text(tuple(parts))), at + 1
        if source[at] == "\\" and source[at + 1 : at + 2] in _ESCAPES:
            text += _ESCAPES[source[at + 1]]
            at += 2
        elif source.startswith("${", at):
            end = _closing(source, at + 2)
            parts += [text, Reader(source[at + 2 : end]).whole_expression()]
            text, at = "", end + 1
        else:
            text += source[at]
            at += 1
    raise BicepError(f"line {source.count(chr(10), 0, start) + 1}: a string does not end")


def _closing(source: str, at: int) -> int:
    """Find the brace that ends an expression within a string."""
    depth = 0
    while at < len(source):
        if source[at] == "'":
            _, at = _string(source, at)
            continue
        if source[at] == "}" and depth == 0:
            return at
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        at += 1
    raise BicepError("an expression within a string does not end")


class Reader:
    """Reads one file."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._at = 0

    # -- files ------------------------------------------------------------------------------------------------------------------

    def file(self) -> File:
        """Read everything. Raises BicepError."""
        kinds: dict[str, dict[str, Declaration]] = {
            kind: {} for kind in ("param", "var", "resource", "module", "output")
        }
        imports: dict[str, str] = {}
        scope = "resourceGroup"
        while not self._is("end"):
            if self._skip_lines():
                continue
            if self._is("name", "import"):
                imports |= self._import()
            elif self._is("name", "targetScope"):
                self._take("name")
                self._take("sign", "=")
                scope = self._words()
            elif self._is("name", "metadata") or self._is("name", "using"):
                self._take("name")
                self._accept("name")
                self._accept("sign", "=")
                self.expression()
            else:
                found = self._declaration()
                if found is not None:
                    # outputs have names of their own
                    others = [kinds["output"]] if found.kind == "output" else [*kinds.values()][:-1]
                    if any(found.name in known for known in others):
                        raise BicepError(f"{found.name} is declared twice")
                    kinds[found.kind][found.name] = found
            self._take("line")
        return File(
            params=kinds["param"],
            variables=kinds["var"],
            resources=kinds["resource"],
            modules=kinds["module"],
            outputs=kinds["output"],
            imports=imports,
            scope=scope,
        )

    def _import(self) -> dict[str, str]:
        self._take("name")
        self._take("sign", "{")
        names = []
        while not self._accept("sign", "}"):
            names.append(self._take("name").value)
            self._accept("sign", ",")
        self._take("name", "from")
        path = self._words()
        return dict.fromkeys(names, path)

    def _declaration(self) -> Declaration | None:
        decorators: dict[str, tuple[Any, ...]] = {}
        while self._accept("sign", "@"):
            name = self._take("name").value
            self._take("sign", "(")
            decorators[name] = self._arguments()
            self._skip_lines()
        kind = self._take("name").value
        name = self._take("name").value
        match kind:
            case "type":
                self._take("sign", "=")
                self._type()
                return None
            case "param" | "output":
                type_ = "" if self._is("sign", "=") else self._type()
                value = self.expression() if self._accept("sign", "=") else None
                return Declaration(kind=kind, name=name, decorators=decorators, type=type_, value=value)
            case "var":
                self._take("sign", "=")
                return Declaration(kind=kind, name=name, decorators=decorators, value=self.expression())
            case "resource" | "module":
                return self._resource(kind, name, decorators)
        raise BicepError(f"{kind} {name} cannot be read")

    def _resource(self, kind: str, name: str, decorators: Mapping[str, tuple[Any, ...]]) -> Declaration:
        path = self._words()
        existing = bool(self._accept("name", "existing"))
        self._take("sign", "=")
        condition = None
        if self._accept("name", "if"):
            self._take("sign", "(")
            condition = self._only()
        value = self.expression()
        return Declaration(
            kind=kind,
            name=name,
            decorators=decorators,
            type=path,
            value=value,
            condition=condition,
            existing=existing,
        )

    def _type(self) -> str:
        """Pass over a type; its text."""
        start, depth = self._tokens[self._at].at, 0
        while True:
            token = self._tokens[self._at]
            if token.kind == "end" and depth:
                raise self._problem("a type does not end")
            if depth == 0 and (token.kind in {"line", "end"} or token.value == "="):
                return self._source[start : token.at].strip()
            if token.kind == "sign":
                depth += {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}.get(token.value, 0)
            self._at += 1

    # -- expressions --------------------------------------------------------------------------------------------------------------

    def whole_expression(self) -> Any:
        """Read the source as one expression. Raises BicepError."""
        found = self.expression()
        self._skip_lines()
        if not self._is("end"):
            raise self._problem("an expression goes on where it should end")
        return found

    def expression(self) -> Any:
        """Read an expression, with a choice as its loosest part."""
        condition = self._binary(1)
        if not self._accept_next("?"):
            return condition
        yes = self.expression()
        if not self._accept_next(":"):
            raise self._problem("a choice lacks its other side")
        return Choice(condition, yes, self.expression())

    def _binary(self, least: int) -> Any:
        left = self._unary()
        while (sign := self._tokens[self._at]).kind == "sign" and _BINARY.get(sign.value, 0) >= least:
            self._at += 1
            self._skip_lines()
            left = Operation(sign.value, (left, self._binary(_BINARY[sign.value] + 1)))
        return left

    def _unary(self) -> Any:
        for sign in ("!", "-"):
            if self._accept("sign", sign):
                return Operation(sign, (self._unary(),))
        found = self._primary()
        while True:
            if self._accept("sign", ".") or self._accept("sign", ".?") or self._accept("sign", "::"):
                name = self._take("name").value
                found = Call(name, self._arguments(), found) if self._accept("sign", "(") else Member(found, name)
            elif self._accept("sign", "["):
                found = Index(found, self.expression())
                self._take("sign", "]")
            elif self._is("sign", "!") and not self._is_at(1, "="):
                self._at += 1
            else:
                return found

    def _primary(self) -> Any:  # noqa: PLR0911 - one return a kind of token
        token = self._tokens[self._at]
        self._at += 1
        match token.kind, token.value:
            case "string", value:
                return value
            case "number", value:
                return Literal(int(value))
            case "name", "true" | "false" | "null":
                return Literal({"true": True, "false": False, "null": None}[token.value])
            case "name", name:
                return Call(name, self._arguments()) if self._accept("sign", "(") else Name(name)
            case "sign", "(":
                return self._only()
            case "sign", "{":
                return self._object()
            case "sign", "[":
                self._skip_lines()
                return self._loop() if self._is("name", "for") else self._array()
        self._at -= 1
        raise self._problem("an expression is missing")

    def _words(self) -> str:
        """Read a string that has to be plain."""
        found = self._take("string").value
        if not isinstance(found, Literal):
            raise self._problem("expressions are not allowed here")
        return str(found.value)

    def _only(self) -> Any:
        """Read what is alone between parentheses."""
        found = self._arguments()
        if len(found) != 1:
            raise self._problem("one expression has to be between parentheses")
        return found[0]

    def _arguments(self) -> tuple[Any, ...]:
        """Read what is between parentheses, the first of which is behind us."""
        found = []
        self._skip_lines()
        while not self._accept("sign", ")"):
            found.append(self.expression())
            self._skip_lines()
            self._accept("sign", ",")
            self._skip_lines()
        return tuple(found)

    def _object(self) -> Object:
        entries: list[tuple[Any, Any]] = []
        nested: list[Declaration] = []
        while not self._accept_between("}"):
            if self._is("name", "resource") and not self._is_at(1, ":"):
                declaration = self._declaration()
                if declaration:
                    nested.append(declaration)
                continue
            key = self._take_any("name", "string").value
            self._take("sign", ":")
            entries.append((key.value if isinstance(key, Literal) else key, self.expression()))
        names = [key for key, _ in entries if isinstance(key, str)]
        if len(names) != len(set(names)):
            raise self._problem(f"a property is there twice: {sorted(names)}")
        return Object(tuple(entries), tuple(nested))

    def _array(self) -> Array:
        items = []
        while not self._accept_between("]"):
            items.append(self.expression())
        return Array(tuple(items))

    def _loop(self) -> Loop:
        self._take("name", "for")
        index = ""
        if self._accept("sign", "("):
            name = self._take("name").value
            self._take("sign", ",")
            index = self._take("name").value
            self._take("sign", ")")
        else:
            name = self._take("name").value
        self._take("name", "in")
        source = self.expression()
        self._take("sign", ":")
        body = self.expression()
        self._skip_lines()
        self._take("sign", "]")
        return Loop(name, index, source, body)

    # -- tokens -------------------------------------------------------------------------------------------------------------------

    def _is(self, kind: str, value: str | None = None) -> bool:
        token = self._tokens[self._at]
        return token.kind == kind and value in {None, token.value}

    def _is_at(self, further: int, value: str) -> bool:
        return any(each.value == value for each in self._tokens[self._at + further : self._at + further + 1])

    def _accept(self, kind: str, value: str | None = None) -> Token | None:
        if not self._is(kind, value):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, kind: str, value: str | None = None) -> Token:
        found = self._accept(kind, value)
        if found is None:
            raise self._problem(f"{value or kind!r} is missing")
        return found

    def _take_any(self, *kinds: str) -> Token:
        for kind in kinds:
            if found := self._accept(kind):
                return found
        raise self._problem(f"one of {kinds} is missing")

    def _skip_lines(self) -> bool:
        start = self._at
        while self._accept("line"):
            pass
        return self._at > start

    def _accept_next(self, sign: str) -> bool:
        """Accept a sign, also at the beginning of a following line."""
        start = self._at
        self._skip_lines()
        if self._accept("sign", sign):
            self._skip_lines()
            return True
        self._at = start
        return False

    def _accept_between(self, end: str) -> bool:
        """Pass over what separates items; whether the end is there."""
        separated = self._skip_lines() or self._accept("sign", ",") is not None
        self._skip_lines()
        if self._accept("sign", end):
            return True
        if not separated and self._tokens[self._at - 1].value not in {"{", "[", "\n"}:
            raise self._problem("two items on one line lack a comma")
        return False

    def _problem(self, what: str) -> BicepError:
        token = self._tokens[self._at]
        return BicepError(f"line {self._source.count(chr(10), 0, token.at) + 1}: {what}, at {token.value!r}")


def read(source: str) -> File:
    """Read a .bicep or .bicepparam file. Raises BicepError."""
    try:
        return Reader(source).file()
    except RecursionError as problem:
        raise BicepError("expressions lie too deep in each other") from problem
