"""Certificates as a vault keeps them: versions under a name, each with a key and a secret of the same name and version.

Not here: how they are asked for, see `routes`.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PKCS12: Final = "application/x-pkcs12"
PEM: Final = "application/x-pem-file"
_BACKDATED: Final = timedelta(minutes=10)
"""A vault's own certificates are valid from ten minutes before they are made."""
# RSA-OAEP is the one with SHA-1; https://learn.microsoft.com/azure/key-vault/keys/about-keys-details (2025-04)
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303


@dataclass(slots=True, kw_only=True)
class CertificateVersion:
    """One version, as its policy made it.

    ``exportable`` says whether the secret holds the private key, ``unwraps`` whether the key's usage lets it open data keys,
    ``enabled`` whether anything answers.
    """

    version: str
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: x509.Certificate
    created: datetime
    updated: datetime
    content_type: str = PKCS12
    exportable: bool = True
    unwraps: bool = True
    enabled: bool = True

    def der(self) -> bytes:
        """Return the certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def thumbprint(self) -> bytes:
        """Return the certificate's SHA-1."""
        return self.certificate.fingerprint(hashes.SHA1())  # noqa: S303 - what x5t is

    def secret(self) -> str:
        """Return the secret's value: PKCS#12 in base64 or PEM, without the key if that is not exportable."""
        key = self.key if self.exportable else None
        plain = serialization.NoEncryption()
        if self.content_type == PKCS12:
            data = pkcs12.serialize_key_and_certificates(None, key, self.certificate, None, plain)
            return base64.b64encode(data).decode()
        private = (
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain) if key else b""
        )
        return (private + self.certificate.public_bytes(serialization.Encoding.PEM)).decode()

    def unwrap(self, wrapped: bytes) -> bytes:
        """Open a data key. Raises ValueError if it does not open."""
        if not isinstance(self.key, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")  # noqa: TRY004 - the vault answers 400 to both
        return self.key.decrypt(wrapped, _OAEP)


class Certificates:
    """Every certificate of the vault, its versions in the order in which they were made."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._by_name: dict[str, list[CertificateVersion]] = {}

    def names(self) -> Sequence[str]:
        """List the names."""
        return sorted(self._by_name)

    def versions(self, name: str) -> Sequence[CertificateVersion]:
        """List a certificate's versions; empty if there is none of that name."""
        return self._by_name.get(name, ())

    def find(self, name: str, version: str = "") -> CertificateVersion | None:
        """Find a version; the newest one if none is named."""
        versions = self.versions(name)
        if not version:
            return versions[-1] if versions else None
        return next((each for each in versions if each.version == version), None)

    def make(
        self,
        name: str,
        *,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
        begins: timedelta = -_BACKDATED,
        lasts: timedelta = timedelta(days=365),
        content_type: str = PKCS12,
        exportable: bool = True,
        unwraps: bool = True,
    ) -> CertificateVersion:
        """Make a new version, self-signed, with a key of its own unless one is given."""
        now = self.now()
        private = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        made = CertificateVersion(
            version=secrets.token_hex(16),
            key=private,
            certificate=_sign(private, name, begins=now + begins, ends=now + begins + lasts),
            created=now,
            updated=now,
            content_type=content_type,
            exportable=exportable,
            unwraps=unwraps,
        )
        self._by_name.setdefault(name, []).append(made)
        return made

    def enable(self, version: CertificateVersion, *, enabled: bool) -> None:
        """Enable or disable a version."""
        version.enabled = enabled
        version.updated = self.now()


def _sign(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str, *, begins: datetime, ends: datetime
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
