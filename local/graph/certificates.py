"""A certificate authority for one machine, and a certificate for localhost that it signed.

Elliptic keys, because they are made in no time. Not here: subscribers' encryption certificates, see `encryption`.
"""

import ipaddress
import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=30)
SPARE = timedelta(days=1)


def make_certificates(folder: Path, *, now: datetime) -> tuple[Path, Path]:
    """Return the paths of `ca.pem` (the authority alone) and `server.pem` (leaf and key), made anew unless still good.

    Reused ones keep a trust that other processes were given before a restart.
    """
    authority_path, server_path = folder / "ca.pem", folder / "server.pem"
    if authority_path.exists() and server_path.exists():
        leaf = x509.load_pem_x509_certificate(server_path.read_bytes())
        if leaf.not_valid_after_utc - now > SPARE:
            return authority_path, server_path
    authority_key, authority = _make_authority(now)
    authority_path.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    server_path.touch(mode=0o600)
    server_path.write_bytes(_make_leaf(authority_key, authority, now))
    return authority_path, server_path


def server_context(server_path: Path) -> ssl.SSLContext:
    """Return what the https port serves with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_path)
    return context


def client_context(authority_path: Path) -> ssl.SSLContext:
    """Return what deliveries trust: the public authorities, as Graph does, and ours, so that a receiver may be local."""
    context = ssl.create_default_context()
    context.load_verify_locations(authority_path)
    return context


def _make_authority(now: datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Graph simulator, this machine only")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _begin(name, name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _make_leaf(authority_key: ec.EllipticCurvePrivateKey, authority: x509.Certificate, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _begin(name, authority.subject, key.public_key(), now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + secret


def _begin(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )
