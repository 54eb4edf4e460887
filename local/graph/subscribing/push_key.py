"""The key with which Graph signs what it sends to browsers' push services: https://www.rfc-editor.org/rfc/rfc8292.

Only its public half is ever asked for; this simulator sends nothing there.
"""

import base64

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class PushKey:
    """A P-256 key, made when it is first asked for."""

    def __init__(self) -> None:
        self._public = ""

    def public(self) -> str:
        """Return the public key, 65 bytes uncompressed, base64url."""
        if not self._public:
            point = ec.generate_private_key(ec.SECP256R1()).public_key()
            raw = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            self._public = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        return self._public
