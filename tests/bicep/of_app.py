"""The Function App, its plan, and what it finds in storage."""

from shared.envelope import LIVE_PAYLOADS
from tests.bicep.deploying import Templates, flat
from tests.bicep.naming import names_in_code
from tests.bicep.variants import VARIANTS, deploy, deploy_all

FORBIDDEN_PROPERTIES = {
    "alwaysOn",
    "appSettings",
    "containerSize",
    "endToEndEncryptionEnabled",
    "functionAppScaleLimit",
    "linuxFxVersion",
    "minimumElasticInstanceCount",
    "preWarmedInstanceCount",
    "use32BitWorkerProcess",
    "vnetRouteAllEnabled",
}


def queues_tables_and_containers_are_those_that_the_code_uses(templates: Templates) -> list[str]:
    paper = deploy("large", templates)
    base = "Microsoft.Storage/storageAccounts"
    made = {
        kind: {each.name.rpartition("/")[2] for each in paper.of(f"{base}/{path}")}
        for kind, path in (
            ("queues", "queueServices/queues"),
            ("tables", "tableServices/tables"),
            ("containers", "blobServices/containers"),
        )
    }
    code = names_in_code()
    # the host makes a poison queue beside every queue that it reads; these tables and containers are fixed names of the design
    wanted = {
        "queues": code["queues"] | {f"{name}-poison" for name in code["queues"] if not name.endswith("-poison")},
        "tables": code["tables"] | {"subscriptions", "feed", "findings"},
        "containers": code["containers"] | {"payloads", "microsoft-graph-change-notifications", "app-package"},
    }
    found = [
        f"{kind} are {sorted(made[kind])}, in the code {sorted(wanted[kind])}"
        for kind in made
        if made[kind] != wanted[kind]
    ]
    rules = [
        rule["definition"]
        for each in paper.of(f"{base}/managementPolicies")
        for rule in each.properties["policy"]["rules"]
        if rule["enabled"] is True
    ]
    ages = {
        prefix: rule["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
        for rule in rules
        for prefix in rule["filters"]["prefixMatch"]
    }
    if ages != {f"payloads/{LIVE_PAYLOADS}": 14, "microsoft-graph-change-notifications/": 21}:
        found.append(f"blobs age by {ages}")
    return found


def the_app_is_a_flex_app(templates: Templates) -> list[str]:
    found = []
    for variant, paper in deploy_all(templates).items():
        app, plan = paper.one("Microsoft.Web/sites"), paper.one("Microsoft.Web/serverfarms")
        config = app.properties["functionAppConfig"]
        scale = config["scaleAndConcurrency"]
        problems = {
            "the plan is not Flex Consumption": plan.body["sku"] != {"name": "FC1", "tier": "FlexConsumption"},
            "the plan is not for Linux": plan.properties.get("reserved") is not True,
            "the app is not for Linux": app.body["kind"] != "functionapp,linux",
            "Python is not 3.13": config["runtime"] != {"name": "python", "version": "3.13"},
            "the package is fetched with a key": config["deployment"]["storage"]["authentication"]["type"]
            != "UserAssignedIdentity",
            "the app has another identity": list(app.body["identity"]["userAssignedIdentities"])
            != [paper.one("Microsoft.ManagedIdentity/userAssignedIdentities").id],
            "one call at a time": scale["triggers"]["http"]["perInstanceConcurrency"] < 8,
            "a property that Flex refuses": bool(
                FORBIDDEN_PROPERTIES & {path.rpartition(".")[2] for path, _ in flat(app.properties)}
            ),
            "azd does not find the app": app.body["tags"].get("azd-service-name") != "earshot",
            "its subnet belongs to nobody": any(
                subnet["properties"]["delegations"][0]["properties"]["serviceName"] != "Microsoft.App/environments"
                for each in paper.of("Microsoft.Network/virtualNetworks")
                for subnet in each.properties["subnets"]
                if subnet["name"] == "app"
            ),
        }
        found += [f"{variant}: {problem}" for problem, there in problems.items() if there]
    return found


def what_is_always_ready_exists(templates: Templates) -> list[str]:
    found = []
    for variant, paper in deploy_all(templates).items():
        app = paper.one("Microsoft.Web/sites").properties["functionAppConfig"]["scaleAndConcurrency"]
        ready = {each["name"]: each["instanceCount"] for each in app["alwaysReady"]}
        pulls = bool(paper.of("Microsoft.EventHub/namespaces"))
        wanted = {"http", "function:processor", *(["function:event_hub"] if pulls else [])}
        small = VARIANTS[variant].get("file") == "small.bicepparam" or VARIANTS[variant].get("size") == "small"
        if set(ready) != (set() if small else wanted):
            found.append(f"{variant}: always ready are {sorted(ready)}")
        functions = {name.removeprefix("function:") for name in ready if name != "http"}
        if strange := functions - names_in_code()["functions"]:
            found.append(f"{variant}: the app has no function {sorted(strange)}")
        zones = paper.one("Microsoft.Web/serverfarms").properties["zoneRedundant"]
        if zones and min(ready.values(), default=2) < 2:
            found.append(f"{variant}: Azure wants two of each where there are zones")
    return found
