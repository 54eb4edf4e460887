"""What is wrong with pull mode, and what to do: findings from what the settings say and from what was seen. Pure.

Graph's own refusals name no cause. What this app can see it compares; for what only Azure knows (who may write into a hub, which
networks may reach it) there are the commands that show it and those that mend it, filled in. Not here: the looking
(port ``HubLooks``), who asks for it (`shared.hub_check`), and what a refusal may mean (`shared.graph.refusal`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from shared.graph.additional_payload import CONTAINER
from shared.graph.hub_url import HubConnection, HubUrl

CHANGE_TRACKING: Final = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""The app that writes into hubs for Graph; its service principal is another in each tenant.
https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-03)"""
_SENDER, _RECEIVER = "Azure Event Hubs Data Sender", "Azure Event Hubs Data Receiver"
_SECRETS, _BLOBS = "Key Vault Secrets User", "Storage Blob Data Reader"

Verdict = Literal["ok", "wrong", "unknown"]
Outcome = Literal[
    "ok",
    "absent",  # there is no such thing
    "denied",  # it is there, or may be, and we may not
    "closed",  # it does not let in the network that we come from
    "unreachable",  # nobody answers there
    "malformed",  # what should say where it is cannot be read
    "crowded",  # it is there, and as many as may be are at it already
    "failed",  # something else
    "not looked",  # there was nothing to be looked at
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of looking at one thing. ``detail`` is a number of partitions, a tenant's id, or a kind of failure; never a secret."""

    outcome: Outcome = "not looked"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """The identity that reads the hub, where it is one: its tenant and its object id."""

    tenant_id: str = ""
    object_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What the settings say. ``told`` and ``store`` are what Graph is told; ``connection`` is None where no hub is read.

    ``by_identity``: without a key. ``takes_oversize``: OVERSIZE_STORAGE says where what no event can hold is read.
    """

    told: HubUrl | None = None
    store: HubUrl | None = None
    connection: HubConnection | None = None
    hub: str = ""
    consumer_group: str = ""
    by_identity: bool = False
    takes_oversize: bool = False
    oversize_account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen. ``made`` names a subscription into the hub that Graph has made, ``refused`` are (name, Graph's words)."""

    hub: Look = Look()
    consumer_group: Look = Look()
    domain: Look = Look()
    store_domain: Look = Look()
    container: Look = Look()
    reader: Reader = Reader()
    made: str = ""
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: how it is, in a sentence, and the commands that ``look`` closer and that ``mend`` it."""

    about: str
    verdict: Verdict
    says: str
    look: tuple[str, ...] = ()
    mend: tuple[str, ...] = ()


def diagnose(setup: Setup, seen: Seen) -> tuple[Finding, ...]:
    """Find what is wrong, in the order in which it would be met: our settings, the hub, its tenant, large changes, Graph itself."""
    return (
        _about_settings(setup),
        *_about_agreement(setup),
        *_about_hub(setup, seen),
        *_about_group(setup, seen),
        *_about_domain("tenant of the hub", "EVENT_HUB_NOTIFICATION_URL", setup.told, seen.domain, seen.reader),
        *_about_domain(
            "tenant of the blob store", "EVENT_HUB_BLOB_STORE_URL", setup.store, seen.store_domain, Reader()
        ),
        *_about_oversize(setup, seen),
        *_about_graph(setup, seen),
    )


def print_findings(findings: Sequence[Finding]) -> dict[str, Any]:
    """Write findings as data. ``ok`` while nothing is known to be wrong."""
    return {
        "ok": not any(each.verdict == "wrong" for each in findings),
        "findings": [
            {"about": each.about, "verdict": each.verdict, "says": each.says}
            | ({"look": list(each.look)} if each.look else {})
            | ({"mend": list(each.mend)} if each.mend else {})
            for each in findings
        ],
    }


# -- what we can see --------------------------------------------------------------------------------------------------


def _about_settings(setup: Setup) -> Finding:
    about, told = "settings", setup.told
    if told is None:
        says = "EVENT_HUB_NOTIFICATION_URL is missing or malformed: Graph cannot be told of a hub"
        return Finding(about=about, verdict="wrong", says=says)
    if setup.connection is None:
        says = (
            "neither EventHubConnection nor EventHubConnection__fullyQualifiedNamespace says which hub this app reads"
        )
        return Finding(about=about, verdict="wrong", says=says)
    lacking = [
        name
        for name, value in (("EVENT_HUB_NAME", setup.hub), ("EVENT_HUB_CONSUMER_GROUP", setup.consumer_group))
        if not value
    ]
    if lacking:
        return Finding(
            about=about, verdict="wrong", says=f"{' and '.join(lacking)} missing: the host does not start reading"
        )
    where = f"hub {told.hub} of {told.host}" if told.hub else f"the hub that secret {told.secret} of {told.host} names"
    return Finding(about=about, verdict="ok", says=f"Graph is told of {where}")


def _about_agreement(setup: Setup) -> Iterator[Finding]:
    told, connection, about = setup.told, setup.connection, "one hub for both"
    if connection is None or not connection.host or not setup.hub:
        return
    if connection.hub and connection.hub.lower() != setup.hub.lower():
        says = f"EventHubConnection names hub {connection.hub} (EntityPath) and EVENT_HUB_NAME {setup.hub}: say the same, or leave EntityPath out"
        yield Finding(about=about, verdict="wrong", says=says)
    elif told is None:
        return
    elif told.secret:
        says = f"which hub Graph writes into stands in secret {told.secret}: its connection string has to name this app's, with EntityPath"
        yield Finding(about=about, verdict="unknown", says=says, look=_secret_looks(told))
    elif connection.emulated:
        says = "this app reads an emulator, and a real Graph would write into a real hub"
        yield Finding(about=about, verdict="unknown", says=says)
    elif (told.host, told.hub.lower()) != (connection.host, setup.hub.lower()):
        says = f"Graph writes into hub {told.hub} of {told.host}, and this app reads hub {setup.hub} of {connection.host}: nobody hears it"
        yield Finding(about=about, verdict="wrong", says=says)
    else:
        yield Finding(about=about, verdict="ok", says="Graph writes into the hub that this app reads")


def _about_hub(setup: Setup, seen: Seen) -> Iterator[Finding]:
    connection = setup.connection
    if connection is None or seen.hub.outcome == "not looked":
        return
    hub, host = setup.hub or connection.hub, connection.host
    match seen.hub.outcome:
        case "ok" | "crowded":
            yield Finding(
                about="hub", verdict="ok", says=f"hub {hub} of {host} can be read; partitions: {seen.hub.detail}"
            )
        case "absent":
            says = f"there is no hub {hub} in {host}: EVENT_HUB_NAME is misspelt, or nobody has made it"
            yield Finding(about="hub", verdict="wrong", says=says, look=_hub_looks(host), mend=_hub_mends(host, hub))
        case "denied" if setup.by_identity:
            says = f"the app's identity may not read hub {hub}: it needs the role {_RECEIVER} on the hub or its namespace (not on the consumer group)"
            yield Finding(about="hub", verdict="wrong", says=says, mend=_receiver_mends(host, hub, seen.reader))
        case "denied":
            says = "EventHubConnection is refused: its key is not (or no longer) good, or has not the right Listen"
            yield Finding(about="hub", verdict="wrong", says=says)
        case "closed":
            says = f"{host} does not let in the network that this was asked from; Graph, which comes from many, is kept out just so"
            yield Finding(about="hub", verdict="wrong", says=says, look=_network_looks(host), mend=_network_mends(host))
        case "unreachable":
            says = f"nobody answers at {host}: the namespace is misspelt or gone, or AMQP (port 5671) is blocked on the way"
            yield Finding(about="hub", verdict="wrong", says=says, look=_hub_looks(host))
        case "malformed":
            says = "EventHubConnection is no connection string of an Event Hubs namespace"
            yield Finding(about="hub", verdict="wrong", says=says)
        case _:
            says = f"hub {hub} of {host} could not be looked at ({seen.hub.detail or 'no reason given'})"
            yield Finding(about="hub", verdict="unknown", says=says)


def _about_group(setup: Setup, seen: Seen) -> Iterator[Finding]:
    group, about, look = setup.consumer_group, "consumer group", seen.consumer_group
    if seen.hub.outcome not in {"ok", "crowded"}:
        return  # what hinders us there hinders us here
    match look.outcome:
        case "ok":
            yield Finding(about=about, verdict="ok", says=f"consumer group {group} can be read")
        case "crowded":
            says = f"consumer group {group} has as many readers as it may have: somebody besides this app reads with it. Give each its own"
            yield Finding(about=about, verdict="wrong", says=says)
        case "absent":
            says = f"the hub has no consumer group {group}: EVENT_HUB_CONSUMER_GROUP is misspelt, or nobody has made it"
            host = setup.connection.host if setup.connection else ""
            yield Finding(about=about, verdict="wrong", says=says, mend=_group_mends(host, setup.hub, group))
        case "not looked":
            return
        case _:
            says = f"consumer group {group} could not be looked at ({look.detail or look.outcome})"
            yield Finding(about=about, verdict="unknown", says=says)


def _about_domain(about: str, setting: str, told: HubUrl | None, look: Look, reader: Reader) -> Iterator[Finding]:
    if told is None or look.outcome == "not looked":
        return
    if look.outcome == "absent":
        says = f"{told.domain}, the ?tenantId= of {setting}, is no domain of any tenant"
        yield Finding(about=about, verdict="wrong", says=says, look=_DOMAIN_LOOKS)
    elif look.outcome != "ok":
        says = f"whose domain {told.domain} is could not be asked ({look.detail or look.outcome})"
        yield Finding(about=about, verdict="unknown", says=says, look=_DOMAIN_LOOKS)
    elif reader.tenant_id and reader.tenant_id != look.detail:
        # roles on a hub are given in the tenant of its Azure subscription, so that whoever has one is in that tenant
        says = f"{told.domain} is a domain of tenant {look.detail}, and the identity that reads the hub is in tenant {reader.tenant_id}: "
        yield Finding(
            about=about, verdict="wrong", says=says + "?tenantId= has to be a domain of the latter", look=_DOMAIN_LOOKS
        )
    elif reader.tenant_id:
        yield Finding(
            about=about, verdict="ok", says=f"{told.domain} is a domain of tenant {look.detail}, in which the hub is"
        )
    else:
        owner = "the vault's" if told.secret else "the hub's"
        says = f"{told.domain} is a domain of tenant {look.detail}: see whether {owner} Azure subscription is in that tenant"
        yield Finding(about=about, verdict="unknown", says=says, look=_DOMAIN_LOOKS)


def _about_oversize(setup: Setup, seen: Seen) -> Iterator[Finding]:
    about = "large changes"
    if setup.told is None:
        return
    if setup.store is None:
        says = "EVENT_HUB_BLOB_STORE_URL is missing: Graph does not deliver what is larger than an event (1 MB); the daily look finds it late"
        yield Finding(about=about, verdict="wrong" if setup.takes_oversize else "unknown", says=says)
        return
    if not setup.takes_oversize:
        says = "Graph puts large changes into an account (EVENT_HUB_BLOB_STORE_URL), and neither OVERSIZE_STORAGE nor "
        yield Finding(
            about=about, verdict="wrong", says=f"{says}OVERSIZE_STORAGE__blobServiceUri says where this app finds them"
        )
        return
    match seen.container.outcome:
        case "ok":
            yield Finding(about=about, verdict="ok", says=f"container {CONTAINER} can be read")
        case "absent":
            says = f"the account of OVERSIZE_STORAGE has no container {CONTAINER}: Graph does not make it"
            yield Finding(about=about, verdict="wrong", says=says, mend=_container_mends(setup.oversize_account))
        case "denied":
            says = f"container {CONTAINER} may not be read: the app's identity needs the role {_BLOBS} on that account, or the key is not good"
            yield Finding(
                about=about, verdict="wrong", says=says, mend=_blob_mends(setup.oversize_account, seen.reader)
            )
        case "malformed":
            yield Finding(
                about=about, verdict="wrong", says="OVERSIZE_STORAGE is no connection string of a storage account"
            )
        case _:
            why = seen.container.detail or seen.container.outcome
            yield Finding(about=about, verdict="unknown", says=f"container {CONTAINER} could not be looked at ({why})")


# -- what only Graph and Azure can see --------------------------------------------------------------------------------


def _about_graph(setup: Setup, seen: Seen) -> Iterator[Finding]:
    told = setup.told
    if told is None:
        return
    for name, problem in seen.refused:
        yield Finding(about="what Graph said", verdict="wrong", says=f"of subscription {name}: {problem}")
    if seen.made:
        says = f"it has written its test message: subscription {seen.made} exists"
        yield Finding(about="what Graph said", verdict="ok", says=says)
    permitted: Verdict = "ok" if seen.made and not seen.refused else "unknown"
    if told.secret:
        says = f"Graph has to be able to read secret {told.secret} (role {_SECRETS}), and its connection string needs the right Send and EntityPath"
        yield Finding(
            about="Graph's role", verdict=permitted, says=says, look=_secret_looks(told), mend=_secret_mends(told)
        )
        says = f"vault {told.account} and the hub's namespace have to be open to public networks: Graph is on no list of trusted services"
        yield Finding(about="network", verdict=permitted, says=says, look=_vault_looks(told), mend=_vault_mends(told))
    else:
        says = f"Graph (app {CHANGE_TRACKING}) needs the role {_SENDER} on hub {told.hub}"
        look, mend = _sender_looks(told.host, told.hub), _sender_mends(told.host, told.hub)
        yield Finding(about="Graph's role", verdict=permitted, says=says, look=look, mend=mend)
        says = f"{told.host} has to be open to public networks: Graph is on no list of trusted services, and comes from many addresses"
        yield Finding(
            about="network",
            verdict=permitted,
            says=says,
            look=_network_looks(told.host),
            mend=_network_mends(told.host),
        )
    if setup.store is not None:
        says = f"Graph has to be able to read secret {setup.store.secret} (role {_SECRETS}), which is the connection string of the account of OVERSIZE_STORAGE"
        yield Finding(
            about="Graph's role for large changes",
            verdict=permitted,
            says=says,
            look=(*_secret_looks(setup.store), *_vault_looks(setup.store)),
            mend=(*_secret_mends(setup.store), *_vault_mends(setup.store)),
        )


# -- commands, for a shell with the Azure CLI -------------------------------------------------------------------------

_SAFE: Final = re.compile(r"[A-Za-z0-9$._-]{1,260}")
_PRINCIPAL: Final = (
    f"GRAPH=$(az ad sp show --id {CHANGE_TRACKING} --query id --output tsv || "
    f"az ad sp create --id {CHANGE_TRACKING} --query id --output tsv)"
)
_DOMAIN_LOOKS: Final = (
    "az account show --query tenantId --output tsv",
    'az rest --url https://graph.microsoft.com/v1.0/domains --query "value[?isVerified].id" --output tsv',
)


def _word(text: str) -> str:
    """Give what a command may have in it as it is; anything else is left to be filled in."""
    return text.replace("$", "\\$") if _SAFE.fullmatch(text) else "<name>"


def _namespace(host: str) -> str:
    name = _word(host.partition(".")[0])
    return f'NAMESPACE=$(az resource list --resource-type Microsoft.EventHub/namespaces --name {name} --query "[0].id" --output tsv)'


def _vault(place: HubUrl) -> str:
    return f"VAULT=$(az keyvault show --name {_word(place.account)} --query id --output tsv)"


def _storage(account: str) -> str:
    kind = "Microsoft.Storage/storageAccounts"
    return f'STORE=$(az resource list --resource-type {kind} --name {_word(account)} --query "[0].id" --output tsv)'


def _roles_of(scope: str) -> str:
    return f'az role assignment list --assignee "$GRAPH" --scope "{scope}" --include-inherited --query "[].roleDefinitionName" --output tsv'


def _grant(role: str, principal: str, scope: str) -> str:
    return (
        f'az role assignment create --role "{role}" --assignee-object-id "{principal}" '
        f'--assignee-principal-type ServicePrincipal --scope "{scope}"'
    )


def _sender_looks(host: str, hub: str) -> tuple[str, ...]:
    return _namespace(host), _PRINCIPAL, _roles_of(f"$NAMESPACE/eventhubs/{_word(hub)}")


def _sender_mends(host: str, hub: str) -> tuple[str, ...]:
    return _namespace(host), _PRINCIPAL, _grant(_SENDER, "$GRAPH", f"$NAMESPACE/eventhubs/{_word(hub)}")


def _receiver_mends(host: str, hub: str, reader: Reader) -> tuple[str, ...]:
    principal = _word(reader.object_id) if reader.object_id else "<object id of the app's identity>"
    return _namespace(host), _grant(_RECEIVER, principal, f"$NAMESPACE/eventhubs/{_word(hub)}")


def _hub_looks(host: str) -> tuple[str, ...]:
    return _namespace(host), 'az rest --url "$NAMESPACE/eventhubs?api-version=2024-01-01" --query "value[].name"'


def _hub_mends(host: str, hub: str) -> tuple[str, ...]:
    body = '\'{"properties": {"partitionCount": 4}}\''
    url = f"$NAMESPACE/eventhubs/{_word(hub)}?api-version=2024-01-01"
    return _namespace(host), f'az rest --method put --url "{url}" --body {body}'


def _group_mends(host: str, hub: str, group: str) -> tuple[str, ...]:
    url = f"$NAMESPACE/eventhubs/{_word(hub)}/consumergroups/{_word(group)}?api-version=2024-01-01"
    return _namespace(host), f"az rest --method put --url \"{url}\" --body '{{}}'"


def _network_looks(host: str) -> tuple[str, ...]:
    shown = "properties.{access: publicNetworkAccess, default: defaultAction}"
    rules = f'az rest --url "$NAMESPACE/networkRuleSets/default?api-version=2024-01-01" --query "{shown}"'
    return _namespace(host), rules


def _network_mends(host: str) -> tuple[str, ...]:
    body = '\'{"properties": {"publicNetworkAccess": "Enabled", "defaultAction": "Allow"}}\''
    url = "$NAMESPACE/networkRuleSets/default?api-version=2024-01-01"
    return _namespace(host), f'az rest --method put --url "{url}" --body {body}'


def _secret_looks(place: HubUrl) -> tuple[str, ...]:
    secret = f"az keyvault secret show --vault-name {_word(place.account)} --name {_word(place.secret)} --query attributes.enabled"
    return secret, _vault(place), _PRINCIPAL, _roles_of(f"$VAULT/secrets/{_word(place.secret)}")


def _secret_mends(place: HubUrl) -> tuple[str, ...]:
    policy = f'az keyvault set-policy --name {_word(place.account)} --object-id "$GRAPH" --secret-permissions get'
    grant = _grant(_SECRETS, "$GRAPH", f"$VAULT/secrets/{_word(place.secret)}")
    return _vault(place), _PRINCIPAL, grant, f"{policy}  # instead, where the vault has access policies"


def _vault_looks(place: HubUrl) -> tuple[str, ...]:
    shown = (
        "properties.{access: publicNetworkAccess, default: networkAcls.defaultAction, roles: enableRbacAuthorization}"
    )
    return (f'az keyvault show --name {_word(place.account)} --query "{shown}"',)


def _vault_mends(place: HubUrl) -> tuple[str, ...]:
    return (f"az keyvault update --name {_word(place.account)} --public-network-access Enabled --default-action Allow",)


def _container_mends(account: str) -> tuple[str, ...]:
    return (f"az storage container create --auth-mode login --account-name {_word(account)} --name {CONTAINER}",)


def _blob_mends(account: str, reader: Reader) -> tuple[str, ...]:
    principal = _word(reader.object_id) if reader.object_id else "<object id of the app's identity>"
    return _storage(account), _grant(_BLOBS, principal, "$STORE")
