"""Wires the app: settings to adapters, adapters to decisions, decisions to blueprints. The only importer of adapters.

A part whose settings are missing or malformed is left out, and says so once in the log and for ever in health and status.
Nothing here talks to anything outside: clients are made on first use.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import azure.functions as func

import shared.handlers
from blueprints import (
    app,
    eventhub,
    feed,
    findings,
    health,
    mail,
    manage,
    negotiate,
    openapi,
    processor,
    subscriptions,
    sweep,
    webhook,
)
from shared.adapters.credential import graph_scope, make_credential, only_home, own_identity
from shared.adapters.feed_table import FeedTable
from shared.adapters.finding_table import FindingTable
from shared.adapters.graph_api import GraphApi
from shared.adapters.heard_table import HeardTable
from shared.adapters.hub_looks import AzureHubLooks
from shared.adapters.hub_mark_table import HubMarkTable
from shared.adapters.kept_declaration import DeclarationBlob
from shared.adapters.key_directory import open_key_directory
from shared.adapters.key_vault import KeyVault, open_key_vault
from shared.adapters.ledger_table import LedgerTable
from shared.adapters.mailbox_table import MailActionTable, MailboxTable
from shared.adapters.oversize_blobs import OversizeBlobs
from shared.adapters.own_endpoint import OwnWebhook
from shared.adapters.payload_blobs import PayloadBlobs
from shared.adapters.rule_files import RuleFiles
from shared.adapters.scope_table import GapTable, ScopeTable
from shared.adapters.signalr import SignalR
from shared.adapters.signalr_access import read_access
from shared.adapters.signing_keys import AuthorityKeys
from shared.adapters.storage import PATIENT, PROMPT, Patience, Storage
from shared.adapters.storage_queue import StorageQueue
from shared.adapters.subscription_table import SubscriptionTable
from shared.adapters.targets import Targets
from shared.adapters.trust import ca_bundle, verify
from shared.adapters.user_sign_in import MsalUserSignIn, acts_for_nobody
from shared.adapters.web_folder import read_web_folder
from shared.answers import PUBLIC, Answer, answer_json
from shared.callers import Callers
from shared.catch_up import CatchUp
from shared.change import Services
from shared.classifiers import find_classifiers
from shared.declaration import Declaration, DeclaredSubscription, read_declaration
from shared.declared_state import FileDeclared
from shared.dispatch import find_handlers
from shared.dlp.rules import read_rules
from shared.dlp_options import read_dlp_options
from shared.errors import SettingsError, StorageError
from shared.feed_operations import FEED_OPERATIONS, FEED_SCHEMAS
from shared.feed_reading import FeedReading
from shared.feed_titles import FeedTitles
from shared.finding_reading import FindingReading
from shared.forwarding import read_endpoint
from shared.graph.catalogue import find as find_resource
from shared.graph.client_state import key_fingerprint
from shared.graph.user_token import UserTokenJudge
from shared.graph.validation_token import TokenJudge
from shared.handling import Handling
from shared.hub_check import HubCheck
from shared.intake import Policy
from shared.keeping import Keeping
from shared.key_watch import KeyWatch
from shared.known_subscriptions import KnownSubscriptions
from shared.ledger import Ledger
from shared.live_messages import LiveMessages
from shared.live_watch import LiveWatch
from shared.mail import Mail
from shared.mail_operations import MAIL_OPERATIONS, MAIL_SCHEMAS
from shared.mail_replying import MailReplying
from shared.mailboxes import Mailboxes, order_of
from shared.membership import Membership
from shared.negotiation import Negotiation
from shared.openapi import write_openapi
from shared.opener import Opener
from shared.oversize import Oversize
from shared.own_mailbox import OwnMailbox
from shared.pacing import PacedGraph
from shared.pipeline import Pipeline
from shared.ports import EncryptionKeys
from shared.pull import Pull
from shared.pull_mode import PullMode
from shared.reception import Reception
from shared.retrying import Schedule
from shared.routing import HandlerChoice, Registration
from shared.settings import LIVE, MAIL, PULL_MODE, Settings
from shared.silence import HeardRecorder, Silence
from shared.status import Status
from shared.storage_health import StorageHealth
from shared.subscriptions import Subscriptions
from shared.sweep import Sweep
from shared.telemetry import quieten_vendors
from shared.tenants import Tenants
from shared.token_check import TokenCheck
from shared.user_feeds import UserFeeds
from shared.user_tokens import UserTokens
from shared.web_files import PageConfig, WebFiles, page_scope

Given = TypeVar("Given")

_LOGGER = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parent.parent
_CLAIM_MARGIN = 1.25
"""A claim outlasts the handlers' timeout by a quarter: they are cancelled first."""


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the process's environment: the one place where it is looked at."""
    return Settings.from_environ(os.environ if environ is None else environ)  # noqa: TID251 - the one place


def blueprints(settings: Settings) -> Sequence[func.Blueprint]:
    """Give the blueprints of every part that the settings allow."""
    quieten_vendors()
    return Composition(settings).blueprints()


def utc_now() -> datetime:
    """Tell the present."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock


def _new_id() -> str:
    return os.urandom(10).hex()


@dataclass(frozen=True, kw_only=False)
class Composition:
    """One app. Everything is made when it is first asked for, and once."""

    settings: Settings
    storage_health: StorageHealth = field(default_factory=StorageHealth)

    def blueprints(self) -> list[func.Blueprint]:
        """Build the parts whose settings are in order; the others are named in the log, in health and in status."""
        makers: dict[str, Callable[[], list[func.Blueprint]]] = {
            "webhook": lambda: [webhook.build(self.reception)],
            "processor": lambda: [processor.build(self.pipeline)],
            "subscriptions": self._keep_subscriptions,
            "feed": lambda: [feed.build(FeedReading(store=self.feed_table, titles=self.titles_if_any))],
            "findings": lambda: [findings.build(FindingReading(store=self.finding_table, now=utc_now))],
        }
        absent: dict[str, str] = {}
        if self.settings.asks_for_live_clients:
            makers["live"] = self._serve_users
        else:
            absent["live"] = f"live clients are not asked for: either of {', '.join(LIVE)} does that"
        if self.settings.asks_for_mail:
            makers["mail"] = self._serve_mailboxes
        else:
            absent["mail"] = f"nobody is to connect a mailbox: {', '.join(MAIL)} does that"
        if self.settings.asks_for_pull_mode:
            makers["event_hub"] = lambda: [eventhub.build(self.pull)]
        else:
            absent["event_hub"] = f"pull mode is not asked for: any of {', '.join(PULL_MODE)} does that"
        parts: dict[str, tuple[str, ...]] = {}
        built: list[func.Blueprint] = []
        for part, make in makers.items():
            try:
                self.settings.require(part)
                built += make()
                parts[part] = ()
            except SettingsError as problem:
                parts[part] = problem.problems
        problems = dict.fromkeys(problem for lacking in parts.values() for problem in lacking)
        if problems:
            left_out = ", ".join(part for part, lacking in parts.items() if lacking)
            _LOGGER.error("%s will not run: %s", left_out, SettingsError(problems))
        store = self.subscription_table if self.settings.has_storage else None
        declared = self.__dict__.get("declared")  # there if a part runs that needs it
        status = Status(
            parts=parts,
            store=store,
            now=utc_now,
            declared=declared,
            keys=self.encryption_keys,
            client_state_key=key_fingerprint(self.settings.client_state_key),
            gaps=self.gap_table if self.settings.has_storage else None,
            silence=self.silence if self.settings.has_storage else None,
            marks=self.hub_marks if self.settings.has_storage and self.settings.asks_for_pull_mode else None,
            live=self.live_if_any,
            absent=absent,
        )
        if self.settings.asks_for_pull_mode:  # also, and just then, where the part itself does not run
            built.append(manage.build_event_hub(self.hub_check))
        return [*built, health.build(status, warm=self.warm)]

    def _keep_subscriptions(self) -> list[func.Blueprint]:
        kept = self.subscriptions
        return [subscriptions.build(kept), sweep.build(self.sweep), manage.build(kept)]

    def _serve_users(self) -> list[func.Blueprint]:
        return [
            feed.build_for_users(self.user_feeds),
            negotiate.build(self.negotiation),
            openapi.build(self.description),
            app.build(lambda: self.web_files),
        ]

    def _serve_mailboxes(self) -> list[func.Blueprint]:
        if problem := acts_for_nobody(self.settings):
            raise SettingsError([problem])
        return [mail.build(self.mail)]

    async def warm(self) -> None:
        """Get what the first delivery would wait for: signing keys, and the last good declaration if the file is broken."""
        await self.tokens.warm()
        if "declared" in self.__dict__:
            with contextlib.suppress(StorageError):
                await self.declared.refresh()

    async def close(self) -> None:
        """Let go of connections and threads, where something made any."""
        for name in ("storage", "prompt_storage", "targets", "signalr"):
            if name in self.__dict__:
                await self.__dict__[name].close()
        if self.__dict__.get("oversize_storage"):
            await self.__dict__["oversize_storage"].close()
        for storage in self.__dict__.get("foreign_storages", {}).values():
            await storage.close()
        if self.__dict__.get("key_vault"):
            await self.__dict__["key_vault"].close()
        if "graph" in self.__dict__:
            self.graph.close()
        if "threads" in self.__dict__:
            self.threads.shutdown()
        if "own_webhook" in self.__dict__:
            self.own_webhook.close()

    # -- storage ----------------------------------------------------------------------------------------------------

    def _storage(self, patience: Patience, connection: str = "") -> Storage:
        return Storage(
            settings=self.settings,
            patience=patience,
            health=self.storage_health,
            now=utc_now,
            ca_bundle=ca_bundle(self.settings.environ),
            connection=connection,
        )

    @cached_property
    def storage(self) -> Storage:
        """The account, for everything behind the queue."""
        return self._storage(PATIENT)

    @cached_property
    def prompt_storage(self) -> Storage:
        """The account, for what Graph waits for."""
        return self._storage(PROMPT)

    @cached_property
    def feed_table(self) -> FeedTable:
        """Table ``feed``."""
        return FeedTable(self.storage, utc_now)

    @cached_property
    def finding_table(self) -> FindingTable:
        """Table ``findings``."""
        return FindingTable(self.storage)

    @cached_property
    def subscription_table(self) -> SubscriptionTable:
        """Table ``subscriptions``."""
        return SubscriptionTable(self.storage)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of handled changes."""
        return Ledger(
            LedgerTable(self.storage),
            window=self.settings.deduplication_window,
            claim_lifetime=self.settings.handler_timeout * _CLAIM_MARGIN,
        )

    @cached_property
    def oversize_storage(self) -> Storage | None:
        """The account into which Graph puts what no event can hold; None if no setting names one.

        Its health is its own: that it is away is no reason to turn deliveries away.
        """
        settings = self.settings
        if not settings.oversize_storage and not settings.oversize_storage_blob_uri:
            return None
        account = replace(settings, storage="", storage_account="", storage_blob_uri=settings.oversize_storage_blob_uri)
        return Storage(
            settings=account,
            patience=PATIENT,
            health=StorageHealth(),
            now=utc_now,
            ca_bundle=ca_bundle(settings.environ),
            connection=settings.oversize_storage,
        )

    @cached_property
    def oversize(self) -> Oversize:
        """What completes items that no event could hold."""
        store = OversizeBlobs(self.oversize_storage) if self.oversize_storage else None
        return Oversize(store=store, now=utc_now, largest=self.settings.max_body_bytes)

    @cached_property
    def hub_check(self) -> HubCheck:
        """What finds out why pull mode does not work; there whatever else is, or is not."""
        return HubCheck(
            settings=self.settings,
            looks=AzureHubLooks(self.settings, oversize=self.oversize_storage),
            store=self.subscription_table if self.settings.has_storage else None,
        )

    @cached_property
    def subscription_work(self) -> StorageQueue:
        """Queue ``subscription-work``."""
        return StorageQueue(self.storage, "subscription-work")

    @cached_property
    def dead_letters(self) -> StorageQueue:
        """Queue ``notifications-poison``."""
        return StorageQueue(self.storage, "notifications-poison")

    @cached_property
    def keeping(self) -> Keeping:
        """What takes the rest of an envelope."""
        return Keeping(
            queue=StorageQueue(self.storage, "notifications"),
            dead_letters=self.dead_letters,
            payloads=PayloadBlobs(self.storage),
            oversize=self.oversize,
            schedule=Schedule(
                attempts=self.settings.retry_attempts,
                first=self.settings.retry_first_delay,
                longest=self.settings.retry_longest_delay,
            ),
            now=utc_now,
            chance=random.random,
        )

    # -- judging ------------------------------------------------------------------------------------------------------

    @cached_property
    def policy(self) -> Policy:
        """What may come in."""
        return Policy(
            client_state_keys=self.settings.client_state_keys,
            allowed_tenant_ids=self.settings.allowed_tenant_ids,
            max_body_bytes=self.settings.max_body_bytes,
            home_tenant_id=self.settings.graph_tenant_id,
        )

    @cached_property
    def tokens(self) -> TokenCheck:
        """The authority's signing keys, shared by webhook and processor."""
        judge = TokenJudge(
            audiences=self.settings.graph_audiences, publisher_app_id=self.settings.graph_publisher_app_id
        )
        source = AuthorityKeys(self.settings.authority, verify=verify(self.settings.environ))
        return TokenCheck(judge, source, utc_now)

    @cached_property
    def reception(self) -> Reception:
        """What answers Graph."""
        return Reception(
            policy=self.policy,
            tokens=self.tokens,
            payloads=PayloadBlobs(self.prompt_storage),
            storage_health=self.storage_health,
            now=utc_now,
            new_id=_new_id,
        )

    # -- processing ---------------------------------------------------------------------------------------------------

    @cached_property
    def registrations(self) -> tuple[Registration, ...]:
        """Every handler in `shared/handlers/`."""
        return find_handlers(shared.handlers)

    @cached_property
    def rule_files(self) -> RuleFiles:
        """DLP rules beside the subscriptions file, which may name the classifiers in `shared/handlers/`."""
        beside = (_ROOT / self.settings.subscriptions_file).parent
        return RuleFiles(beside, lambda text: read_rules(text, classifiers=find_classifiers(shared.handlers)))

    @cached_property
    def declared(self) -> FileDeclared:
        """The declared subscriptions, looked at once already: what is wrong with them is in the log at start."""
        declared = FileDeclared(
            path=_ROOT / self.settings.subscriptions_file,
            read=self._read_declaration,
            kept=DeclarationBlob(self.storage),
            now=utc_now,
        )
        declared.look()
        return declared

    def _read_declaration(self, text: bytes) -> Declaration:
        known = frozenset(registration.name for registration in self.registrations)
        tenants = Tenants(
            home=self.settings.graph_tenant_id,
            allowed=self.settings.allowed_tenant_ids,
            only_home=only_home(self.settings),
        )
        pull_mode = PullMode(
            hub_url=self.settings.event_hub_notification_url, unread=self.settings.missing("event_hub")
        )
        return read_declaration(
            text,
            known_handlers=known,
            check_handler=self._problems_with_options,
            tenants=tenants,
            pull_mode=pull_mode,
        )

    def _problems_with_options(self, choice: HandlerChoice, declared: DeclaredSubscription) -> Sequence[str]:
        """Say what is wrong with what a handler is told; one that is not in the table checks its options itself."""
        checks: Mapping[str, Callable[[Mapping[str, Any], DeclaredSubscription], Iterator[str]]] = {
            "forward": self._problems_with_target,
            "dlp": self._problems_with_dlp,
            "mailbox": self._problems_with_mailbox,
        }
        return tuple(checks[choice.name](choice.options, declared)) if choice.name in checks else ()

    def _problems_with_target(self, options: Mapping[str, Any], _: DeclaredSubscription) -> Iterator[str]:
        try:
            read_endpoint(options, self.settings.environ)
        except SettingsError as problem:
            yield from problem.problems

    def _problems_with_dlp(self, options: Mapping[str, Any], declared: DeclaredSubscription) -> Iterator[str]:
        try:
            told = read_dlp_options(options)
        except SettingsError as problem:
            yield from problem.problems
            return
        try:
            self.rule_files(told.rules)
        except SettingsError as problem:
            yield from (f"dlp, {told.rules}: {each}" for each in problem.problems)
        if told.alert is not None:
            yield from (f"dlp, alert: {each}" for each in self._problems_with_target(told.alert, declared))
        entry = find_resource(declared.resource)
        if entry is not None and entry.odata_type not in {"chatMessage", "message"}:
            yield "dlp is for Teams messages and mail, and this resource is neither"
        elif entry is not None and entry.odata_type == "message":
            if told.violation is not None:
                yield "dlp: policyViolation is for Teams messages, and this resource is mail"
            if declared.include_resource_data:
                yield "dlp: Graph sends no bodies of mail; without includeResourceData each mail is fetched whole"

    def _problems_with_mailbox(self, _: Mapping[str, Any], declared: DeclaredSubscription) -> Iterator[str]:
        entry = find_resource(declared.resource)
        if entry is not None and entry.odata_type != "message":
            yield "mailbox tells people what changes in their mail, and this resource is none"

    @cached_property
    def key_vault(self) -> KeyVault | None:
        """The vault that ENCRYPTION_KEYS names; None if it names none."""
        return open_key_vault(self.settings)

    @cached_property
    def encryption_keys(self) -> KeyWatch | None:
        """Where private keys are; None where ENCRYPTION_KEYS says nothing."""
        keys: EncryptionKeys | None = open_key_directory(self.settings) or self.key_vault
        return KeyWatch(keys, utc_now) if keys else None

    @cached_property
    def graph(self) -> GraphApi:
        """Microsoft Graph, as the app."""
        return GraphApi(
            endpoint=self.settings.graph_endpoint,
            credential=make_credential(self.settings),
            scope=graph_scope(self.settings),
            verify=verify(self.settings.environ),
            users=self.user_tokens.token if self.user_tokens else None,
        )

    def _storage_of(self, connection: str) -> Storage:
        if not connection:
            return self.storage
        if connection not in self.foreign_storages:
            self.foreign_storages[connection] = self._storage(PATIENT, connection)
        return self.foreign_storages[connection]

    @cached_property
    def foreign_storages(self) -> dict[str, Storage]:
        """Accounts of others that `forward` puts messages into, by connection string."""
        return {}

    @cached_property
    def targets(self) -> Targets:
        """Where `forward` sends to."""
        return Targets(
            environ=self.settings.environ,
            queue=lambda name, connection: StorageQueue(self._storage_of(connection), name),
            ca_bundle=ca_bundle(self.settings.environ),
            now=utc_now,
        )

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """Threads for decryption, one a core: OpenSSL lets go of the interpreter."""
        return ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="decrypt")

    @cached_property
    def pipeline(self) -> Pipeline:
        """What brings envelopes to their end."""
        opener = Opener(
            policy=self.policy,
            known=KnownSubscriptions(self.declared, self.subscription_table, utc_now),
            tokens=self.tokens,
            encryption_keys=self.encryption_keys,
            payloads=PayloadBlobs(self.storage),
            oversize=self.oversize,
            graph=self.graph,
            registrations=self.registrations,
            threads=self.threads,
        )
        handling = Handling(
            ledger=self.ledger,
            services=Services(
                now=utc_now,
                feed=self.feed_table,
                findings=self.finding_table,
                rules=self.rule_files,
                graph=self.graph,
                target=self.targets,
                live=LiveMessages(self.live_if_any, utc_now),
            ),
            handler_timeout=self.settings.handler_timeout,
            now=utc_now,
            new_id=_new_id,
        )
        heard = HeardRecorder(self.heard_table, utc_now)
        return Pipeline(opener=opener, handling=handling, keeping=self.keeping, heard=heard, now=utc_now)

    # -- people -------------------------------------------------------------------------------------------------------

    @cached_property
    def callers(self) -> Callers:
        """Who calls, by the token that they show."""
        judge = UserTokenJudge(
            audiences=self.settings.api_audiences,
            tenant_ids=self.settings.allowed_tenant_ids,
            scope=self.settings.api_scope,
        )
        return Callers(judge, self.tokens, utc_now)

    @cached_property
    def web_files(self) -> WebFiles:
        """The page."""
        settings = self.settings
        simulated = settings.graph_endpoint.startswith("http://")  # on this machine, as the setting insists
        of_ours = settings.allowed_tenant_ids <= {settings.graph_tenant_id}
        tenant = settings.graph_tenant_id if of_ours else "organizations"  # the API turns away who is of none of them
        config = PageConfig(
            client_id=settings.web_client_id,
            authority=f"{settings.graph_endpoint if simulated else settings.authority}/{tenant}",
            scope=page_scope(settings.api_audiences, settings.api_scope),
            sign_in="simulator" if simulated else "msal",
            live=read_access(settings, own_identity)[0],
        )
        return WebFiles(read_web_folder(_ROOT / "shared" / "web"), config)

    @cached_property
    def membership(self) -> Membership:
        """Who may see a feed."""
        return Membership(self.graph, utc_now, home_tenant_id=self.settings.graph_tenant_id)

    @cached_property
    def feed_titles(self) -> FeedTitles:
        """What feeds are called."""
        return FeedTitles(self.graph, self.membership, utc_now, home_tenant_id=self.settings.graph_tenant_id)

    @property
    def titles_if_any(self) -> FeedTitles | None:
        """The same; None where part ``live`` does not run, and the app need not be allowed to ask for names."""
        return self._if_live_runs(lambda: self.feed_titles)

    @cached_property
    def signalr(self) -> SignalR:
        """The service that holds our clients' connections. Raises SettingsError where it is not to be found."""
        endpoint, signer = read_access(self.settings, own_identity)
        return SignalR(endpoint, signer, now=utc_now, ca_bundle=ca_bundle(self.settings.environ))

    @cached_property
    def live(self) -> LiveWatch:
        """The same, watched."""
        return LiveWatch(self.signalr, utc_now)

    @property
    def live_if_any(self) -> LiveWatch | None:
        """The same; None where part ``live`` does not run."""
        return self._if_live_runs(lambda: self.live)

    def _if_live_runs(self, give: Callable[[], Given]) -> Given | None:
        """Give what belongs to part ``live``; None where that does not run, for whatever reason: the part itself tells of it."""
        if not self.settings.asks_for_live_clients or self.settings.missing("live"):
            return None
        try:
            return give()
        except SettingsError:
            return None

    @cached_property
    def description(self) -> Answer:
        """What people's programs may call."""
        operations, schemas = FEED_OPERATIONS, FEED_SCHEMAS
        if self.user_tokens is not None:
            operations, schemas = (*operations, *MAIL_OPERATIONS), {**schemas, **MAIL_SCHEMAS}
        return answer_json(200, write_openapi(operations, schemas), PUBLIC)

    @cached_property
    def user_feeds(self) -> UserFeeds:
        """Feeds for the people who are in them."""
        return UserFeeds(
            callers=self.callers, membership=self.membership, titles=self.feed_titles, store=self.feed_table
        )

    @cached_property
    def negotiation(self) -> Negotiation:
        """What lets people hear of changes."""
        return Negotiation(
            callers=self.callers,
            membership=self.membership,
            store=self.feed_table,
            live=self.live,
            now=utc_now,
            chance=random.random,
        )

    @cached_property
    def mailbox_table(self) -> MailboxTable:
        """Who has connected their mailbox."""
        return MailboxTable(self.storage)

    @cached_property
    def mail_actions(self) -> MailActionTable:
        """What people have asked for lately."""
        return MailActionTable(self.storage)

    @cached_property
    def user_tokens(self) -> UserTokens | None:
        """Tokens with which we act for people; None where part ``mail`` does not run."""
        if not self.settings.asks_for_mail or self.settings.missing("mail") or acts_for_nobody(self.settings):
            return None
        return UserTokens(
            store=self.mailbox_table,
            sign_in=MsalUserSignIn(self.settings, now=utc_now),
            keys=self.settings.token_cache_keys,
            now=utc_now,
            random=os.urandom,
            ended=order_of(self.subscription_work),
        )

    @cached_property
    def mailboxes(self) -> Mailboxes | None:
        """What connects and disconnects; None where part ``mail`` does not run."""
        if self.user_tokens is None:
            return None
        return Mailboxes(
            store=self.mailbox_table,
            subscriptions=self.subscription_table,
            tokens=self.user_tokens,
            work=self.subscription_work,
            home_tenant_id=self.settings.graph_tenant_id,
            now=utc_now,
            actions=self.mail_actions,
            forget=[self.catch_up.forget],
        )

    @property
    def mail(self) -> Mail:
        """What answers people about their own mailbox. Raises SettingsError where part ``mail`` cannot run."""
        if self.mailboxes is None:
            raise SettingsError(self.settings.missing("mail"))
        mailbox = OwnMailbox(self.graph)
        return Mail(
            callers=self.callers,
            mailboxes=self.mailboxes,
            mailbox=mailbox,
            replying=MailReplying(mailbox, self.mail_actions, utc_now),
            now=utc_now,
        )

    @cached_property
    def hub_marks(self) -> HubMarkTable:
        """Where batches of the hub begin."""
        return HubMarkTable(self.storage)

    @cached_property
    def pull(self) -> Pull:
        """What brings batches of the hub to their end, with the pipeline that the queue has too."""
        return Pull(
            hub=self.settings.event_hub_name,
            consumer_group=self.settings.event_hub_consumer_group,
            policy=replace(self.policy, delivery="eventhub"),
            pipeline=self.pipeline,
            work=self.subscription_work,
            marks=self.hub_marks,
            threads=self.threads,
            now=utc_now,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """What clears up."""
        return Sweep(
            ledger=self.ledger,
            dead_letters=self.dead_letters,
            keeping=self.keeping,
            now=utc_now,
        )

    @cached_property
    def gap_table(self) -> GapTable:
        """What may have gone unheard, and what became of it."""
        return GapTable(self.storage)

    @cached_property
    def heard_table(self) -> HeardTable:
        """When each subscription was last heard."""
        return HeardTable(self.storage)

    @cached_property
    def silence(self) -> Silence:
        """What looks after those that are quiet."""
        return Silence(self.heard_table, utc_now)

    @cached_property
    def catch_up(self) -> CatchUp:
        """What looks for changes that went unheard."""
        return CatchUp(
            graph=self.graph,
            scopes=ScopeTable(self.storage),
            gaps=self.gap_table,
            queue=StorageQueue(self.storage, "notifications"),
            client_state_key=self.settings.client_state_key,
            tenant_id=self.settings.graph_tenant_id,
            now=utc_now,
            new_id=_new_id,
        )

    @cached_property
    def own_webhook(self) -> OwnWebhook:
        """Our own webhook, asked from outside before Graph is."""
        return OwnWebhook(self.settings.public_base_url, now=utc_now, verify=verify(self.settings.environ))

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """What keeps subscriptions alive."""
        return Subscriptions(
            declared=self.declared,
            settings=self.settings,
            graph=PacedGraph(self.graph, now=utc_now, pause=asyncio.sleep),
            store=self.subscription_table,
            work=self.subscription_work,
            catch_up=self.catch_up,
            silence=self.silence,
            own_endpoint=self.own_webhook,
            mailboxes=self.mailboxes,
            keys=self.encryption_keys,
            now=utc_now,
        )
