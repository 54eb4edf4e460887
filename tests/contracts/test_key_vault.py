"""What is special about keys in a Key Vault: versions, roles, outages, what is read and how often."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.certificates import CertificatePolicy
from azure.keyvault.certificates.aio import CertificateClient
from azure.keyvault.keys.crypto import EncryptionAlgorithm
from azure.keyvault.keys.crypto.aio import CryptographyClient
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.graph.simulator import Simulator
from local.keyvault.certificates import PEM
from local.keyvault.vault import Vault
from shared.adapters.key_vault import KeyVault, open_key_vault
from shared.composition import Composition
from shared.errors import KeysUnavailable
from shared.settings import Settings
from tests.contracts.key_vaults import NAME, NOW, VaultStand, running_vault, unwrap, wrap

BOTH = pytest.mark.parametrize("unwraps", [False, True], ids=["keyvault", "keyvault-unwrap"])


@pytest.fixture(scope="module")
def private() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
async def stand(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VaultStand]:
    async with running_vault(monkeypatch, page=2) as running:
        yield running


def _make(stand: VaultStand, private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **how: object) -> str:
    version = stand.vault.certificates.make(NAME, key=private, **how)  # type: ignore[arg-type]
    return f"{NAME}-{version.version}"


def _enable(stand: VaultStand, certificate_id: str, *, enabled: bool) -> None:
    version = stand.vault.certificates.find(NAME, certificate_id.removeprefix(f"{NAME}-"))
    assert version is not None
    stand.vault.certificates.enable(version, enabled=enabled)


# -- versions -------------------------------------------------------------------------------------------------------------


@BOTH
async def test_what_is_expired_disabled_or_not_valid_yet_is_not_current(
    stand: VaultStand,
    private: rsa.RSAPrivateKey,
    unwraps: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    expired = _make(stand, private, begins=timedelta(days=-9), lasts=timedelta(days=8))
    right = _make(stand, private, begins=timedelta(days=-8))
    disabled = _make(stand, private, begins=timedelta(days=-1))
    early = _make(stand, private, begins=timedelta(days=1))
    _enable(stand, disabled, enabled=False)
    keys = stand.open(unwraps=unwraps)

    current = await keys.current()
    found = {each: await keys.find(each) for each in (expired, right, disabled, early)}

    assert current is not None
    assert current.certificate_id == right
    assert [each for each, key in found.items() if key is None] == [disabled]
    old = found[expired]
    assert old is not None
    assert await unwrap(old, wrap(private, b"k" * 32)) == b"k" * 32


@pytest.mark.parametrize("how", [{}, {"content_type": PEM}], ids=["PKCS#12", "PEM"])
async def test_both_forms_of_a_secret_are_read(
    stand: VaultStand, private: rsa.RSAPrivateKey, how: dict[str, object]
) -> None:
    certificate_id = _make(stand, private, **how)
    key = await stand.open().find(certificate_id)

    assert key is not None
    assert key.unwrap(wrap(private, b"aes")) == b"aes"
    assert key.unwrap_elsewhere is None


async def test_a_version_made_with_the_official_client_is_taken_up(stand: VaultStand) -> None:
    keys, identity = stand.open(), ManagedIdentityCredential()
    first = stand.vault.certificates.make(NAME, begins=timedelta(hours=-1))
    assert (current := await keys.current())
    assert current.certificate_id == f"{NAME}-{first.version}"
    verify = str(stand.vault.ca_path)
    options = {"connection_verify": verify, "verify_challenge_resource": False}
    async with identity, CertificateClient(stand.vault.url, identity, **options) as client:
        made = await client.create_certificate(NAME, CertificatePolicy.get_default())
        second = f"{NAME}-{made.properties.version}"
        assert (current := await keys.current())
        assert current.certificate_id == second
        await client.update_certificate_properties(NAME, made.properties.version, enabled=False)
        assert (current := await keys.current())
        assert current.certificate_id == f"{NAME}-{first.version}"


async def test_the_vault_of_the_workshop_decrypts_for_the_official_client(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    version = _make(stand, private).removeprefix(f"{NAME}-")
    identity = ManagedIdentityCredential()
    options = {"connection_verify": str(stand.vault.ca_path), "verify_challenge_resource": False}
    key_id = f"{stand.vault.url}/keys/{NAME}/{version}"
    async with identity, CryptographyClient(key_id, identity, **options) as client:
        opened = await client.decrypt(EncryptionAlgorithm.rsa_oaep, wrap(private, b"aes"))

    assert opened.plaintext == b"aes"


async def test_a_version_that_is_of_no_use_is_named_once_and_hides_no_other(
    stand: VaultStand, private: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    good = _make(stand, private, begins=timedelta(days=-9))
    curve = _make(stand, ec.generate_private_key(ec.SECP256R1()), begins=timedelta(days=-1))
    kept = _make(stand, private, begins=timedelta(days=-2), exportable=False)
    keys = stand.open()

    with caplog.at_level(logging.WARNING):
        first, second = await keys.current(), await keys.current()

    assert first is not None
    assert (first.certificate_id, second) == (good, first)
    assert [f"{curve} cannot be used: Graph wants an RSA key" in caplog.text, len(caplog.messages)] == [True, 2]
    assert f"{kept} cannot be used: its secret holds no private key" in caplog.text
    assert "keyvault-unwrap" in caplog.text


async def test_a_version_that_was_disabled_since_it_was_listed_is_looked_at_again_later(
    stand: VaultStand, private: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    certificate_id = _make(stand, private)
    keys = stand.open()
    await keys.find("unknown")
    stand.vault.moods.refused["secrets"] = (403, "SecretDisabled")

    assert await keys.find(certificate_id) is None
    assert f"{certificate_id} cannot be used: its secret is disabled or gone" in caplog.text
    stand.vault.moods.refused.clear()
    assert await keys.find(certificate_id) is None
    stand.monotonic += 300
    assert await keys.find(certificate_id) is not None


async def test_a_version_that_cannot_be_exported_is_used_where_it_is(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    certificate_id = _make(stand, private, exportable=False)
    key = await stand.open(unwraps=True).find(certificate_id)

    assert key is not None
    assert await unwrap(key, wrap(private, b"aes")) == b"aes"
    with pytest.raises(ValueError, match="not here"):
        key.unwrap(wrap(private, b"aes"))
    assert stand.asked("/secrets/") == 0


# -- how often ------------------------------------------------------------------------------------------------------------


async def test_a_key_is_read_once_and_a_known_one_asks_for_nothing(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    ids = [_make(stand, private, begins=timedelta(days=-days)) for days in (1, 2, 3)]
    keys = stand.open()
    for _ in range(5):
        assert all([await keys.find(each) for each in ids])
        await keys.current()
    asked = len(stand.vault.routes.asked)
    assert all([await keys.find(each) for each in ids * 100])

    assert (stand.asked("/secrets/"), len(stand.vault.routes.asked)) == (3, asked)


async def test_only_the_key_that_is_wanted_is_read(stand: VaultStand, private: rsa.RSAPrivateKey) -> None:
    for days in range(9):
        _make(stand, private, begins=timedelta(days=-days))
    await stand.open().current()

    assert stand.asked("/secrets/") == 1


async def test_an_unknown_id_has_the_versions_listed_at_most_every_five_seconds(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    _make(stand, private)
    keys = stand.open()
    assert await keys.find("unknown") is None
    late = _make(stand, private)

    stand.monotonic += 4.9
    assert await keys.find(late) is None
    assert stand.asked("/versions") == 1
    stand.monotonic += 0.1
    assert await keys.find(late) is not None


# -- what goes wrong ------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("operation", "refusal", "words"),
    [
        ("certificates", (403, "ForbiddenByRbac"), "Key Vault Certificate User"),
        ("certificates", (401, "Unauthorized"), "does not know the app"),
        ("certificates", (429, "Throttled"), "answered 429 (429 Throttled"),
    ],
)
async def test_a_refusal_names_what_is_missing(
    stand: VaultStand,
    private: rsa.RSAPrivateKey,
    operation: str,
    refusal: tuple[int, str],
    words: str,
    unwraps: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    certificate_id = _make(stand, private)
    stand.vault.moods.refused[operation] = refusal
    with pytest.raises(KeysUnavailable) as caught:
        await stand.open(unwraps=unwraps).find(certificate_id)

    assert words in str(caught.value)
    assert f"certificate {NAME!r}" in str(caught.value)


async def test_who_may_list_and_not_read_is_told_the_other_role(stand: VaultStand, private: rsa.RSAPrivateKey) -> None:
    certificate_id = _make(stand, private)
    stand.vault.moods.refused["secrets"] = (403, "ForbiddenByRbac")

    with pytest.raises(
        KeysUnavailable, match=r"read its private key \(403 Forbidden ForbiddenByRbac\).* Key Vault Secrets User"
    ):
        await stand.open().find(certificate_id)


async def test_who_may_not_unwrap_is_told_the_role(stand: VaultStand, private: rsa.RSAPrivateKey) -> None:
    key = await stand.open(unwraps=True).find(_make(stand, private))
    stand.vault.moods.refused["unwrap"] = (403, "ForbiddenByRbac")

    assert key is not None
    with pytest.raises(KeysUnavailable, match="Key Vault Crypto User"):
        await unwrap(key, wrap(private, b"aes"))


async def test_a_key_that_is_for_signatures_only_is_told_apart_from_a_role_that_is_missing(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    key = await stand.open(unwraps=True).find(_make(stand, private, unwraps=False))

    assert key is not None
    with pytest.raises(KeysUnavailable, match=r"may not unwrap: .* keyEncipherment"):
        await unwrap(key, wrap(private, b"aes"))


async def test_a_key_that_was_disabled_since_is_waited_for_and_not_given_up(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    certificate_id = _make(stand, private)
    key = await stand.open(unwraps=True).find(certificate_id)
    _enable(stand, certificate_id, enabled=False)

    assert key is not None
    with pytest.raises(KeysUnavailable):
        await unwrap(key, wrap(private, b"aes"))


@BOTH
async def test_a_certificate_that_is_not_there_is_named(
    stand: VaultStand,
    unwraps: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    keys = stand.open(name="nobodys", unwraps=unwraps)

    with pytest.raises(KeysUnavailable, match="has no certificate 'nobodys'"):
        await keys.find(f"nobodys-{'0' * 32}")
    with caplog.at_level(logging.WARNING):
        assert await keys.current() is None
    assert "has no certificate 'nobodys'" in caplog.text


async def test_a_vault_that_is_away_costs_nothing_that_is_known(stand: VaultStand, private: rsa.RSAPrivateKey) -> None:
    certificate_id = _make(stand, private)
    keys = stand.open()
    current = await keys.current()
    stand.vault.moods.away = True

    assert await keys.find(certificate_id) is current
    assert await keys.current() is current
    stand.now += timedelta(days=366)
    assert await keys.current() is None


async def test_a_vault_that_is_away_is_asked_ever_more_seldom_and_then_found_again(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    certificate_id = _make(stand, private)
    stand.vault.moods.away = True
    keys = stand.open()
    waits = []
    for passed in (0, 60, 540, 3600):
        stand.monotonic += passed
        with pytest.raises(KeysUnavailable, match="answered 503") as caught:
            await keys.find(certificate_id)
        waits.append(caught.value.after.total_seconds())
    stand.vault.moods.away = False

    assert waits == [30, 60, 600, 900]
    with pytest.raises(KeysUnavailable):
        await keys.find(certificate_id)
    stand.monotonic += 5
    assert await keys.find(certificate_id) is not None


async def test_nobody_at_the_address_is_said_without_a_secret(stand: VaultStand) -> None:
    async with Vault() as gone:
        address = gone.url
    settings = stand.settings(ENCRYPTION_KEYS=f"keyvault:{address}/certificates/{NAME}")
    keys = open_key_vault(settings)
    assert keys is not None
    with pytest.raises(KeysUnavailable, match=r"did not answer \(\w+\)"):
        await keys.find("x")
    await keys.close()


async def test_nothing_secret_is_in_a_message_or_a_representation(
    stand: VaultStand, private: rsa.RSAPrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    certificate_id = _make(stand, private, content_type=PEM)
    secret = stand.vault.certificates.versions(NAME)[0].secret()
    keys = stand.open()
    with caplog.at_level(logging.DEBUG, logger="shared"):
        key = await keys.find(certificate_id)
    # the first lines hold the modulus, which the certificate shows to everybody
    lines = [line for line in secret.partition("-----BEGIN CERT")[0].splitlines() if "-----" not in line][7:]

    assert len(lines) > 10
    assert not any(line in repr(key) + repr(keys) + caplog.text for line in lines)


# -- who we are -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["client-secret", "client-certificate", "managed-identity", "federated"])
async def test_each_way_of_signing_in_opens_the_vault(
    kind: str, private: rsa.RSAPrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    async with Simulator(client_secret="right") as simulator:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{simulator.http_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        authority = f"{simulator.https_url}/{simulator.tenant_id}"
        async with Vault(now=lambda: NOW, authority=authority) as vault:
            both = vault.ca_path.with_name("both.pem")
            both.write_bytes(vault.ca_path.read_bytes() + simulator.ca_path.read_bytes())
            app = vault.certificates.make(NAME, key=private, content_type=PEM)
            (tmp_path / "app.pem").write_text(app.secret())
            settings = Settings.from_environ(
                {
                    "GRAPH_TENANT_ID": simulator.tenant_id,
                    "GRAPH_CLIENT_ID": "a99e0000-0000-4000-8000-00000000a99e",
                    "GRAPH_CLIENT_SECRET": "right",
                    "GRAPH_CLIENT_CERTIFICATE_PATH": str(tmp_path / "app.pem"),
                    "GRAPH_CREDENTIAL": kind,
                    "GRAPH_AUTHORITY": simulator.https_url,
                    "SSL_CERT_FILE": str(both),
                    "ENCRYPTION_KEYS": f"keyvault:{vault.url}/certificates/{NAME}",
                }
            )
            keys = open_key_vault(settings)
            assert isinstance(keys, KeyVault)
            found = await keys.find(f"{NAME}-{app.version}")
            await keys.close()

    assert found is not None


async def test_without_an_identity_the_vault_does_not_know_us(
    stand: VaultStand, private: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate_id = _make(stand, private)
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
    with pytest.raises(KeysUnavailable, match=r"does not know the app|did not answer"):
        await stand.open().find(certificate_id)


def test_the_setting_chooses_the_vault_and_nothing_is_asked_yet() -> None:
    def open_(text: str) -> KeyVault | None:
        return open_key_vault(Settings.from_environ({"ENCRYPTION_KEYS": text}))

    assert open_("") is None
    assert open_("directory:/keys") is None
    assert open_("keyvault:https://v.vault.azure.net/certificates/c") is not None
    assert open_("keyvault-unwrap:https://v.vault.azure.net/certificates/c/") is not None


async def test_the_app_finds_its_keys_in_the_vault_and_lets_go_of_it(
    stand: VaultStand, private: rsa.RSAPrivateKey
) -> None:
    certificate_id = _make(stand, private)
    app = Composition(stand.settings(ENCRYPTION_KEYS=f"keyvault:{stand.vault.url}/certificates/{NAME}"))
    assert app.encryption_keys is not None
    assert await app.encryption_keys.find(certificate_id) is not None

    await app.close()
