"""The page's route. What it answers with is in tests/shared/test_web_files.py."""

from blueprints import app
from shared.web_files import PageConfig, WebFiles
from tests.blueprints.registered import registered, request, trigger

CONFIG = PageConfig(client_id="c", authority="https://login.example/t", scope="api://c/s", sign_in="msal", live="")


def _files() -> WebFiles:
    return WebFiles({"index.html": b"<!doctype html>", "js/main.mjs": b"// " + b"long " * 400}, CONFIG)


def test_the_route_is_for_everybody_and_takes_every_path_below() -> None:
    binding = trigger(registered(app.build(_files))["app_page"])

    assert (binding["route"], binding["methods"]) == ("app/{*path}", ["GET"])
    assert str(binding["authLevel"]).lower().endswith("anonymous")


async def test_what_the_browser_takes_and_has_is_minded() -> None:
    page = registered(app.build(_files))["app_page"].get_user_function()

    packed = await page(request("GET", path="js/main.mjs", headers={"Accept-Encoding": "gzip"}))
    again = await page(request("GET", path="js/main.mjs", headers={"If-None-Match": packed.headers["ETag"]}))
    missing = await page(request("GET", path="js/none.mjs"))
    home = await page(request("GET"))

    assert (packed.headers["Content-Encoding"], again.status_code, missing.status_code) == ("gzip", 304, 404)
    assert home.get_body() == b"<!doctype html>"
