"""After the templates, for pull mode: that Graph may write into the hub. Not here: that the app may read it, which the templates give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scripts.provisioning.az import Az, AzProblem, SetupProblem
from scripts.provisioning.reporting import Outcome, Step, made, skipped, unchanged
from scripts.provisioning.troubles import is_done_already
from scripts.provisioning.values import Values, need

SENDER: Final = "Azure Event Hubs Data Sender"
SENDER_ID: Final = "2b629674-e913-4c01-ae53-ef4638d8f975"
_ALSO: Final = ("--include-inherited", "--fill-principal-name", "false")
"""Names of principals would be asked of Entra, where a pipeline may ask nothing."""
GIVER: Final = "the role Role Based Access Control Administrator (or User Access Administrator, or Owner)"


@dataclass(slots=True, kw_only=True)
class Hub:
    """The step about the hub."""

    az: Az
    values: Values
    pulls: bool

    def steps(self) -> Sequence[Step]:
        """List it."""
        return (Step(name="Graph may write to the hub", needs=GIVER, take=self.sender),)

    def sender(self) -> Outcome:
        """Give Graph Change Tracking the sender's role on the hub, where the templates have not.

        https://learn.microsoft.com/graph/change-notifications-delivery-event-hubs (2026-04)
        """
        hub = self.values.get("EVENT_HUB_RESOURCE_ID")
        if not hub and self.pulls:
            raise SetupProblem(
                "subscriptions.json has delivery eventhub, and there is no hub: azd env set EARSHOT_DELIVERY both, then azd provision"
            )
        if not hub:
            return skipped("there is no hub (EARSHOT_DELIVERY is webhook)")
        principal = need(self.values, "GRAPH_CHANGE_TRACKING_PRINCIPAL_ID")
        given = self.az.look("role", "assignment", "list", "--scope", hub, "--role", SENDER, *_ALSO)
        if any(each["principalId"] == principal for each in given):
            return unchanged(f"{principal} has {SENDER}")
        words = ["role", "assignment", "create", "--role", SENDER_ID, "--scope", hub, "--assignee-object-id", principal]
        try:
            self.az.change(*words, "--assignee-principal-type", "ServicePrincipal")
        except AzProblem as problem:
            if not is_done_already(problem.said):
                raise
        return made(self.az.dry, f"{principal} has {SENDER}; Graph may take some minutes to notice")
