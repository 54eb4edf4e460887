"""The look at a deployed app: what it lets pass, and each single thing that it must not."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.smoke import ALWAYS, FUNCTIONS_OF, NEEDED, Answer, Finding, Look, main
from tests.house.shipping import FILLED_IN, ROOT, run_python, sample

BROUGHT = ALWAYS.union(*(FUNCTIONS_OF[part] for part in NEEDED))
KEY, TOKEN, MAILBOX = "the-master-key", "a-token-for-graph", "adele@contoso.com"


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes = b""
    kind: str = "application/json"
    location: str = ""


def written(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def well(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], site: "Site") -> Reply:
    """An app, and Graph behind the same door, as they should be."""
    if path.startswith("/v1.0/"):
        return of_graph(method, headers, site)
    if path in {"/api/notifications", "/api/lifecycle"}:
        token = query.get("validationToken", "")
        return Reply(200, token.encode(), "text/plain; charset=utf-8") if token.strip() else Reply(400)
    if path == "/api/health":
        return written({"status": "ok", "parts": sorted(NEEDED), "problems": {}})
    return for_the_key(path, site) if headers.get("x-functions-key") == KEY else Reply(401)


def for_the_key(path: str, site: "Site") -> Reply:
    row = {"name": "mail", "subscriptionId": "s-1", "problem": ""}
    feeds = [{"id": "f-1", "kind": "mailbox"}, {"id": "f-2", "kind": "channel"}]
    changes = [{"content": {"subject": subject}} for subject in site.drafts.values()]
    return {
        "/admin/functions": written([{"name": name} for name in BROUGHT]),
        "/admin/functions/renewal": Reply(202),
        "/api/status": written({"running": sorted(NEEDED), "subscriptions": [row]}),
        "/api/manage/feeds": written({"feeds": feeds}),
    }.get(path, written({"changes": changes}))


def of_graph(method: str, headers: Mapping[str, str], site: "Site") -> Reply:
    if headers.get("authorization") != f"Bearer {TOKEN}":
        return Reply(401)
    if method == "DELETE":
        site.drafts.clear()
        site.deleted += 1
        return Reply(204)
    site.drafts["m-1"] = json.loads(site.body)["subject"]
    return written({"id": "m-1"}, 201)


Answering = Callable[[str, str, Mapping[str, str], Mapping[str, str], "Site"], Reply]


@dataclass
class Site:
    answering: Answering = well
    drafts: dict[str, str] = field(default_factory=dict)
    deleted: int = 0
    body: bytes = b""
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Door(BaseHTTPRequestHandler):
        def answer(self) -> None:
            made.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.asked.append(f"{self.command} {parts.path}")
            reply = made.answering(self.command, parts.path, query, headers, made)
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            if reply.location:
                self.send_header("Location", reply.location)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


def look(site: Site, *more: str, patience: str = "0.2", **environ: str) -> int:
    arguments = [site.url, "--patience", patience, "--mailbox", MAILBOX, "--graph", site.url, *more]
    return main(arguments, {"EARSHOT_KEY": KEY, "SMOKE_GRAPH_TOKEN": TOKEN} | environ)


def spoilt(where: str, reply: Reply) -> Answering:
    """An app that answers one thing otherwise."""

    def answering(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], site: Site) -> Reply:
        return reply if f"{method} {path}" == where else well(method, path, query, headers, site)

    return answering


def test_what_is_well_passes_and_leaves_nothing_behind(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert look(site, "--json") == 0
    said = capsys.readouterr()

    assert [each["ok"] for each in json.loads(said.out)] == [True] * 8
    assert (site.drafts, site.deleted) == ({}, 1)
    assert KEY not in said.out + said.err
    assert TOKEN not in said.out + said.err


def everything_but(name: str) -> Reply:
    return written([{"name": each} for each in BROUGHT - {name}])


SPOILT: Mapping[str, tuple[str, Reply, str]] = {
    "does not answer": ("GET /api/health", Reply(503, b'{"parts": []}'), "health"),
    "lacks a part": ("GET /api/health", written({"parts": ["webhook"], "problems": {"feed": ["x"]}}), "health"),
    "answers health with a page": ("GET /api/health", Reply(200, b"<html>", "text/html"), "health"),
    "answers a handshake as JSON": ("POST /api/notifications", Reply(200, b'"token"'), "handshake of notifications"),
    "answers a handshake with 202": ("POST /api/lifecycle", Reply(202, b"", "text/plain"), "handshake of lifecycle"),
    "takes whatever it is sent": ("POST /api/notifications", Reply(202), "nonsense"),
    "shows strangers its status": ("GET /api/status", written({"running": []}), "strangers"),
    "shows strangers its feeds": ("GET /api/manage/feeds", written({"feeds": []}), "strangers"),
    "lets strangers start a catch-up": ("POST /api/manage/catch-up", Reply(202), "strangers"),
    "lets strangers start a timer": ("POST /admin/functions/renewal", Reply(202), "strangers"),
    "has lost a function": ("GET /admin/functions", everything_but("sweep"), "functions"),
    "has indexed nothing": ("GET /admin/functions", written([]), "functions"),
    "has indexed something else": ("GET /admin/functions", written([{"name": "http_trigger"}]), "functions"),
    "says nothing of itself": ("GET /api/status", Reply(500), "functions"),
    "runs a part that nobody knows": ("GET /api/status", written({"running": [*NEEDED, "new"]}), "functions"),
    "takes another key for its timers": ("POST /admin/functions/renewal", Reply(403), "subscriptions"),
    "hears nothing": ("GET /api/manage/feeds/f-1", written({"changes": []}), "change"),
    "has no feed of mail": ("GET /api/manage/feeds", written({"feeds": []}), "change"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_an_app_fails_that(site: Site, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    where, reply, check = SPOILT[name]
    site.answering = spoilt(where, reply)

    assert look(site) == 1
    assert f"FAILED      {check}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"name": "mail", "subscriptionId": "", "problem": ""}, "mail: not made yet"),
        ({"name": "mail", "subscriptionId": "s", "problem": "no permission"}, "mail: no permission"),
        (None, "none is declared"),
    ],
)
def test_an_app_fails_whose_subscriptions_do_not_live(
    site: Site, row: Mapping[str, str] | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = written({"running": sorted(NEEDED), "subscriptions": [row] if row else []})
    site.answering = spoilt("GET /api/status", status)

    assert look(site) == 1
    assert words in capsys.readouterr().err


def test_a_caller_who_may_not_write_the_draft_is_told_what_is_missing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(site, SMOKE_GRAPH_TOKEN="another") == 1
    assert "needs Mail.ReadWrite" in capsys.readouterr().err


def test_a_draft_that_was_not_heard_is_deleted_all_the_same(site: Site) -> None:
    site.answering = spoilt("GET /api/manage/feeds", written({"feeds": []}))

    assert look(site) == 1
    assert (site.drafts, site.deleted) == ({}, 1)


def test_without_a_mailbox_it_says_what_is_not_proven(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"EARSHOT_KEY": KEY, "GITHUB_ACTIONS": "true"}

    assert main([site.url, "--patience", "0.2"], environ) == 0
    said = capsys.readouterr()
    assert "not looked  change: no --mailbox" in said.err
    assert "::warning::change: " in said.out


def test_the_platform_s_own_function_is_no_surprise(site: Site) -> None:
    names = [*BROUGHT, "WarmUp"]
    site.answering = spoilt("GET /admin/functions", written([{"name": name} for name in names]))
    # but whoever has no key is not let in: only the list is spoilt
    assert look(site) == 1
    assert look(site, "--local") == 0


def test_a_redirection_is_not_followed(site: Site) -> None:
    site.answering = spoilt("GET /api/manage/feeds", Reply(302, location="/api/status"))
    look(site)
    after = site.asked.index("GET /api/manage/feeds") + 1

    assert site.asked[after] != "GET /api/status"


@pytest.mark.parametrize(
    ("arguments", "environ", "words"),
    [
        (["https://a.example"], {}, "EARSHOT_KEY"),
        (["http://a.example"], {"EARSHOT_KEY": KEY}, "no https address"),
        (["http://[bad"], {"EARSHOT_KEY": KEY}, "no https address"),
        (["https://a.example", "--mailbox", "m"], {"EARSHOT_KEY": KEY}, "SMOKE_GRAPH_TOKEN"),
        (
            ["https://a.example", "--mailbox", "m", "--graph", "http://g.example"],
            {"EARSHOT_KEY": KEY, "SMOKE_GRAPH_TOKEN": TOKEN},
            "no https address",
        ),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    arguments: list[str], environ: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, environ) == 2
    assert words in capsys.readouterr().err


LIST = """
import asyncio, json, function_app
functions = {each.get_function_name(): each.get_user_function() for each in function_app.app.get_functions()}
health = json.loads(asyncio.run(functions["health"](req=None)).get_body())
print(json.dumps({"functions": sorted(functions), "parts": health["parts"]}))
"""


@pytest.mark.parametrize(
    "left_out",
    [
        (),
        ("EventHubConnection",),
        ("EventHubConnection", "RENEWAL_SCHEDULE"),
        ("EventHubConnection", "CLIENT_STATE_KEY"),
    ],
    ids=lambda names: " and ".join(names) or "nothing",
)
def test_what_parts_bring_is_what_the_app_registers_without(left_out: tuple[str, ...]) -> None:
    """Whoever adds a function adds it to `scripts.smoke.FUNCTIONS_OF`, or the next deployment is rolled back."""
    settings = sample() | FILLED_IN | dict.fromkeys(left_out, "")
    done = run_python(ROOT, LIST, settings)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert set(found["parts"]) <= set(FUNCTIONS_OF)
    assert set(found["functions"]) == ALWAYS.union(*(FUNCTIONS_OF[part] for part in found["parts"]))


def test_what_has_to_run_runs_with_the_sample_s_settings() -> None:
    done = run_python(ROOT, LIST, sample() | FILLED_IN | {"EventHubConnection": ""})

    assert set(NEEDED) <= set(json.loads(done.stdout)["parts"])


DOCUMENTS = st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["parts", "running", "subscriptions", "feeds", "name", "id", "kind"]), inner)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


@given(bodies=st.lists(DOCUMENTS, min_size=1, max_size=4), status=st.sampled_from([0, 200, 201, 202, 400, 401, 503]))
def test_nothing_that_a_server_says_makes_it_stumble(bodies: list[bytes], status: int) -> None:
    class Saying:
        def __init__(self, status: int) -> None:
            self.status, self.next = status, 0

        def ask(self, *_: Any, **__: Any) -> Answer:
            self.next += 1
            return Answer(status=self.status, headers={}, body=bodies[self.next % len(bodies)], seconds=0.0)

    # Graph takes the draft, so that every step behind it is taken too
    taken: Any = {"app": Saying(status), "graph": Saying(201), "mailbox": "m", "parts": NEEDED}
    findings: list[Finding] = list(Look(**taken, keys_are_checked=True, patience=0.0, pause=0.0).all())
    assert len(findings) == 8


def test_an_instance_that_wakes_is_asked_again() -> None:
    class Waking:
        def __init__(self) -> None:
            self.seconds = [9.0, 0.1]

        def ask(self, *_: Any, **__: Any) -> Answer:
            return Answer(status=200, headers={}, body=b"", seconds=self.seconds.pop(0))

    app: Any = Waking()
    look = Look(app=app, graph=None, mailbox="", parts=NEEDED, keys_are_checked=True, patience=0.0)
    assert look._quickest("/api/notifications").seconds == 0.1
    assert app.seconds == []
