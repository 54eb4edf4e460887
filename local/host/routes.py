"""HTTP routes: which function answers a method and a path, and with which route parameters.

Templates are ASP.NET's (`items/{id:int}/{*rest}`, `{name?}`, `{page=1}`). Regex and length constraints are not here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from local.host.functions import Function

_PARAMETER = re.compile(
    r"\{(?P<all>\*{0,2})(?P<name>[^{}:=?*]+)(?P<kind>(?::[^{}=?]+)?)(?:=(?P<default>[^{}?]*))?(?P<maybe>\??)\}"
)
CONSTRAINTS = {
    "int": r"-?\d+",
    "long": r"-?\d+",
    "bool": r"(?:true|false)",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "decimal": r"-?\d+(?:\.\d+)?",
    "double": r"-?\d+(?:\.\d+)?",
    "datetime": r"[^/]+",
}
LITERAL, CONSTRAINED, FREE, REST = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One function's route; `precedence` sorts literal segments before parameters."""

    function: Function
    template: str
    methods: tuple[str, ...]
    pattern: re.Pattern[str]
    defaults: Mapping[str, str]
    precedence: tuple[int, ...]


def read_route(function: Function) -> Route:
    """Read the route of an HTTP function: its template, or else its name."""
    template = str(function.trigger.settings.get("route") or function.name).strip("/")
    methods = tuple(str(method).upper() for method in function.trigger.settings.get("methods") or ())
    pattern, defaults, precedence = "", {}, []
    for segment in template.split("/"):
        match = _PARAMETER.fullmatch(segment)
        if match is None:
            pattern += f"/{_mixed(segment)}"
            precedence.append(FREE if "{" in segment else LITERAL)
            continue
        if match["default"] is not None:
            defaults[match["name"]] = match["default"]
        optional = bool(match["maybe"]) or match["default"] is not None or bool(match["all"])
        value = ".*" if match["all"] else _value(match["kind"])
        group = f"/(?P<{match['name']}>{value})"
        pattern += f"(?:{group})?" if optional else group
        precedence.append(REST if match["all"] else CONSTRAINED if match["kind"] else FREE)
    return Route(
        function=function,
        template=template,
        methods=methods,
        pattern=re.compile(pattern + "/?", re.IGNORECASE),
        defaults=defaults,
        precedence=tuple(precedence),
    )


def _mixed(segment: str) -> str:
    """Turn a segment that mixes text and parameters (`v{version}`) into a pattern."""
    pieces, end = "", 0
    for match in _PARAMETER.finditer(segment):
        pieces += re.escape(segment[end : match.start()]) + f"(?P<{match['name']}>{_value(match['kind'])})"
        end = match.end()
    return pieces + re.escape(segment[end:])


def _value(kind: str) -> str:
    name = kind.removeprefix(":").split(":", maxsplit=1)[0]
    if name and name not in CONSTRAINTS:
        raise ValueError(f"the route constraint {name!r} is not known to the local host")
    return CONSTRAINTS.get(name, "[^/]+")


class Routes:
    """All routes under a prefix."""

    def __init__(self, routes: Iterable[Route], prefix: str) -> None:
        self._routes = sorted(routes, key=lambda route: route.precedence)
        self._prefix = f"/{prefix}" if prefix else ""

    def find(self, method: str, raw_path: str) -> tuple[Function, dict[str, str]] | None:
        """Return the function for a path as it stands in the request line; a method that does not fit is a miss."""
        path = unquote(raw_path.replace("%2F", "%252F").replace("%2f", "%252f"))
        if not path.lower().startswith(self._prefix.lower() + "/"):
            return None
        rest = path[len(self._prefix) :]
        for route in self._routes:
            if route.methods and method not in route.methods:
                continue
            match = route.pattern.fullmatch(rest)
            if match is not None:
                given = {name: value for name, value in match.groupdict().items() if value}
                return route.function, {**route.defaults, **given}
        return None

    def listing(self, origin: str) -> Sequence[tuple[str, str]]:
        """Return (function name, what `func start` prints for it), in the order of the names."""
        return sorted(
            (
                route.function.name,
                f"[{','.join(route.methods or ('GET', 'POST'))}] {origin}{self._prefix}/{route.template}",
            )
            for route in self._routes
        )


def query_values(raw: str) -> dict[str, str]:
    """Decode a query once: `+` is a space, empty values are dropped, repeated ones joined with commas.

    Names that differ in case only are one name, spelt as it came first.
    """
    values: dict[str, list[str]] = {}
    spelling: dict[str, str] = {}
    for name, value in parse_qsl(raw, keep_blank_values=False, max_num_fields=1000, errors="replace"):
        values.setdefault(spelling.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(found) for name, found in values.items()}
