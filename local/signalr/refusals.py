"""What is answered to whoever is turned away: a status, a code and a sentence."""

from aiohttp import web


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """Raised anywhere below a route; the middleware answers with it."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after

    def answer(self) -> web.Response:
        """Write it as the service's reference has errors."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        return web.json_response({"code": self.code, "message": self.message}, status=self.status, headers=headers)
