"""Opening the encrypted content of a rich notification, in the order Graph prescribes.

Key by certificate id, thumbprint cross-checked, RSA-OAEP(SHA-1), HMAC-SHA256 over the ciphertext *before* AES-256-CBC.
Where private keys come from is a port's business. https://learn.microsoft.com/graph/change-notifications-with-resource-data
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from shared.errors import DecryptionError, GraphProtocolError

_AES_KEY_BYTES = 32
_AES_BLOCK_BYTES = 16
# Graph wraps keys with OAEP over SHA-1, for the hash and for MGF1; SHA-256 fails (docs#7345).
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - Graph's choice

_NEEDED = dict.fromkeys(("data", "dataKey", "dataSignature", "encryptionCertificateId")).keys()
_PARTS = (*_NEEDED, "encryptionCertificateThumbprint")

_WRONG_KIND = "Graph wants an RSA key of 2048 to 4096 bits"

Unwrap = Callable[[bytes], bytes]
"""Open a wrapped AES key; raises ValueError where it does not open."""

UnwrapElsewhere = Callable[[bytes], Awaitable[bytes]]
"""Have a wrapped AES key opened by whoever holds the private key; raises ValueError where it does not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedContent:
    """An item's ``encryptedContent`` as Graph sent it, still base64."""

    data: str = field(repr=False)
    data_key: str = field(repr=False)
    data_signature: str = field(repr=False)
    certificate_id: str
    certificate_thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionKey:
    """One of our encryption certificates and the way to use its private key.

    ``certificate`` is base64 DER, as a subscription wants it; ``thumbprint`` is SHA-1 in upper-case hex. A key with
    ``unwrap_elsewhere`` opens nothing by itself: ask it, and decrypt with what `with_data_key` makes of the answer.
    """

    certificate_id: str
    thumbprint: str
    certificate: str
    not_before: float
    not_after: float
    unwrap: Unwrap = field(repr=False)
    unwrap_elsewhere: UnwrapElsewhere | None = field(default=None, repr=False)


def read_encrypted_content(notification: Mapping[str, Any]) -> EncryptedContent | None:
    """Read an item's encrypted content; None if the item has none.

    Property names are compared regardless of case: some of Graph's samples write ``EncryptedContent``.
    Raises GraphProtocolError if it is there but not whole.
    """
    raw = _folded(notification, "encryptedContent")
    if raw is None:
        return None
    if not isinstance(raw, dict):
        raise GraphProtocolError("encryptedContent is not an object")
    named = raw if raw.keys() >= _NEEDED else {name: _folded(raw, name) for name in _PARTS}
    for name in _NEEDED:
        if not isinstance(named[name], str) or not named[name]:
            raise GraphProtocolError(f"encryptedContent lacks {name}")
    thumbprint = named.get("encryptionCertificateThumbprint")
    return EncryptedContent(
        data=named["data"],
        data_key=named["dataKey"],
        data_signature=named["dataSignature"],
        certificate_id=named["encryptionCertificateId"],
        certificate_thumbprint=thumbprint if isinstance(thumbprint, str) else "",
    )


def decrypt(content: EncryptedContent, key: EncryptionKey) -> dict[str, Any]:
    """Verify and decrypt one item's content to the resource's JSON object.

    Raises DecryptionError, the same for every reason.
    """
    wrapped = read_wrapped_key(content, key)
    try:
        aes_key = key.unwrap(wrapped)
        ciphertext = binascii.a2b_base64(content.data, strict_mode=True)
        signature = binascii.a2b_base64(content.data_signature, strict_mode=True)
    except (ValueError, binascii.Error) as problem:
        raise DecryptionError from problem
    if len(aes_key) != _AES_KEY_BYTES or not ciphertext or len(ciphertext) % _AES_BLOCK_BYTES:
        raise DecryptionError
    if not hmac.compare_digest(hmac.digest(aes_key, ciphertext, hashlib.sha256), signature):
        raise DecryptionError
    return _read_plaintext(_aes(aes_key, ciphertext))


def read_wrapped_key(content: EncryptedContent, key: EncryptionKey) -> bytes:
    """Read what the private key is to open, once it is sure that it is the right one. Raises DecryptionError."""
    if content.certificate_thumbprint and content.certificate_thumbprint.upper() != key.thumbprint:  # no secret
        raise DecryptionError
    try:
        return binascii.a2b_base64(content.data_key, strict_mode=True)
    except (ValueError, binascii.Error) as problem:
        raise DecryptionError from problem


def with_data_key(key: EncryptionKey, data_key: bytes) -> EncryptionKey:
    """Return the key for one item whose data key was opened elsewhere; it opens nothing else."""
    return replace(key, unwrap=lambda _wrapped: data_key, unwrap_elsewhere=None)


def read_encryption_key(pem: bytes, *, certificate_id: str) -> EncryptionKey:
    """Read a PEM file that holds a private key and its certificate.

    The key is parsed once, here, without OpenSSL's slow consistency check (28 ms a key): it is our own file, and a
    damaged one fails on its first use.  Raises ValueError if either part is missing or not RSA of 2048 to 4096 bits.
    """
    private = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    certificate = x509.load_pem_x509_certificate(pem)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError(_WRONG_KIND)  # noqa: TRY004 - the port's word for a file that is of no use
    if certificate.public_key() != private.public_key():
        raise ValueError("the certificate does not belong to the private key beside it")
    return _describe(certificate, certificate_id=certificate_id, unwrap=lambda wrapped: private.decrypt(wrapped, _OAEP))


def read_encryption_certificate(der: bytes, *, certificate_id: str, unwrap_elsewhere: UnwrapElsewhere) -> EncryptionKey:
    """Read the certificate of a private key that somebody else holds. Raises ValueError as `read_encryption_key` does."""
    certificate = x509.load_der_x509_certificate(der)
    key = _describe(certificate, certificate_id=certificate_id, unwrap=_held_elsewhere)
    return replace(key, unwrap_elsewhere=unwrap_elsewhere)


def _describe(certificate: x509.Certificate, *, certificate_id: str, unwrap: Unwrap) -> EncryptionKey:
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or not 2048 <= public.key_size <= 4096:  # noqa: PLR2004 - Graph's limits
        raise ValueError(_WRONG_KIND)
    return EncryptionKey(
        certificate_id=certificate_id,
        thumbprint=certificate.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - the thumbprint Graph sends
        certificate=base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode(),
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        unwrap=unwrap,
    )


def _held_elsewhere(_wrapped: bytes) -> bytes:
    raise ValueError("the private key is not here")


def _aes(aes_key: bytes, ciphertext: bytes) -> bytes:
    # the initialisation vector is the key's first half; it is not sent
    opener = Cipher(algorithms.AES(aes_key), modes.CBC(aes_key[:_AES_BLOCK_BYTES])).decryptor()
    padded = opener.update(ciphertext) + opener.finalize()
    length = padded[-1]
    if not 1 <= length <= _AES_BLOCK_BYTES or padded[-length:] != bytes([length]) * length:
        raise DecryptionError
    return padded[:-length]


def _read_plaintext(plaintext: bytes) -> dict[str, Any]:
    try:
        resource = json.loads(plaintext)
    except (ValueError, RecursionError) as problem:
        raise DecryptionError from problem
    if not isinstance(resource, dict):
        raise DecryptionError
    return resource


def _folded(mapping: Mapping[str, Any], name: str) -> Any:
    if name in mapping:
        return mapping[name]
    return next((value for key, value in mapping.items() if key.lower() == name.lower()), None)
