"""The page's files as they are served: types, entity tags, compression, how long they may be kept, and what they may do. Pure.

The page shows what strangers wrote, so it is allowed next to nothing: scripts and styles of its own files only, connections to
this app, the SignalR service and whoever signs people in, no frames but its own. Messages are shown in `frame.html`, which may
not run anything at all, and load no images but those that are part of the message; `frame-images.html` is the same for somebody
who asked for the images.

Not here: reading the files (`shared.adapters.web_folder`), and what the page does (`shared/web`).
"""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from shared.answers import Answer, answer_error, answer_json, takes_gzip, unchanged, with_tag

INDEX: Final = "index.html"
WORKER: Final = "worker.js"
CONFIG: Final = "config.json"
FRAMES: Final[Mapping[str, str]] = {"frame.html": "data:", "frame-images.html": "data: https:"}
"""The documents in which messages are shown, and where their images may come from."""

_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
    "svg": "image/svg+xml",
    "png": "image/png",
    "txt": "text/plain; charset=utf-8",
}
_VENDORED: Final = "vendor/"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_PATH: Final = "/api/app"
_SANDBOX: Final = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
"""Without scripts. The same origin lets the page put the message in and measure it; popups are links that a person opens."""

_COMMENT: Final = re.compile(r"^[ \t]*//.*$|^[ \t]*/\*\*[\s\S]*?\*/|/\*\* @type \{.*?\} \*/", re.MULTILINE)
"""What our own modules say to readers: whole lines, blocks that begin a line, and types. Strings hold nothing that looks like it."""
_BEST: Final = 9

_EVERYWHERE: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Encoding",
}
_DOCUMENTS: Final[Mapping[str, str]] = {
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""What only documents have to say: with forty files, half of what travels would be headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageConfig:
    """What the page has to be told; nothing of it is a secret.

    ``sign_in`` is ``msal``, or ``simulator`` where the authority is one on this machine that speaks http, which MSAL refuses.
    ``live`` is the address of the SignalR service, for the policy only: the page is told where to connect each time it asks.
    """

    client_id: str
    authority: str
    scope: str
    sign_in: str
    live: str

    def print(self) -> Mapping[str, object]:
        """Print it as the page reads it."""
        scopes = [self.scope, "openid", "profile", "offline_access"]
        return {"clientId": self.client_id, "authority": self.authority, "scopes": scopes, "signIn": self.sign_in}


class WebFiles:
    """Answers with files by name. What was compressed once is kept."""

    def __init__(self, files: Mapping[str, bytes], config: PageConfig) -> None:
        served = {name: _without_comments(name, body) for name, body in files.items() if _type_of(name)}
        self.version = _version_of(served)
        kept = [name for name in sorted(served) if name != WORKER and not name.endswith((".txt", "vendored.json"))]
        told = {"version": self.version, "files": kept}
        served |= {WORKER: f"self.EARSHOT = {json.dumps(told)};\n".encode() + served.get(WORKER, b"")}
        self._policy = page_policy(config)
        self._plain = {name: self._answer(name, body) for name, body in served.items()}
        self._plain[CONFIG] = self._dressed(CONFIG, answer_json(200, config.print()))
        self._gzipped: dict[str, Answer] = {}

    def answer(self, path: str, *, if_none_match: str = "", accept_encoding: str = "") -> Answer:
        """Answer for a path below `/api/app`; nothing is the page itself."""
        name = path.strip("/") or INDEX
        plain = self._plain.get(name)
        if plain is None:
            return answer_error(404, "NotFound", "the page has no such file", _EVERYWHERE)
        tag = plain.headers["ETag"].strip('"')
        known = unchanged(tag, if_none_match, {key: text for key, text in plain.headers.items() if key != "ETag"})
        if known is not None:
            return known
        if not takes_gzip(accept_encoding):
            return plain
        if name not in self._gzipped:
            self._gzipped[name] = _gzipped(plain)
        return self._gzipped[name]

    def _answer(self, name: str, body: bytes) -> Answer:
        return self._dressed(name, Answer(status=200, body=body, mimetype=_type_of(name)))

    def _dressed(self, name: str, answer: Answer) -> Answer:
        kept = name.startswith(_VENDORED) and name.endswith(".js")
        headers = {**_EVERYWHERE, "Cache-Control": _FOR_EVER if kept else _ASK_AGAIN}
        if name.endswith(".html") or name == WORKER:
            policy = frame_policy(FRAMES[name]) if name in FRAMES else self._policy
            headers |= {**_DOCUMENTS, "Content-Security-Policy": policy}
        if name == WORKER:
            headers["Service-Worker-Allowed"] = _PATH  # the page is that address itself, without a slash behind it
        tagged = Answer(status=answer.status, body=answer.body, mimetype=answer.mimetype, headers=headers)
        return with_tag(tagged, hashlib.sha256(answer.body).hexdigest()[:24])


def page_scope(audiences: frozenset[str], scope: str) -> str:
    """Name our API's permission as a request for a token does: with an address, never the bare id that tokens may name us by."""
    addresses = sorted(each for each in audiences if "://" in each)
    return f"{addresses[0]}/{scope}" if addresses else f"api://{min(audiences, default='')}/{scope}"


def page_policy(config: PageConfig) -> str:
    """Write what the page itself may do.

    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Content-Security-Policy
    """
    connections = dict.fromkeys(["'self'", *_both_protocols(config.live), _origin(config.authority)])
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src {' '.join(filter(None, connections))}",
            "frame-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types dompurify earshot",
        ]
    )


def frame_policy(images: str) -> str:
    """Write what a message may do: look as its writer wanted, and nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            "style-src 'self' 'unsafe-inline'",
            f"img-src {images}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            f"sandbox {_SANDBOX}",
        ]
    )


def _without_comments(name: str, body: bytes) -> bytes:
    """Leave out what only readers of the source need, a quarter of what would travel; lines keep their numbers."""
    if not name.endswith((".mjs", WORKER)) or name.startswith(_VENDORED):
        return body
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), body.decode()).encode()


def _gzipped(answer: Answer) -> Answer:
    """Compress once, as well as it goes; the bytes are others, and so is their tag."""
    headers = {**answer.headers, "Content-Encoding": "gzip", "ETag": answer.headers["ETag"][:-1] + '-gzip"'}
    return replace(answer, body=gzip.compress(answer.body, _BEST, mtime=0), headers=headers)


def _type_of(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2], "")


def _version_of(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()[:16]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _both_protocols(url: str) -> tuple[str, ...]:
    """Name a server twice: for requests, and for WebSockets."""
    origin = _origin(url)
    return (origin, "ws" + origin.removeprefix("http")) if origin else ()
