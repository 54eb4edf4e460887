"""What is wrong with the form of a JSON file that people write, said so that they can mend it.

Sentences name the line and the path and do not repeat what stands in the file: health shows them to anybody. Not here: the
sense of a file, which is its reader's (`shared.declaration`, `shared.dlp.rules`).
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from shared.errors import SettingsError
from shared.json_places import Path as Place
from shared.json_places import find_lines, line_of, write_path

Found = tuple[Place, str]
"""A problem: where in the file, and the sentence."""

_SCHEMAS: Final = Path(__file__).with_name("schemas")
_LONGEST_SENTENCE: Final = 300
_FORMS: Final[Mapping[str, str]] = {
    "type": "it must be {}",
    "enum": "it must be one of {}",
    "pattern": "it must have the form {}",
    "minLength": "it must have {} characters or more",
    "maxLength": "it must have {} characters or fewer",
    "minimum": "it must be {} or more",
    "maximum": "it must be {} or less",
    "minItems": "it must have {} entry or more",
    "maxItems": "it must have {} entries or fewer",
    "minProperties": "it must have {} property",
    "maxProperties": "it must have {} property and no more",
    "oneOf": "it must have exactly one of {}",
}


def read_json(text: bytes, whose: str) -> Any:
    """Read a JSON text in any of JSON's encodings. Raises SettingsError, which says where reading ended."""
    try:
        return json.loads(decode(text))
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise SettingsError([f"{whose}: it is not JSON: {problem.msg} ({where})"]) from problem
    except (ValueError, RecursionError) as problem:
        raise SettingsError([f"{whose}: it is not JSON: {type(problem).__name__}"]) from problem


def decode(text: bytes) -> str:
    """Decode a JSON text."""
    return text.decode(json.detect_encoding(text), "surrogatepass")


def problems_of_form(document: Any, schema: str) -> list[Found]:
    """Hold a document against the schema of that name beside the code."""
    return [(tuple(error.absolute_path), _sentence(error)) for error in _validator(schema).iter_errors(document)]


def tell(found: Iterable[Found], text: bytes, whose: Callable[[Place], str]) -> Iterator[str]:
    """Write problems in the order of their lines, each with whose it is."""
    lines = find_lines(decode(text))
    for path, sentence in sorted(found, key=lambda each: line_of(lines, each[0])):
        where = f"line {line_of(lines, path)}, {write_path(path)}"
        yield f"{whose(path)}: {sentence[:_LONGEST_SENTENCE]} ({where})"


def _sentence(error: Any) -> str:
    form = _FORMS.get(error.validator)
    if form is None:
        return str(error.message)  # what is lacking, or a property that there is not
    wanted = error.validator_value
    if error.validator == "oneOf":
        return form.format(", ".join(name for branch in wanted for name in branch["required"]))
    return form.format(" or ".join(map(str, wanted)) if isinstance(wanted, list) else wanted)


@functools.cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 60 ms that only a reader of such a file pays

    return Draft202012Validator(json.loads((_SCHEMAS / schema).read_bytes()))
