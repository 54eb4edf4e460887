"""What benchmarks feed the app: its settings, keys of its own, and bodies as Graph writes them, some of them encrypted.

Encryption and tokens are the simulator's: two witnesses, here too.
"""

import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from local.graph.delivery.encryption import EncryptionCertificate, read_certificate, seal
from local.graph.identity.tokens import Authority, SigningKey
from local.keys.material import ensure_encryption_key
from shared.graph.client_state import Delivery, mint_client_state

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT_ID = "33333333-3333-4333-8333-333333333333"
NAME = "channels"
AUTHORITY = "https://login.microsoftonline.com"
RICH_BODY_BYTES = 169_000
"""Sixty rich items, as the design counts them."""

_STATE_KEY = b"k" * 32
_SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything in one folder, for processes that are given its path."""

    folder: Path
    certificate: EncryptionCertificate
    authority: Authority = field(repr=False)

    def settings(self, *, handlers: object, storage: str = "UseDevelopmentStorage=true") -> dict[str, str]:
        """Give the app's settings. Nothing answers at these addresses but storage."""
        declared = {
            "name": NAME,
            "resource": "/teams/getAllMessages",
            "changeType": "created,updated,deleted",
            "includeResourceData": True,
            "handlers": handlers,
        }
        path = self.folder / "subscriptions.json"
        path.write_text(json.dumps({"subscriptions": [declared]}), encoding="utf-8")
        return {
            "AzureWebJobsStorage": storage,
            "GRAPH_TENANT_ID": TENANT,
            "GRAPH_CLIENT_ID": CLIENT_ID,
            "GRAPH_CREDENTIAL": "federated",  # nobody asks Graph; a local.settings.json must not say otherwise
            "CLIENT_STATE_KEY": base64.b64encode(_STATE_KEY).decode(),
            "ENCRYPTION_KEYS": f"directory:{self.folder / 'keys'}",
            "PUBLIC_BASE_URL": "http://127.0.0.1:1/api",
            "RENEWAL_SCHEDULE": "0 0 0 1 1 *",
            "SWEEP_SCHEDULE": "0 0 0 1 1 *",
            "SUBSCRIPTIONS_FILE": str(path),
            "BENCH_SIGNING_KEYS": str(self.folder / "signing-keys.json"),
        }

    def body(self, count: int, *, rich: bool) -> bytes:
        """Write one body of so many items, each about another message."""
        document: dict[str, Any] = {"value": [self.item(number, rich=rich) for number in range(count)]}
        if rich:
            document["validationTokens"] = [self.authority.validation_token("v2", app_id=CLIENT_ID, tenant_id=TENANT)]
        return json.dumps(document).encode()

    def item(self, number: int, *, rich: bool, series: str = "a", delivery: Delivery = "webhook") -> dict[str, Any]:
        """Write one notification; ``series`` tells those of different bodies apart."""
        resource = (
            f"teams('e3b0c442-98fc-4c14-9af8-a0a7d2f3b001')/channels('19:{series}@thread.tacv2')/messages('{number}')"
        )
        item = {
            "subscriptionId": _SUBSCRIPTION,
            "changeType": "created",
            "clientState": mint_client_state(_STATE_KEY, tenant_id=TENANT, delivery=delivery, name=NAME, generation=1),
            "subscriptionExpirationDateTime": "2030-01-01T00:00:00.0000000+00:00",
            "resource": resource,
            "resourceData": {"id": str(number), "@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": resource},
            "tenantId": TENANT,
        }
        if rich:
            return item | {"encryptedContent": seal(_message(number), self.certificate)}
        item["resourceData"]["@odata.etag"] = f'W/"{series}-{number}"'  # type: ignore[index]
        return item


def make_material(folder: Path) -> Material:
    """Make keys and bodies in a folder."""
    now = datetime.now(UTC)  # noqa: TID251 - certificates and tokens are made for the present
    pem = ensure_encryption_key(folder / "keys", now=now)
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    authority = Authority(https_base=AUTHORITY, tenants={TENANT: "contoso.com"}, keys=[SigningKey.make()])
    material = Material(folder=folder, certificate=read_certificate(der, pem.stem), authority=authority)
    published = {"keys": [key.published() for key in authority.keys]}
    (folder / "signing-keys.json").write_text(json.dumps(published), encoding="utf-8")
    for name, (count, rich) in BODIES.items():
        (folder / f"{name}.json").write_bytes(material.body(count, rich=rich))
    return material


BODIES: Mapping[str, tuple[int, bool]] = {
    "basic-1": (1, False),
    "basic-20": (20, False),
    "basic-60": (60, False),
    "rich-60": (60, True),
}
"""The bodies whose acknowledgement is measured: how many items, and whether they are encrypted."""


def _message(number: int) -> dict[str, Any]:
    """Write a channel message as long as such messages are."""
    words = random.Random(number).choices(("report", "ship", "agree", "Tuesday", "customer", "ship it", "no"), k=112)  # noqa: S311 - chatter
    return {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#teams/channels/messages/$entity",
        "id": str(number),
        "etag": str(number),
        "messageType": "message",
        "createdDateTime": "2026-11-20T10:00:00.000Z",
        "lastModifiedDateTime": "2026-11-20T10:00:00.000Z",
        "from": {"user": {"id": "8b081ef6-4792-4def-b2c9-c363a1bf41d5", "displayName": "Adele Vance"}},
        "body": {"contentType": "html", "content": f"<p>{' '.join(words)}</p>"},
        "attachments": [],
        "mentions": [],
        "reactions": [],
    }
