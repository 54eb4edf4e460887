"""A `$filter` as a predicate over an item's JSON; any text gives one, or a 400.

Understood: eq ne gt ge lt le in, and or not, parentheses, contains startswith endswith, any() and all() with one variable,
paths with slashes, and every literal that Graph's pages show. https://learn.microsoft.com/en-us/graph/filter-query-parameter
Not here: which properties Graph lets one filter by; every property can be filtered by.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.graph.content.odata.comparing import COMPARISONS, FUNCTIONS, equal, follow
from local.graph.content.odata.lexing import Word, words, wrong
from local.graph.faults import GraphFault

Predicate = Callable[[Mapping[str, Any]], bool]
Scope = Mapping[str, Any]
"""Values of the variables in sight; the item itself is under the empty name."""

DEEPEST = 40
"""How many parentheses and negations may lie within one another; OData's own parser has a limit as well."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of a filter: how to evaluate it, and whether it could be true or false."""

    value: Callable[[Scope], Any]
    boolean: bool


def predicate(text: str) -> Predicate:
    """Return what a filter asks of an item. The predicate never raises, whatever JSON it is given."""
    node = _Parser(text).whole()
    value = node.value
    return lambda content: value({"": content}) is True


class _Parser:
    """Reads a filter by recursive descent, one method for each level of precedence."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._words = list(words(text))
        self._next = 0
        self._depth = 0
        self._variables: list[str] = []

    def whole(self) -> _Node:
        node = self._truth(self._either)
        if self._word.kind != "end":
            raise self._wrong()
        return node

    @property
    def _word(self) -> Word:
        return self._words[self._next]

    def _take(self, text: str) -> bool:
        """Go past this word if it is the next one."""
        found = self._word.kind in {"name", "sign"} and self._word.text == text
        self._next += found
        return found

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong()

    def _wrong(self) -> GraphFault:
        return wrong(self._text, self._word.position)

    def _truth(self, read: Callable[[], _Node]) -> _Node:
        start = self._word.position
        node = read()
        if not node.boolean:
            raise wrong(self._text, start)
        return node

    def _either(self) -> _Node:
        start, parts = self._word.position, [self._both()]
        while self._take("or"):
            parts.append(self._truth(self._both))
        return self._joined(parts, start, any)

    def _both(self) -> _Node:
        start, parts = self._word.position, [self._one()]
        while self._take("and"):
            parts.append(self._truth(self._one))
        return self._joined(parts, start, all)

    def _joined(self, parts: Sequence[_Node], start: int, how: Callable[[Any], bool]) -> _Node:
        if len(parts) == 1:
            return parts[0]
        if not parts[0].boolean:
            raise wrong(self._text, start)
        values = [part.value for part in parts]
        return _Node(lambda scope: how(value(scope) is True for value in values), boolean=True)

    def _one(self) -> _Node:
        if self._take("not"):
            inner = self._deeper(lambda: self._truth(self._one))
            return _Node(lambda scope: inner.value(scope) is False, boolean=True)
        left = self._operand()
        if self._word.kind != "name":
            return left
        if self._word.text in COMPARISONS:
            compare = COMPARISONS[self._word.text]
            self._next += 1
            return _comparison(left, self._operand(), compare)
        return self._among(left) if self._take("in") else left

    def _among(self, left: _Node) -> _Node:
        self._need("(")
        choices = [self._literal()]
        while self._take(","):
            choices.append(self._literal())
        self._need(")")
        return _Node(lambda scope: any(equal(left.value(scope), choice) for choice in choices), boolean=True)

    def _operand(self) -> _Node:
        if self._word.kind == "literal":
            constant = self._literal()
            return _Node(lambda _: constant, boolean=isinstance(constant, bool))
        if self._take("("):
            inner = self._deeper(self._either)
            self._need(")")
            return inner
        if self._word.kind != "name":
            raise self._wrong()
        follows = self._words[self._next + 1]
        if follows.kind == "sign" and follows.text == "(":
            return self._function()
        return self._path()

    def _literal(self) -> Any:
        if self._word.kind != "literal":
            raise self._wrong()
        self._next += 1
        return self._words[self._next - 1].value

    def _function(self) -> _Node:
        test = FUNCTIONS.get(self._word.text.lower())
        if test is None:
            raise self._wrong()
        self._next += 2
        left = self._deeper(self._operand)
        self._need(",")
        right = self._deeper(self._operand)
        self._need(")")
        return _comparison(left, right, test)

    def _path(self) -> _Node:
        names = [self._name()]
        root = names.pop() if names[0] in self._variables else ""
        while self._take("/"):
            quantifier = self._word.text.lower()
            if quantifier in {"any", "all"} and self._words[self._next + 1].text == "(":
                return self._lambda(root, names, any_of=quantifier == "any")
            names.append(self._name())
        return _Node(lambda scope: follow(scope[root], names), boolean=True)

    def _name(self) -> str:
        if self._word.kind != "name":
            raise self._wrong()
        self._next += 1
        return self._words[self._next - 1].text

    def _lambda(self, root: str, names: Sequence[str], *, any_of: bool) -> _Node:
        self._next += 2
        if any_of and self._take(")"):
            return _Node(lambda scope: bool(_listed(scope[root], names)), boolean=True)
        variable = self._name()
        self._need(":")
        self._variables.append(variable)
        inner = self._deeper(lambda: self._truth(self._either)).value
        self._variables.pop()
        self._need(")")
        how = any if any_of else all
        return _Node(
            lambda scope: how(inner({**scope, variable: each}) is True for each in _listed(scope[root], names)),
            boolean=True,
        )

    def _deeper(self, read: Callable[[], _Node]) -> _Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise GraphFault(400, "BadRequest", "Invalid filter clause: Recursion depth exceeded allowed limit.")
        node = read()
        self._depth -= 1
        return node


def _comparison(left: _Node, right: _Node, compare: Callable[[Any, Any], bool]) -> _Node:
    return _Node(lambda scope: compare(left.value(scope), right.value(scope)), boolean=True)


def _listed(content: Any, names: Sequence[str]) -> Sequence[Any]:
    value = follow(content, names)
    return value if isinstance(value, list | tuple) else ()
