"""After the templates, in Entra, where people sign in: our API, the page that asks for its tokens, and what the app may do for people.

One registration is the API and its page, so that a token which the page shows is one that the app may exchange (on-behalf-of). What is
there already is kept: whoever gave us a registration of theirs keeps their scopes, addresses and permissions. Not here: what the app
may do by itself, see `entra`; who may see which feed, which the app asks Graph.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from scripts.provisioning.az import Az, AzProblem, SetupProblem
from scripts.provisioning.entra import GRAPH, OWNER
from scripts.provisioning.reporting import Outcome, Step, attention, made, skipped, unchanged
from scripts.provisioning.troubles import is_done_already
from scripts.provisioning.values import (
    BY_ADMINISTRATOR,
    BY_HAND,
    BY_PERSON,
    Values,
    choice,
    chosen,
    need,
    people_sign_in,
)

SCOPE: Final = "access_as_user"
SCOPE_ID: Final = "7f0d8a52-6c1e-4b39-9a74-2e5c83d1f0b6"
"""The same in every registration: it has to be unique among those of one only, and so no run can make a second."""

PAGE: Final = "/app"
"""Where the page is, below PUBLIC_BASE_URL. Entra compares addresses letter by letter: no slash at its end.
https://learn.microsoft.com/entra/identity-platform/reply-url (2026-02)"""

TOKENS: Final = 2
"""Version of the API's tokens, whatever endpoint they are asked of."""

EVERYBODY: Final = "AllPrincipals"
CONSENT_FOR_PEOPLE: Final = "the Entra role Cloud Application Administrator (or Application Administrator)"
"""https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent (2026-02)"""

_OLD_ADDRESS: Final = (
    "Whoever comes to own such a name could have your people sign in there: take it out if you know of no use for it "
    "(Entra admin center > App registrations > Authentication)"
)
_ORIGIN: Final = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?|http://localhost(:\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPeople:
    """A permission of Graph's with which the app acts for whoever signed in, what for, and the page that says so."""

    permission: str
    purpose: str
    page: str


_OPENID: Final = "https://learn.microsoft.com/entra/identity-platform/scopes-oidc"
_API: Final = "https://learn.microsoft.com/graph/api"

TO_SIGN_IN: Final = (
    ForPeople(permission="openid", purpose="to sign in", page=_OPENID),
    ForPeople(permission="profile", purpose="to know who it is", page=_OPENID),
    ForPeople(permission="offline_access", purpose="to stay signed in, and to hear mail meanwhile", page=_OPENID),
)
FOR_MAIL: Final = (
    ForPeople(permission="Mail.Read", purpose="to hear of mail", page=f"{_API}/subscription-post-subscriptions"),
    ForPeople(permission="Mail.ReadWrite", purpose="to read, mark, move, delete, draft", page=f"{_API}/message-update"),
    ForPeople(permission="Mail.Send", purpose="to send a reply", page=f"{_API}/message-send"),
)
"""Mail.ReadWrite does not spare Mail.Read: Graph gives subscriptions for reading alone, and turns away whoever may write only."""


@dataclass(slots=True, kw_only=True)
class SigningIn:
    """The steps about people."""

    az: Az
    values: Values

    def steps(self) -> Sequence[Step]:
        """List them in order; none where somebody else sees to Entra, which is said already."""
        if choice(self.values, "EARSHOT_ENTRA") == BY_HAND:
            return ()
        if not people_sign_in(self.values):
            return (Step(name="people who sign in", needs=OWNER, take=_nobody),)
        page = (
            Step(name="page", needs=OWNER, take=self.page),
            Step(name="page may call the API", needs=OWNER, take=self.page_calls),
        )
        return (
            Step(name="API", needs=OWNER, take=self.api),
            *(page if chosen(self.values, "EARSHOT_SIGNALR") else ()),  # without it the app serves no page
            Step(name="permissions for people", needs=OWNER, take=self.named),
            Step(name="consent for people", needs=CONSENT_FOR_PEOPLE, take=self.consent),
        )

    @property
    def asked(self) -> Sequence[ForPeople]:
        """What the app may do for people who let it."""
        return (*TO_SIGN_IN, *(FOR_MAIL if chosen(self.values, "EARSHOT_MAIL") else ()))

    def api(self) -> Outcome:
        """Make the registration an API: an address, one scope, and tokens of version 2 unless somebody's API has others.

        https://learn.microsoft.com/graph/api/resources/apiapplication (2026-02)
        """
        found = self._registration()
        address, api = f"api://{found['appId']}", found.get("api") or {}
        addresses, scopes = found.get("identifierUris") or [], api.get("oauth2PermissionScopes") or []
        theirs = [each for each in scopes if each["value"] != SCOPE]
        # one that is there stays as it is: Entra changes none that is enabled
        ours = next((each for each in scopes if each["value"] == SCOPE), _scope()) | {"isEnabled": True}
        version = api.get("requestedAccessTokenVersion") or (None if theirs else TOKENS)
        if address in addresses and ours in scopes and api.get("requestedAccessTokenVersion") == version:
            return unchanged(f"{address}/{SCOPE}")
        # whole: it is nowhere promised that a part of it which is left out stays
        api |= {"requestedAccessTokenVersion": version, "oauth2PermissionScopes": [*theirs, ours]}
        also = [] if address in addresses else [address]
        self.az.graph("patch", self._path, {"identifierUris": [*addresses, *also], "api": api})
        return made(self.az.dry, f"{address}/{SCOPE}", new=not scopes)

    def page(self) -> Outcome:
        """Let people come back to the page from where they sign in, and to nowhere else that nobody asked for."""
        wanted = self._addresses()
        there: list[str] = (self._registration().get("spa") or {}).get("redirectUris") or []
        missing = [each for each in wanted if each not in there]
        old = [each for each in there if each not in wanted]
        notes = [f"left, and named by nobody: {', '.join(old)}. {_OLD_ADDRESS}"] if old else []
        if missing:
            self.az.graph("patch", self._path, {"spa": {"redirectUris": [*there, *missing]}})
            return made(self.az.dry, ", ".join(missing), *notes)
        return (attention if notes else unchanged)(", ".join(wanted), *notes)

    def page_calls(self) -> Outcome:
        """Spare people the question whether this page may call this API. A step by itself, since the scope has to be there before.

        https://learn.microsoft.com/graph/api/resources/preauthorizedapplication (2026-02)
        """
        found = self._registration_with_scope()
        if found is None:
            return made(self.az.dry, "nobody will be asked")
        client, api = found["appId"], found["api"]
        [scope] = [each["id"] for each in api["oauth2PermissionScopes"] if each["value"] == SCOPE]
        there = api.get("preAuthorizedApplications") or []
        ids = [each for entry in there if entry["appId"] == client for each in entry["delegatedPermissionIds"]]
        if scope in ids:
            return unchanged("nobody is asked")
        others = [entry for entry in there if entry["appId"] != client]
        ours = {"appId": client, "delegatedPermissionIds": [*ids, scope]}
        self.az.graph("patch", self._path, {"api": {**api, "preAuthorizedApplications": [*others, ours]}})
        return made(self.az.dry, "nobody is asked")

    def named(self) -> Outcome:
        """Name in the registration what the app asks people for, so that whoever consents can see all of it.

        https://learn.microsoft.com/graph/api/resources/requiredresourceaccess (2026-02)
        """
        ids = self._ids()
        there = self._registration().get("requiredResourceAccess") or []
        of_graph = [each for entry in there if entry["resourceAppId"] == GRAPH for each in entry["resourceAccess"]]
        missing = [name for name, id_ in ids.items() if {"id": id_, "type": "Scope"} not in of_graph]
        if not missing:
            return unchanged(", ".join(ids), *self._why())
        of_graph += [{"id": ids[name], "type": "Scope"} for name in missing]
        others = [entry for entry in there if entry["resourceAppId"] != GRAPH]
        body = {"requiredResourceAccess": [*others, {"resourceAppId": GRAPH, "resourceAccess": of_graph}]}
        self.az.graph("patch", self._path, body)
        return made(self.az.dry, ", ".join(missing), *self._why())

    def consent(self) -> Outcome:
        """Consent for everybody in the tenant, so that nobody is asked; to mail only if that is not left to each person.

        The exchange of a token asks nobody anything, and many tenants let no person consent to mail. What is granted here the app
        has of those alone who sign in and connect.
        https://learn.microsoft.com/graph/api/oauth2permissiongrant-post (2026-02)
        """
        each_alone = self._leaves_it_to_people()
        wanted = [each.permission for each in (TO_SIGN_IN if each_alone else self.asked)]
        client = self._principal()
        if client is None:
            return made(self.az.dry, f"{', '.join(wanted)}, for everybody")
        graphs = str(self._graphs()["id"])
        there = self._granted(client, graphs)
        granted = str(there["scope"]).split() if there else []
        missing = [each for each in wanted if each not in granted]
        if missing:
            self._grant(client, graphs, there, wanted)
        spare = [each for each in granted if each not in wanted]
        notes = [f"granted and not needed, left as it is: {', '.join(spare)}"] if spare else []
        if each_alone and chosen(self.values, "EARSHOT_MAIL"):
            notes.append(f"before they connect their mailbox, people consent once: {self._link()}")
        if missing:
            return made(self.az.dry, f"{', '.join(missing)}, for everybody", *notes, new=there is None)
        return (attention if notes else unchanged)(f"{', '.join(wanted)}, for everybody", *notes)

    def _leaves_it_to_people(self) -> bool:
        """Tell whether each person is to consent to mail. Raises SetupProblem for another word: a slip must not consent for everybody."""
        said = choice(self.values, "EARSHOT_MAIL_CONSENT")
        if said not in {BY_ADMINISTRATOR, BY_PERSON}:
            raise SetupProblem(
                f"EARSHOT_MAIL_CONSENT is {said!r}, and takes {BY_ADMINISTRATOR} or {BY_PERSON}: azd env set it"
            )
        return said == BY_PERSON

    # -- looking ------------------------------------------------------------------------------------------------------------

    @property
    def _client_id(self) -> str:
        return need(self.values, "GRAPH_CLIENT_ID")

    @property
    def _path(self) -> str:
        return f"/applications(appId='{self._client_id}')"

    def _registration(self) -> Any:
        return self.az.graph("get", self._path)

    def _registration_with_scope(self) -> Any:
        """Give the registration, and wait for a scope that was just made: what is written back must have it. None in a dry run."""
        waited = 0.0
        while True:
            found = self._registration()
            scopes = (found.get("api") or {}).get("oauth2PermissionScopes") or []
            if any(each["value"] == SCOPE for each in scopes):
                return found
            if self.az.dry:
                return None
            if waited >= self.az.patience:
                raise SetupProblem(f"the scope {SCOPE} was made and is not known yet: run this again in a minute")
            self.az.sleep(self.az.pause)
            waited += self.az.pause

    def _principal(self) -> str | None:
        """Give the object id of the registration's principal; None only in a dry run that would make it."""
        path = f"/servicePrincipals(appId='{self._client_id}')"
        found = self.az.find(path) if self.az.dry else self.az.graph("get", path)
        return found and str(found["id"])

    def _graphs(self) -> Any:
        return self.az.graph("get", f"/servicePrincipals(appId='{GRAPH}')")

    def _ids(self) -> Mapping[str, str]:
        """Give the ids of the permissions that are asked for. Raises SetupProblem."""
        ids = {each["value"]: str(each["id"]) for each in self._graphs()["oauth2PermissionScopes"]}
        wanted = [each.permission for each in self.asked]
        if unknown := [each for each in wanted if each not in ids]:
            raise SetupProblem(f"Microsoft Graph has no permission for people {', '.join(unknown)} in this cloud")
        return {each: ids[each] for each in wanted}

    def _granted(self, client: str, graphs: str) -> Any:
        """Find the consent for everybody; those of single people, which may be thousands, are not asked for."""
        query = f"clientId eq '{client}' and consentType eq '{EVERYBODY}'"
        found = self.az.graph("get", f"/oauth2PermissionGrants?$filter={query}")["value"]
        return next((each for each in found if each["resourceId"] == graphs), None)

    def _grant(self, client: str, graphs: str, there: Any, permissions: Sequence[str]) -> None:
        """Widen the consent that is there, or make it; somebody else may be making it at the same time."""
        if there is None:
            body = {"clientId": client, "consentType": EVERYBODY, "resourceId": graphs, "scope": " ".join(permissions)}
            try:
                self.az.graph("post", "/oauth2PermissionGrants", body)
            except AzProblem as problem:
                there = self._granted(client, graphs) if is_done_already(problem.said) else None
                if there is None:
                    raise
            else:
                return
        both = dict.fromkeys([*str(there["scope"]).split(), *permissions])
        self.az.graph("patch", f"/oauth2PermissionGrants/{there['id']}", {"scope": " ".join(both)})

    def _addresses(self) -> Sequence[str]:
        """List where the page is opened. Raises SetupProblem for what Entra, or the templates, would not take."""
        origins = choice(self.values, "EARSHOT_PAGE_ORIGINS")
        also = origins.split(",") if origins else []
        if wrong := [each for each in also if not _ORIGIN.fullmatch(each)]:
            raise SetupProblem(
                f"EARSHOT_PAGE_ORIGINS has {', '.join(map(repr, wrong))}: it takes https://<host> or http://localhost:<port>, without a slash "
                "at the end, with commas between and no blanks; after a change azd provision"
            )
        base = need(self.values, "PUBLIC_BASE_URL").rstrip("/")
        return tuple(dict.fromkeys([f"{base}{PAGE}", *(f"{each}/api{PAGE}" for each in also)]))

    def _link(self) -> str:
        """Write where a person is asked for mail; afterwards they are on the page, or where the registration sends them by itself."""
        graph = self.az.endpoint("microsoftGraphResourceId")
        scopes = " ".join(f"{graph}/{each.permission}" for each in FOR_MAIL)
        asked = {
            "client_id": self._client_id,
            "response_type": "code",
            **({"redirect_uri": self._addresses()[0]} if chosen(self.values, "EARSHOT_SIGNALR") else {}),
            "scope": f"{scopes} offline_access",
            "prompt": "consent",
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
        tenant = need(self.values, "GRAPH_TENANT_ID")
        return f"{self.az.endpoint('activeDirectory')}/{tenant}/oauth2/v2.0/authorize?{query}"

    def _why(self) -> Sequence[str]:
        return [f"{each.permission}, {each.purpose}: {each.page}" for each in self.asked]


def _scope() -> dict[str, Any]:
    return {
        "id": SCOPE_ID,
        "value": SCOPE,
        "type": "User",
        "isEnabled": True,
        "adminConsentDisplayName": "Use Earshot as whoever is signed in",
        "adminConsentDescription": "Lets a page show people the feeds of the channels and chats that they are in, and their own mailbox.",
        "userConsentDisplayName": "Use Earshot as you",
        "userConsentDescription": "Lets this page show you the feeds of the channels and chats that you are in, and your own mailbox.",
    }


def _nobody() -> Outcome:
    return skipped("nobody does (EARSHOT_SIGNALR and EARSHOT_MAIL are off)")
