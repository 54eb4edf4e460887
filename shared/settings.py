"""Every setting, typed, frozen and validated: the only place that knows the names in the environment.

`Settings.from_environ` never stops at the first problem and never raises: what is missing or malformed is listed in
`problems`, and `require` stops just the part that needs it, with one error that names every problem.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from shared.errors import SettingsError
from shared.graph.addresses import Addresses
from shared.graph.validation_token import PUBLISHER_APP_ID

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NCRONTAB = re.compile(r"\S+(?: \S+){5}")
_CERTIFICATE = re.compile(r"/certificates/[0-9A-Za-z-]{1,95}")
_VERSIONED_CERTIFICATE = re.compile(_CERTIFICATE.pattern + r"/[0-9a-f]{32}")
_HOST = re.compile(r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
_DOMAIN = r"\?tenantId=[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_HUB_URL = re.compile(
    rf"EventHub:https://{_HOST.pattern}/eventhubname/[A-Za-z0-9][A-Za-z0-9._-]{{0,255}}{_DOMAIN}", re.IGNORECASE
)
_SECRET_URL = re.compile(rf"https://{_HOST.pattern}/secrets/[0-9A-Za-z-]{{1,127}}{_DOMAIN}", re.IGNORECASE)
_SCOPE = re.compile(r"[A-Za-z0-9._-]{1,120}")
_SHORTEST_KEY_BYTES = 32
_CIPHER_KEY_BYTES = 32
_MOST_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Where one of Microsoft's clouds answers. https://learn.microsoft.com/graph/deployments (2025-01)."""

    endpoint: str
    authority: str


CLOUDS: Final[Mapping[str, Cloud]] = {
    "global": Cloud(endpoint="https://graph.microsoft.com", authority="https://login.microsoftonline.com"),
    "usgov": Cloud(endpoint="https://graph.microsoft.us", authority="https://login.microsoftonline.us"),
    "usgov-dod": Cloud(endpoint="https://dod-graph.microsoft.us", authority="https://login.microsoftonline.us"),
    "china": Cloud(endpoint="https://microsoftgraph.chinacloudapi.cn", authority="https://login.chinacloudapi.cn"),
}

CREDENTIALS: Final = ("federated", "managed-identity", "client-secret", "client-certificate")

NEEDED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "webhook": ("AzureWebJobsStorage", "GRAPH_TENANT_ID", "GRAPH_AUDIENCES", "CLIENT_STATE_KEY"),
    "processor": ("AzureWebJobsStorage", "GRAPH_TENANT_ID", "GRAPH_AUDIENCES", "CLIENT_STATE_KEY"),
    "subscriptions": (
        "AzureWebJobsStorage",
        "GRAPH_TENANT_ID",
        "GRAPH_CLIENT_ID",
        "CLIENT_STATE_KEY",
        "PUBLIC_BASE_URL",
        "RENEWAL_SCHEDULE",
        "SWEEP_SCHEDULE",
    ),
    "feed": ("AzureWebJobsStorage",),
    "findings": ("AzureWebJobsStorage",),
    "event_hub": (
        "AzureWebJobsStorage",
        "GRAPH_TENANT_ID",
        "GRAPH_AUDIENCES",
        "CLIENT_STATE_KEY",
        "EventHubConnection",
        "EVENT_HUB_NAME",
        "EVENT_HUB_CONSUMER_GROUP",
    ),
    "live": (
        "AzureWebJobsStorage",
        "GRAPH_TENANT_ID",
        "API_AUDIENCES",
        "WEB_CLIENT_ID",
        "AzureSignalRConnectionString",
    ),
    "mail": ("AzureWebJobsStorage", "GRAPH_TENANT_ID", "GRAPH_CLIENT_ID", "API_AUDIENCES", "TOKEN_CACHE_KEY"),
}
"""What each part cannot run without."""

PULL_MODE: Final = ("EventHubConnection", "EventHubConnection__fullyQualifiedNamespace", "EVENT_HUB_NOTIFICATION_URL")
"""Part ``event_hub`` is asked for by any of these; without them it is left out, and nothing is wrong with that."""

LIVE: Final = ("AzureSignalRConnectionString", "AzureSignalRConnectionString__serviceUri")
"""Part ``live`` is asked for by either of these: what users may reach is there only where somebody wants users."""

MAIL: Final = ("TOKEN_CACHE_KEY",)
"""Part ``mail`` is asked for by this."""

_JUDGING = (
    "GRAPH_CLOUD",
    "GRAPH_AUTHORITY",
    "GRAPH_PUBLISHER_APP_ID",
    "GRAPH_CLIENT_ID",
    "ALLOWED_TENANT_IDS",
    "CLIENT_STATE_KEY_PREVIOUS",
)
_ASKING_GRAPH = ("GRAPH_ENDPOINT", "GRAPH_CREDENTIAL", "ENCRYPTION_KEYS", "SUBSCRIPTIONS_FILE")

_CALLERS = (
    "GRAPH_CLOUD",
    "GRAPH_AUTHORITY",
    "GRAPH_CLIENT_ID",
    "ALLOWED_TENANT_IDS",
    "API_SCOPE",
    "AzureSignalRConnectionString__serviceUri",
)
"""What those parts read that people call."""

_HANDLING = (
    "FORWARD_SIGNING_KEY",
    "HANDLER_TIMEOUT_SECONDS",
    "RETRY_ATTEMPTS",
    "RETRY_FIRST_DELAY_SECONDS",
    "RETRY_LONGEST_DELAY_SECONDS",
    "DEDUPLICATION_DAYS",
    "OVERSIZE_STORAGE",
    "OVERSIZE_STORAGE__blobServiceUri",
)

USED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "webhook": (*NEEDED_BY["webhook"], *_JUDGING, "MAX_BODY_BYTES"),
    "processor": (*NEEDED_BY["processor"], *_JUDGING, *_ASKING_GRAPH, *_HANDLING),
    "event_hub": (
        *NEEDED_BY["event_hub"],
        *_JUDGING,
        *_ASKING_GRAPH,
        *_HANDLING,
        "EventHubConnection__fullyQualifiedNamespace",
    ),
    "subscriptions": (
        *NEEDED_BY["subscriptions"],
        *_JUDGING,
        *_ASKING_GRAPH,
        "UNKNOWN_SUBSCRIPTIONS",
        "DEDUPLICATION_DAYS",
        "EVENT_HUB_NOTIFICATION_URL",
        "EVENT_HUB_BLOB_STORE_URL",
    ),
    "feed": NEEDED_BY["feed"],
    "findings": NEEDED_BY["findings"],
    "live": (*NEEDED_BY["live"], *_CALLERS, "GRAPH_ENDPOINT", "GRAPH_CREDENTIAL"),
    "mail": (*NEEDED_BY["mail"], *_CALLERS, "GRAPH_ENDPOINT", "GRAPH_CREDENTIAL", "TOKEN_CACHE_KEY_PREVIOUS"),
}
"""What stops each part when it is there and malformed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app's settings. Each field's text says unit, default and reason; `NAMES` maps fields to the environment."""

    storage: str = field(default="", repr=False)
    """Connection string of the storage account for the host and our queues, tables and blobs. Or use the account name."""
    storage_account: str = ""
    """Name of that account, reached with the app's identity: no key. Used when there is no connection string."""
    storage_blob_uri: str = ""
    """Address of its blob service, where the cloud's own form does not fit: a private name, another domain. https."""
    storage_queue_uri: str = ""
    """Address of its queue service; give all three or none."""
    storage_table_uri: str = ""
    """Address of its table service."""
    graph_cloud: str = "global"
    """Which of Microsoft's clouds: global, usgov, usgov-dod, china. It implies endpoint and authority."""
    graph_endpoint: str = ""
    """Overrides the cloud's Graph endpoint, without /v1.0. The simulator's is plain http."""
    graph_authority: str = ""
    """Overrides the cloud's authority: https, no tenant, no trailing slash. Instance discovery is off when it is set."""
    graph_publisher_app_id: str = PUBLISHER_APP_ID
    """The app that issues validation tokens: Microsoft Graph Change Tracking. Unconfirmed for national clouds."""
    graph_tenant_id: str = ""
    """The tenant whose data we hear (GUID)."""
    graph_client_id: str = ""
    """Our app registration's client id (GUID)."""
    graph_audiences: frozenset[str] = frozenset()
    """Client ids that validation tokens may be meant for, comma-separated. Default: GRAPH_CLIENT_ID."""
    allowed_tenant_ids: frozenset[str] = frozenset()
    """Tenants that may appear in notifications, comma-separated. Default: GRAPH_TENANT_ID."""
    graph_credential: str = "federated"
    """How we sign in to Graph: federated (no secret, through the managed identity), managed-identity, client-secret,
    client-certificate."""
    graph_client_secret: str = field(default="", repr=False)
    """The secret for GRAPH_CREDENTIAL=client-secret."""
    graph_client_certificate_path: str = ""
    """PEM file with key and certificate for GRAPH_CREDENTIAL=client-certificate."""
    public_base_url: str = ""
    """What Graph can reach: https://<app>.azurewebsites.net/api. http only to loopback, for the workshop."""
    client_state_key: bytes = field(default=b"", repr=False)
    """MAC key of every clientState: at least 32 random bytes, base64. Changing it means recreating subscriptions."""
    client_state_key_previous: bytes = field(default=b"", repr=False)
    """The key before that one, accepted while subscriptions are recreated."""
    forward_signing_key: str = field(default="", repr=False)
    """Standard Webhooks secret (whsec_...) with which `forward` signs."""
    encryption_keys: str = ""
    """Where private keys of rich notifications are: directory:<path>, keyvault:<certificate's URL> without a version, or
    keyvault-unwrap:<that URL>, where the vault itself opens data keys and never gives the private key away."""
    subscriptions_file: str = "subscriptions.json"
    """The declared subscriptions; a path relative to the app. Default: subscriptions.json."""
    renewal_schedule: str = ""
    """When subscriptions are compared and renewed: NCRONTAB, six fields, UTC. No default: the host needs it."""
    sweep_schedule: str = ""
    """When old ledger tables and poison messages are cleared up: NCRONTAB, six fields, UTC. No default."""
    max_body_bytes: int = 32 * 1024 * 1024
    """Largest body the webhook reads, in bytes; above it 413, which is a loss. Graph's own maximum is not published."""
    handler_timeout: timedelta = timedelta(seconds=60)
    """How long a handler may take for one change, in seconds, before it is cancelled and tried again."""
    retry_attempts: int = 12
    """Attempts before an item becomes a dead letter."""
    retry_first_delay: timedelta = timedelta(seconds=5)
    """Delay before the second attempt, in seconds; it doubles with each one, with 20 % of jitter."""
    retry_longest_delay: timedelta = timedelta(hours=1)
    """Longest delay between attempts, in seconds."""
    unknown_subscriptions: str = "report"
    """What becomes of subscriptions of this app that call us and that no row knows: report, replace (those in whose place
    something declared stands), delete. Those that call somewhere else are only ever reported."""
    deduplication_window: timedelta = timedelta(days=8)
    """How long a handled change is remembered, in days: at least twice the sweep interval."""
    event_hub_connection: str = field(default="", repr=False)
    """Connection string of the Event Hubs namespace that Graph fills. Or name the namespace, and the app's identity reads it."""
    event_hub_namespace: str = ""
    """The namespace's host, such as contoso.servicebus.windows.net, read with the app's identity: no key."""
    event_hub_name: str = ""
    """The hub's name. The host needs it, so it has no default."""
    event_hub_consumer_group: str = ""
    """The consumer group that this app reads with, and nobody else: $Default if you made none. No default: the host needs it."""
    event_hub_notification_url: str = ""
    """What Graph is told for subscriptions with delivery eventhub:
    EventHub:https://<namespace>.servicebus.windows.net/eventhubname/<hub>?tenantId=<domain>, or
    EventHub:https://<vault>.vault.azure.net/secrets/<secret>?tenantId=<domain> where a secret holds the connection string."""
    event_hub_blob_store_url: str = ""
    """Where Graph puts what no event can hold: https://<vault>.vault.azure.net/secrets/<secret>?tenantId=<domain>; the secret
    is the connection string of the account that OVERSIZE_STORAGE names. Without it, Graph cannot deliver such changes."""
    oversize_storage: str = field(default="", repr=False)
    """Connection string of that account, from which we read. Or give its blob service's address."""
    oversize_storage_blob_uri: str = ""
    """Address of that account's blob service, read with the app's identity. https."""
    signalr: str = field(default="", repr=False)
    """Connection string of the SignalR service, with its key. Or give its address, and the app's identity drives it."""
    signalr_uri: str = ""
    """Address of the SignalR service, such as https://contoso.service.signalr.net: no key."""
    api_audiences: frozenset[str] = frozenset()
    """What users' tokens may be meant for, comma-separated. Default: GRAPH_CLIENT_ID, bare and as api://<it>."""
    api_scope: str = "access_as_user"
    """The delegated permission of our API that a user's token must carry; tokens of apps alone never carry one."""
    web_client_id: str = ""
    """The app registration that the page signs its users in with (GUID). Default: GRAPH_CLIENT_ID."""
    token_cache_key: bytes = field(default=b"", repr=False)
    """Encrypts the tokens of people who connected their mailbox, where they lie in storage: 32 random bytes, base64."""
    token_cache_key_previous: bytes = field(default=b"", repr=False)
    """The key before that one: still opens what it encrypted, until that is written anew."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The rest of the environment: what names in subscriptions.json (a target's signingKey) are looked up in."""
    problems: tuple[tuple[str, str], ...] = ()
    """(setting, what is wrong) for every malformed setting."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read every setting; problems are collected, not raised."""
        values: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for name, (attribute, read) in NAMES.items():
            text = environ.get(name, "").strip()
            if not text:
                continue
            try:
                values[attribute] = read(text)
            except ValueError as problem:
                problems.append((name, str(problem)))
        settings = cls(**values, environ=dict(environ), problems=tuple(problems))
        return settings._with_defaults()

    def _with_defaults(self) -> "Settings":
        cloud = CLOUDS[self.graph_cloud]
        changes = {
            "graph_endpoint": self.graph_endpoint or cloud.endpoint,
            "graph_audiences": self.graph_audiences or frozenset(filter(None, [self.graph_client_id])),
            "allowed_tenant_ids": self.allowed_tenant_ids or frozenset(filter(None, [self.graph_tenant_id])),
            "api_audiences": self.api_audiences or _own_audiences(self.graph_client_id),
            "web_client_id": self.web_client_id or self.graph_client_id,
        }
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        return Settings(**(kept | changes))

    @property
    def has_storage(self) -> bool:
        """Whether there is an account: by connection string, by name, or by the addresses of its services."""
        addresses = self.storage_blob_uri and self.storage_queue_uri and self.storage_table_uri
        return bool(self.storage or self.storage_account or addresses)

    @property
    def asks_for_pull_mode(self) -> bool:
        """Whether anybody wants part ``event_hub``; one of these that is malformed asks for it too."""
        return self._asks_for(PULL_MODE)

    @property
    def asks_for_live_clients(self) -> bool:
        """Whether anybody wants part ``live``."""
        return self._asks_for(LIVE)

    @property
    def asks_for_mail(self) -> bool:
        """Whether anybody wants part ``mail``."""
        return self._asks_for(MAIL)

    def _asks_for(self, names: Sequence[str]) -> bool:
        return any(self.environ.get(name, "").strip() for name in names)

    @property
    def authority(self) -> str:
        """Where tokens and signing keys come from."""
        return self.graph_authority or CLOUDS[self.graph_cloud].authority

    @property
    def client_state_keys(self) -> tuple[bytes, ...]:
        """The keys that a clientState may carry, the current one first."""
        return tuple(filter(None, (self.client_state_key, self.client_state_key_previous)))

    @property
    def token_cache_keys(self) -> tuple[bytes, ...]:
        """The keys that open kept tokens, the one that encrypts first."""
        return tuple(filter(None, (self.token_cache_key, self.token_cache_key_previous)))

    @property
    def addresses(self) -> Addresses:
        """Where Graph is told to deliver."""
        return Addresses(
            base_url=self.public_base_url,
            hub_url=self.event_hub_notification_url,
            blob_store_url=self.event_hub_blob_store_url,
        )

    def missing(self, part: str) -> tuple[str, ...]:
        """What keeps a part from running: one sentence a setting, empty when nothing does."""
        lacking = [f"{name} is missing" for name in NEEDED_BY[part] if not self._has(name)]
        malformed = [f"{name} {problem}" for name, problem in self.problems if name in USED_BY[part]]
        return (*lacking, *malformed)

    def require(self, part: str) -> None:
        """Raise one SettingsError that names everything that keeps a part from running."""
        if lacking := self.missing(part):
            raise SettingsError(lacking)

    def _has(self, name: str) -> bool:
        if any(name == malformed for malformed, _ in self.problems):
            return True  # it is there; what is wrong with it is said once
        if name == "AzureWebJobsStorage":
            return self.has_storage
        if name == "EventHubConnection":
            return bool(self.event_hub_connection or self.event_hub_namespace)
        if name == "AzureSignalRConnectionString":
            return bool(self.signalr or self.signalr_uri)
        return bool(getattr(self, NAMES[name][0]))


def _text(text: str) -> str:
    return text


def _guid(text: str) -> str:
    if not _GUID.fullmatch(text):
        raise ValueError("is not a GUID")
    return text.lower()


def _guids(text: str) -> frozenset[str]:
    return frozenset(_guid(part.strip()) for part in text.split(",") if part.strip())


def _audiences(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _own_audiences(client_id: str) -> frozenset[str]:
    """Give what tokens for our API are meant for: the id in those of version 2, its URI by default in version 1."""
    return frozenset({client_id, f"api://{client_id}"}) if client_id else frozenset()


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return text

    return read


def _url(*, loopback_http: bool) -> Callable[[str], str]:
    def read(text: str) -> str:
        parts = urlsplit(text)
        plain = loopback_http and parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if not parts.hostname or not (parts.scheme == "https" or plain) or parts.query or parts.fragment:
            raise ValueError("is not an https URL" + (" (http is for loopback only)" if loopback_http else ""))
        return text.rstrip("/")

    return read


def _mac_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as problem:
        raise ValueError("is not base64") from problem
    if len(key) < _SHORTEST_KEY_BYTES:
        raise ValueError(f"is shorter than {_SHORTEST_KEY_BYTES} bytes")
    return key


def _cipher_key(text: str) -> bytes:
    key = _mac_key(text)
    if len(key) != _CIPHER_KEY_BYTES:
        raise ValueError(f"is not {_CIPHER_KEY_BYTES} bytes")
    return key


def _scope(text: str) -> str:
    if not _SCOPE.fullmatch(text):
        raise ValueError("is not the name of one scope, such as access_as_user")
    return text


def _webhook_secret(text: str) -> str:
    prefix, _, encoded = text.partition("_")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error as problem:
        raise ValueError("is not whsec_ and base64") from problem
    if prefix != "whsec" or len(key) < 24:  # noqa: PLR2004 - Standard Webhooks: 24 to 64 bytes
        raise ValueError("is not whsec_ and base64 of at least 24 bytes")
    return text


def _key_source(text: str) -> str:
    kind, _, place = text.partition(":")
    if kind not in {"keyvault", "keyvault-unwrap", "directory"} or not place:
        raise ValueError(
            "is none of directory:<path>, keyvault:<certificate URL> and keyvault-unwrap:<certificate URL>"
        )
    return text if kind == "directory" else f"{kind}:{_certificate_url(place)}"


def _certificate_url(text: str) -> str:
    url = _url(loopback_http=False)(text)
    path = urlsplit(url).path
    if _VERSIONED_CERTIFICATE.fullmatch(path):
        raise ValueError("names one version of the certificate: leave it out, every enabled version is used")
    if not _CERTIFICATE.fullmatch(path):
        raise ValueError(
            "is not https://<vault>.vault.azure.net/certificates/<name>, "
            "the name of letters, digits and hyphens, at most 95: with a version it has to fit into 128 characters"
        )
    return url


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("is not a host's name, such as contoso.servicebus.windows.net")
    return text.lower()


def _hub_url(text: str) -> str:
    scheme, _, rest = text.partition(":")
    in_vault = scheme.lower() == "eventhub" and _SECRET_URL.fullmatch(rest)
    if not (in_vault or _HUB_URL.fullmatch(text)):
        raise ValueError(
            "is neither EventHub:https://<namespace>.servicebus.windows.net/eventhubname/<hub>?tenantId=<domain> "
            "nor EventHub:https://<vault>.vault.azure.net/secrets/<secret>?tenantId=<domain>"
        )
    return text


def _store_url(text: str) -> str:
    if not _SECRET_URL.fullmatch(text):
        raise ValueError("is not https://<vault>.vault.azure.net/secrets/<secret>?tenantId=<domain>")
    return text


def _schedule(text: str) -> str:
    if not _NCRONTAB.fullmatch(text):
        raise ValueError("is not NCRONTAB with six fields")
    return text


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 2**31:
        raise ValueError("is not a whole number above zero")
    return int(text)


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=_whole(text))


def _days(text: str) -> timedelta:
    days = _whole(text)
    if days > _MOST_DAYS:
        raise ValueError(f"is more than {_MOST_DAYS} days")
    return timedelta(days=days)


NAMES: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "AzureWebJobsStorage": ("storage", _text),
    "AzureWebJobsStorage__accountName": ("storage_account", _text),
    "AzureWebJobsStorage__blobServiceUri": ("storage_blob_uri", _url(loopback_http=False)),
    "AzureWebJobsStorage__queueServiceUri": ("storage_queue_uri", _url(loopback_http=False)),
    "AzureWebJobsStorage__tableServiceUri": ("storage_table_uri", _url(loopback_http=False)),
    "GRAPH_CLOUD": ("graph_cloud", _one_of(*CLOUDS)),
    "GRAPH_ENDPOINT": ("graph_endpoint", _url(loopback_http=True)),
    "GRAPH_AUTHORITY": ("graph_authority", _url(loopback_http=False)),
    "GRAPH_PUBLISHER_APP_ID": ("graph_publisher_app_id", _guid),
    "GRAPH_TENANT_ID": ("graph_tenant_id", _guid),
    "GRAPH_CLIENT_ID": ("graph_client_id", _guid),
    "GRAPH_AUDIENCES": ("graph_audiences", _audiences),
    "ALLOWED_TENANT_IDS": ("allowed_tenant_ids", _guids),
    "GRAPH_CREDENTIAL": ("graph_credential", _one_of(*CREDENTIALS)),
    "GRAPH_CLIENT_SECRET": ("graph_client_secret", _text),
    "GRAPH_CLIENT_CERTIFICATE_PATH": ("graph_client_certificate_path", _text),
    "PUBLIC_BASE_URL": ("public_base_url", _url(loopback_http=True)),
    "CLIENT_STATE_KEY": ("client_state_key", _mac_key),
    "CLIENT_STATE_KEY_PREVIOUS": ("client_state_key_previous", _mac_key),
    "FORWARD_SIGNING_KEY": ("forward_signing_key", _webhook_secret),
    "ENCRYPTION_KEYS": ("encryption_keys", _key_source),
    "SUBSCRIPTIONS_FILE": ("subscriptions_file", _text),
    "RENEWAL_SCHEDULE": ("renewal_schedule", _schedule),
    "SWEEP_SCHEDULE": ("sweep_schedule", _schedule),
    "MAX_BODY_BYTES": ("max_body_bytes", _whole),
    "HANDLER_TIMEOUT_SECONDS": ("handler_timeout", _seconds),
    "RETRY_ATTEMPTS": ("retry_attempts", _whole),
    "RETRY_FIRST_DELAY_SECONDS": ("retry_first_delay", _seconds),
    "RETRY_LONGEST_DELAY_SECONDS": ("retry_longest_delay", _seconds),
    "UNKNOWN_SUBSCRIPTIONS": ("unknown_subscriptions", _one_of("report", "replace", "delete")),
    "DEDUPLICATION_DAYS": ("deduplication_window", _days),
    "EventHubConnection": ("event_hub_connection", _text),
    "EventHubConnection__fullyQualifiedNamespace": ("event_hub_namespace", _host),
    "EVENT_HUB_NAME": ("event_hub_name", _text),
    "EVENT_HUB_CONSUMER_GROUP": ("event_hub_consumer_group", _text),
    "EVENT_HUB_NOTIFICATION_URL": ("event_hub_notification_url", _hub_url),
    "EVENT_HUB_BLOB_STORE_URL": ("event_hub_blob_store_url", _store_url),
    "OVERSIZE_STORAGE": ("oversize_storage", _text),
    "OVERSIZE_STORAGE__blobServiceUri": ("oversize_storage_blob_uri", _url(loopback_http=False)),
    "AzureSignalRConnectionString": ("signalr", _text),
    "AzureSignalRConnectionString__serviceUri": ("signalr_uri", _url(loopback_http=True)),
    "API_AUDIENCES": ("api_audiences", _audiences),
    "API_SCOPE": ("api_scope", _scope),
    "WEB_CLIENT_ID": ("web_client_id", _guid),
    "TOKEN_CACHE_KEY": ("token_cache_key", _cipher_key),
    "TOKEN_CACHE_KEY_PREVIOUS": ("token_cache_key_previous", _cipher_key),
}
"""Each setting's name in the environment, its field, and how its text is read (ValueError says what is wrong)."""
