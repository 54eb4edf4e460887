"""The page's files as they are served: what they may do, how long they may be kept, who takes them compressed."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import vendor
from shared.adapters.web_folder import read_web_folder
from shared.web_files import FRAMES, PageConfig, WebFiles, frame_policy, page_policy, page_scope

ROOT = Path(__file__).parents[2]
WEB = ROOT / "shared/web"
CONFIG = PageConfig(
    client_id="11111111-1111-4111-8111-111111111111",
    authority="https://login.microsoftonline.com/contoso",
    scope="api://earshot/access_as_user",
    sign_in="msal",
    live="https://contoso.service.signalr.net",
)
LARGEST = 150_000


@pytest.fixture(scope="module")
def files() -> WebFiles:
    return WebFiles(read_web_folder(WEB), CONFIG)


@pytest.fixture(scope="module")
def names() -> list[str]:
    return sorted(read_web_folder(WEB))


def test_the_page_is_what_nothing_names(files: WebFiles) -> None:
    for path in ("", "/", "index.html"):
        answer = files.answer(path)
        assert (answer.status, answer.mimetype) == (200, "text/html; charset=utf-8")
        assert answer.body == (WEB / "index.html").read_bytes()


@given(path=st.one_of(st.text(), st.sampled_from(["../web_files.py", "js/../worker.js", "js//main.mjs", "INDEX.HTML"])))
def test_whatever_is_asked_for_is_one_of_the_files_or_404(path: str) -> None:
    answer = WebFiles({"index.html": b"<!doctype html>"}, CONFIG).answer(path)

    known = path.strip("/") in {"", "index.html", "config.json", "worker.js"}
    assert answer.status == (200 if known else 404)


def test_every_file_says_what_it_is_and_that_nobody_should_guess(files: WebFiles, names: list[str]) -> None:
    for name in names:
        answer = files.answer(name)
        assert answer.status == 200, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_everything_that_could_run_something_is_told_what_it_may(files: WebFiles, names: list[str]) -> None:
    running = [name for name in names if name.endswith(".html") or name == "worker.js"]

    assert len(running) == 4
    for name in running:
        assert files.answer(name).headers["Content-Security-Policy"].startswith("default-src 'none'; "), name


def test_what_is_known_already_is_not_sent_again_in_either_coding(files: WebFiles) -> None:
    for coding in ("", "gzip"):
        first = files.answer("css/base.css", accept_encoding=coding)
        again = files.answer("css/base.css", accept_encoding=coding, if_none_match=first.headers["ETag"])
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])


def test_who_takes_gzip_gets_it_and_who_does_not_does_not(files: WebFiles) -> None:
    plain, packed = (files.answer("css/base.css", accept_encoding=coding) for coding in ("br", "gzip, br"))

    assert gzip.decompress(packed.body) == plain.body
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.headers["Vary"] == "Accept-Encoding"


def test_only_what_carries_its_version_in_its_name_is_kept_without_asking(files: WebFiles, names: list[str]) -> None:
    for name in names:
        kept = "immutable" in files.answer(name).headers["Cache-Control"]
        assert kept == bool(re.fullmatch(r"vendor/[a-z-]+-\d+\.\d+\.\d+\.min\.js", name)), name


def test_the_page_may_do_nothing_that_it_does_not_need() -> None:
    policy = dict(part.split(" ", 1) for part in page_policy(CONFIG).split("; "))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["img-src"] == "'self'"
    assert policy["connect-src"].split() == [
        "'self'",
        "https://contoso.service.signalr.net",
        "wss://contoso.service.signalr.net",
        "https://login.microsoftonline.com",
    ]
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in page_policy(CONFIG)


def test_a_message_may_run_nothing_and_load_nothing(files: WebFiles) -> None:
    for name, images in FRAMES.items():
        policy = files.answer(name).headers["Content-Security-Policy"]
        assert policy == frame_policy(images)
        assert "script-src" not in policy, "default-src 'none' is what holds"
        assert "allow-scripts" not in policy
    assert "https:" not in frame_policy(FRAMES["frame.html"])


def test_the_page_is_told_nothing_secret(files: WebFiles) -> None:
    told = json.loads(files.answer("config.json").body)

    assert set(told) == {"clientId", "authority", "scopes", "signIn"}
    assert told["scopes"] == ["api://earshot/access_as_user", "openid", "profile", "offline_access"]


def test_a_changed_file_is_another_version(files: WebFiles) -> None:
    read = dict(read_web_folder(WEB))
    read["css/base.css"] += b"\n"

    assert WebFiles(read, CONFIG).version != files.version
    assert WebFiles(read_web_folder(WEB), CONFIG).version == files.version


def test_the_service_worker_knows_every_file_that_the_page_needs(files: WebFiles, names: list[str]) -> None:
    line = files.answer("worker.js").body.splitlines()[0].decode()
    told = json.loads(line.removeprefix("self.EARSHOT = ").removesuffix(";"))

    assert told["version"] == files.version
    assert set(told["files"]) == {
        name for name in names if not name.endswith((".txt", "vendored.json")) and name != "worker.js"
    }
    assert files.answer("worker.js").headers["Service-Worker-Allowed"] == "/api/app"


def test_the_page_preloads_the_modules_that_it_starts_with_and_no_others() -> None:
    """Otherwise a browser finds them one after the other, each with a journey of its own."""
    found: set[str] = set()
    todo = ["main.mjs"]
    while todo:
        name = todo.pop()
        found.add(name)
        text = (WEB / "js" / name).read_text("utf-8")
        imported = re.findall(
            r'^(?:import|export) .*?from "\./([a-z-]+\.mjs)";|^} from "\./([a-z-]+\.mjs)";', text, re.MULTILINE
        )
        todo += [each for pair in imported for each in pair if each and each not in found]
    preloaded = set(
        re.findall(r'"modulepreload" href="/api/app/js/([a-z-]+\.mjs)"', (WEB / "index.html").read_text("utf-8"))
    )

    assert preloaded == found - {"main.mjs"}


def test_comments_stay_here_and_nothing_else_does(files: WebFiles, names: list[str]) -> None:
    """A line counts what is behind it, so that errors in a browser name lines of the source."""
    for name in (each for each in names if each.endswith(".mjs")):
        source, sent = (WEB / name).read_text("utf-8"), files.answer(name).body.decode()
        assert sent.count("\n") == source.count("\n"), name
        assert "@param" not in sent, name
        inside = False
        for there, here in zip(source.split("\n"), sent.split("\n"), strict=True):
            text = re.sub(r"/\*\*.*?\*/", "", there)
            inside = inside or text.lstrip().startswith("/**")
            if not inside and not text.lstrip().startswith("//"):
                assert here.strip() == text.strip() or here == there, f"{name}: {there}"
            inside = inside and "*/" not in text


def test_the_page_is_small(files: WebFiles, names: list[str]) -> None:
    """All of it, with the libraries, as a browser gets it that takes gzip."""
    sizes = {name: len(files.answer(name, accept_encoding="gzip").body) for name in names if not name.endswith(".txt")}

    assert sum(sizes.values()) <= LARGEST, sizes


def test_no_page_of_ours_has_scripts_or_styles_within(names: list[str]) -> None:
    """The policy would not let them, and a test says so sooner than a browser."""
    for name in names:
        if name.endswith(".html"):
            text = (WEB / name).read_text("utf-8")
            assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", text), name


@pytest.mark.parametrize(
    ("audiences", "scope"),
    [
        ({"client", "api://client"}, "api://client/access_as_user"),
        ({"client"}, "api://client/access_as_user"),
        ({"https://contoso.com/earshot", "client"}, "https://contoso.com/earshot/access_as_user"),
    ],
)
def test_a_permission_is_asked_for_by_an_address(audiences: set[str], scope: str) -> None:
    assert page_scope(frozenset(audiences), "access_as_user") == scope


def test_the_libraries_are_those_that_the_list_names() -> None:
    listed = json.loads((WEB / "vendor/vendored.json").read_bytes())

    for each in listed:
        assert hashlib.sha256((WEB / "vendor" / each["file"]).read_bytes()).hexdigest() == each["sha256"]
        assert (WEB / "vendor" / each["licenceFile"]).stat().st_size > 500
    here = {path.name for path in (WEB / "vendor").iterdir()} - {vendor.LIST}
    assert here == {each[key] for each in listed for key in ("file", "licenceFile")}
    named = re.findall(r'"/api/app/vendor/([^"]+)"', (WEB / "js/vendor.mjs").read_text("utf-8"))
    assert sorted(named) == sorted(each["file"] for each in listed)


def test_the_libraries_are_those_of_npm_in_the_versions_that_are_pinned() -> None:
    pinned = json.loads((ROOT / "local/package.json").read_bytes())["devDependencies"]
    collected = vendor.collect(ROOT / "local/node_modules")

    assert {each["package"]: each["version"] for each in json.loads(collected[vendor.LIST])}.items() <= pinned.items()
    for name, content in collected.items():
        assert (WEB / "vendor" / name).read_bytes() == content, f"{name}: run python -m local.vendor"
