"""Business logic, one module a handler: where users plug in.

Put a module here whose functions wear `@on`; it is found by itself. A function is given the change and the services it
may use, returns when it is done, and may say `RetryLater` or `GiveUp`. It may run again for the same change after a
crash, so it should write in ways that bear repetition.

    from shared.handlers import on, Change, Services

    @on("teams/{team}/channels/{channel}/messages/{message}", change="created")
    async def announce(change: Change, services: Services) -> None: ...

A function that wears `@classifier("name")` finds things in text that no pattern can; rules of `dlp` name it.
"""

from shared.change import Change, Services
from shared.classifiers import classifier
from shared.dispatch import on
from shared.errors import GiveUp, RetryLater
from shared.routing import ANY

__all__ = ["ANY", "Change", "GiveUp", "RetryLater", "Services", "classifier", "on"]
