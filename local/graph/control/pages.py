"""The web page at `/`: three files from `page/`, served as they are. What it shows comes from `/_sim/state` and `/_sim/live`."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).with_name("page")
FILES = {
    "/": ("index.html", "text/html"),
    "/_sim/page.js": ("page.js", "text/javascript"),
    "/_sim/chart.js": ("chart.js", "text/javascript"),
    "/_sim/page.css": ("page.css", "text/css"),
}
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """The endpoints of the page."""

    def routes(self) -> list[web.RouteDef]:
        """Return every endpoint."""
        return [web.get(path, self.answer) for path in FILES]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with a file."""
        name, kind = FILES[request.path]
        text = (FOLDER / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, charset="utf-8", headers=HEADERS)
