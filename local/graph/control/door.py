"""Calls a running simulator from outside: its controls, and Graph itself as an app would. Not here: what is called for, see `cli`."""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

APP = "00000000-0000-4000-8000-0000c0117401"
"""The client id with which the controls themselves call Graph; any would do."""
SECONDS = 60.0

# no proxy is asked on the way to this machine, whatever the environment says
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotRunning(Exception):  # noqa: N818 - it is a state of affairs, and reads as one
    """Nothing answers where the simulator should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    body: Any

    @property
    def good(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what 2xx means


@dataclass(slots=True, kw_only=True)
class Door:
    """A running simulator at a URL."""

    url: str
    _token: str | None = field(default=None, repr=False)

    def control(self, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Call a control: GET without a body, else POST. Raises NotRunning."""
        return self._call("GET" if body is None else "POST", f"/_sim/{path}", body, {})

    def graph(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Call Graph with a token of our own for the first tenant; of a whole link, its path is called. Raises NotRunning."""
        if path.startswith("http"):
            link = urllib.parse.urlsplit(path)
            path = f"{link.path}?{link.query}"
        if self._token is None:
            self._token = self._sign_in()
        return self._call(method, path, body, {"Authorization": f"Bearer {self._token}"})

    def _sign_in(self) -> str:
        tenant = self.control("world").body["tenant"]
        form = {"client_id": APP, "client_secret": "any", "scope": "https://graph.microsoft.com/.default"}
        raw = urllib.parse.urlencode(form | {"grant_type": "client_credentials"}).encode()
        answer = self._send(urllib.request.Request(f"{self.url}/{tenant}/oauth2/v2.0/token", raw))  # noqa: S310 - ours
        return str(answer.body.get("access_token", "")) if isinstance(answer.body, dict) else ""

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer:
        raw = None if body is None else json.dumps(body).encode()
        typed = {"Content-Type": "application/json", **headers}
        return self._send(urllib.request.Request(f"{self.url}{path}", raw, typed, method=method))  # noqa: S310 - ours

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with _OPENER.open(request, timeout=SECONDS) as response:
                return Answer(status=response.status, body=_read(response.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(status=refused.code, body=_read(refused.read()))
        except OSError as problem:
            raise NotRunning(f"nothing answers at {self.url}") from problem


def _read(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")
