"""Tokens of people, whole: msal, the simulator's authority, and table storage; several processes at once."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from local.graph.simulator import Simulator
from shared.adapters.mailbox_table import MailboxTable
from shared.adapters.storage import Storage
from shared.adapters.user_sign_in import MsalUserSignIn
from shared.caller import Caller
from shared.errors import UserSignedOut
from shared.ports import Mailbox
from shared.settings import Settings
from shared.user_tokens import UserTokens, mailbox_name
from tests.contracts.twins import StorageMaker, present

pytestmark = pytest.mark.azurite

APP = "a99e0000-0000-4000-8000-00000000a99e"
KEY = b"k" * 32


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Stage:
    """Somebody who has connected, and as many processes as one likes."""

    simulator: Simulator
    open_storage: StorageMaker
    caller: Caller
    ended: list[str] = field(default_factory=list)

    def process(self) -> UserTokens:
        settings = Settings.from_environ(
            {
                "GRAPH_TENANT_ID": self.simulator.tenant_id,
                "GRAPH_CLIENT_ID": APP,
                "GRAPH_CREDENTIAL": "client-secret",
                "GRAPH_CLIENT_SECRET": "right",
                "GRAPH_AUTHORITY": self.simulator.https_url,
                "SSL_CERT_FILE": str(self.simulator.ca_path),
            }
        )

        async def ended(name: str) -> None:
            self.ended.append(name)

        return UserTokens(
            store=MailboxTable(self.open_storage()),
            sign_in=MsalUserSignIn(settings, now=present),
            keys=[KEY],
            now=present,
            random=os.urandom,
            ended=ended,
        )

    async def row(self) -> Mailbox:
        found = await MailboxTable(self.open_storage()).read(mailbox_name(self.caller.user_id))
        assert found is not None
        return found

    async def connect(self) -> UserTokens:
        tokens = self.process()
        named = {"oid": self.caller.user_id, "sub": "s", "name": "n"}
        shown = self.simulator.authority.user_token(
            audience=APP, app_id=APP, tenant_id=self.caller.tenant_id, named=named, scopes="access_as_user"
        )
        grant = await tokens.exchange(self.caller, shown)
        row = Mailbox(
            name=mailbox_name(self.caller.user_id),
            user_id=self.caller.user_id,
            tenant_id=self.caller.tenant_id,
            state="connected",
            since=present(),
            sealed=tokens.sealed(grant, self.caller.tenant_id),
        )
        assert await MailboxTable(self.open_storage()).save(row) is not None
        return tokens


@pytest.fixture
async def stage(open_storage: StorageMaker) -> AsyncIterator[Stage]:
    async with Simulator(client_secret="right") as simulator:
        person = simulator.world.people[0]
        caller = Caller(user_id=person.id, tenant_id=simulator.tenant_id)
        made = Stage(simulator=simulator, open_storage=open_storage, caller=caller)
        yield made
        table = MailboxTable(open_storage())
        if left := await table.read(mailbox_name(caller.user_id)):  # the account is shared
            await table.remove(left)


async def test_several_processes_that_renew_at_once_leave_tokens_that_renew(stage: Stage) -> None:
    first = await (await stage.connect()).token(stage.caller.user_id)
    processes = [stage.process() for _ in range(4)]
    given = await asyncio.gather(*(each.token(stage.caller.user_id, first) for each in processes))
    newest = await stage.process().token(stage.caller.user_id)
    again = await stage.process().token(stage.caller.user_id, newest)

    assert first not in given
    assert newest in given
    assert again not in {first, *given}
    assert stage.ended == []


async def test_who_signs_out_everywhere_has_nothing_left_here(stage: Stage) -> None:
    token = await (await stage.connect()).token(stage.caller.user_id)
    stage.simulator.entra.end_sessions(stage.caller.user_id)

    with pytest.raises(UserSignedOut, match="connect again"):
        await stage.process().token(stage.caller.user_id, token)

    row = await stage.row()
    assert (row.state, row.sealed) == ("ended", b"")
    assert "connect again" in row.problem
    assert stage.ended == [row.name]


async def test_no_token_lies_in_the_table_in_clear(stage: Stage, storage: Storage) -> None:
    token = await (await stage.connect()).token(stage.caller.user_id)
    table = await storage.table("subscriptions")
    entity = dict(await table.get_entity("mailbox", mailbox_name(stage.caller.user_id)))
    kept = b"".join(value if isinstance(value, bytes) else str(value).encode() for value in entity.values())

    assert len(entity["sealed0"]) > 2_000
    for part in (*token.split("."), "RefreshToken", "secret", "eyJ"):
        assert part.encode() not in kept
