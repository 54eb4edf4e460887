"""The vault as somebody meets it who has no client: challenges, audiences, the command, and what it refuses."""

import base64
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from local.keyvault.printing import print_base64url, read_base64url
from local.keyvault.vault import Vault

ROOT = Path(__file__).parents[3]


def _token(audience: str) -> dict[str, str]:
    claims = print_base64url(json.dumps({"aud": audience}).encode())
    return {"Authorization": f"Bearer e30.{claims}.x"}


OURS = _token("https://vault.azure.net")


@pytest.fixture
async def vault() -> AsyncIterator[Vault]:
    async with Vault() as running:
        running.certificates.make("earshot")
        yield running


async def _ask(
    vault: Vault, method: str, path: str, headers: Mapping[str, str] = OURS, body: object = None
) -> tuple[int, str, dict[str, object]]:
    context = ssl.create_default_context(cafile=str(vault.ca_path))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.request(method, vault.url + path, headers=headers, json=body) as answer,
    ):
        return answer.status, answer.headers.get("WWW-Authenticate", ""), await answer.json()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _token("https://graph.microsoft.com"),
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer a.é.b"},
        {"Authorization": "Basic e30"},
    ],
    ids=["none", "another audience", "no token", "no base64", "another scheme"],
)
async def test_who_has_no_token_for_a_vault_is_told_where_to_get_one(vault: Vault, headers: dict[str, str]) -> None:
    status, challenge, body = await _ask(vault, "GET", "/secrets/earshot", headers)

    assert status == 401
    assert f'authorization="{vault.authority}"' in challenge
    assert 'resource="https://vault.azure.net"' in challenge
    assert "value" not in body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/certificates/earshot", 200),
        ("GET", "/certificates/earshot/", 200),
        ("GET", "/certificates/nobodys", 404),
        ("GET", "/certificates/nobodys/versions", 200),
        ("GET", "/secrets/nobodys", 404),
        ("GET", "/keys/nobodys/0", 404),
        ("POST", "/keys/nobodys/0/unwrapkey", 404),
        ("PATCH", "/certificates/nobodys/0", 404),
        ("POST", "/certificates/a_b/create", 400),
    ],
)
async def test_every_route_answers_as_the_vault_does(vault: Vault, method: str, path: str, status: int) -> None:
    answered, _, _ = await _ask(vault, method, path)

    assert answered == status


@pytest.mark.parametrize("body", [{"alg": "RSA-OAEP-256", "value": "AAAA"}, {"alg": "RSA-OAEP", "value": "AAAA"}, {}])
async def test_what_it_cannot_unwrap_is_a_bad_request(vault: Vault, body: dict[str, str]) -> None:
    version = vault.certificates.versions("earshot")[0].version

    status, _, answer = await _ask(vault, "POST", f"/keys/earshot/{version}/unwrapkey", body=body)

    assert status == 400
    assert isinstance(answer["error"], dict)
    assert answer["error"]["code"] == "BadParameter"


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64url_is_read_as_it_is_written(data: bytes) -> None:
    written = print_base64url(data)

    assert read_base64url(written) == data
    assert written == base64.urlsafe_b64encode(data).decode().rstrip("=")


def test_the_command_says_where_it_is_and_stops_when_told() -> None:
    command = [sys.executable, "-m", "local", "keyvault", "--port", "0", "--certificate", "a", "--certificate", "b"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

    assert ready["settings"] == [f"keyvault:{ready['url']}/certificates/{name}" for name in "ab"]
    assert ready["url"].startswith("https://localhost:")
