"""The parts of a JSON batch, read and checked. Pure. Not here: running them, see `batch`.

A batch that cannot be answered part by part is refused as a whole; a part that makes no sense is answered 400 by itself.
https://learn.microsoft.com/en-us/graph/json-batching
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.graph.faults import GraphFault, bad_request

MOST_PARTS = 20
METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
URL_SAFE = str.maketrans("-_", "+/")
WRITING = frozenset({"POST", "PATCH", "PUT"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One call of a batch; `key` is its id as other parts may spell it, `fault` what is wrong with it, if anything."""

    id: str
    key: str
    depends_on: tuple[str, ...] = ()
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    fault: GraphFault | None = None


def read_batch(body: Any) -> list[Part]:
    """Return the parts of a batch. Raises 400 for one that cannot be answered part by part."""
    asked = body.get("requests") if isinstance(body, Mapping) else None
    if not isinstance(asked, list) or not asked:
        raise bad_request("Invalid batch payload format: 'requests' must be a collection with at least one request.")
    if len(asked) > MOST_PARTS:
        raise bad_request(f"Number of batch request steps exceeds the maximum value of {MOST_PARTS}.")
    ids = [_id(each) for each in asked]
    if len({text.lower() for text in ids}) < len(ids):
        raise bad_request("Every request of a batch must have an id that is unique in the batch.")
    keys = [text.lower() for text in ids]
    return [
        _read(each, ids[place], _dependencies(each.get("dependsOn"), ids[place], frozenset(keys[:place])))
        for place, each in enumerate(asked)
    ]


def _id(asked: Any) -> str:
    text = asked.get("id") if isinstance(asked, Mapping) else None
    if not isinstance(text, str) or not text:
        raise bad_request("Every request of a batch must have an id that is a string.")
    return text


def _read(asked: Mapping[str, Any], text: str, depends_on: tuple[str, ...]) -> Part:
    try:
        return _understand(asked, text, depends_on)
    except GraphFault as fault:
        return Part(id=text, key=text.lower(), depends_on=depends_on, fault=fault)


def _understand(asked: Mapping[str, Any], text: str, depends_on: tuple[str, ...]) -> Part:
    method = asked.get("method")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise bad_request(f"The method of request '{text}' is missing or not supported.")
    headers = _headers(asked.get("headers"), text)
    return Part(
        id=text,
        key=text.lower(),
        depends_on=depends_on,
        method=method.upper(),
        url=_url(asked.get("url"), text),
        headers=headers,
        body=_body(asked, text, method.upper(), headers),
    )


def _url(url: Any, text: str) -> str:
    """Return a relative URL without slash and version. A batch inside a batch is not allowed."""
    if not isinstance(url, str) or not url.strip("/"):
        raise bad_request(f"The url of request '{text}' is missing.")
    path = url.lstrip("/")
    path = path[5:] if path.lower().startswith(("v1.0/", "beta/")) else path
    if "://" in path.partition("?")[0] or not path.isprintable() or "#" in path or path.lower().startswith("$batch"):
        raise bad_request(f"The url of request '{text}' must be relative to the version and not a batch.")
    return path


def _headers(headers: Any, text: str) -> Mapping[str, str]:
    if headers is None:
        return {}
    if not isinstance(headers, Mapping) or not all(_is_header(name, value) for name, value in headers.items()):
        raise bad_request(f"The headers of request '{text}' must be an object of strings.")
    return {name: str(value) for name, value in headers.items()}


def _is_header(name: str, value: Any) -> bool:
    token = name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum()
    return token and isinstance(value, str) and value.isascii() and value.isprintable()


def _dependencies(names: Any, text: str, known: frozenset[str]) -> tuple[str, ...]:
    keys = [name.lower() for name in names if isinstance(name, str)] if isinstance(names, list) else []
    if names is not None and (not isinstance(names, list) or len(keys) < len(names) or not known.issuperset(keys)):
        raise bad_request(f"Invalid dependency for request Id '{text}': dependsOn must name requests before it.")
    return tuple(keys)


def _body(asked: Mapping[str, Any], text: str, method: str, headers: Mapping[str, str]) -> bytes | None:
    """Return the bytes to send: JSON printed again, or anything else decoded from base64 (URL-safe or not)."""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    body = asked.get("body")
    if method in WRITING and (kind is None or "body" not in asked):
        raise bad_request(f"Write request id : {text} does not contain Content-Type header or body.")
    if body is None:
        return None
    if "json" in (kind or "").lower():
        return json.dumps(body).encode()
    return _decode(body, text)


def _decode(body: Any, text: str) -> bytes:
    try:
        plain = body.translate(URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (AttributeError, binascii.Error, ValueError) as broken:
        raise bad_request(f"The body of request '{text}' is not base64.") from broken
