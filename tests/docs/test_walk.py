"""Doing what a page says, against a small server: each way in which an answer can differ is noticed."""

import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.learn.cli import simulator_options, walk_through
from local.learn.page import PageError, read_page
from local.learn.walk import GRAPH, Walk

HELLO = "```http\n# @name hello\nGET http://127.0.0.1:7080/hello\n```\n```text\n{answer}\n```\n"
GOOD = 'HTTP/1.1 200 OK\nX-Kind: friend…\n\n{"hello": "world", …}'


class _Server(http.server.ThreadingHTTPServer):
    """Greets; is shy for as many times as it is told to be."""

    shy = 0
    asked = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.asked += 1
        if self.server.shy:
            self.server.shy -= 1
            self.answer(503, b"")
        elif self.path == "/away":
            self.answer(302, b"")
        else:
            self.answer(200, b'{"hello": "world", "at": "' + self.path.encode() + b'"}')

    def do_POST(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Kind", "friendly")
        self.send_header("Location", "/hello")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def walk(server: _Server, tmp_path: Path) -> Iterator[Walk]:
    places = {GRAPH: f"http://127.0.0.1:{server.server_port}"}
    now = datetime(2026, 11, 20, tzinfo=UTC)
    with Walk(folder=tmp_path, places=places, now=lambda: now, patience=0.0) as made:
        yield made


@pytest.fixture
def problems(walk: Walk) -> Callable[[str], list[str]]:
    return lambda page: [walk.take(step).problem for step in read_page(page)]


def test_an_answer_that_is_as_shown_is_no_problem(problems: Callable[[str], list[str]], walk: Walk) -> None:
    assert problems(HELLO.replace("{answer}", GOOD)) == [""]
    assert walk.variables.fill("{{hello.response.body.$.at}}") == "/hello"


@pytest.mark.parametrize(
    ("shown", "instead", "says"),
    [
        ("200 OK", "201 Created", "the status is 200, not 201"),
        ("200 OK", "404 Not Found", "the status is 200, not 404"),
        ("friend…", "foe", "X-Kind: friendly is not foe"),
        ("X-Kind", "X-Other", "X-Other:  is not friend…"),
        (", …}", "}", "$ has also at"),
        ("world", "moon", "$.hello is world, not moon"),
        ("world", "{{nobody}}", "nobody is not defined"),
    ],
)
def test_every_difference_is_a_problem(
    problems: Callable[[str], list[str]], shown: str, instead: str, says: str
) -> None:
    assert problems(HELLO.replace("{answer}", GOOD.replace(shown, instead))) == [says]


def test_who_only_looks_looks_again_for_a_while(
    problems: Callable[[str], list[str]], walk: Walk, server: _Server
) -> None:
    server.shy, walk.patience = 2, 10.0
    assert problems(HELLO.replace("{answer}", GOOD)) == [""]
    assert server.asked == 3


def test_who_does_something_does_it_once(problems: Callable[[str], list[str]], walk: Walk, server: _Server) -> None:
    server.shy, walk.patience = 1, 10.0
    assert problems(HELLO.replace("{answer}", GOOD).replace("GET", "POST")) == ["the status is 503, not 200"]
    assert server.asked == 1


def test_redirects_are_answers(problems: Callable[[str], list[str]]) -> None:
    page = "```http\nGET http://127.0.0.1:7080/away\n```\n```text\nHTTP/1.1 302 Found\n```\n"
    assert problems(page) == [""]


def test_programs_are_saved_and_run_and_may_define_what_follows(
    problems: Callable[[str], list[str]], walk: Walk, tmp_path: Path
) -> None:
    page = (
        "```python\n# in/it.py\nprint('@found = it')\n```\n```sh\n.venv/bin/python in/it.py\n```\n```text\n@found = {is}\n```\n"
        "```http\n@found = i…\nGET http://127.0.0.1:7080/{{found}}\n```\n"
        '```text\nHTTP/1.1 200 OK\n\n{"at": "/it", …}\n```\n'
    )
    assert problems(page.replace("{is}", "…")) == ["", "", ""]
    assert problems(page.replace("{is}", "that")) == ["", "@found = it is not @found = that", ""]
    assert (tmp_path / "in/it.py").is_file()
    assert walk.variables.definitions["found"] == "it"


def test_a_program_that_fails_says_so(problems: Callable[[str], list[str]]) -> None:
    page = "```python\n# it.py\nraise SystemExit('no!')\n```\n```sh\n.venv/bin/python it.py\n```\n```text\nyes\n```\n"
    assert problems(page) == ["", "no! is not yes"]


def test_a_program_that_stays_says_where_it_is_and_ends_with_the_walk(tmp_path: Path) -> None:
    code = "# it.py\nimport sys, time\nassert sys.argv[1] == '0'\nprint('At http://127.0.0.1:4711')\ntime.sleep(600)\n"
    page = f"```python\n{code}```\n```sh\n# in a terminal of its own\n.venv/bin/python it.py\n```\n```text\nAt http://127.0.0.1:8080\n```\n"
    with Walk(folder=tmp_path, places={}, now=lambda: datetime(2026, 1, 1, tzinfo=UTC)) as walk:
        assert [walk.take(step).problem for step in read_page(page)] == ["", ""]
        assert walk.places == {"http://127.0.0.1:8080": "http://127.0.0.1:4711"}


@pytest.mark.parametrize("words", ["rm it.py", ".venv/bin/python -m local host", ".venv/bin/python other.py"])
def test_what_is_no_program_of_the_page_is_not_run(problems: Callable[[str], list[str]], words: str) -> None:
    with pytest.raises(PageError, match="starts no program of this page"):
        problems(f"```sh\n{words}\n```\n")


def test_nobody_at_home_ends_the_walk(problems: Callable[[str], list[str]], walk: Walk) -> None:
    walk.places[GRAPH] = "http://127.0.0.1:1"
    with pytest.raises(PageError, match="nothing answers"):
        problems(HELLO.replace("{answer}", GOOD))


def test_the_walk_stops_at_the_first_difference(walk: Walk, capsys: pytest.CaptureFixture[str]) -> None:
    page = HELLO.replace("{answer}", GOOD.replace("200 OK", "201 Created"))
    announced: list[str] = []
    assert walk_through(walk, read_page(page + page), announced.append) == 1
    assert announced == ["GET http://127.0.0.1:7080/hello"]
    assert "line 2 of learn.md leads one to expect: the status is 200, not 201" in capsys.readouterr().out


def test_the_simulator_is_started_once() -> None:
    with pytest.raises(PageError, match="must start the simulator once"):
        simulator_options([])
