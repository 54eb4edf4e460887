"""Find the functions of an app as Microsoft's Python worker does, and refuse what it refuses.

One bad function fails the whole app, as it does there. SDK-type (deferred) bindings and HTTP streams are not here.
"""

import importlib
import inspect
import json
import typing
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions import meta

from local.host.retry_policy import read_retry_policy

OUT_DIRECTION, INOUT_DIRECTION = 1, 2
RETURN = "$return"


class LoadError(Exception):
    """The worker would not load this app; the text is the worker's."""


class Generic:
    """Stands for a binding without a converter of its own: text and bytes pass as they are."""

    @classmethod
    def has_trigger_support(cls) -> bool:
        """Generic bindings get no trigger metadata."""
        return False

    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        """Accept text and bytes."""
        return issubclass(pytype, (str, bytes))

    @classmethod
    def check_output_type_annotation(cls, pytype: type) -> bool:
        """Accept text and bytes."""
        return issubclass(pytype, (str, bytes, bytearray))

    @classmethod
    def decode(cls, data: meta.Datum | None, *, trigger_metadata: object) -> Any:  # noqa: ARG003 - the converters' shape
        """Hand the value on."""
        return None if data is None else data.value

    @classmethod
    def encode(cls, obj: Any, *, expected_type: object) -> meta.Datum:  # noqa: ARG003 - the converters' shape
        """Give a value the type that fits it."""
        if obj is None:
            return meta.Datum(value=None, type=None)
        if isinstance(obj, str):
            return meta.Datum(value=obj, type="string")
        if isinstance(obj, (bytes, bytearray)):
            return meta.Datum(value=bytes(obj), type="bytes")
        if isinstance(obj, (dict, list)):
            return meta.Datum(value=json.dumps(obj), type="json")
        if isinstance(obj, (int, float)):
            return meta.Datum(value=obj, type="double" if isinstance(obj, float) else "int")
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A bound parameter (or the return value): its converter and the annotated type."""

    converter: Any
    pytype: Any
    is_trigger: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One function, ready to be invoked."""

    id: str
    name: str
    directory: str
    call: Callable[..., Any]
    is_async: bool
    wants_context: bool
    inputs: Mapping[str, Parameter]
    outputs: Mapping[str, Parameter]
    returned: Parameter | None
    may_return: bool
    raw_bindings: tuple[dict[str, Any], ...]
    retry: Mapping[str, Any] | None = None


def index(app: Path, script: str = "function_app.py") -> dict[str, Loaded]:
    """Import the app's script and load its functions by id.

    LoadError for what the worker refuses; whatever the import raises comes through.
    """
    if not (app / script).is_file():
        raise LoadError(f"No {script} in {app}")
    module = importlib.import_module(Path(script).stem)
    found = [value for value in vars(module).values() if isinstance(value, func.FunctionRegister)]
    if len(found) > 1:
        raise LoadError(
            f"More than one {type(found[0]).__name__} or other top level function app instances are defined."
        )
    if not found:
        raise LoadError(f"Could not find top level function app instances in {script}.")
    loaded = [load(function) for function in found[0].get_functions()]
    return {function.id: function for function in loaded}


def converter_of(binding_type: str) -> Any:
    """Return azure.functions' converter for a binding type, or the generic one."""
    return func.get_binding_registry().get(binding_type) or Generic


def has_implicit_output(binding_type: str) -> bool:
    """Whether a function with such a binding may return a value without a `$return` binding."""
    converter = converter_of(binding_type)
    if converter is Generic:
        return binding_type != "durableClient"
    return bool(getattr(converter, "has_implicit_output", bool)())


def load(function: Any) -> Loaded:
    """Check one function's parameters against its bindings."""
    call, name = function.get_user_function(), function.get_function_name()
    parameters = dict(inspect.signature(call).parameters)
    hints = typing.get_type_hints(call)
    bindings = {binding.name: binding for binding in function.get_bindings()}
    wants_context = "context" in parameters and "context" not in bindings
    if wants_context:
        del parameters["context"]
        if getattr(hints.get("context", func.Context), "__name__", "") != "Context":
            raise LoadError(_cannot(name, 'the "context" parameter is expected to be of type azure.functions.Context'))
    bound = {key: binding for key, binding in bindings.items() if key != RETURN}
    _match_names(name, set(parameters), set(bound))
    read = {key: _parameter(name, binding, hints.get(key)) for key, binding in bound.items()}
    implicit = [binding for binding in bound.values() if has_implicit_output(binding.type)]
    return Loaded(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        name=name,
        directory=str(Path(inspect.getfile(call)).parent),
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        wants_context=wants_context,
        inputs={key: value for key, value in read.items() if bound[key].direction != OUT_DIRECTION},
        outputs={key: value for key, value in read.items() if bound[key].direction == OUT_DIRECTION},
        returned=_returned(
            name, bindings.get(RETURN) or (implicit or [None])[-1], hints.get("return"), RETURN in bindings
        ),
        may_return=RETURN in bindings or bool(implicit),
        raw_bindings=tuple(json.loads(raw) for raw in function.get_raw_bindings()),
        retry=_retry(name, function.get_settings_dict("retry_policy")),
    )


def _retry(name: str, settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the retry policy as it was written, once it is known that it can be read."""
    if not settings:
        return None
    try:
        read_retry_policy(settings)
    except ValueError as error:
        raise LoadError(_cannot(name, str(error))) from error
    return settings


def _cannot(name: str, why: str) -> str:
    return f"cannot load the {name} function: {why}"


def _match_names(name: str, declared: set[str], bound: set[str]) -> None:
    if declared - bound:
        raise LoadError(
            _cannot(
                name,
                "the following parameters are declared in Python but not in the function definition "
                f"(function.json or function decorators): {declared - bound!r}",
            )
        )
    if bound - declared:
        raise LoadError(
            _cannot(
                name,
                f"the following parameters are declared as bindings but are not present in Python: {bound - declared!r}",
            )
        )


def _parameter(name: str, binding: Any, hint: Any) -> Parameter:
    out = typing.get_origin(hint) is func.Out or hint is func.Out
    if binding.direction == INOUT_DIRECTION:
        raise LoadError(_cannot(name, '"inout" bindings are not supported'))
    pytype = _inner(name, binding.name, hint) if out else hint
    if hint is not None and not isinstance(pytype, type) and not _is_typing_generic(pytype):
        raise LoadError(_cannot(name, f"binding {binding.name} has invalid non-type annotation {hint!r}"))
    is_out = binding.direction == OUT_DIRECTION
    if hint is not None and is_out != out:
        expected = "has to be" if is_out else "must not be"
        raise LoadError(_cannot(name, f"binding {binding.name}: its annotation {expected} azure.functions.Out"))
    converter = converter_of(binding.type)
    if pytype in {str, bytes} and not has_implicit_output(binding.type):
        converter = Generic
    check = converter.check_output_type_annotation if is_out else converter.check_input_type_annotation
    if hint is not None and not check(pytype):
        raise LoadError(
            _cannot(
                name, f'type of {binding.name} binding "{binding.type}" does not match its Python annotation "{pytype}"'
            )
        )
    return Parameter(converter=converter, pytype=pytype, is_trigger=bool(converter.has_trigger_support()))


def _inner(name: str, binding_name: str, hint: Any) -> Any:
    arguments = typing.get_args(hint)
    if len(arguments) != 1:
        raise LoadError(_cannot(name, f"binding {binding_name} has invalid Out annotation {hint!r}"))
    return arguments[0]


def _is_typing_generic(pytype: Any) -> bool:
    """Whether this is `typing.List[...]` or the like; `list[...]` is not, and the worker refuses it."""
    return isinstance(pytype, typing._GenericAlias) and pytype.__origin__ not in {  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public name
        typing.Union,
        tuple,
        typing.ClassVar,
    }


def _returned(name: str, binding: Any, hint: Any, explicit: bool) -> Parameter | None:  # noqa: FBT001 - called once, above
    if binding is None:
        return None
    converter = converter_of(binding.type)
    if explicit and hint is not None and hint is not type(None):
        if not isinstance(hint, type):
            raise LoadError(_cannot(name, f"has invalid non-type return annotation {hint!r}"))
        if not converter.check_output_type_annotation(hint):
            raise LoadError(
                _cannot(
                    name, f'Python return annotation "{hint.__name__}" does not match binding type "{binding.type}"'
                )
            )
    return Parameter(converter=converter, pytype=hint, is_trigger=False)
