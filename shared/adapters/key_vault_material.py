"""Reads a certificate's private key from the secret that a Key Vault keeps beside it: PKCS#12 or PEM.

Everything that is wrong with one is a ValueError with a sentence of ours: a vendor's text could quote what it read.
https://learn.microsoft.com/azure/key-vault/certificates/about-certificates (2026-01)
"""

import base64
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from shared.graph.encrypted_content import EncryptionKey, read_encryption_key

PKCS12: Final = "application/x-pkcs12"
PEM: Final = "application/x-pem-file"
_NOT_EXPORTABLE = (
    "its secret holds no private key, so it is not exportable: use keyvault-unwrap, or an exportable version"
)

Parts = tuple[PrivateKeyTypes | None, Sequence[x509.Certificate]]


def read_secret(value: str, content_type: str, *, certificate_id: str) -> EncryptionKey:
    """Read the secret of one version. Raises ValueError if it holds no RSA key of 2048 to 4096 bits and its certificate."""
    try:
        private, certificates = _read_pkcs12(value) if content_type == PKCS12 else _read_pem(value)
    except (ValueError, TypeError) as problem:
        raise ValueError(f"its secret is not {'PKCS#12' if content_type == PKCS12 else 'PEM'}") from problem
    if private is None:
        raise ValueError(_NOT_EXPORTABLE)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("Graph wants an RSA key")  # noqa: TRY004 - the port's word for a version that is of no use
    # a chain may follow or precede the certificate that is the key's own
    public = private.public_key()
    own = next((each for each in certificates if each.public_key() == public), None)
    if own is None:
        raise ValueError("its secret holds no certificate that belongs to its private key")
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return read_encryption_key(pem + own.public_bytes(serialization.Encoding.PEM), certificate_id=certificate_id)


def _read_pkcs12(value: str) -> Parts:
    private, own, others = pkcs12.load_key_and_certificates(base64.b64decode(value, validate=True), None)
    return private, [*([own] if own else []), *others]


def _read_pem(value: str) -> Parts:
    pem = value.encode("ascii")
    private = None
    if b"PRIVATE KEY-----" in pem:
        private = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    return private, x509.load_pem_x509_certificates(pem)
