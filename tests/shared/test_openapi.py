"""The description of the API: a valid document, about the functions that there are, and not about others."""

import json
import re
from typing import Any

import jsonschema
import pytest

from shared.composition import Composition
from shared.feed_operations import FEED_OPERATIONS, FEED_SCHEMAS
from shared.openapi import ERROR, write_openapi
from shared.settings import Settings
from tests.shared.test_composition import GOOD, SIGNALR, registered
from tests.shared.test_negotiation import Street
from tests.shared.test_user_feeds import CHANNEL_FEED, Reader

NOT_FOR_PROGRAMS = re.compile(r"notifications|lifecycle|health|app(/.*)?")
"""What is open to the host and is no API: what Graph calls, what probes call, and the page."""

FOR_PEOPLE = {f"{SIGNALR}__serviceUri": "https://live.service.signalr.net", "TOKEN_CACHE_KEY": GOOD["CLIENT_STATE_KEY"]}

DOCUMENT = write_openapi(FEED_OPERATIONS, FEED_SCHEMAS)


def served() -> dict[str, Any]:
    """The document of an app with every part that people call."""
    app = Composition(Settings.from_environ(GOOD | FOR_PEOPLE))
    description: dict[str, Any] = json.loads(app.description.body)
    return description


def functions() -> dict[str, tuple[str, list[str]]]:
    """The functions that the host lets anybody call, each with its route and methods."""
    app = Composition(Settings.from_environ(GOOD | FOR_PEOPLE))
    found = {}
    for function in registered(app.blueprints()):
        trigger = json.loads(function.get_function_json())["bindings"][0]
        if trigger.get("authLevel") == "ANONYMOUS":
            found[str(function.get_function_name())] = (trigger["route"], trigger["methods"])
    return found


def test_what_is_described_is_what_anybody_may_call() -> None:
    described = {
        operation["operationId"]: (path.strip("/"), [method.upper()])
        for path, operations in served()["paths"].items()
        for method, operation in operations.items()
    }
    open_to_anybody = functions()

    assert described == {
        name: route for name, route in open_to_anybody.items() if not NOT_FOR_PROGRAMS.fullmatch(route[0])
    }


def test_every_schema_that_is_named_is_there_and_is_a_schema() -> None:
    document = served()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    there = document["components"]["schemas"]

    assert named == set(there)
    for schema in there.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_operation_that_needs_a_token_says_how_it_refuses() -> None:
    for path, operations in served()["paths"].items():
        for operation in operations.values():
            refusals = {status for status in operation["responses"] if status >= "400"}
            assert ({"401", "503"} <= refusals) == (operation.get("security") != []), path
            for status in refusals:
                content = operation["responses"][status]["content"]["application/json"]
                assert content["schema"]["$ref"].endswith(f"/{ERROR}")


async def answers() -> list[tuple[str, Any]]:
    reader, street = Reader(), Street()
    for row in range(3):
        await reader.write(number=row)
        await street.write(number=row)
    await reader.write(number=1, text="", deleted=True, change_type="deleted", changed=reader.now)
    bodies = {
        "Feeds": await reader.list(),
        "FeedPage": await reader.page(),
        "Connection": await street.negotiate(CHANNEL_FEED, "x"),
        ERROR: await reader.page("x"),
    }
    return [(name, json.loads(answer.body)) for name, answer in bodies.items()]


@pytest.mark.parametrize("number", range(4))
async def test_what_is_answered_has_the_form_that_is_described(number: int) -> None:
    name, body = (await answers())[number]
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema)

    validator.validate(body)
    del body[next(iter(body))]
    assert not validator.is_valid(body)
