"""What the templates would make, worked out on paper: parameters in, resources with their properties out.

What only Azure can know (an address, a key) is a `Later`; nothing that Azure has to know beforehand may hang on one. Not here: types,
regions, quotas, policies, and whether Azure agrees.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tests.bicep.functions import BOUNDS, FUNCTIONS, KEEPING, OPERATIONS, TYPES
from tests.bicep.reading import read
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
    walk,
)

ENVIRON = {"AZURE_ENV_NAME": "trial", "AZURE_LOCATION": "swedencentral"}


class Later(str):
    """What is known only once it is deployed; its text says what it is."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Made:
    """A resource, whole or ``existing``."""

    type: str
    version: str
    name: str
    module: str
    symbol: str
    body: Mapping[str, Any] = field(default_factory=dict)
    existing: bool = False
    scope: "Made | None" = None
    nested: "Mapping[str, Made]" = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"/{self.type}/{self.name}"

    @property
    def properties(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.body.get("properties", {})
        return found

    def __str__(self) -> str:
        return f"{self.module or 'main'}: {self.symbol}"


@dataclass(kw_only=True)
class Deployment:
    """Everything that one set of parameters makes."""

    resources: list[Made] = field(default_factory=list)
    existing: list[Made] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    waits: dict[str, frozenset[str]] = field(default_factory=dict)
    """Each module, and every module that is finished before it begins."""

    def of(self, type_: str) -> list[Made]:
        return [each for each in self.resources if each.type == type_]

    def one(self, type_: str, symbol: str = "") -> Made:
        [found] = [each for each in self.of(type_) if symbol in {"", each.symbol}]
        return found

    @property
    def settings(self) -> Mapping[str, Any]:
        """The app's settings."""
        return self.one("Microsoft.Web/sites/config").properties


@dataclass(frozen=True)
class Templates:
    """The folder ``bicep/``, or a copy with a mistake in it."""

    folder: Path

    @cached_property
    def paths(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.suffix in {".bicep", ".bicepparam"})

    def file(self, path: Path) -> File:
        if not path.is_file():
            raise BicepError(f"{path.name} is not there")
        return _read_once(path.read_text("utf-8"))

    def deploy(
        self, *, environ: Mapping[str, str] = ENVIRON, file: str = "main.bicepparam", **given: Any
    ) -> Deployment:
        """Deploy with a file of parameters, some of them replaced. Raises BicepError."""
        paper = Deployment()
        asked = self.file(self.folder / file)
        values = _Scope(self, self.folder / file, asked, {}, paper, environ=environ)
        parameters = {name: values.value(each.value) for name, each in asked.params.items()} | given
        path = self.folder / "main.bicep"
        main = _Scope(self, path, self.file(path), parameters, paper, environ=environ)
        main.deploy()
        paper.outputs = {name: main.value(each.value) for name, each in main.file.outputs.items()}
        return paper


_READ: dict[str, File] = {}


def _read_once(source: str) -> File:
    if source not in _READ:
        _READ[source] = read(source)
    return _READ[source]


class _Outputs:
    """A module's outputs, each worked out when it is asked for."""

    def __init__(self, scope: "_Scope | None", symbol: str) -> None:
        self._scope = scope
        self._symbol = symbol

    def output(self, name: str) -> Any:
        if self._scope is None:
            raise BicepError(f"{self._symbol}.outputs.{name} is asked for, and {self._symbol} is not deployed")
        if name not in self._scope.file.outputs:
            raise BicepError(f"{self._symbol} has no output {name}")
        found = self._scope.value(self._scope.file.outputs[name].value)
        return found if isinstance(found, (list, dict)) else Later(found)


class _Scope:
    """One file with its parameters."""

    def __init__(
        self,
        templates: Templates,
        path: Path,
        file: File,
        given: Mapping[str, Any],
        paper: Deployment,
        *,
        environ: Mapping[str, str],
        module: str = "",
    ) -> None:
        self.file = file
        self._templates = templates
        self._path = path
        self._paper = paper
        self._environ = environ
        self._module = module
        self._made: dict[str, Any] = {}
        self._under_way: set[str] = set()
        self._locals: list[dict[str, Any]] = []
        if path.suffix == ".bicep":
            self._bind(given)

    def _bind(self, given: Mapping[str, Any]) -> None:
        if unknown := set(given) - set(self.file.params):
            raise BicepError(f"{self._path.name} has no parameter {sorted(unknown)}")
        for name, declared in self.file.params.items():
            if name in given:
                self._made[name] = _settled(given[name])
            elif declared.value is None and not declared.type.endswith("?"):
                raise BicepError(f"{self._path.name} lacks its parameter {name}")
            else:
                self._made[name] = None if declared.value is None else self.value(declared.value)
            self._check(declared, self._made[name])

    def _check(self, declared: Declaration, value: Any) -> None:
        choices = [self.value(each) for each in declared.decorators.get("allowed", ())]
        bounds = {name: self.value(each[0]) for name, each in declared.decorators.items() if name in BOUNDS}
        if choices and value not in choices[0]:
            raise BicepError(f"{self._path.name}: {declared.name} is {value!r}, none of {choices[0]}")
        for name, bound in bounds.items():
            if not BOUNDS[name](value, bound):
                raise BicepError(f"{self._path.name}: {declared.name} is {value!r}, against @{name}({bound})")
        kind = TYPES.get(declared.type)
        if kind and not isinstance(value, kind):
            raise BicepError(f"{self._path.name}: {declared.name} is {value!r}, no {declared.type}")

    # -- what is made ---------------------------------------------------------------------------------------------------------------

    def deploy(self) -> None:
        """Make every resource and every module."""
        for name in (*self.file.resources, *self.file.modules):
            self._look(name)
        for name in self.file.variables:
            self._look(name)
        if not self._module:
            self._paper.waits |= {name: self._waits_for(name) for name in self.file.modules}

    def _waits_for(self, name: str) -> frozenset[str]:
        """Follow what is named in a module's text, and through variables."""
        direct = {each.name for each in walk(self._declared(name).value) if isinstance(each, Name)}
        found: set[str] = set()
        for each in direct - {name}:
            if each in self.file.modules:
                found |= {each} | self._waits_for(each)
            elif each in self.file.variables:
                found |= self._waits_for(each)
        return frozenset(found)

    def _declared(self, name: str) -> Declaration:
        return (self.file.resources | self.file.modules | self.file.variables)[name]

    def _look(self, name: str) -> Any:
        for known in reversed(self._locals):
            if name in known:
                return known[name]
        if name in self._made:
            return self._made[name]
        if name in self._under_way:
            raise BicepError(f"{name} hangs on itself")
        if name not in (self.file.imports | self.file.resources | self.file.modules | self.file.variables):
            raise BicepError(f"{self._path.name}: nothing is called {name}")
        self._under_way.add(name)
        held, self._locals = self._locals, []
        self._made[name] = self._make(name)
        self._locals = held
        self._under_way.discard(name)
        return self._made[name]

    def _make(self, name: str) -> Any:
        if name in self.file.imports:
            path = (self._path.parent / self.file.imports[name]).resolve()
            other = _Scope(self._templates, path, self._templates.file(path), {}, self._paper, environ=self._environ)
            return None if name not in other.file.variables else other._look(name)
        declared = self._declared(name)
        if declared.kind == "var":
            return self.value(declared.value)
        if declared.condition is not None and not self._known(declared.condition, f"the condition of {name}"):
            return _Outputs(None, name) if declared.kind == "module" else None
        if declared.kind == "module":
            return self._deploy_module(declared)
        if isinstance(declared.value, Loop):
            return self._loop(declared.value, lambda body: self._make_resource(declared, body))
        return self._make_resource(declared, declared.value)

    def _deploy_module(self, declared: Declaration) -> _Outputs:
        body = self._object(declared.value)
        path = (self._path.parent / declared.type).resolve()
        file = self._templates.file(path)
        scope = _Scope(
            self._templates, path, file, body["params"], self._paper, environ=self._environ, module=declared.name
        )
        scope.deploy()
        return _Outputs(scope, declared.name)

    def _make_resource(self, declared: Declaration, body: Any, parent: Made | None = None) -> Made:
        type_, _, version = declared.type.partition("@")
        values = self._object(body)
        for key in ("name", "scope", "parent"):
            if isinstance(values.get(key), Later):
                raise BicepError(
                    f"{declared.name}: Azure has to know its {key} beforehand, and {values[key]} comes later"
                )
        above = parent or values.pop("parent", None)
        if parent is not None:
            type_, version = f"{parent.type}/{type_}", version or parent.version
        if above is not None and type_.rpartition("/")[0] != above.type:
            raise BicepError(f"{declared.name}: {above.type} is no parent of {type_}")
        if len(type_.split("/")) > 2 and above is None:
            raise BicepError(f"{declared.name}: {type_} needs a parent")
        if "name" not in values:
            raise BicepError(f"{declared.name} has no name")
        name = values.pop("name")
        made = Made(
            type=type_,
            version=version,
            name=f"{above.name}/{name}" if above else name,
            module=self._module,
            symbol=declared.name,
            existing=declared.existing,
            scope=values.pop("scope", None),
            body=values,
        )
        nested = {each.name: self._make_resource(each, each.value, made) for each in body.nested}
        made = Made(**(vars(made) | {"nested": nested}))
        (self._paper.existing if declared.existing else self._paper.resources).append(made)
        return made

    # -- expressions ----------------------------------------------------------------------------------------------------------------

    def value(self, expression: Any) -> Any:
        """Work out an expression. Raises BicepError."""
        match expression:
            case Literal(value) | (str() as value):
                return value
            case Name(name):
                return self._look(name)
            case Text() | Array() | Object() | Loop():
                return self._compose(expression)
            case Choice(condition, yes, no):
                return self.value(yes if self._known(condition, "a choice") else no)
            case Operation(sign, operands):
                return self._operate(sign, operands)
        return self._reach(expression)

    def _compose(self, expression: Text | Array | Object | Loop) -> Any:
        match expression:
            case Array(items):
                return [self.value(each) for each in items]
            case Object():
                return self._object(expression)
            case Loop():
                return self._loop(expression, self.value)
        values = [self.value(each) for each in expression.parts]
        text = "".join(str(_plain(each)) for each in values)
        return Later(text) if any(isinstance(each, Later) for each in values) else text

    def _reach(self, expression: Any) -> Any:
        match expression:
            case Index(of, at):
                found = self.value(of)
                return found if isinstance(found, Later) else found[self.value(at)]
            case Member(of, name):
                return self._member(self.value(of), name)
            case Call(name, arguments, None):
                return self._call(name, [self.value(each) for each in arguments])
            case Call(name, _, of):
                return Later(f"{self.value(of)}.{name}()")
        raise BicepError(f"{expression!r} cannot be worked out")

    def _known(self, condition: Any, what: str) -> bool:
        found = self.value(condition)
        if not isinstance(found, bool):
            raise BicepError(f"{what} is {found!r}, neither true nor false")
        return found

    def _operate(self, sign: str, operands: Sequence[Any]) -> Any:
        if sign == "&&":
            return all(self._known(each, sign) for each in operands)
        if sign == "||":
            return any(self._known(each, sign) for each in operands)
        values = [self.value(each) for each in operands]
        if any(isinstance(each, Later) for each in values) and sign != "??":
            raise BicepError(f"{sign} looks at {values}, some of which is known only later")
        if (sign, len(values)) not in OPERATIONS:
            raise BicepError(f"{sign} is not known here")
        return OPERATIONS[sign, len(values)](*values)

    def _object(self, expression: Object) -> dict[str, Any]:
        return {str(self.value(key)): self.value(value) for key, value in expression.entries}

    def _loop(self, loop: Loop, make: Callable[[Any], Any]) -> list[Any]:
        found = []
        for index, item in enumerate(self.value(loop.source)):
            self._locals.append({loop.name: item, loop.index or " ": index})
            found.append(make(loop.body))
            self._locals.pop()
        return found

    def _member(self, of: Any, name: str) -> Any:
        match of:
            case Later():
                found: Any = Later(f"{of}.{name}")
            case _Outputs() if name == "outputs":
                found = partial(of.output)
            case partial():
                found = of(name)
            case Made():
                known = {**of.nested, "id": of.id, "name": of.name}
                found = known.get(name, Later(f"<{of.id}>.{name}"))
            case dict() if name in of:
                found = of[name]
            case _:
                raise BicepError(f"{self._path.name}: there is no {name} in {of!r}")
        return found

    def _call(self, name: str, arguments: list[Any]) -> Any:
        match name, arguments:
            case "readEnvironmentVariable", [variable, *default]:
                if variable not in self._environ and not default:
                    raise BicepError(f"{variable} is not set")
                return self._environ.get(variable, *default)
            case "loadTextContent", [path]:
                file = self._path.parent / path
                if not file.is_file():
                    raise BicepError(f"{path} is not there")
                return file.read_text("utf-8")
        if name not in FUNCTIONS:
            raise BicepError(f"{self._path.name}: function {name} is not known here")
        if name not in KEEPING and any(isinstance(each, Later) for each in arguments):
            return Later(f"{name}({', '.join(map(str, arguments))})")
        return FUNCTIONS[name](*arguments)


def _settled(value: Any) -> Any:
    """What comes in as a parameter is known within."""
    match value:
        case Later():
            return str(value)
        case dict():
            return {key: _settled(each) for key, each in value.items()}
        case list():
            return [_settled(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    """Give what stands for a value within text."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else value


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Give every property with its dotted path; items of a list have their list's path."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from flat(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for each in value:
            yield from flat(each, path)
    if path:
        yield path, value
