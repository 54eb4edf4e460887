"""Tells the owner of a mailbox what has changed in it, while they are looking.

Best effort, as all live messages: whoever was away asks for the delta. Each message carries the present state, so that it does not
matter in which order they come, or how often.
"""

from shared.graph.resource import is_guid
from shared.handlers import Change, Services, on
from shared.live import mail_message
from shared.mail_answers import print_message


@on("users/{user}/messages/{message}", listed=True)
@on("users/{user}/mailFolders/{folder}/messages/{message}", listed=True)
async def mailbox(change: Change, services: Services) -> None:
    """Send one change to its owner. What has left the folder may only have moved: it is looked for before it is called deleted."""
    owner = change.ids["user"].lower()
    if not is_guid(owner):
        return  # declared by name: nobody connects to live updates by that
    content = await change.fetch()
    if content is None:
        told = mail_message("deleted", change.ids["message"], message=None)
    else:
        message = print_message(content)
        kind = "updated" if change.deleted else change.change_type
        told = mail_message(kind, change.ids["message"], message=message, folder=message.get("folder", ""))
    await services.live.to_owner(owner, told)
