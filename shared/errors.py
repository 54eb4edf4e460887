"""Our exception roots, each saying whose fault it is.

    EarshotError
    ├── GraphProtocolError     Graph, or somebody posing as it, sent what its pages do not allow
    │   └── DecryptionError    an encrypted item that we must not or cannot open: one text for every reason
    ├── UnknownEncryptionKey   the item names a certificate whose private key we do not have (yet)
    ├── KeysUnavailable        the key store could not be asked; the item waits
    ├── GraphApiError          Graph answered a request of ours with an error
    │   └── SignInError        there is no token to ask Graph with
    │       └── UserSignedOut  a person lets us act for them no longer, or never did
    ├── EnvelopeError          a message on our own queue is not one of ours
    ├── LiveUnavailable        SignalR refused or did not answer; clients fetch what they were not told
    ├── SettingsError          we are misconfigured; names every problem at once
    ├── StorageError           storage refused or did not answer; nothing was kept
    ├── BadRequest             somebody asks for what makes no sense; the text tells them what would
    ├── Unauthorised           somebody calls who does not show who they are
    ├── NotNow                 somebody whom we have to ask before we can answer does not answer
    └── HandlerWord            what a handler may say about a change
        ├── RetryLater         again, after a while
        └── GiveUp             never again: a dead letter with this reason

A message names what happened, the id and the remedy; never a body, a token or a clientState.
"""

from collections.abc import Iterable
from datetime import timedelta


class EarshotError(Exception):
    """Anything that goes wrong here and that we have a word for."""


class GraphProtocolError(EarshotError):
    """They sent what their pages do not allow."""


class DecryptionError(GraphProtocolError):
    """An encrypted item could not be opened.

    One text for every reason, so that an answer never tells an attacker which check failed.
    """

    def __init__(self) -> None:
        super().__init__("the encrypted content does not open with the key it names")


class UnknownEncryptionKey(EarshotError):  # noqa: N818 - a state of ours that heals, not somebody's error
    """No private key is at hand for this certificate id; it may arrive with the next look at the key store."""

    def __init__(self, certificate_id: str) -> None:
        super().__init__(
            f"no private key for encryptionCertificateId {certificate_id[:128]!r}: "
            "put it back where ENCRYPTION_KEYS points, and the item is opened on its next attempt"
        )


class KeysUnavailable(EarshotError):  # noqa: N818 - as above
    """The place that ENCRYPTION_KEYS names did not answer, or did not let us in.

    ``after`` is when to ask again. What waits for it uses up no attempt: there is nothing wrong with the item.
    """

    def __init__(self, problem: str, *, after: timedelta = timedelta(seconds=30)) -> None:
        super().__init__(problem)
        self.after = after


class GraphApiError(EarshotError):
    """Graph said no.

    ``what`` was asked (``DELETE /subscriptions/…``), ``status`` is the HTTP status, ``code`` Graph's own word for it,
    ``request_id`` what Microsoft's support asks for, ``retry_after`` how long Graph told us to wait.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int,
        code: str = "",
        message: str = "",
        request_id: str = "",
        retry_after: timedelta | None = None,
    ) -> None:
        detail = f"{code}: {message}" if code else message or "no error body"
        super().__init__(f"{what}: {self._said(status)} ({detail}){self._reference(request_id)}")
        self.what = what
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after

    def _said(self, status: int) -> str:
        return f"Graph answered {status}"

    def _reference(self, request_id: str) -> str:
        return f"; request-id {request_id or 'none'}"


class SignInError(GraphApiError):
    """There is no token to ask Graph with: the authority, or the managed identity, gave none.

    ``status`` is 401 if that was a no, which people have to change, else that of a failure, 0 if nobody answered.
    """

    def _said(self, status: int) -> str:
        return f"no token, the answer was {status}" if status else "no token, and no answer"

    def _reference(self, request_id: str) -> str:
        return f"; trace id {request_id}" if request_id else ""


class UserSignedOut(SignInError):  # noqa: N818 - a state that they can change
    """Whoever it is has to sign in and connect again: there is no token with which we could act for them, and none can be had."""

    def __init__(self, why: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__("token of a person", status=401, code=code, message=why, request_id=request_id)


class LiveUnavailable(EarshotError):  # noqa: N818 - a state that heals
    """The service for live clients did not do what it was asked.

    ``status`` is its answer, 0 if there was none; ``after`` is when to ask again, where it said so.
    """

    def __init__(self, what: str, *, status: int, detail: str = "", after: timedelta | None = None) -> None:
        answer = f"the answer was {status}" if status else "there was no answer"
        super().__init__(f"SignalR, {what}: {answer}{f' ({detail})' if detail else ''}")
        self.status = status
        self.after = after


class EnvelopeError(EarshotError):
    """A message on our queue cannot be read as an envelope."""


class SettingsError(EarshotError):
    """We are misconfigured. The text lists every problem and where the sample is."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"settings need attention (see local.settings.sample.json):\n{listed}")


class StorageError(EarshotError):
    """Storage refused or did not answer. The caller must not acknowledge what was to be kept."""


class BadRequest(EarshotError):  # noqa: N818 - what HTTP calls it
    """What somebody asks for makes no sense. The text is for them, and repeats nothing that they sent."""


class Unauthorised(EarshotError):  # noqa: N818 - what HTTP calls it
    """Whoever calls shows no token that we trust. One text for every reason: the log has it, the caller does not."""

    def __init__(self) -> None:
        super().__init__("sign in: a valid access token for this API is needed")


class NotNow(EarshotError):  # noqa: N818 - a state that passes
    """We cannot tell right now, because somebody else does not answer whom we have to ask. Never a reason to say yes."""


class HandlerWord(EarshotError):  # noqa: N818 - a word, not an error
    """What a handler says instead of returning."""


class RetryLater(HandlerWord):
    """Run this handler again for this change, after a while.

    Args:
        why: for the log and, after the last attempt, for the dead letter.
        after: how long to wait; the schedule decides when it is None. Clamped to 6 days: a queue's visibility ends at 7.
    """

    def __init__(self, why: str = "", *, after: timedelta | None = None) -> None:
        super().__init__(why or "the handler asked for another attempt")
        # the sum fails here, in the handler, for what is no timedelta
        self.after = None if after is None else after + timedelta(0)


class GiveUp(HandlerWord):
    """Never run this handler for this change again: it becomes a dead letter with this reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
