"""What the app's code names: queues, tables, containers, functions, and the constant words of its log lines."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from tests.house.shipping import ROOT


@cache
def names_in_code() -> Mapping[str, frozenset[str]]:
    """Find the queues, tables, containers and functions that the app names."""
    found: dict[str, set[str]] = {"queues": set(), "tables": set(), "containers": set(), "functions": set()}
    for part in ("shared", "blueprints"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                for kind, name in _named(node):
                    found[kind].add(name)
    return {kind: frozenset(names) for kind, names in found.items()}


def _named(node: ast.AST) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Call(func=ast.Name(id="StorageQueue"), args=[_, ast.Constant(value=str(name))]):
            yield "queues", name
        case ast.Call(func=ast.Attribute(attr="function_name"), args=[ast.Constant(value=str(name))]):
            yield "functions", name
        case ast.keyword(arg="queue_name", value=ast.Constant(value=str(name))):
            yield "queues", name
        case (
            ast.Assign(targets=[ast.Name(id="_TABLE" | "_CONTAINER" as of)], value=ast.Constant(value=str(name)))
            | ast.AnnAssign(target=ast.Name(id="_TABLE" | "_CONTAINER" as of), value=ast.Constant(value=str(name)))
        ):  # fmt: skip
            yield {"_TABLE": "tables", "_CONTAINER": "containers"}[of], name


@cache
def lines_in_code() -> Mapping[str, str]:
    """Find the constant words of every line that the app logs, each with the text of the module that writes it."""
    found: dict[str, str] = {}
    for part in ("shared", "blueprints"):
        for path in sorted((ROOT / part).rglob("*.py")):
            text = path.read_text("utf-8")
            for node in ast.walk(ast.parse(text)):
                match node:
                    case ast.Call(func=ast.Name(id="log_line"), args=[_, _, ast.Constant(value=str(event)), *_]):
                        found[event] = found.get(event, "") + text
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="_LOGGER")), args=arguments):
                        words = [each.value for each in arguments if isinstance(each, ast.Constant)]
                        found |= {each: text for each in words if isinstance(each, str)}
    return found
