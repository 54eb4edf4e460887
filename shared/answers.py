"""HTTP answers as values: JSON, refusals in one form, entity tags, and compression for whoever asks for it.

https://www.rfc-editor.org/rfc/rfc9110 (entity tags: section 8.8, conditions: 13, content codings: 8.4 and 12.5.3)
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.errors import BadRequest, EarshotError, LiveUnavailable, NotNow, StorageError, Unauthorised

JSON: Final = "application/json"
PRIVATE: Final[Mapping[str, str]] = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}
"""For what depends on who asks: kept by nobody but them, and asked for again every time."""

PUBLIC: Final[Mapping[str, str]] = {"Cache-Control": "public, max-age=300"}
"""For what is the same for everybody, until the next deployment."""

_WORTH_COMPRESSING: Final = 1024
_LEVEL: Final = 5
_GZIPPED: Final = "-gzip"
_AGAIN: Final = {"Retry-After": "10"}
_NOT_LIVE: Final = "live updates are away right now; what they would have told can be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, without anything of a web framework's."""

    status: int
    body: bytes = field(default=b"", repr=False)
    mimetype: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def answer_json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a JSON value."""
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return Answer(status=status, body=body, headers=headers or {})


def answer_error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with an error in the form of Graph's: a word for programs, a sentence for people."""
    return answer_json(status, {"error": {"code": code, "message": message}}, headers)


def answer_problem(problem: EarshotError) -> Answer:
    """Answer what kept us from answering: 400 for nonsense, 401 for strangers, 503 for what passes. Anything else is a mistake of ours: raised."""
    if isinstance(problem, BadRequest):
        return answer_error(400, "BadRequest", str(problem))
    if isinstance(problem, Unauthorised):
        return answer_error(401, "Unauthorized", str(problem), {"WWW-Authenticate": "Bearer"})
    if isinstance(problem, NotNow | StorageError):
        return answer_error(503, "ServiceUnavailable", str(problem), _AGAIN)
    if isinstance(problem, LiveUnavailable):  # what it says is for the log
        return answer_error(503, "ServiceUnavailable", _NOT_LIVE, _AGAIN)
    raise problem


def with_tag(answer: Answer, tag: str) -> Answer:
    """Give an answer an entity tag, made of characters that need no quoting."""
    return replace(answer, headers={**answer.headers, "ETag": f'"{tag}"'})


def unchanged(tag: str, asked: str, headers: Mapping[str, str]) -> Answer | None:
    """Answer 304 if what the asker has (``If-None-Match``) is what there is, in whichever coding; None if it is not."""
    known = {each.strip().removeprefix("W/") for each in asked.split(",")}
    for each in (f'"{tag}"', f'"{tag}{_GZIPPED}"'):
        if each in known or "*" in known:
            return Answer(status=304, headers={**headers, "ETag": each})
    return None


def compressed(answer: Answer, accepted: str) -> Answer:
    """Compress a body that is worth it for whoever takes gzip. Its tag becomes another: the bytes are others."""
    if len(answer.body) < _WORTH_COMPRESSING or not takes_gzip(accepted):
        return answer
    headers = {**answer.headers, "Content-Encoding": "gzip"}
    if "ETag" in headers:
        headers["ETag"] = headers["ETag"][:-1] + _GZIPPED + '"'
    return replace(answer, body=gzip.compress(answer.body, _LEVEL, mtime=0), headers=headers)


def takes_gzip(accepted: str) -> bool:
    """Read ``Accept-Encoding``: gzip itself decides where it is named, else the star does."""
    weights: dict[str, bool] = {}
    for each in accepted.lower().split(","):
        coding, _, parameters = each.partition(";")
        weight = parameters.strip().removeprefix("q=")
        weights[coding.strip()] = not parameters.strip().startswith("q=") or weight.strip("0.") != ""
    return weights.get("gzip", weights.get("*", False))
