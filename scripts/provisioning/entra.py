"""After the templates, in Entra: who the app is, that its managed identity may be it, and what it may read.

An app registration has no secret here: it trusts the managed identity. What it may read is what `permissions` derives, granted as
app role assignments, which is what consent by an administrator amounts to. Permissions that nothing needs any longer are named and
left: somebody may have had a reason. Not here: people who sign in, see `signing_in`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scripts.provisioning.az import Az, AzProblem, SetupProblem
from scripts.provisioning.permissions import Derived
from scripts.provisioning.reporting import Outcome, Step, attention, made, skipped, unchanged
from scripts.provisioning.troubles import is_done_already
from scripts.provisioning.values import BY_HAND, Values, choice, need, people_sign_in

GRAPH: Final = "00000003-0000-0000-c000-000000000000"
CREDENTIAL_NAME: Final = "managed-identity"
EXCHANGE: Final[Mapping[str, str]] = {
    "https://login.microsoftonline.com": "api://AzureADTokenExchange",
    "https://login.microsoftonline.us": "api://AzureADTokenExchangeUSGov",
    "https://login.chinacloudapi.cn": "api://AzureADTokenExchangeChina",
}
"""What a managed identity's token has to be meant for, by the cloud's authority; the app asks for the same.
https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity (2026-02)"""

OWNER: Final = "to own the app registration, or the Entra role Cloud Application Administrator"
CONSENT: Final = (
    "the Entra role Privileged Role Administrator (no lesser one may give an app permissions on Microsoft Graph)"
)


@dataclass(slots=True, kw_only=True)
class Entra:
    """The steps about the app in Entra; ``extra`` are permissions that a person named."""

    az: Az
    values: Values
    derived: Derived
    extra: Sequence[str] = ()

    def steps(self) -> Sequence[Step]:
        """List them in order; none where somebody else sees to Entra."""
        if choice(self.values, "EARSHOT_ENTRA") == BY_HAND:
            return (Step(name="Entra", needs=OWNER, take=_left_alone),)
        return (
            Step(name="service principal", needs=OWNER, take=self.principal),
            Step(name="federated credential", needs=OWNER, take=self.credential),
            Step(name="no assignment required", needs=OWNER, take=self.open_to_graph),
            Step(name="permissions", needs=CONSENT, take=self.permissions),
            Step(name="other tenants", needs=CONSENT, take=self.elsewhere),
        )

    @property
    def federated(self) -> bool:
        """Whether an app registration speaks to Graph, and not the managed identity itself."""
        return choice(self.values, "GRAPH_CREDENTIAL") != "managed-identity"

    def principal(self) -> Outcome:
        """Give the app registration its service principal: permissions are given to it, and without it nobody signs in."""
        if not self.federated and not people_sign_in(self.values):
            return skipped("the managed identity has one")
        client_id = need(self.values, "GRAPH_CLIENT_ID")
        found = self.az.find(f"/servicePrincipals(appId='{client_id}')")
        if found is not None:
            return unchanged(found["id"])
        self.az.graph("post", "/servicePrincipals", {"appId": client_id})
        return made(self.az.dry, f"of {client_id}")

    def credential(self) -> Outcome:
        """Have the app registration trust the managed identity; after the identity was made anew, the new one instead."""
        if not self.federated:
            return skipped("the managed identity asks Graph itself")
        authority, tenant = self.az.endpoint("activeDirectory"), need(self.values, "GRAPH_TENANT_ID")
        wanted = {
            "name": CREDENTIAL_NAME,
            "issuer": f"{authority}/{tenant}/v2.0",
            "subject": need(self.values, "IDENTITY_PRINCIPAL_ID"),
            "audiences": [EXCHANGE.get(authority, EXCHANGE["https://login.microsoftonline.com"])],
        }
        path = f"/applications(appId='{need(self.values, 'GRAPH_CLIENT_ID')}')/federatedIdentityCredentials"
        there = [each for each in self.az.graph("get", path)["value"] if each["name"] == CREDENTIAL_NAME]
        if there and all(there[0].get(name) == value for name, value in wanted.items()):
            return unchanged(f"trusts {wanted['subject']}")
        if there:
            rest = {name: value for name, value in wanted.items() if name != "name"}
            self.az.graph("patch", f"{path}/{there[0]['id']}", rest)
            return made(self.az.dry, f"trusts {wanted['subject']} now, and {there[0]['subject']} no longer", new=False)
        self.az.graph("post", path, wanted)
        return made(self.az.dry, f"trusts {wanted['subject']}")

    def open_to_graph(self) -> Outcome:
        """See that Graph may get tokens for the app: with assignment required, its validationTokens come empty.

        https://learn.microsoft.com/graph/change-notifications-with-resource-data (2026-04)
        """
        found = self._principal_there()
        if found is None:
            return made(self.az.dry, "nothing else: a new service principal has it so", new=False)
        if not found.get("appRoleAssignmentRequired"):
            return unchanged("appRoleAssignmentRequired is false")
        self.az.graph("patch", f"/servicePrincipals/{found['id']}", {"appRoleAssignmentRequired": False})
        return made(self.az.dry, "appRoleAssignmentRequired is false, so that Graph can sign what it sends", new=False)

    def permissions(self) -> Outcome:
        """Grant what subscriptions.json needs and is not granted.

        https://learn.microsoft.com/graph/api/serviceprincipal-post-approleassignments (2026-01)
        """
        wanted = sorted({*self.derived.permissions, *self.extra})
        graph = self.az.graph("get", f"/servicePrincipals(appId='{GRAPH}')")
        roles = {each["value"]: each["id"] for each in graph["appRoles"] if "Application" in each["allowedMemberTypes"]}
        if unknown := [each for each in wanted if each not in roles]:
            raise SetupProblem(f"Microsoft Graph has no application permission {', '.join(unknown)} in this cloud")
        found = self._principal_there()
        if found is None:
            return made(self.az.dry, ", ".join(wanted), *self._why())
        granted = self._granted(found["id"], graph["id"])
        missing = [each for each in wanted if roles[each] not in granted]
        for each in missing:
            self._grant(found["id"], graph["id"], roles[each])
        names = {role: name for name, role in roles.items()}
        spare = sorted(names.get(each, each) for each in granted if names.get(each) not in wanted)
        notes = [*self._why(), *self.derived.notes]
        notes += [f"granted and not needed by subscriptions.json, left as it is: {', '.join(spare)}"] if spare else []
        if missing:
            return made(self.az.dry, ", ".join(missing), *notes)
        return (attention if self.derived.notes else unchanged)(", ".join(wanted) or "none needed", *notes)

    def elsewhere(self) -> Outcome:
        """Name the links by which administrators of other tenants take the app in; nobody else can."""
        others = sorted(self.derived.tenants - {self.values.get("GRAPH_TENANT_ID").lower()})
        if not others:
            return skipped("no subscription hears another tenant")
        if not self.federated:
            raise SetupProblem(
                f"subscriptions.json hears {', '.join(others)}, and a managed identity is known in its own tenant only: "
                "azd env set GRAPH_CREDENTIAL federated, then azd up again"
            )
        authority, client_id = self.az.endpoint("activeDirectory"), need(self.values, "GRAPH_CLIENT_ID")
        links = (f"{authority}/{each}/adminconsent?client_id={client_id}" for each in others)
        return attention(
            "an administrator of each opens the link; the registration has to be multi-tenant (az ad app update --id "
            f"{client_id} --sign-in-audience AzureADMultipleOrgs) and to name its permissions",
            *links,
        )

    def _why(self) -> Sequence[str]:
        return [f"{each.permission} for {each.entry}, {each.purpose}: {each.page}" for each in self.derived.reasons]

    def _principal_there(self) -> Any:
        """Give the principal, and wait for one that was just made; None only in a dry run that would make it."""
        return self.az.find(self._path) if self.az.dry else self.az.graph("get", self._path)

    @property
    def _path(self) -> str:
        if self.federated:
            return f"/servicePrincipals(appId='{need(self.values, 'GRAPH_CLIENT_ID')}')"
        return f"/servicePrincipals/{need(self.values, 'IDENTITY_PRINCIPAL_ID')}"

    def _granted(self, principal: str, graph: str) -> frozenset[str]:
        path = f"/servicePrincipals/{principal}/appRoleAssignments"
        return frozenset(
            each["appRoleId"] for each in self.az.graph("get", path)["value"] if each["resourceId"] == graph
        )

    def _grant(self, principal: str, graph: str, role: str) -> None:
        body = {"principalId": principal, "resourceId": graph, "appRoleId": role}
        try:
            self.az.graph("post", f"/servicePrincipals/{principal}/appRoleAssignments", body)
        except AzProblem as problem:
            if not is_done_already(problem.said):
                raise


def _left_alone() -> Outcome:
    return skipped("EARSHOT_ENTRA is by-hand: an administrator lets the app sign in and read, and people sign in to it")
