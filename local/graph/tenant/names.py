"""What everything in a tenant is called besides its canonical path: people by address, folders by well-known names, items by immutable ids.

Not here: how a path is spelt, see `paths`; what exists, see `world`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.graph.catalogue.row import Match, Row
from local.graph.tenant.immutable_ids import PREFIX, first_immutable_id
from local.graph.tenant.paths import canonical


@dataclass(slots=True)
class Names:
    """Finds the one name of what people may call differently."""

    _users: dict[str, str] = field(default_factory=dict)
    _folders: dict[tuple[str, str], str] = field(default_factory=dict)
    _ordinary_ids: dict[str, str] = field(default_factory=dict)

    def canonical(self, path: str) -> str:
        """Return the one name of what a path names, whether it exists or not."""
        name = canonical(path, user=self.user_id, folder=self.folder_id, drive=drive_of)
        if PREFIX not in name:
            return name
        return "/".join(self._ordinary_ids.get(part, part) for part in name.split("/"))

    def canonical_ids(self, match: Match) -> dict[str, str]:
        """Return the ids in a subscription's resource as changes name them: aliases resolved, lower-cased."""
        ids = dict(match.ids)
        if "user" in ids:
            ids["user"] = self.user_id(ids["user"])
        if "folder" in ids and "user" in ids:
            ids["folder"] = self.folder_id(ids["user"], ids["folder"])
        return {name: value.lower() for name, value in ids.items()}

    def user_id(self, called: str) -> str:
        """Return a user's id by address or id in any case, or what was given."""
        return self._users.get(called.lower(), called)

    def folder_id(self, user_id: str, called: str) -> str:
        """Return the id of a mailbox's folder by its well-known name, or what was given."""
        return self._folders.get((user_id, called.lower()), called)

    def know_user(self, user_id: str, *names: str) -> None:
        """Let a person be found by more than the id."""
        self._users |= {name.lower(): user_id for name in (user_id, *names)}

    def know_folder(self, user_id: str, well_known: str, folder_id: str) -> None:
        """Let a folder be found by its well-known name."""
        self._folders[user_id, well_known.lower()] = folder_id

    def know_item(self, row: Row, item_id: str, immutable_id: str) -> str:
        """Return the immutable id of an item, the one it had before if it was somewhere else, and know the item by it."""
        immutable_id = immutable_id or first_immutable_id(row.key, item_id)
        if immutable_id:
            self._ordinary_ids[immutable_id] = item_id
        return immutable_id

    def saved(self) -> dict[str, Any]:
        """Return the names as JSON; those of items come with the items."""
        folders = [[user_id, name, folder_id] for (user_id, name), folder_id in self._folders.items()]
        return {"users": self._users, "folders": folders}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Know the names that were saved."""
        self._users |= saved["users"]
        self._folders |= {(user_id, name): folder_id for user_id, name, folder_id in saved["folders"]}


def drive_of(user_id: str) -> str:
    """Return the id of somebody's drive."""
    return f"b!{user_id.replace('-', '')}"
