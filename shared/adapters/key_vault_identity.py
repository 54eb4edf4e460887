"""Who the app is to a Key Vault: its managed identity, or the app registration where that signs in by itself.

With ``federated`` it is the managed identity: the app registration may live in another tenant than the vault.
"""

from typing import Any

from shared.adapters.trust import verify
from shared.settings import Settings


def make_vault_identity(settings: Settings, *, retries: int, pause: float) -> Any:
    """Make the asynchronous credential that GRAPH_CREDENTIAL implies; nothing is asked before the first token is wanted."""
    from azure.identity.aio import (  # noqa: PLC0415 - heavy, on first use
        CertificateCredential,
        ClientSecretCredential,
        ManagedIdentityCredential,
    )

    patience: dict[str, Any] = {"retry_total": retries, "retry_backoff_factor": pause}
    options = patience | {
        "authority": settings.authority,
        "disable_instance_discovery": bool(settings.graph_authority),
        "connection_verify": verify(settings.environ),
    }
    match settings.graph_credential:
        case "client-secret":
            return ClientSecretCredential(
                settings.graph_tenant_id, settings.graph_client_id, settings.graph_client_secret, **options
            )
        case "client-certificate":
            path = settings.graph_client_certificate_path
            return CertificateCredential(settings.graph_tenant_id, settings.graph_client_id, path, **options)
    # a user-assigned identity is chosen by its client id; in Azure every SDK finds it under this name
    return ManagedIdentityCredential(client_id=settings.environ.get("AZURE_CLIENT_ID") or None, **patience)
