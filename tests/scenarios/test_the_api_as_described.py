"""Schemathesis reads the app's own OpenAPI document and calls what it finds there, with what it allows and with what it does not."""

import asyncio
import base64
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from scripts.smoke import FUNCTIONS_OF
from tests.scenarios.town import Town, found_town

pytestmark = [pytest.mark.scenario, pytest.mark.azurite, pytest.mark.asyncio(loop_scope="module")]

EXAMPLES = 30
"""For each operation, phase and kind of data."""

NOT_CHECKED = ("unsupported_method",)
"""The Functions host answers 404, not 405, to a method that a route does not have."""


CONFIGURED = """\
[checks]
# a reply is sent once for its key: used again it is answered 422 or 425, whatever else is right or wrong with the request
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "425", "429", "5xx"]
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "409", "422", "425", "429"]

[[operations]]
# what leads on was made by the app: no schema can say which texts it made, and any other is refused
include-path = ["/mail/messages", "/mail/delta"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", "400", "401", "403", "404", "409", "429", "5xx"]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    functions = sorted(FUNCTIONS_OF["live"] | FUNCTIONS_OF["mail"])
    settings = {"TOKEN_CACHE_KEY": base64.b64encode(b"t" * 32).decode()}
    async with found_town(tmp_path_factory.mktemp("town"), functions=functions, settings=settings) as built:
        yield built


@pytest.mark.parametrize("feed", ["channel", ""], ids=["a feed that there is", "any id"])
async def test_the_app_does_what_its_description_says_whatever_it_is_sent(
    town: Town, tmp_path: Path, feed: str
) -> None:
    known = f'[parameters]\n"path.feed" = "{town.feeds[feed]}"\n' if feed else ""
    (tmp_path / "schemathesis.toml").write_text(known + CONFIGURED, "utf-8")
    token = await town.sign_in(town.people[0])
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{town.url}/openapi.json"]
    command += ["--header", f"Authorization: Bearer {token}", "--checks", "all", "--mode", "all", "--seed", "1"]
    command += ["--exclude-checks", ",".join(NOT_CHECKED), "--max-examples", str(EXAMPLES), "--no-color"]
    command += ["--request-timeout", "30", "--generation-database", "none"]

    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False
    )
    described = (await town.ask("GET", "/openapi.json")).json["paths"]
    tried = re.search(r"Tested: (\d+)", done.stdout)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert tried is not None
    assert int(tried[1]) == sum(len(each) for each in described.values()) - 1  # but for the document itself
