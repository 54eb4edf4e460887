"""The whole vault in one object: https on loopback with a certificate authority of this machine's own.

    async with Vault() as vault:
        vault.certificates.make("earshot")
        ...  # vault.url, vault.ca_path, vault.moods

Everything is in memory and gone afterwards. Tokens come from elsewhere: `python -m local graph` gives them for any resource.
"""

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from local.graph.certificates import make_certificates, server_context
from local.keyvault.certificates import Certificates
from local.keyvault.routes import Moods, VaultRoutes

AUTHORITY = "https://login.microsoftonline.com/7e4a0000-0000-4000-8000-000000007e4a"
PAGE = 25


def present() -> datetime:
    """Tell the present."""
    return datetime.now(UTC)  # noqa: TID251 - a vault's present is the machine's


@dataclass(kw_only=True)
class Vault:
    """A running vault; port 0 becomes a free one, a folder that is not given is a temporary one."""

    port: int = 0
    state_dir: Path | None = None
    authority: str = AUTHORITY
    """Where the challenge sends for a token: an authority and a tenant."""
    page: int = PAGE
    now: Callable[[], datetime] = present

    url: str = field(init=False, default="")
    ca_path: Path = field(init=False, default=Path())
    certificates: Certificates = field(init=False)
    moods: Moods = field(init=False, default_factory=Moods)
    routes: VaultRoutes = field(init=False)
    _open: AsyncExitStack = field(init=False, default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.certificates = Certificates(self.now)
        self.routes = VaultRoutes(self.certificates, self.moods, authority=self.authority, page=self.page)

    async def __aenter__(self) -> Self:
        """Start serving; what was started is stopped again if something fails."""
        async with AsyncExitStack() as starting:
            folder = self.state_dir or Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="key-vault-")))
            folder.mkdir(parents=True, exist_ok=True)
            self.ca_path, server_path = make_certificates(folder, now=present())
            app = web.Application()
            app.add_routes(self.routes.routes())
            runner = web.AppRunner(app, access_log=None)
            starting.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=server_context(server_path)).start()
            self.url = f"https://localhost:{runner.addresses[0][1]}"
            self._open = starting.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop serving."""
        await self._open.aclose()
