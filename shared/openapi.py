"""The API for people's programs as an OpenAPI document, written from tables of operations. Pure.

https://spec.openapis.org/oas/v3.1.0 Not here: the operations (`shared.feed_operations` and its neighbours).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from shared.answers import JSON

ERROR: Final = "Error"
_SECURITY: Final = "signedIn"

_ERROR_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "A word for programs."},
                "message": {"type": "string", "description": "A sentence for people."},
            },
        }
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that a signed-in person's program may call. ``function`` is the function that answers it.

    ``answers`` are schemas by status, empty where there is no body; a refusal has the schema `ERROR`. ``public`` needs no token.
    """

    function: str
    method: str
    path: str
    summary: str
    answers: Mapping[int, str]
    description: str = ""
    parameters: Sequence[Mapping[str, Any]] = ()
    body: str = ""
    body_required: bool = False
    public: bool = False
    tagged: bool = False
    """Whether it has an ``ETag``, and answers 304 to who has that already."""
    mimetypes: Mapping[int, str] = field(default_factory=dict)
    """Where an answer is no JSON."""


def query(name: str, schema: Mapping[str, Any], description: str, *, required: bool = False) -> Mapping[str, Any]:
    """Describe a parameter of the query."""
    return {"name": name, "in": "query", "required": required, "schema": dict(schema), "description": description}


def in_path(name: str, schema: Mapping[str, Any], description: str) -> Mapping[str, Any]:
    """Describe a parameter of the path."""
    return {"name": name, "in": "path", "required": True, "schema": dict(schema), "description": description}


def header(name: str, schema: Mapping[str, Any], description: str) -> Mapping[str, Any]:
    """Describe a header of the request."""
    return {"name": name, "in": "header", "required": False, "schema": dict(schema), "description": description}


def write_openapi(operations: Sequence[Operation], schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Write the document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _write(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Earshot",
            "version": "1",
            "description": "Feeds of Teams messages and mail, live updates, and one's own mailbox, for the people whose they are.",
        },
        "servers": [{"url": "/api"}],
        "security": [{_SECURITY: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                _SECURITY: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of Microsoft Entra for this API, with its scope (delegated).",
                }
            },
            "schemas": {ERROR: dict(_ERROR_SCHEMA)} | {name: dict(schema) for name, schema in schemas.items()},
        },
    }


def _write(operation: Operation) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": operation.function,
        "summary": operation.summary,
        "responses": {str(status): _response(operation, status) for status in _statuses(operation)},
    }
    if operation.description:
        written["description"] = operation.description
    if operation.parameters:
        written["parameters"] = [dict(each) for each in operation.parameters]
    if operation.body:
        written["requestBody"] = {"required": operation.body_required, "content": _content(operation.body, JSON)}
    if operation.public:
        written["security"] = []
    return written


def _statuses(operation: Operation) -> Sequence[int]:
    own = set(operation.answers) | ({304} if operation.tagged else set())
    return sorted(own | (set() if operation.public else {401, 503}))


def _response(operation: Operation, status: int) -> dict[str, Any]:
    schema = operation.answers.get(status, "" if status == HTTPStatus.NOT_MODIFIED else ERROR)
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if schema:
        response["content"] = _content(schema, operation.mimetypes.get(status, JSON))
    if operation.tagged and status in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
        response["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "For If-None-Match."}}
    if status == HTTPStatus.UNAUTHORIZED:
        response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}, "required": True}}
    return response


def _content(schema: str, mimetype: str) -> dict[str, Any]:
    return {mimetype: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
