"""What a vault answers, printed: bundles of certificates, keys and secrets, and errors.

https://learn.microsoft.com/rest/api/keyvault (2025-07)
"""

import base64
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from local.keyvault.certificates import CertificateVersion


def print_base64url(data: bytes) -> str:
    """Write bytes as the vault does: base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_base64url(text: str) -> bytes:
    """Read what `print_base64url` wrote. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def print_item(url: str, name: str, each: CertificateVersion) -> dict[str, Any]:
    """Print a version as a listing has it."""
    return {
        "id": f"{url}/certificates/{name}/{each.version}",
        "x5t": print_base64url(each.thumbprint()),
        "subject": "",
        "attributes": _attributes(each),
    }


def print_certificate(url: str, name: str, each: CertificateVersion) -> dict[str, Any]:
    """Print a version with its certificate."""
    return print_item(url, name, each) | {
        "kid": f"{url}/keys/{name}/{each.version}",
        "sid": f"{url}/secrets/{name}/{each.version}",
        "cer": base64.b64encode(each.der()).decode(),
        "contentType": each.content_type,
        "policy": {
            "id": f"{url}/certificates/{name}/policy",
            "key_props": {"exportable": each.exportable, "kty": "RSA", "key_size": 2048, "reuse_key": False},
            "secret_props": {"contentType": each.content_type},
            "issuer": {"name": "Self"},
        },
    }


def print_operation(url: str, name: str) -> dict[str, Any]:
    """Print the making of a version: here it is done at once."""
    return {
        "id": f"{url}/certificates/{name}/pending",
        "issuer": {"name": "Self"},
        "cancellation_requested": False,
        "status": "completed",
        "target": f"{url}/certificates/{name}",
        "request_id": "0",
    }


def print_secret(url: str, name: str, each: CertificateVersion) -> dict[str, Any]:
    """Print the secret beside a version."""
    return {
        "value": each.secret(),
        "contentType": each.content_type,
        "id": f"{url}/secrets/{name}/{each.version}",
        "kid": f"{url}/keys/{name}/{each.version}",
        "managed": True,
        "attributes": _attributes(each),
    }


def print_key(url: str, name: str, each: CertificateVersion) -> dict[str, Any]:
    """Print the public half of the key beside a version; raises ValueError for one that is not RSA."""
    if not isinstance(each.key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - answered with 400
    numbers = each.key.public_key().public_numbers()
    return {
        "key": {
            "kid": f"{url}/keys/{name}/{each.version}",
            "kty": "RSA",
            "key_ops": ["sign", "verify", *(["wrapKey", "unwrapKey", "encrypt", "decrypt"] if each.unwraps else [])],
            "n": _print_number(numbers.n),
            "e": _print_number(numbers.e),
        },
        "managed": True,
        "attributes": _attributes(each),
    }


def print_error(code: str, message: str, inner: str = "") -> Mapping[str, Any]:
    """Print an error, with the inner code that tells kinds of `Forbidden` apart."""
    error: dict[str, Any] = {"code": code, "message": message}
    return {"error": error | ({"innererror": {"code": inner}} if inner else {})}


def _print_number(number: int) -> str:
    return print_base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _attributes(each: CertificateVersion) -> dict[str, Any]:
    return {
        "enabled": each.enabled,
        "nbf": int(each.certificate.not_valid_before_utc.timestamp()),
        "exp": int(each.certificate.not_valid_after_utc.timestamp()),
        "created": int(each.created.timestamp()),
        "updated": int(each.updated.timestamp()),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    }
