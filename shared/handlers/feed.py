"""The feed: current state and a change log in order of arrival, for every Teams message and mail; whoever is connected is told."""

from shared.change_key import read_changed, read_version
from shared.feeds import entry_of, feed_of, print_change
from shared.handlers import Change, Services, on

_CHANNEL_MESSAGES = "teams/{team}/channels/{channel}/messages/{message}"


@on(_CHANNEL_MESSAGES, content=True)
@on(_CHANNEL_MESSAGES + "/replies/{reply}", content=True)
@on("chats/{chat}/messages/{message}", content=True)
@on("users/{user}/messages/{message}", content=True)
@on("users/{user}/mailFolders/{folder}/messages/{message}", content=True)
async def feed(change: Change, services: Services) -> None:
    """Take a change up into its feed. Running again changes nothing: the same or an older state is passed over."""
    deleted = change.deleted or change.gone
    content = change.content or {}
    # a deletion that says no more than that happened by the time we heard of it
    changed = read_changed(content) or (change.received if deleted else None)
    # what was gone when we looked has a version that nobody told us; two of them would count as two deletions
    version = read_version({}, content) or (change.version if change.deleted or not change.gone else "")
    entry = entry_of(
        change.resource,
        change_type="deleted" if deleted else change.change_type,
        version=version,
        deleted=deleted,
        content=content,
        changed=changed,
    )
    into = feed_of(change.resource)
    row = await services.feed.apply(into, entry)
    # after a crash in between nobody is told: clients see by the next position that they missed one
    if row is not None:
        await services.live.to_feed(into.feed, row.position, print_change(row))
