"""Port EncryptionKeys, on a directory of PEM files, on a Key Vault in both of its ways, and on the memory twin."""

import base64
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from shared.adapters.key_directory import KeyDirectory, open_key_directory
from shared.adapters.memory_subscriptions import MemoryEncryptionKeys
from shared.graph.encrypted_content import read_encryption_key
from shared.ports import EncryptionKeys
from shared.settings import Settings
from tests.contracts.key_vaults import running_vault, unwrap, wrap

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pem(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, begins: timedelta, ends: timedelta = timedelta(days=30)
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "encryption")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(NOW + begins)
        .not_valid_after(NOW + ends)
        .sign(private, hashes.SHA256())
    )
    key = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key + certificate.public_bytes(serialization.Encoding.PEM)


class Clocks:
    """A wall clock that stands still, and a monotonic one that a test moves."""

    def __init__(self) -> None:
        self.monotonic = 100.0

    def make(self, folder: Path) -> KeyDirectory:
        return KeyDirectory(folder, now=NOW.timestamp, monotonic=lambda: self.monotonic)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@dataclass(frozen=True)
class Shop:
    """One of the port's adapters, with an old key and a new one, and what they are called there."""

    keys: EncryptionKeys
    old: str
    new: str


@pytest.fixture(params=["memory", "directory", "keyvault", "keyvault-unwrap"])
async def shop(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    private: rsa.RSAPrivateKey,
    clocks: Clocks,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    old, new = _pem(private, begins=timedelta(days=-9)), _pem(private, begins=timedelta(days=-1))
    if request.param == "memory":
        keys = [read_encryption_key(old, certificate_id="old"), read_encryption_key(new, certificate_id="new")]
        yield Shop(MemoryEncryptionKeys(keys), "old", "new")
        return
    if request.param == "directory":
        (tmp_path / "new.pem").write_bytes(new)
        (tmp_path / "old.pem").write_bytes(old)
        yield Shop(clocks.make(tmp_path), "old", "new")
        return
    async with running_vault(monkeypatch) as stand:
        make = stand.vault.certificates.make
        late, early = [make("earshot", key=private, begins=timedelta(days=days)).version for days in (-1, -9)]
        vault = stand.open(unwraps=request.param == "keyvault-unwrap")
        yield Shop(vault, f"earshot-{early}", f"earshot-{late}")


async def test_every_key_is_found_and_the_newest_is_current(shop: Shop, private: rsa.RSAPrivateKey) -> None:
    current, old = await shop.keys.current(), await shop.keys.find(shop.old)

    assert current is not None
    assert old is not None
    assert (current.certificate_id, old.certificate_id) == (shop.new, shop.old)
    assert await unwrap(old, wrap(private, b"aes")) == b"aes"
    assert current.thumbprint != old.thumbprint


async def test_what_does_not_open_is_a_value_error(shop: Shop) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    key = await shop.keys.find(shop.old)

    assert key is not None
    with pytest.raises(ValueError, match=r"\w"):
        await unwrap(key, wrap(stranger, b"aes"))


async def test_an_id_fits_into_what_graph_allows(shop: Shop) -> None:
    current = await shop.keys.current()

    assert current is not None
    assert 1 <= len(current.certificate_id) <= 128
    assert base64.b64decode(current.certificate)


@pytest.mark.parametrize("certificate_id", ["unknown", "", "../old", "old.pem", "earshot-", f"earshot-{'0' * 32}"])
async def test_an_unknown_id_is_none(shop: Shop, certificate_id: str) -> None:
    assert await shop.keys.find(certificate_id) is None


async def test_what_is_expired_or_not_valid_yet_is_not_current_and_is_still_found(
    tmp_path: Path, private: rsa.RSAPrivateKey, clocks: Clocks
) -> None:
    (tmp_path / "expired.pem").write_bytes(_pem(private, begins=timedelta(days=-9), ends=timedelta(days=-1)))
    (tmp_path / "early.pem").write_bytes(_pem(private, begins=timedelta(days=1)))
    directory = clocks.make(tmp_path)

    assert await directory.current() is None
    assert await directory.find("expired") is not None


async def test_a_new_file_is_found_by_its_id_once_five_seconds_have_passed(
    tmp_path: Path, private: rsa.RSAPrivateKey, clocks: Clocks
) -> None:
    directory = clocks.make(tmp_path)
    assert await directory.find("late") is None
    (tmp_path / "late.pem").write_bytes(_pem(private, begins=timedelta(days=-1)))

    clocks.monotonic += 4.9
    assert await directory.find("late") is None
    clocks.monotonic += 0.1
    assert await directory.find("late") is not None


async def test_the_current_key_is_looked_for_every_time(
    tmp_path: Path, private: rsa.RSAPrivateKey, clocks: Clocks
) -> None:
    directory = clocks.make(tmp_path)
    (tmp_path / "a.pem").write_bytes(_pem(private, begins=timedelta(days=-3)))
    first = await directory.current()
    (tmp_path / "b.pem").write_bytes(_pem(private, begins=timedelta(days=-2)))
    second = await directory.current()
    (tmp_path / "b.pem").unlink()
    third = await directory.current()

    assert [key.certificate_id for key in (first, second, third) if key] == ["a", "b", "a"]
    assert first is third


async def test_a_broken_file_is_named_once_and_hides_no_other(
    tmp_path: Path, private: rsa.RSAPrivateKey, clocks: Clocks, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "good.pem").write_bytes(_pem(private, begins=timedelta(days=-1)))
    (tmp_path / "broken.pem").write_bytes(b"-----BEGIN secret-----")
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "curve.pem").write_bytes(_pem(curve, begins=timedelta(days=-1)))
    (tmp_path / "folder.pem").mkdir()
    (tmp_path / f"{'x' * 129}.pem").write_bytes(_pem(private, begins=timedelta(days=-1)))
    directory = clocks.make(tmp_path)

    with caplog.at_level(logging.WARNING):
        current = await directory.current()
        await directory.current()

    assert current is not None
    assert current.certificate_id == "good"
    assert len(caplog.messages) == 4
    assert "secret" not in caplog.text


async def test_a_directory_that_is_not_there_holds_no_keys(tmp_path: Path, clocks: Clocks) -> None:
    assert await clocks.make(tmp_path / "missing").current() is None


async def test_a_thousand_looks_at_known_keys_read_nothing(
    tmp_path: Path, private: rsa.RSAPrivateKey, clocks: Clocks
) -> None:
    (tmp_path / "a.pem").write_bytes(_pem(private, begins=timedelta(days=-1)))
    directory = clocks.make(tmp_path)
    await directory.current()
    (tmp_path / "a.pem").unlink()

    started = time.perf_counter()
    assert all([await directory.find("a") for _ in range(1000)])
    assert time.perf_counter() - started < 0.5


def test_the_setting_chooses_the_directory(tmp_path: Path) -> None:
    def open_(text: str) -> KeyDirectory | None:
        return open_key_directory(Settings.from_environ({"ENCRYPTION_KEYS": text}))

    assert open_("") is None
    assert open_(f"directory:{tmp_path}") is not None
    assert open_("keyvault:https://v.vault.azure.net/certificates/c") is None
