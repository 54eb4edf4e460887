"""The gateway lets Graph through, and keeps everybody else to the rules."""

from tests.bicep.deploying import Templates, flat
from tests.bicep.variants import deploy


def graph_gets_through_the_gateway(templates: Templates) -> list[str]:
    """Its handshake and bodies of any size, on two routes and by POST alone; everybody else meets the rules as they are."""
    paper = deploy("gateway alone", templates)
    gateway = paper.one("Microsoft.Network/applicationGateways").properties
    webhook = paper.one("Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies", "webhookPolicy")
    clients = paper.one("Microsoft.Network/ApplicationGatewayWebApplicationFirewallPolicies", "clientPolicy")
    [rule] = gateway["urlPathMaps"][0]["properties"]["pathRules"]
    sizes = {
        name: webhook.properties["policySettings"].get(name) for name in ("requestBodyCheck", "requestBodyEnforcement")
    }
    [method] = webhook.properties["customRules"]
    [route] = clients.properties["customRules"]
    exclusions = webhook.properties["managedRules"]["exclusions"]
    problems = {
        "the webhook's rules are not on its two routes": set(rule["properties"]["paths"])
        != {"/api/notifications", "/api/lifecycle"}
        or rule["properties"]["firewallPolicy"]["id"] != webhook.id,
        "a large body is refused": set(sizes.values()) != {False},
        "others than POST get through": method["matchConditions"][0]["matchValues"] != ["POST"]
        or method["action"] != "Block"
        or method["matchConditions"][0]["negationConditon"] is not True,
        "the handshake may be refused": [each["selector"] for each in exclusions] != ["validationToken"],
        "everybody else is not looked at": gateway["firewallPolicy"]["id"] != clients.id
        or clients.properties["policySettings"].get("requestBodyCheck") is not True,
        "the host's own routes are open": route["matchConditions"][0]["matchValues"] != ["/api/"]
        or route["action"] != "Block"
        or route["matchConditions"][0]["negationConditon"] is not True,
        "Graph is told another address": paper.settings["PUBLIC_BASE_URL"] != "https://changes.contoso.com/api",
    }
    for policy in (webhook, clients):
        settings = policy.properties["policySettings"]
        problems[f"{policy.symbol} only watches"] = (settings["state"], settings["mode"]) != ("Enabled", "Prevention")
        problems[f"{policy.symbol} has no rules"] = not policy.properties["managedRules"]["managedRuleSets"]
    return [problem for problem, there in problems.items() if there]


def parts_of_the_gateway_are_there(templates: Templates) -> list[str]:
    """Its parts name each other by ids that no compiler checks."""
    gateway = deploy("gateway alone", templates).one("Microsoft.Network/applicationGateways")
    prefix = f"/Microsoft.Network/applicationGateways/{{}}/{gateway.name}/{{}}"
    there = {
        prefix.format(kind, each["name"])
        for kind, group in gateway.properties.items()
        if isinstance(group, list)
        for each in group
    }
    named = {
        value
        for path, value in flat(gateway.properties)
        if path.endswith(".id")
        and isinstance(value, str)
        and value.startswith("/Microsoft.Network/applicationGateways/")
    }
    return [f"there is no {each}" for each in sorted(named - there)]
