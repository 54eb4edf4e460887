"""Which certificate authorities every client of ours trusts.

requests reads one variable, OpenSSL another, aiohttp neither; here is the one answer for all of them.
"""

from collections.abc import Mapping


def ca_bundle(environ: Mapping[str, str]) -> str | None:
    """Return the path of the bundle that the environment names; None for each client's own default."""
    return environ.get("REQUESTS_CA_BUNDLE") or environ.get("SSL_CERT_FILE") or None


def verify(environ: Mapping[str, str]) -> str | bool:
    """Return what requests takes as ``verify``."""
    return ca_bundle(environ) or True
