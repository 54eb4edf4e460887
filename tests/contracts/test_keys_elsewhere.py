"""Items on their way through the processor while their keys are in a vault: opened there or here, and never lost."""

import base64
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests import builders
from tests.builders import AUTHORITY, NOW, message_content, notification, rich_notification
from tests.contracts.key_vaults import NAME, VaultStand, running_vault
from tests.stand import Handler, Stand

BOTH = pytest.mark.parametrize("unwraps", [False, True], ids=["keyvault", "keyvault-unwrap"])
TOKENS = [AUTHORITY.token()]


@pytest.fixture
async def vault(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VaultStand]:
    async with running_vault(monkeypatch) as running:
        yield running


def _make(vault: VaultStand) -> x509.Certificate:
    private = rsa.generate_private_key(65537, 2048)
    return vault.vault.certificates.make(NAME, key=private, begins=timedelta(days=-1)).certificate


def _rich(vault: VaultStand, certificate: x509.Certificate, number: str) -> dict[str, Any]:
    version = next(each for each in vault.vault.certificates.versions(NAME) if each.certificate == certificate)
    plain = json.dumps(message_content(number)).encode()
    sealed = builders.encrypt(plain, certificate, certificate_id=f"{NAME}-{version.version}")
    return rich_notification(number, encryptedContent=sealed)


def _app(vault: VaultStand, *handlers: Handler, unwraps: bool) -> Stand:
    app = Stand(
        registrations=[handler.registration() for handler in handlers], threads=ThreadPoolExecutor(max_workers=1)
    )
    app.encryption_keys = vault.open(unwraps=unwraps)  # type: ignore[assignment]
    return app


@BOTH
async def test_items_of_two_versions_are_opened(vault: VaultStand, unwraps: bool) -> None:  # noqa: FBT001 - a test's parameter
    feed, (old, new) = Handler("feed"), (_make(vault), _make(vault))
    app = _app(vault, feed, unwraps=unwraps)
    await app.receive(_rich(vault, old, "7"), _rich(vault, new, "8"), _rich(vault, old, "9"), tokens=TOKENS)
    await app.run()

    assert [change.content for change in feed.changes] == [message_content(each) for each in "789"]
    assert vault.asked("/unwrapkey") == (3 if unwraps else 0)


@BOTH
async def test_while_the_vault_is_away_items_wait_and_use_no_attempt(
    vault: VaultStand,
    unwraps: bool,  # noqa: FBT001 - a test's parameter
) -> None:
    feed, certificate = Handler("feed"), _make(vault)
    app = _app(vault, feed, unwraps=unwraps)
    vault.vault.moods.away = True
    await app.receive(_rich(vault, certificate, "7"), notification("8"), tokens=TOKENS)
    for _ in range(20):
        await app.run(until=app.now)
        vault.monotonic += 60
        app.now += timedelta(minutes=15)
    [(_, waiting)] = app.waiting()

    assert (waiting.attempt, len(feed.changes), app.dead_letters.texts) == (1, 1, [])
    vault.vault.moods.away = False
    await app.run()
    assert [change.content for change in feed.changes] == [None, message_content("7")]


async def test_what_the_vault_refuses_to_open_for_now_waits_alone(vault: VaultStand) -> None:
    feed, certificate = Handler("feed"), _make(vault)
    app = _app(vault, feed, unwraps=True)
    vault.vault.moods.refused["unwrap"] = (403, "ForbiddenByRbac")
    await app.receive(_rich(vault, certificate, "7"), notification("8"), tokens=TOKENS)
    await app.run(until=NOW)
    [(delay, waiting)] = app.waiting()

    assert (delay, waiting.attempt, len(feed.changes)) == (timedelta(seconds=30), 1, 1)
    vault.vault.moods.refused.clear()
    await app.run()
    assert len(feed.changes) == 2


async def test_what_does_not_open_in_the_vault_is_a_dead_letter_beside_its_siblings(vault: VaultStand) -> None:
    feed, certificate = Handler("feed"), _make(vault)
    app = _app(vault, feed, unwraps=True)
    spoiled = _rich(vault, certificate, "7")
    spoiled["encryptedContent"] |= {"dataKey": base64.b64encode(b"x" * 256).decode()}
    forged = _rich(vault, certificate, "9")
    forged["encryptedContent"] |= {"dataSignature": "AAAA"}
    await app.receive(spoiled, _rich(vault, certificate, "8"), forged, tokens=TOKENS)
    await app.run()
    letters = [json.loads(text) for text in app.dead_letters.texts]

    assert [change.content for change in feed.changes] == [message_content("8")]
    assert [letter["reason"] for letter in letters] == ["cannot be opened"] * 2
    assert len({letter["error"] for letter in letters}) == 1


@pytest.mark.parametrize("part", [{"encryptionCertificateThumbprint": "00" * 20}, {"dataKey": "not base64!"}])
async def test_the_vault_is_not_asked_about_what_cannot_be_meant_for_its_key(
    vault: VaultStand, part: dict[str, str]
) -> None:
    feed, certificate = Handler("feed"), _make(vault)
    app = _app(vault, feed, unwraps=True)
    item = _rich(vault, certificate, "7")
    item["encryptedContent"] |= part
    await app.receive(item, tokens=TOKENS)
    await app.run()

    assert (vault.asked("/unwrapkey"), len(app.dead_letters.texts)) == (0, 1)
