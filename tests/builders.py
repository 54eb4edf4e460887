"""Builders of valid things, of which a test spoils exactly one. Their encryption and tokens share no code with the app."""

import base64
import functools
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from shared.declaration import Declaration, DeclaredSubscription
from shared.graph.client_state import Delivery, mint_client_state
from shared.graph.encrypted_content import EncryptionKey, read_encryption_key
from shared.graph.signed_token import TrustedKeys
from shared.graph.subscription import LiveSubscription
from shared.graph.user_token import UserTokenJudge
from shared.graph.validation_token import PUBLISHER_APP_ID, TokenJudge
from shared.intake import Policy
from shared.pull_intake import HubEvent

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TENANT = "aaaaaaaa-0000-4000-8000-00000000000a"
OTHER_TENANT = "bbbbbbbb-0000-4000-8000-00000000000b"
CLIENT_ID = "cccccccc-0000-4000-8000-00000000000c"
USER = "eeeeeeee-0000-4000-8000-00000000000e"
CLIENT_STATE_KEY = b"current-key-of-thirty-two-bytes!"
PREVIOUS_CLIENT_STATE_KEY = b"previous-key-of-thirty-two-bytes"
NAME = "teams-messages"
GENERATION = 3
SUBSCRIPTION_ID = "5f3c1a64-0000-4000-8000-000000000001"
TEAM = "dddddddd-0000-4000-8000-00000000000d"
CHANNEL = "19:general@thread.tacv2"
MESSAGES = f"teams('{TEAM}')/channels('{CHANNEL}')/messages"
ISSUERS = {
    "1.0": "https://sts.windows.net/{tenantid}/",
    "2.0": "https://login.microsoftonline.com/{tenantid}/v2.0",
}
PAYLOADS = Path(__file__).parent / "payloads"


def client_state(
    *,
    key: bytes = CLIENT_STATE_KEY,
    tenant_id: str = TENANT,
    delivery: Delivery = "webhook",
    name: str = NAME,
    generation: int = GENERATION,
) -> str:
    return mint_client_state(key, tenant_id=tenant_id, delivery=delivery, name=name, generation=generation)


def policy(**changes: Any) -> Policy:
    valid: dict[str, Any] = {
        "client_state_keys": (CLIENT_STATE_KEY, PREVIOUS_CLIENT_STATE_KEY),
        "allowed_tenant_ids": frozenset({TENANT}),
        "max_body_bytes": 32 * 1024 * 1024,
    }
    return Policy(**(valid | changes))


def notification(message: str = "1", **changes: Any) -> dict[str, Any]:
    """A basic notification of one channel message, in its first version."""
    valid: dict[str, Any] = {
        "subscriptionId": SUBSCRIPTION_ID,
        "subscriptionExpirationDateTime": "2026-11-21T11:00:00.0000000Z",
        "clientState": client_state(),
        "changeType": "created",
        "resource": f"{MESSAGES}('{message}')",
        "tenantId": TENANT,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.chatMessage",
            "@odata.id": f"{MESSAGES}('{message}')",
            "@odata.etag": "1",
            "id": message,
        },
    }
    return valid | changes


def message_content(message: str = "1", version: str = "1", **changes: Any) -> dict[str, Any]:
    """A channel message as Graph serves it."""
    valid: dict[str, Any] = {
        "@odata.type": "#Microsoft.Graph.chatMessage",
        "id": message,
        "etag": version,
        "lastModifiedDateTime": "2026-11-20T11:59:58.123Z",
        "body": {"contentType": "text", "content": f"text of {message}"},
    }
    return valid | changes


def rich_notification(message: str = "1", content: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A notification that carries its message, encrypted for `certificate()`."""
    plain = message_content(message) if content is None else content
    data = {"@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": f"{MESSAGES}('{message}')", "id": message}
    encrypted = encrypt(json.dumps(plain).encode(), certificate())
    return notification(message, resourceData=data, encryptedContent=encrypted) | changes


def lifecycle_notification(event: str = "reauthorizationRequired", **changes: Any) -> dict[str, Any]:
    """A lifecycle event in the form that Graph really sends: the tenant is its ``organizationId``."""
    valid: dict[str, Any] = {
        "lifecycleEvent": event,
        "subscriptionId": SUBSCRIPTION_ID,
        "resource": f"Subscriptions/{SUBSCRIPTION_ID}",
        "clientState": client_state(),
        "organizationId": TENANT,
        "subscriptionExpirationDateTime": "2026-11-21T04:18:58.0463343-08:00",
    }
    return valid | changes


def body(*items: object, tokens: Sequence[str] | None = None) -> bytes:
    collection: dict[str, Any] = {"value": items}
    if tokens is not None:
        collection["validationTokens"] = tokens
    return json.dumps(collection).encode()


def over_hub(item: Mapping[str, Any]) -> dict[str, Any]:
    """Make an item one that comes over an event hub: with a clientState that was minted for it."""
    return dict(item) | {"clientState": client_state(delivery="eventhub")}


def hub_event(*items: object, number: int = 0, partition: str = "0", raw: bytes | None = None) -> HubEvent:
    """An event as the hub keeps it: the items, made its own, or any bytes. One reaches the hub each second."""
    ours = [over_hub(item) if isinstance(item, dict) else item for item in items]
    return HubEvent(
        body=body(*ours) if raw is None else raw,
        partition=partition,
        offset=str(number * 1000),
        sequence_number=number,
        enqueued=NOW - timedelta(minutes=10) + timedelta(seconds=number),
    )


def probe() -> dict[str, Any]:
    """What Graph sends into a hub when a subscription is made."""
    names = ("resource", "clientState", "tenantId", "subscriptionId")
    text = "Validation: Testing client application reachability for subscription Request-Id: 5f3c1a64"
    return dict.fromkeys(names, "NA") | {"changeType": text, "subscriptionExpirationDateTime": "2026-11-21T11:00:00Z"}


def payload(name: str, *, tenant_id: str = TENANT, state: str | None = None) -> dict[str, Any]:
    """A wire sample from tests/payloads, made ours."""
    text = (PAYLOADS / f"{name}.json").read_text("utf-8")
    filled: dict[str, Any] = json.loads(
        text.replace("<tenant>", tenant_id).replace("<clientState>", state or client_state())
    )
    return filled


def declared(**changes: Any) -> DeclaredSubscription:
    valid: dict[str, Any] = {
        "name": NAME,
        "resource": "teams/getAllMessages",
        "change_types": ("created", "updated", "deleted"),
        "include_resource_data": True,
    }
    return DeclaredSubscription(**(valid | changes))


def declaration(*subscriptions: DeclaredSubscription) -> Declaration:
    return Declaration(subscriptions=subscriptions or (declared(),), digest="digest")


def live(**changes: Any) -> LiveSubscription:
    valid: dict[str, Any] = {
        "name": NAME,
        "generation": GENERATION,
        "resource": "teams/getAllMessages",
        "change_type": "created,updated,deleted",
        "include_resource_data": True,
        "delivery": "webhook",
        "subscription_id": SUBSCRIPTION_ID,
    }
    return LiveSubscription(**(valid | changes))


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A private key for each name, made once a process: it takes a tenth of a second."""
    del name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem_of(key: Any) -> bytes:
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def self_signed(key: Any) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "subscriber")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )


@functools.cache
def certificate(name: str = "encryption") -> x509.Certificate:
    return self_signed(rsa_key(name))


def encryption_key(name: str = "encryption") -> EncryptionKey:
    """Our side of `certificate()`: what opens the content encrypted for it."""
    pem = pem_of(rsa_key(name)) + certificate(name).public_bytes(serialization.Encoding.PEM)
    return read_encryption_key(pem, certificate_id=name)


def encrypt(
    plaintext: bytes, recipient: x509.Certificate, *, certificate_id: str = "encryption", oaep: Any = None
) -> dict[str, str]:
    """Encrypt as Graph does; PKCS#7 is added by hand, so that a wrong padding can be handed to `seal` as well."""
    fill = 16 - len(plaintext) % 16
    return seal(plaintext + bytes([fill]) * fill, recipient, certificate_id=certificate_id, oaep=oaep)


def seal(
    padded: bytes, recipient: x509.Certificate, *, certificate_id: str = "encryption", oaep: Any = None
) -> dict[str, str]:
    aes_key = secrets.token_bytes(32)
    cipher = Cipher(algorithms.AES(aes_key), modes.CBC(aes_key[:16])).encryptor()
    ciphertext = cipher.update(padded) + cipher.finalize()
    public = recipient.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    graphs = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)  # noqa: S303 - as Graph
    return {
        "data": base64.b64encode(ciphertext).decode(),
        "dataKey": base64.b64encode(public.encrypt(aes_key, oaep or graphs)).decode(),
        "dataSignature": base64.b64encode(hmac.new(aes_key, ciphertext, hashlib.sha256).digest()).decode(),
        "encryptionCertificateId": certificate_id,
        "encryptionCertificateThumbprint": recipient.fingerprint(hashes.SHA1()).hex().upper(),  # noqa: S303 - as Graph
    }


def claims(version: str = "1.0", **changes: Any) -> dict[str, Any]:
    """The claims of a genuine validation token of one version; a claim that is None is left out."""
    tenant_id = changes.get("tid", TENANT)
    valid: dict[str, Any] = {
        "aud": CLIENT_ID,
        "iss": ISSUERS[version].replace("{tenantid}", str(tenant_id or "")),
        "iat": NOW.timestamp() - 60,
        "nbf": NOW.timestamp() - 60,
        "exp": NOW.timestamp() + 86_400,
        "tid": tenant_id,
        "ver": version,
        {"1.0": "appid", "2.0": "azp"}[version]: PUBLISHER_APP_ID,
    }
    return {name: value for name, value in (valid | changes).items() if value is not None}


def user_claims(version: str = "2.0", **changes: Any) -> dict[str, Any]:
    """The claims of a genuine token of a person for our API; a claim that is None is left out."""
    audience = {"1.0": f"api://{CLIENT_ID}", "2.0": CLIENT_ID}[version]
    person: dict[str, Any] = {"aud": audience, "oid": USER, "scp": "openid access_as_user", "name": "Adele Vance"}
    app = {"1.0": {"appid": CLIENT_ID, "azp": None}, "2.0": {"azp": CLIENT_ID, "appid": None}}[version]
    return claims(version, **(person | app | changes))


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority with its own signing keys."""

    kids: tuple[str, ...] = ("kid-1",)
    issuers: Mapping[str, str] = field(default_factory=lambda: ISSUERS)

    def token(self, version: str = "1.0", *, kid: str = "kid-1", **changes: Any) -> str:
        return self.sign(claims(version, **changes), kid=kid)

    def sign(self, stated: Mapping[str, Any], *, kid: str = "kid-1", algorithm: str = "RS256") -> str:
        return jwt.encode(dict(stated), rsa_key(kid), algorithm=algorithm, headers={"kid": kid})

    def keys(self, *, fetched: datetime = NOW) -> TrustedKeys:
        return TrustedKeys(
            by_kid={kid: rsa_key(kid).public_key() for kid in self.kids},
            issuers=self.issuers,
            fetched=fetched.timestamp(),
        )


AUTHORITY = Authority()


def user_token_judge(authority: Authority | None = AUTHORITY) -> UserTokenJudge:
    """A judge of people's tokens that trusts an authority's keys."""
    judge = UserTokenJudge(
        audiences=frozenset({CLIENT_ID, f"api://{CLIENT_ID}"}), tenant_ids=frozenset({TENANT}), scope="access_as_user"
    )
    if authority is not None:
        judge.trust(authority.keys())
    return judge


def token_judge(authority: Authority | None = AUTHORITY) -> TokenJudge:
    """A judge that trusts an authority's keys; one without keys if there is none."""
    judge = TokenJudge(audiences=frozenset({CLIENT_ID}))
    if authority is not None:
        judge.trust(authority.keys())
    return judge
