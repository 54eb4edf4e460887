"""The hub protocol in JSON: what client and service say to each other, each text ended by a record separator. Pure.

Not here: MessagePack, which the real service speaks too, and streams, which nobody can open without a server behind the hub.

https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md (2026-03)
"""

import json
from collections.abc import Sequence
from typing import Any, Final

END: Final = "\x1e"
PING: Final = f'{{"type":6}}{END}'
WELCOME: Final = f"{{}}{END}"

_INVOCATION, _PING, _CLOSE = 1, 6, 7
_QUIET: Final = frozenset({_PING, 8, 9})
"""Pings, and the acknowledgements of a stateful reconnect: nobody has to answer."""


class Misbehaved(Exception):  # noqa: N818 - what a client did, in words that it is told
    """A client said what it may not say; the connection ends with these words."""


class Farewell(Exception):  # noqa: N818 - no error: a client says that it goes
    """A client closes the connection."""


def write_invocation(target: str, arguments: Sequence[Any]) -> str:
    """Write a call of what a client listens for."""
    return json.dumps({"type": _INVOCATION, "target": target, "arguments": arguments}, separators=(",", ":")) + END


def write_close(error: str = "", *, reconnect: bool = False) -> str:
    """Write that the connection ends; a client tries again by itself only if it is told to."""
    body: dict[str, Any] = {"type": _CLOSE}
    body |= {"error": error} if error else {}
    body |= {"allowReconnect": True} if reconnect else {}
    return json.dumps(body, separators=(",", ":")) + END


def write_refused_handshake(error: str) -> str:
    """Write the answer to a handshake that asks for what is not spoken here."""
    return json.dumps({"error": error}) + END


def read_handshake(text: str) -> None:
    """Read the first thing that a client says. Raises Misbehaved if it is no handshake for this protocol."""
    asked = _read(text)
    protocol, version = asked.get("protocol"), asked.get("version")
    if protocol != "json":
        raise Misbehaved(f"The protocol '{protocol}' is not supported.")
    if version not in {1, 2}:  # 2 adds acknowledgements
        raise Misbehaved(f"The server does not support version {version} of the 'json' protocol.")


def read_message(text: str) -> None:
    """Read one message of a client. Raises Farewell, or Misbehaved for whatever wants an answer from a server.

    The real service ends such a connection too.
    https://learn.microsoft.com/azure/azure-signalr/signalr-reference-data-plane-rest-api (2026-06)
    """
    kind = _read(text).get("type")
    if kind == _CLOSE:
        raise Farewell
    if kind not in _QUIET:
        raise Misbehaved(
            "Clients cannot invoke anything: the service is in serverless mode, and no upstream is configured."
        )


def _read(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as broken:
        raise Misbehaved("Error parsing the message.") from broken
    if not isinstance(message, dict):
        raise Misbehaved("A message is a JSON object.")
    return message
