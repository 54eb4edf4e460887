"""App settings: those that the app knows, in a form that it can read, and no key among them."""

import re

from shared.settings import NAMES, NEEDED_BY, Settings
from tests.bicep.deploying import Deployment, Templates
from tests.bicep.syntax import BicepError
from tests.bicep.variants import CLIENT_ID, VARIANTS, deploy, deploy_all
from tests.house.shipping import FILLED_IN, sample

HOLDING_KEYS = {
    "AzureWebJobsStorage",
    "EventHubConnection",
    "OVERSIZE_STORAGE",
    "AzureSignalRConnectionString",
    "GRAPH_CLIENT_SECRET",
    "GRAPH_CLIENT_CERTIFICATE_PATH",
}
"""Settings that would hold a key, or a path to one: never in Azure, where the app's identity does."""

HOSTS_OWN = {
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__Retry__MaxRetries",
    "AzureWebJobsStorage__Retry__Delay",
    "AzureWebJobsStorage__Retry__NetworkTimeout",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "AZURE_CLIENT_ID",
    "EventHubConnection__credential",
    "EventHubConnection__clientId",
}
"""What the host or an SDK reads, and `shared.settings` does not."""

REFERENCES = {
    "CLIENT_STATE_KEY",
    "CLIENT_STATE_KEY_PREVIOUS",
    "FORWARD_SIGNING_KEY",
    "TOKEN_CACHE_KEY",
    "TOKEN_CACHE_KEY_PREVIOUS",
}
"""Settings whose value is in the vault."""

# https://learn.microsoft.com/azure/azure-functions/functions-app-settings#flex-consumption-plan-deprecations (2026-04)
FORBIDDEN_SETTINGS = {
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "TZ",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTOVERVNET",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_LOAD_CERTIFICATES",
    "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_TIME_ZONE",
    "WEBSITE_VNET_ROUTE_ALL",
}

# what Azure answers for what the templates cannot know; the endings as Azure has them
_ADDRESSES = (
    (r"split\(split\(<[^>]*>\.properties\.serviceBusEndpoint, //\), :\)", "ns.servicebus.windows.net"),
    (r"<[^>]*>\.properties\.defaultHostName", "func.azurewebsites.net"),
    (r"<[^>]*kvo-[^>]*>\.properties\.vaultUri", "https://over.vault.azure.net/"),
    (r"<[^>]*>\.properties\.vaultUri", "https://kv.vault.azure.net/"),
    (r"<[^>]*stover[^>]*>\.properties\.primaryEndpoints\.blob", "https://stover.blob.core.windows.net/"),
    (r"<[^>]*>\.properties\.primaryEndpoints\.(\w+)", r"https://st.\1.core.windows.net/"),
    (r"<[^>]*>\.properties\.clientId", CLIENT_ID),
    (r"<[^>]*>\.properties\.hostName", "sigr.service.signalr.net"),
    (r"<[^>]*>\.properties\.ConnectionString", "InstrumentationKey=made-up"),
)
_VAULT = {"client-state-key": FILLED_IN["CLIENT_STATE_KEY"], "forward-signing-key": "whsec_" + "a" * 44}
_VAULT["client-state-key-previous"] = _VAULT["client-state-key"]
_VAULT |= dict.fromkeys(("token-cache-key", "token-cache-key-previous"), FILLED_IN["TOKEN_CACHE_KEY"])
_REFERENCE = re.compile(r"@Microsoft\.KeyVault\(SecretUri=https://kv\.vault\.azure\.net/secrets/([a-z-]+)\)")


def environment(paper: Deployment) -> dict[str, str]:
    """Give the app's environment as it will be: addresses filled in, references resolved. Raises BicepError."""
    found: dict[str, str] = {}
    for name, value in paper.settings.items():
        if not isinstance(value, str):
            raise BicepError(f"setting {name} is {value!r}: settings are text")
        text = str(value)
        for pattern, address in _ADDRESSES:
            text = re.sub(pattern, address, text)
        if reference := _REFERENCE.fullmatch(text):
            text = _VAULT[reference[1]]
        found[name] = text
    return found


def settings_are_those_that_the_app_knows(templates: Templates) -> list[str]:
    papers = deploy_all(templates)
    names = {name for paper in papers.values() for name in paper.settings}
    text = (templates.folder / "modules/settings.bicep").read_text("utf-8")
    other_clouds = set(re.findall(r"^  (AzureWebJobsStorage__\w+ServiceUri):", text, re.MULTILINE))
    wanted = set(NAMES) - HOLDING_KEYS | HOSTS_OWN
    found = [f"setting {name} is not set" for name in sorted(wanted - names - other_clouds)]
    found += [f"setting {name} is nobody's" for name in sorted(names - wanted)]
    found += [f"setting {name} is not said to be left out, and why" for name in HOLDING_KEYS if name not in text]
    return found + [f"Flex Consumption refuses {name}" for name in sorted(names & FORBIDDEN_SETTINGS)]


def settings_are_read_by_the_app_without_a_problem(templates: Templates) -> list[str]:
    """What is asked for runs, and nothing is malformed: said by the code that reads it."""
    found = []
    for name, paper in deploy_all(templates).items():
        read_ = Settings.from_environ(environment(paper))
        found += [f"{name}: {setting} {problem}" for setting, problem in read_.problems]
        pulls = bool(paper.of("Microsoft.EventHub/namespaces"))
        asked = {
            "event_hub": pulls,
            "live": bool(paper.of("Microsoft.SignalRService/signalR")),
            "mail": bool(VARIANTS[name].get("mailEnabled")),
        }
        lacking = {problem for part in NEEDED_BY if asked.get(part, True) for problem in read_.missing(part)}
        # before there is an app registration
        names = ("GRAPH_CLIENT_ID", "GRAPH_AUDIENCES", "API_AUDIENCES", "WEB_CLIENT_ID")
        expected = set() if read_.graph_client_id else {f"{each} is missing" for each in names}
        found += [f"{name}: {problem}" for problem in lacking - expected]
        if pulls and paper.outputs["EVENT_HUB_RESOURCE_ID"] != paper.one("Microsoft.EventHub/namespaces/eventhubs").id:
            found.append(f"{name}: the scripts are told of another hub")
    return found


def settings_have_the_samples_values(templates: Templates) -> list[str]:
    """What is a matter of taste is decided once: in the sample and here alike, by default as the code has it."""
    tastes = {name for name in NAMES if name.startswith(("RETRY_", "MAX_", "HANDLER_", "DEDUP", "UNKNOWN_", "SUBSCR"))}
    tastes |= {"API_SCOPE", "RENEWAL_SCHEDULE", "SWEEP_SCHEDULE", "GRAPH_PUBLISHER_APP_ID"}
    paper = deploy("standard", templates)
    return [
        f"{name} is {paper.settings.get(name)!r}, in the sample {sample()[name]!r}"
        for name in sorted(tastes)
        if paper.settings.get(name) != sample()[name]
    ]


def keys_are_references(templates: Templates) -> list[str]:
    found = []
    for name, paper in deploy_all(templates).items():
        [vault] = [each for each in paper.of("Microsoft.KeyVault/vaults") if each.module == "vault"]
        for setting, value in paper.settings.items():
            if setting in REFERENCES and not re.fullmatch(
                rf"@Microsoft\.KeyVault\(SecretUri=<{vault.id}>\.properties\.vaultUrisecrets/[a-z-]+\)", value
            ):
                found.append(f"{name}: {setting} is no reference into the app's vault")
        identity = paper.one("Microsoft.ManagedIdentity/userAssignedIdentities")
        app = paper.one("Microsoft.Web/sites")
        if app.properties.get("keyVaultReferenceIdentity") != identity.id:
            found.append(f"{name}: references are not resolved as the app's identity")
    return found


def storage_that_is_away_is_noticed_in_time(templates: Templates) -> list[str]:
    """Graph waits three seconds; two tries of a second each, and the pause between them, are less."""
    wanted = {"MaxRetries": "1", "Delay": "00:00:00.2", "NetworkTimeout": "00:00:01"}
    settings = deploy("standard", templates).settings
    names = {f"AzureWebJobsStorage__Retry__{name}": value for name, value in wanted.items()}
    return [f"{name} is {settings.get(name)}" for name, value in names.items() if settings.get(name) != value]
