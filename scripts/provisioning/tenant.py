"""Before the templates: who is signed in where, whether the region will do, and what the templates must know of the tenant.

Everything found is kept as a value; on a second run it is looked at again and left alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from scripts.provisioning.az import Az, SetupProblem
from scripts.provisioning.reporting import Outcome, Step, made, skipped, unchanged
from scripts.provisioning.values import BY_HAND, Values, choice, chosen, people_sign_in

CHANGE_TRACKING: Final = "0bf30f3b-4a52-48df-9a82-234910c4a086"
"""Microsoft Graph Change Tracking, which writes to Event Hubs.
https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-04)"""

PROVIDERS: Final = (
    "Microsoft.App",  # Flex Consumption puts its instances there, and no template names it
    "Microsoft.Web",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Insights",
    "Microsoft.EventHub",
    "Microsoft.SignalRService",
)
"""https://learn.microsoft.com/azure/azure-functions/flex-consumption-how-to (2026-01)"""

PYTHON: Final = "3.13"

CONTRIBUTOR: Final = "the role Contributor on the subscription"
APPLICATIONS: Final = "the Entra role Application Developer, or Cloud Application Administrator"
PRINCIPALS: Final = "the Entra role Cloud Application Administrator"
ANYBODY: Final = "an account in the tenant"


@dataclass(slots=True, kw_only=True)
class Preparation:
    """The steps before `azd provision`."""

    az: Az
    values: Values
    pulls: bool

    def steps(self) -> Sequence[Step]:
        """List them in order."""
        return (
            Step(name="tenant", needs=ANYBODY, take=self.tenant),
            Step(name="region", needs=ANYBODY, take=self.region),
            Step(name="deleted vault", needs=CONTRIBUTOR, take=self.deleted_vault),
            Step(name="resource providers", needs=CONTRIBUTOR, take=self.providers),
            Step(name="default domain", needs=ANYBODY, take=self.domain),
            Step(name="Graph Change Tracking", needs=PRINCIPALS, take=self.change_tracking),
            Step(name="app registration", needs=APPLICATIONS, take=self.registration),
        )

    def tenant(self) -> Outcome:
        """Take the tenant that `az` is signed in to, unless another one was named: that would be a mistake to stop at."""
        account = self.az.look("account", "show")
        wanted = self.values.get("AZURE_SUBSCRIPTION_ID")
        if wanted and wanted.lower() != account["id"].lower():
            raise SetupProblem(
                f"az is signed in to subscription {account['id']}, azd deploys to {wanted}: az account set --subscription {wanted}"
            )
        named = self.values.get("GRAPH_TENANT_ID")
        if named and named.lower() != account["tenantId"].lower():
            raise SetupProblem(
                f"GRAPH_TENANT_ID is {named}, and az is signed in to {account['tenantId']}: az login --tenant {named}. "
                "Other tenants are heard too, but the app lives where its subscription does"
            )
        return self._keep("GRAPH_TENANT_ID", account["tenantId"])

    def region(self) -> Outcome:
        """See that Flex Consumption and this Python are to be had in the region. Raises SetupProblem with others that have them."""
        region = self.values.get("AZURE_LOCATION").lower().replace(" ", "")
        if not region:
            return skipped("AZURE_LOCATION is not set yet: azd asks for it")
        there = sorted(each["name"] for each in self.az.look("functionapp", "list-flexconsumption-locations"))
        if region not in there:
            near = get_close_matches(region, there, n=3, cutoff=0.5) or there[:8]
            raise SetupProblem(
                f"Flex Consumption is not to be had in {region!r}: azd env set AZURE_LOCATION <region>, such as {', '.join(near)}"
            )
        runtimes = self.az.look(
            "functionapp", "list-flexconsumption-runtimes", "--location", region, "--runtime", "python"
        )
        versions = sorted(str(each["version"]) for each in runtimes)
        if PYTHON not in versions:
            raise SetupProblem(
                f"{region} has Python {', '.join(versions) or 'not at all'}, and the app needs {PYTHON}: take another region"
            )
        return unchanged(f"{region} has Flex Consumption with Python {PYTHON}")

    def deleted_vault(self) -> Outcome:
        """See that no vault of an earlier deployment lies deleted under the name. Raises SetupProblem with the way back."""
        name = self.values.get("KEY_VAULT_NAME")
        if not name:
            return skipped("nothing was deployed from here yet")
        lost = [
            each
            for each in self.az.look("keyvault", "list-deleted", "--resource-type", "vault")
            if each["name"] == name
        ]
        if not lost:
            return unchanged(f"{name} is not among the deleted ones")
        group, place = self.values.get("AZURE_RESOURCE_GROUP"), lost[0]["properties"]["location"]
        raise SetupProblem(
            f"the vault {name} was deleted, and its name is taken until {lost[0]['properties']['scheduledPurgeDate']}. It comes back with "
            f"every key in it: az group create --name {group} --location {place}; az keyvault recover --name {name}; then azd up again"
        )

    def providers(self) -> Outcome:
        """Register the services that the templates use; without Microsoft.App a deployment ends in InternalServerError."""
        missing = [each for each in PROVIDERS if self._state(each) != "Registered"]
        if not missing:
            return unchanged(f"{len(PROVIDERS)} are registered")
        for each in missing:
            self.az.change("provider", "register", "--namespace", each)
        if not self.az.dry:
            self._wait_for(missing)
        return made(self.az.dry, ", ".join(missing))

    def domain(self) -> Outcome:
        """Find the tenant's default domain: Graph wants the domain, not the id, in an event hub's address."""
        if self._by_hand:
            return self._given("GRAPH_TENANT_DOMAIN", needed=choice(self.values, "EARSHOT_DELIVERY") != "webhook")
        [organization] = self.az.graph("get", "/organization")["value"]
        domains = [each["name"] for each in organization["verifiedDomains"] if each.get("isDefault")]
        if not domains:
            raise SetupProblem(
                "the tenant has no default domain: set it yourself, azd env set GRAPH_TENANT_DOMAIN <domain>"
            )
        return self._keep("GRAPH_TENANT_DOMAIN", domains[0])

    def change_tracking(self) -> Outcome:
        """Find Graph's own principal in this tenant, or make it: a role on the hub is given to its object id."""
        if choice(self.values, "EARSHOT_DELIVERY") == "webhook":
            if self.pulls:
                raise SetupProblem(
                    "subscriptions.json has delivery eventhub, and no hub is to be made: azd env set EARSHOT_DELIVERY both"
                )
            return skipped("no hub is to be made (EARSHOT_DELIVERY is webhook)")
        if self._by_hand:
            return self._given("GRAPH_CHANGE_TRACKING_PRINCIPAL_ID", needed=True)
        principal = self.az.find(f"/servicePrincipals(appId='{CHANGE_TRACKING}')")
        if principal is not None:
            return self._keep("GRAPH_CHANGE_TRACKING_PRINCIPAL_ID", principal["id"])
        principal = self.az.graph("post", "/servicePrincipals", {"appId": CHANGE_TRACKING})
        if principal is None:
            return made(self.az.dry, "the service principal of Microsoft Graph Change Tracking")
        self.values.keep("GRAPH_CHANGE_TRACKING_PRINCIPAL_ID", principal["id"])
        return made(self.az.dry, f"the service principal of Microsoft Graph Change Tracking, {principal['id']}")

    def registration(self) -> Outcome:
        """Find or make the app registration, under a name that is unique in the tenant, so that no crash makes a second one.

        https://learn.microsoft.com/graph/api/application-upsert (2026-01)
        """
        if choice(self.values, "GRAPH_CREDENTIAL") == "managed-identity":
            if chosen(self.values, "EARSHOT_MAIL"):
                raise SetupProblem(
                    "EARSHOT_MAIL is true, and a managed identity cannot act for people, only the registration that they sign in to: "
                    "azd env set GRAPH_CREDENTIAL federated"
                )
            if not people_sign_in(self.values):
                return skipped(
                    "GRAPH_CREDENTIAL is managed-identity: the app asks Graph as its own identity, in this tenant only"
                )
        if self._by_hand:
            return self._given("GRAPH_CLIENT_ID", needed=True)
        name = self._name()
        path = f"/applications(uniqueName='{name}')"
        found = self.az.find(path)
        if found is not None:
            return self._keep("GRAPH_CLIENT_ID", found["appId"])
        if other := self.values.get("GRAPH_CLIENT_ID"):
            return self._adopted(other)
        body = {"displayName": name, "signInAudience": "AzureADMyOrg"}
        self.az.graph("patch", path, body, prefer="create-if-missing")
        if self.az.dry:
            return made(self.az.dry, f"{name}, for this tenant only")
        client_id = self.az.graph("get", path)["appId"]
        self.values.keep("GRAPH_CLIENT_ID", client_id)
        return made(self.az.dry, f"{name}, for this tenant only: {client_id}")

    def _name(self) -> str:
        """Name the registration after environment and subscription: two people may both call theirs dev, and must not share one."""
        environment, subscription = self.values.get("AZURE_ENV_NAME"), self.az.look("account", "show")["id"]
        if not environment:
            raise SetupProblem(
                "AZURE_ENV_NAME is not set: azd sets it; without azd, put a name of your own into the file of --values"
            )
        return f"earshot-{environment}-{hashlib.sha256(subscription.lower().encode()).hexdigest()[:8]}"

    @property
    def _by_hand(self) -> bool:
        return choice(self.values, "EARSHOT_ENTRA") == BY_HAND

    def _given(self, name: str, *, needed: bool) -> Outcome:
        """Take what an administrator found; nothing is asked of Entra."""
        if value := self.values.get(name):
            return unchanged(f"{name}={value}, as it was given")
        if needed:
            raise SetupProblem(
                f"EARSHOT_ENTRA is by-hand, and {name} is not set: an administrator runs scripts/preprovision.py, or the commands of "
                f"docs/deploy-with-core-tools.md, and tells you: azd env set {name} <value>"
            )
        return skipped(f"{name} is not needed")

    def _adopted(self, client_id: str) -> Outcome:
        """Take a registration that somebody made by hand and named in GRAPH_CLIENT_ID."""
        found = self.az.find(f"/applications(appId='{client_id}')")
        if found is None:
            raise SetupProblem(
                f"GRAPH_CLIENT_ID names {client_id}, which is no app registration of this tenant: "
                "azd env set GRAPH_CLIENT_ID '' has one made"
            )
        return unchanged(f"{client_id}, which you named")

    def _state(self, namespace: str) -> str:
        shown: Any = self.az.look("provider", "show", "--namespace", namespace)
        return str(shown["registrationState"])

    def _wait_for(self, namespaces: Sequence[str]) -> None:
        waited = 0.0
        while lacking := [each for each in namespaces if self._state(each) != "Registered"]:
            if waited >= self.az.patience:
                raise SetupProblem(f"{', '.join(lacking)} are still being registered: run this again in some minutes")
            self.az.sleep(self.az.pause)
            waited += self.az.pause

    def _keep(self, name: str, value: str) -> Outcome:
        if self.values.get(name) == value:
            return unchanged(f"{name}={value}")
        if not self.az.dry:
            self.values.keep(name, value)
        return made(self.az.dry, f"{name}={value}", new=False)
