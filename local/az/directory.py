"""Microsoft Graph's part of `az rest`: the organization, applications, service principals, and what they and people were given.

Right enough for what the hooks ask; any other path is a 404 that says that this stand-in does not have it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from local.az.applications import change_application, new_application
from local.az.refusals import Refusal, graph, insufficient, not_found
from local.az.tenant import next_id

Answer = Mapping[str, Any] | None
_GUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class ApplicationMissing(Refusal):
    """There is no such application."""


@dataclass(slots=True, kw_only=True)
class Directory:
    """Answers requests to /v1.0 from a state, which it changes."""

    state: dict[str, Any]

    def ask(self, method: str, path: str, body: Mapping[str, Any], prefer: str) -> Answer:
        """Answer one request. Raises Refusal."""
        for verb, pattern, handler in self._routes():
            if verb == method and (found := re.fullmatch(pattern, path)):
                return handler(body, prefer, *found.groups())
        raise graph(
            "Bad Request",
            "BadRequest",
            f"Resource not found for the segment '{path}' (the stand-in has no {method} of it).",
        )

    def _routes(self) -> tuple[tuple[str, str, Callable[..., Answer]], ...]:
        app = r"/applications\((uniqueName|appId)='([^']+)'\)"
        credentials = rf"/applications\(appId='({_GUID})'\)/federatedIdentityCredentials"
        return (
            ("get", "/organization", self._organization),
            ("get", app, self._application),
            ("patch", app, self._upsert),
            ("get", credentials, self._credentials),
            ("post", credentials, self._trust),
            ("patch", rf"{credentials}/({_GUID})", self._trust_another),
            ("get", rf"/servicePrincipals\(appId='({_GUID})'\)", self._principal_of),
            ("get", rf"/servicePrincipals/({_GUID})", self._principal),
            ("post", "/servicePrincipals", self._make_principal),
            ("patch", rf"/servicePrincipals/({_GUID})", self._change_principal),
            ("get", rf"/servicePrincipals/({_GUID})/appRoleAssignments", self._assignments),
            ("post", rf"/servicePrincipals/({_GUID})/appRoleAssignments", self._assign),
            (
                "get",
                rf"/oauth2PermissionGrants\?\$filter=clientId eq '({_GUID})' and consentType eq '(\w+)'",
                self._grants,
            ),
            ("post", "/oauth2PermissionGrants", self._consent),
            ("patch", rf"/oauth2PermissionGrants/({_GUID})", self._consent_to_more),
        )

    def _need(self, privilege: str) -> None:
        if privilege not in self.state["privileges"]:
            raise insufficient()

    def _organization(self, _body: Mapping[str, Any], _prefer: str) -> Answer:
        return {"value": [self.state["organization"]]}

    # -- applications -------------------------------------------------------------------------------------------------------

    def _find_application(self, key: str, value: str) -> dict[str, Any]:
        found = [each for each in self.state["applications"] if each[key] == value]
        if not found:
            raise ApplicationMissing(str(not_found(value)))
        application: dict[str, Any] = found[0]
        return application

    def _application(self, _body: Mapping[str, Any], _prefer: str, key: str, value: str) -> Answer:
        return self._find_application(key, value)

    def _upsert(self, body: Mapping[str, Any], prefer: str, key: str, value: str) -> Answer:
        self._need("entra:applications")
        try:
            change_application(self._find_application(key, value), body)
        except ApplicationMissing:
            if prefer != "create-if-missing" or key != "uniqueName":
                raise
            if not body.get("displayName"):
                raise graph("Bad Request", "Request_BadRequest", "displayName is required.") from None
        else:
            return None
        made = {"id": next_id(self.state, "application"), "appId": next_id(self.state, "client"), "uniqueName": value}
        application = {**new_application(), **made}
        change_application(application, body)
        self.state["applications"].append(application)
        return application

    def _credentials(self, _body: Mapping[str, Any], _prefer: str, app_id: str) -> Answer:
        return {"value": self._find_application("appId", app_id)["federatedIdentityCredentials"]}

    def _trust(self, body: Mapping[str, Any], _prefer: str, app_id: str) -> Answer:
        self._need("entra:applications")
        if set(body) != {"name", "issuer", "subject", "audiences"} or len(body["audiences"]) != 1:
            raise graph("Bad Request", "Request_BadRequest", "name, issuer, subject and one audience are required.")
        there = self._find_application("appId", app_id)["federatedIdentityCredentials"]
        if any(each["name"] == body["name"] for each in there):
            message = f"FederatedIdentityCredential with name {body['name']} already exists."
            raise graph("Conflict", "Request_MultipleObjectsWithSameKeyValue", message)
        made = {"id": next_id(self.state, "credential"), **body}
        there.append(made)
        return made

    def _trust_another(self, body: Mapping[str, Any], _prefer: str, app_id: str, credential: str) -> Answer:
        self._need("entra:applications")
        if not body or "name" in body:
            raise graph(
                "Bad Request", "Request_BadRequest", "The name of a federated identity credential is immutable."
            )
        there = [
            each
            for each in self._find_application("appId", app_id)["federatedIdentityCredentials"]
            if each["id"] == credential
        ]
        if not there:
            raise not_found(credential)
        there[0].update(body)
        return None

    # -- service principals -------------------------------------------------------------------------------------------------

    def _find_principal(self, key: str, value: str) -> dict[str, Any]:
        found = [each for each in self.state["servicePrincipals"] if each[key] == value]
        if not found:
            raise not_found(value)
        principal: dict[str, Any] = found[0]
        return principal

    def _principal_of(self, _body: Mapping[str, Any], _prefer: str, app_id: str) -> Answer:
        return self._find_principal("appId", app_id)

    def _principal(self, _body: Mapping[str, Any], _prefer: str, principal: str) -> Answer:
        return self._find_principal("id", principal)

    def _make_principal(self, body: Mapping[str, Any], _prefer: str) -> Answer:
        self._need("entra:principals")
        if any(each["appId"] == body["appId"] for each in self.state["servicePrincipals"]):
            message = f"The service principal cannot be created, updated, or restored because the service principal name {body['appId']} is already in use."
            raise graph("Conflict", "Request_MultipleObjectsWithSameKeyValue", message)
        made = {"id": next_id(self.state, "principal"), **body, "appRoles": [], "appRoleAssignmentRequired": False}
        self.state["servicePrincipals"].append(made)
        return made

    def _change_principal(self, body: Mapping[str, Any], _prefer: str, principal: str) -> Answer:
        self._need("entra:principals")
        self._find_principal("id", principal).update(body)
        return None

    def _assignments(self, _body: Mapping[str, Any], _prefer: str, principal: str) -> Answer:
        self._find_principal("id", principal)
        return {"value": [each for each in self.state["appRoleAssignments"] if each["principalId"] == principal]}

    def _assign(self, body: Mapping[str, Any], _prefer: str, principal: str) -> Answer:
        self._need("entra:consent")
        if set(body) != {"principalId", "resourceId", "appRoleId"} or body["principalId"] != principal:
            raise graph("Bad Request", "Request_BadRequest", "principalId, resourceId and appRoleId are required.")
        self._find_principal("id", principal)
        roles = self._find_principal("id", body["resourceId"])["appRoles"]
        if not any(each["id"] == body["appRoleId"] and "Application" in each["allowedMemberTypes"] for each in roles):
            raise graph("Bad Request", "Request_BadRequest", "Permission being assigned was not found on application")
        same = [each for each in self.state["appRoleAssignments"] if {**each, "id": ""} == {**body, "id": ""}]
        if same:
            raise graph("Bad Request", "Request_BadRequest", "Permission being assigned already exists on the object")
        made = {"id": next_id(self.state, "assignment"), **body}
        self.state["appRoleAssignments"].append(made)
        return made

    # -- what people let apps do --------------------------------------------------------------------------------------------

    def _grants(self, _body: Mapping[str, Any], _prefer: str, client: str, consent: str) -> Answer:
        wanted = {"clientId": client, "consentType": consent}
        return {"value": [each for each in self.state["oauth2PermissionGrants"] if each.items() >= wanted.items()]}

    def _consent(self, body: Mapping[str, Any], _prefer: str) -> Answer:
        self._need("entra:consent-for-people")
        if set(body) != {"clientId", "consentType", "resourceId", "scope"} or body["consentType"] != "AllPrincipals":
            raise graph(
                "Bad Request", "Request_BadRequest", "clientId, consentType, resourceId and scope are required."
            )
        self._check_scope(self._find_principal("id", body["resourceId"]), body["scope"])
        self._find_principal("id", body["clientId"])
        same = {**body, "scope": ""}
        if any({**each, "scope": ""}.items() >= same.items() for each in self.state["oauth2PermissionGrants"]):
            raise graph("Conflict", "Request_MultipleObjectsWithSameKeyValue", "Permission entry already exists.")
        made = {"id": next_id(self.state, "grant"), "principalId": None, **body}
        self.state["oauth2PermissionGrants"].append(made)
        return made

    def _consent_to_more(self, body: Mapping[str, Any], _prefer: str, grant: str) -> Answer:
        self._need("entra:consent-for-people")
        there = [each for each in self.state["oauth2PermissionGrants"] if each["id"] == grant]
        if not there:
            raise not_found(grant)
        if set(body) != {"scope"}:
            raise graph("Bad Request", "Request_BadRequest", "Only scope can be changed.")
        self._check_scope(self._find_principal("id", there[0]["resourceId"]), body["scope"])
        there[0].update(body)
        return None

    def _check_scope(self, resource: Mapping[str, Any], scope: str) -> None:
        """Stricter than Graph, which takes any words."""
        known = {each["value"] for each in resource.get("oauth2PermissionScopes", ())}
        if not scope.strip() or set(scope.split()) - known or len(set(scope.split())) != len(scope.split()):
            raise graph("Bad Request", "Request_BadRequest", f"Invalid value specified for property 'scope': {scope}")
