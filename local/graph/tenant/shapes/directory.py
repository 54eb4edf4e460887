"""The directory and files: users, groups, drives and what is in them.

https://learn.microsoft.com/en-us/graph/api/resources/user and its neighbours.
"""

import base64
from collections.abc import Sequence
from typing import Any

from local.graph.tenant.places import Person


def user(person: Person) -> dict[str, Any]:
    """Return somebody."""
    given, _, family = person.name.partition(" ")
    return {
        "id": person.id,
        "createdDateTime": None,
        "displayName": person.name,
        "givenName": given,
        "surname": family,
        "mail": person.address,
        "userPrincipalName": person.address,
        "jobTitle": None,
        "department": None,
        "officeLocation": None,
        "mobilePhone": None,
        "businessPhones": [],
        "preferredLanguage": "en-US",
        "accountEnabled": True,
    }


def group(group_id: str, name: str, mail: str) -> dict[str, Any]:
    """Return a Microsoft 365 group, as there is one behind every team."""
    return {
        "id": group_id,
        "createdDateTime": None,
        "displayName": name,
        "description": None,
        "mail": mail,
        "mailEnabled": True,
        "mailNickname": mail.partition("@")[0],
        "securityEnabled": False,
        "groupTypes": ["Unified"],
        "visibility": "Private",
    }


def drive(drive_id: str, owner: Person) -> dict[str, Any]:
    """Return somebody's OneDrive."""
    return {
        "id": drive_id,
        "createdDateTime": None,
        "name": "OneDrive",
        "driveType": "business",
        "owner": {"user": {"id": owner.id, "displayName": owner.name, "email": owner.address}},
    }


def drive_item(
    item_id: str,
    *,
    name: str,
    drive_id: str,
    parent: str | None,
    size: int = 0,
    folder: bool = False,
    by: Sequence[Person] = (),
) -> dict[str, Any]:
    """Return a file, a folder, or the root of a drive (which has no parent)."""
    author = {"user": {"id": by[0].id, "displayName": by[0].name}} if by else {}
    kind: dict[str, Any] = {"folder": {"childCount": 0}} if folder else {"file": {"mimeType": "text/plain"}}
    return {
        "id": item_id,
        "createdDateTime": None,
        "lastModifiedDateTime": None,
        "name": name,
        "size": size,
        "createdBy": author,
        "lastModifiedBy": author,
        "parentReference": {"driveId": drive_id, "driveType": "business", "id": parent},
        **kind,
        **({"root": {}} if parent is None else {}),
    }


def permission(person: Person, role: str) -> dict[str, Any]:
    """Return that somebody may do something with a file; the id is made from the person, as SharePoint makes it."""
    login = f"i:0#.f|membership|{person.address}"
    identity = {"id": person.id, "displayName": person.name, "email": person.address}
    return {
        "id": base64.urlsafe_b64encode(login.encode()).decode().rstrip("="),
        "roles": [role],
        "grantedTo": {"user": identity},
        "grantedToV2": {"user": identity, "siteUser": {**identity, "loginName": login}},
    }
