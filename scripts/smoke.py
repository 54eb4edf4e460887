"""Looks whether a deployed app is alive, closed to strangers, whole, subscribed, and hears one change. `python3 scripts/smoke.py --help`.

The change is a real one: a draft in a mailbox that the app hears, written through Microsoft Graph by whoever runs this, and deleted again. A
notification that we signed ourselves would be nearer at hand, but whoever can sign one can forge any: the pipeline would need the key of
every clientState, handlers would run for something that never happened, and Graph's half of the way would stay unproven
(docs/decisions/0022-a-real-change-proves-a-deployment.md). Standard library only: it runs where nothing is installed.

0: everything that was looked at is as it should be. 1: something is not. 2: the command line is wrong.
"""

import argparse
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

ALWAYS: Final = frozenset({"health", "status"})
"""Functions that are there whatever the settings say."""

FUNCTIONS_OF: Final[Mapping[str, frozenset[str]]] = {
    "webhook": frozenset({"notifications", "lifecycle"}),
    "processor": frozenset({"processor"}),
    "subscriptions": frozenset({"renewal", "subscription_work", "sweep", "manage_catch_up"}),
    "feed": frozenset({"manage_feeds", "manage_feed_page"}),
    "findings": frozenset({"findings", "findings_summary"}),
    "live": frozenset({"feeds", "feed_page", "negotiate", "openapi", "app_page"}),
    "mail": frozenset(
        f"mail_{each}"
        for each in (
            "state",
            "connect",
            "disconnect",
            "folders",
            "messages",
            "delta",
            "message",
            "reply",
            "move",
            "read",
            "delete",
        )
    ),
    "event_hub": frozenset({"event_hub", "manage_event_hub"}),
}
"""What each running part brings; a test holds it against the app."""

NEEDED: Final = ("webhook", "processor", "subscriptions", "feed")
CLOSED: Final = (
    ("GET", "/api/status"),
    ("GET", "/api/feeds"),
    ("POST", "/api/negotiate"),
    ("GET", "/api/manage/feeds"),
    ("GET", "/api/manage/findings"),
    ("POST", "/api/manage/catch-up?name=nobody"),
    ("GET", "/api/manage/event-hub"),
    ("GET", "/admin/functions"),
    ("POST", "/admin/functions/renewal"),
)
"""What a caller without a key must not get."""

GRAPH: Final = "https://graph.microsoft.com"
LATEST_ANSWER_SECONDS: Final = 3.0
"""https://learn.microsoft.com/graph/change-notifications-delivery-webhooks: what is later counts as slow."""

_OK, _CREATED, _ACCEPTED, _BAD_REQUEST = 200, 201, 202, 400
_REFUSED: Final = frozenset({401, 403, 404})
_A_LOOK_SECONDS: Final = 30.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


_Found = TypeVar("_Found")


class UsageError(Exception):
    """The command line makes no sense; the text says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0 where nobody answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Read the body; None where it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def rows(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Read a list of objects by its name; empty where there is none."""
        found = self.json()
        rows = found.get(name) if isinstance(found, dict) else None
        return [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []

    def words(self, name: str) -> Sequence[str]:
        """Read a list of texts by its name; empty where there is none."""
        found = self.json()
        words = found.get(name) if isinstance(found, dict) else None
        return [each for each in words if isinstance(each, str)] if isinstance(words, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look found; ``ok`` is None where it could not be taken."""

    check: str
    ok: bool | None
    words: str


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: Graph does not either, and a key must not travel on."""

    def redirect_request(self, *_: Any) -> None:
        """Stay here."""


@dataclass(slots=True, kw_only=True)
class Caller:
    """Asks one place, with one key or token of its own that nothing prints."""

    base: str
    header: tuple[str, str] | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, *, open_: bool = False, body: Any = None, raw: bytes | None = None) -> Answer:
        """Ask, whatever the answer; ``open_`` leaves the key at home."""
        data = raw if body is None else json.dumps(body).encode()
        if data is None and method == "POST":
            data = b""
        request = urllib.request.Request(self.base + path, data=data, method=method)  # noqa: S310 - checked in `_address`
        request.add_header("Content-Type", "application/json" if body is not None else "text/plain; charset=utf-8")
        if self.header and not open_:
            request.add_header(*self.header)
        began = time.monotonic()
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=_A_LOOK_SECONDS) as answer:
                return _answer(answer.status, answer.headers, answer.read(), began)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _answer(refusal.code, refusal.headers, refusal.read(), began)
        except (OSError, http.client.HTTPException):
            return _answer(0, {}, b"", began)


def _answer(status: int, headers: Any, body: bytes, began: float) -> Answer:
    lower = {name.lower(): value for name, value in headers.items()}
    return Answer(status=status, headers=lower, body=body, seconds=time.monotonic() - began)


@dataclass(slots=True, kw_only=True)
class Look:
    """One look at a deployed app, check by check."""

    app: Caller
    graph: Caller | None
    mailbox: str
    parts: Sequence[str]
    keys_are_checked: bool
    patience: float
    pause: float = 2.0

    def all(self) -> Iterator[Finding]:
        """Take every look; what follows from a part that does not answer is still looked at, so that one run tells all."""
        yield self.health()
        yield from self.handshakes()
        yield self.nonsense()
        yield self.strangers()
        yield self.functions()
        yield self.subscriptions()
        yield self.change()

    def health(self) -> Finding:
        """Wait until the app has woken, and all parts that are wanted run."""
        answer = self._until(lambda: self.app.ask("GET", "/api/health", open_=True), _is_healthy)
        runs = answer.words("parts")
        lacking = sorted(set(self.parts) - set(runs))
        if answer.status == _OK and not lacking:
            return Finding(check="health", ok=True, words=f"runs {', '.join(runs)}")
        why = "/api/health says which settings are wrong" if answer.status else "nobody is there"
        return Finding(check="health", ok=False, words=f"answered {answer.status}, without {lacking}: {why}")

    def handshakes(self) -> Iterator[Finding]:
        """Shake hands as Graph does: lower-case escapes, spaces as plus, and the token comes back as it was."""
        for name in ("notifications", "lifecycle"):
            token = (
                f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()} ü&<"
            )
            sent = urllib.parse.quote_plus(token).replace("%3A", "%3a")
            answer = self._quickest(f"/api/{name}?validationToken={sent}")
            plain = answer.headers.get("content-type", "").startswith("text/plain")
            well = answer.status == _OK and plain and answer.body == token.encode()
            if well and answer.seconds <= LATEST_ANSWER_SECONDS:
                yield Finding(check=f"handshake of {name}", ok=True, words=f"{answer.seconds * 1000:.0f} ms")
            else:
                words = (
                    f"answered {answer.status} {answer.headers.get('content-type', '')!r} after {answer.seconds:.1f} s"
                )
                yield Finding(check=f"handshake of {name}", ok=False, words=words + ("" if well else ", not the token"))

    def _quickest(self, path: str) -> Answer:
        """Ask up to three times while the answer is late: the first call of an instance is no measure of the rest."""
        answers = []
        for _ in range(3):
            answers.append(self.app.ask("POST", path, open_=True))
            if answers[-1].seconds <= LATEST_ANSWER_SECONDS:
                break
        return min(answers, key=lambda answer: answer.seconds)

    def nonsense(self) -> Finding:
        """Send what Graph never sends; it must be refused, and must not be kept."""
        statuses = {
            "an empty token": self.app.ask("POST", "/api/notifications?validationToken=%20%0a", open_=True).status,
            "no JSON": self.app.ask("POST", "/api/notifications", open_=True, raw=b"{").status,
        }
        taken = [f"{name} with {status}" for name, status in statuses.items() if status != _BAD_REQUEST]
        words = f"answered {', '.join(taken)} instead of 400" if taken else "refused with 400"
        return Finding(check="nonsense", ok=not taken, words=words)

    def strangers(self) -> Finding:
        """Call what needs a key without one."""
        if not self.keys_are_checked:
            return Finding(check="strangers", ok=None, words="a local host checks no keys")
        let_in = []
        for method, path in CLOSED:
            status = self.app.ask(method, path, open_=True).status
            if status not in _REFUSED:
                let_in.append(f"{method} {path.partition('?')[0]} ({status})")
        words = f"let in at {', '.join(let_in)}" if let_in else f"refused at {len(CLOSED)} doors"
        return Finding(check="strangers", ok=not let_in, words=words)

    def functions(self) -> Finding:
        """Compare what the host has indexed with what the running parts bring."""
        running = self.app.ask("GET", "/api/status").words("running")
        strange = sorted(set(running) - set(FUNCTIONS_OF))
        wanted = ALWAYS.union(*(FUNCTIONS_OF[part] for part in running if part in FUNCTIONS_OF))
        found = self._until(self._listed, lambda names: names == wanted)
        if found == wanted and running and not strange:
            return Finding(check="functions", ok=True, words=f"{len(found)}, as the running parts bring them")
        words = f"missing {sorted(wanted - found)}, unexpected {sorted(found - wanted)}, parts unknown here {strange}"
        return Finding(check="functions", ok=False, words=words if running else f"status says nothing; {words}")

    def subscriptions(self) -> Finding:
        """Have the app compare what is declared with what is live, and wait until every subscription lives: Graph has shaken hands."""
        if self.app.ask("POST", "/admin/functions/renewal", body={}).status != _ACCEPTED:
            return Finding(
                check="subscriptions", ok=False, words="the timer cannot be started by hand: is it the master key?"
            )
        rows = self._until(self._rows, lambda found: bool(found) and not _not_live(found))
        waiting = _not_live(rows)
        if not rows or waiting:
            words = "; ".join(f"{row.get('name')}: {row.get('problem') or 'not made yet'}" for row in waiting[:5])
            return Finding(check="subscriptions", ok=False, words=words or "none is declared")
        return Finding(check="subscriptions", ok=True, words=f"{len(rows)} live")

    def change(self) -> Finding:
        """Write a draft into a mailbox that is heard, wait until a feed tells of it, and delete it."""
        if self.graph is None:
            return Finding(check="change", ok=None, words="no --mailbox: that a change arrives is not proven")
        subject = f"Earshot looks whether it hears {uuid.uuid4()}"
        path = f"/v1.0/users/{urllib.parse.quote(self.mailbox)}/messages"
        began = time.monotonic()
        made = self.graph.ask("POST", path, body={"subject": subject, "body": {"contentType": "text", "content": ""}})
        if made.status != _CREATED:
            words = f"Graph answered {made.status} to a new draft: the caller needs Mail.ReadWrite for this mailbox"
            return Finding(check="change", ok=False, words=words)
        try:
            heard = self._until(lambda: self._in_a_feed(subject), bool)
        finally:
            self._clear_away(path, made.json())
        seconds = time.monotonic() - began
        words = f"heard after {seconds:.1f} s" if heard else f"not in a mail feed within {seconds:.0f} s"
        return Finding(check="change", ok=heard, words=words)

    def _clear_away(self, path: str, draft: Any) -> None:
        if self.graph is not None and isinstance(draft, dict):
            self.graph.ask("DELETE", f"{path}/{urllib.parse.quote(str(draft.get('id')), safe='')}")

    def _in_a_feed(self, subject: str) -> bool:
        feeds = self.app.ask("GET", "/api/manage/feeds").rows("feeds")
        mail = [str(feed.get("id")) for feed in feeds if str(feed.get("kind")).startswith("mail")]
        pages = (self.app.ask("GET", f"/api/manage/feeds/{urllib.parse.quote(feed, safe='')}?top=20") for feed in mail)
        return any(subject.encode() in page.body for page in pages)

    def _listed(self) -> frozenset[str]:
        """List what the host has indexed, without the one that the platform adds while it warms up."""
        found = self.app.ask("GET", "/admin/functions").json()
        rows = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        names = {str(each.get("name")) for each in rows}
        return frozenset(name for name in names if name.lower() != "warmup")

    def _rows(self) -> Sequence[Mapping[str, Any]]:
        return self.app.ask("GET", "/api/status").rows("subscriptions")

    def _until(self, look: Callable[[], _Found], enough: Callable[[_Found], bool]) -> _Found:
        deadline = time.monotonic() + self.patience
        while not enough(found := look()) and time.monotonic() < deadline:
            time.sleep(self.pause)
        return found


def _is_healthy(answer: Answer) -> bool:
    return answer.status == _OK


def _not_live(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return [row for row in rows if row.get("problem") or not row.get("subscriptionId")]


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Look, and print a line for each finding."""
    options = _parser().parse_args(arguments)
    try:
        look = _look(options, environ)
    except UsageError as problem:
        print(f"smoke: {problem}", file=sys.stderr)
        return 2
    findings = []
    for finding in look.all():
        findings.append(finding)
        print(f"{_MARKS[finding.ok]}  {finding.check}: {finding.words}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([{"check": each.check, "ok": each.ok, "words": each.words} for each in findings], indent=2))
    if environ.get("GITHUB_ACTIONS") == "true":
        for finding in findings:
            if finding.ok is None:
                print(f"::warning::{finding.check}: {finding.words}")
    return 1 if any(finding.ok is False for finding in findings) else 0


_MARKS: Final = {True: "ok        ", False: "FAILED    ", None: "not looked"}


def _look(options: argparse.Namespace, environ: Mapping[str, str]) -> Look:
    """Make the look that the command line asks for. Raises UsageError."""
    base = _address(options.address).removesuffix("/api")
    key, token = environ.get("EARSHOT_KEY", ""), environ.get("SMOKE_GRAPH_TOKEN", "")
    if not key and not options.local:
        raise UsageError(
            "EARSHOT_KEY has to hold the app's master key: az functionapp keys list --query masterKey -o tsv"
        )
    graph = None
    if options.mailbox:
        if not token:
            raise UsageError("--mailbox needs a token for Graph in SMOKE_GRAPH_TOKEN: az account get-access-token")
        graph = Caller(base=_address(options.graph), header=("Authorization", f"Bearer {token}"))
    return Look(
        app=Caller(base=base, header=("x-functions-key", key) if key else None),
        graph=graph,
        mailbox=options.mailbox,
        parts=options.parts,
        keys_are_checked=not options.local,
        patience=options.patience,
        pause=min(2.0, options.patience / 10),
    )


def _address(text: str) -> str:
    """Check an address: a key goes out over https, or stays on this machine. Raises UsageError."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise UsageError(f"{text!r} is no https address")
    return text.rstrip("/")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 scripts/smoke.py",
        description="Looks whether a deployed app is alive, closed to strangers, whole, subscribed, and hears one change.",
        epilog="EARSHOT_KEY holds the app's master key, SMOKE_GRAPH_TOKEN the token for Graph; neither is printed.",
    )
    parser.add_argument("address", help="of the app, such as https://<app>.azurewebsites.net")
    parser.add_argument(
        "--mailbox", default="", help="user id or address whose mail is heard, and where a draft may be written"
    )
    parser.add_argument("--graph", default=GRAPH, help=f"default {GRAPH}")
    parser.add_argument(
        "--parts", nargs="+", default=list(NEEDED), help=f"that have to run (default: {' '.join(NEEDED)})"
    )
    parser.add_argument("--local", action="store_true", help="the app runs in a local host, which checks no keys")
    parser.add_argument("--patience", type=float, default=180.0, metavar="SECONDS", help="for each wait (default 180)")
    parser.add_argument(
        "--json", action="store_true", help="print the findings as data; progress goes to standard error"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251 - the one place that reads the environment
