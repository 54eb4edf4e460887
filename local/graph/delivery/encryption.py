"""What Graph does to a resource before it puts it into a rich notification. Decrypting is the receiver's business, not ours.

https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from local.graph.faults import invalid

SMALLEST_KEY, LARGEST_KEY = 2048, 4096
SYMMETRIC_KEY_BYTES = 32
IV_BYTES = 16
# SHA-1 for hash and mask both is what Graph uses; SHA-256 fails (microsoft-graph-docs issues 7345, 7346)
KEY_WRAP = rsa_padding.OAEP(mgf=rsa_padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - the scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionCertificate:
    """A subscriber's certificate, parsed once: what each item is encrypted to."""

    id: str
    thumbprint: str
    public_key: rsa.RSAPublicKey


def read_certificate(text: str, certificate_id: str) -> EncryptionCertificate:
    """Read base64 of DER, as POST and PATCH carry it; PEM armour or line breaks are refused as Graph refuses them."""
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as broken:
        raise invalid("Certificate validation error: Cannot find the requested object.") from broken
    public_key = certificate.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey) or not SMALLEST_KEY <= public_key.key_size <= LARGEST_KEY:
        raise invalid("Certificate validation error: The key must be RSA with 2048 to 4096 bits.")
    thumbprint = certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a thumbprint is SHA-1 by definition
    return EncryptionCertificate(id=certificate_id, thumbprint=thumbprint, public_key=public_key)


def seal(content: Mapping[str, Any], certificate: EncryptionCertificate) -> dict[str, str]:
    """Return `encryptedContent` for one item: fresh key, AES-256-CBC, HMAC over the ciphertext, key wrapped by RSA."""
    key = os.urandom(SYMMETRIC_KEY_BYTES)
    padder = padding.PKCS7(algorithms.AES.block_size).padder()
    plain = padder.update(json.dumps(content, ensure_ascii=False).encode(errors="replace")) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:IV_BYTES])).encryptor()
    data = encryptor.update(plain) + encryptor.finalize()
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(data)
    return {
        "data": _base64(data),
        "dataSignature": _base64(mac.finalize()),
        "dataKey": _base64(certificate.public_key.encrypt(key, KEY_WRAP)),
        "encryptionCertificateId": certificate.id,
        "encryptionCertificateThumbprint": certificate.thumbprint,
    }


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
