"""What a trigger's text gives its function besides itself: the properties of a JSON object become trigger metadata.

The merge is the real host's (`Utility.ApplyBindingData`), and happens for every trigger that hands over one text.
"""

import json
from collections.abc import Mapping
from typing import Any

from local.host.datums import Datum
from local.host.json_printing import float_text, looks_like_json


def merged(metadata: Mapping[str, Datum], text: str) -> dict[str, Datum]:
    """Lay a text's properties over the metadata.

    Names match ignoring case, so `{"id": 7}` replaces a message's id and `{"dequeueCount": "x"}` breaks the invocation.
    """
    result = dict(metadata)
    spelling = {name.lower(): name for name in result}
    for name, datum in _properties(text).items():
        result[spelling.get(name.lower(), name)] = datum
    return result


def _properties(text: str) -> Mapping[str, Datum]:
    if not looks_like_json(text):
        return {}
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(parsed, dict):
        return {}
    return {
        name: _property(value) for name, value in parsed.items() if value is not None and not isinstance(value, list)
    }


def _property(value: Any) -> Datum:
    if isinstance(value, dict):
        return Datum("json", json.dumps(value))
    if isinstance(value, bool):
        return Datum("string", str(value))
    return Datum("string", float_text(value) if isinstance(value, float) else str(value))
