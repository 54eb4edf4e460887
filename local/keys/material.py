"""Makes what a local app needs and must not share: an encryption certificate, MAC and signing keys, its settings file.

Nothing that exists is touched. Everything lies in `.earshot/` and `local.settings.json`, which git ignores.
"""

import base64
import json
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_PRIVATE = 0o600
_VALID_FOR = timedelta(days=397)


def make_client_state_key() -> str:
    """Make a value for CLIENT_STATE_KEY: 32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def make_signing_key() -> str:
    """Make a value for FORWARD_SIGNING_KEY: a Standard Webhooks secret."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def ensure_encryption_key(folder: Path, *, now: datetime) -> Path:
    """Give the directory an encryption certificate with its key, unless it has one; the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    present = sorted(folder.glob("*.pem"))
    if present:
        return present[-1]
    path = folder / f"local-{now:%Y%m%d}-{secrets.token_hex(4)}.pem"
    _write_private(path, make_certificate(now=now))
    return path


def make_certificate(*, now: datetime) -> bytes:
    """Make a self-signed RSA-2048 certificate and its key, as one PEM text. Graph checks no chain."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "earshot local encryption")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID_FOR)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def ensure_settings(sample: Path, target: Path, *, keys: Path) -> bool:
    """Make local.settings.json from the sample, with keys of its own, unless it exists; True if it was made."""
    if target.exists():
        return False
    settings = json.loads(sample.read_text(encoding="utf-8"))
    settings["Values"] |= {
        "CLIENT_STATE_KEY": make_client_state_key(),
        "FORWARD_SIGNING_KEY": make_signing_key(),
        "ENCRYPTION_KEYS": f"directory:{keys}",
    }
    _write_private(target, (json.dumps(settings, indent=2) + "\n").encode())
    return True


def _write_private(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(data)
