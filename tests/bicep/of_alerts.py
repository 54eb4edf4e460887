"""Alerts and workbook read lines that the app writes, whole and unsampled."""

import json
import re
from collections.abc import Iterable, Sequence

from tests.bicep.deploying import Deployment, Made, Templates
from tests.bicep.naming import lines_in_code, names_in_code
from tests.bicep.variants import VARIANTS, deploy, deploy_all
from tests.house.shipping import ROOT

_ROW = re.compile(r'(?:true|Message startswith_cs "([^"]*)")(?: and Message matches regex "([^"]*)")?, "([^"]*)"')


def rows_of_alerts(templates: Templates) -> list[tuple[str, str, str]]:
    """Give how a line begins, what else is in it, and what it means, as the queries say."""
    paper = deploy("as azd deploys it", templates)
    queries = [each.properties["criteria"]["allOf"][0]["query"] for each in _alerts(paper)]
    return [(begins, matches, means) for query in queries for begins, matches, means in _ROW.findall(query)]


def _alerts(paper: Deployment) -> list[Made]:
    return paper.of("Microsoft.Insights/scheduledQueryRules")


def writes(begins: str) -> list[str]:
    """Find what the modules say that write a line which begins so."""
    found = []
    for event, text in lines_in_code().items():
        fixed = re.split(r"%[sd]", event)[0]
        key = re.fullmatch(r"(\w+)=", begins.removeprefix(f"{event} ")) if begins.startswith(f"{event} ") else None
        if (
            begins.rstrip() in {event, fixed.rstrip()}
            or (begins.strip() and fixed.startswith(begins.rstrip()))
            or (key and f'"{key[1]}":' in text)
        ):
            found.append(text)
    return found


def _missing(begins: str, keys: Iterable[str], texts: Sequence[str]) -> list[str]:
    return [
        f"no line that begins with {begins!r} has {key}="
        for key in keys
        if not any(f'"{key}"' in text or f"{key}=" in text for text in texts)
    ]


def alerts_watch_lines_that_are_written(templates: Templates) -> list[str]:
    found = []
    rows = rows_of_alerts(templates)
    for begins, matches, means in rows:
        if not begins:
            words = matches.strip()
            if not any(words in event for event in lines_in_code()):
                found.append(f"no line has {words!r}")
            continue
        texts = writes(begins)
        if not texts:
            found.append(f"no line begins with {begins!r}")
        found += _missing(begins, re.findall(r"(\w+)=", matches), texts)
        if '"' in means or not means:
            found.append(f"{begins!r} means {means!r}")
    wanted = {
        "item dead ",
        "subscription name=",
        "subscription unusually quiet ",
        "encryption certificate ",
        "delivery turned away ",
    }
    return found + [f"nobody is told of {begins!r}" for begins in sorted(wanted - {begins for begins, _, _ in rows})]


def alerts_reach_somebody(templates: Templates) -> list[str]:
    found = []
    for variant, paper in deploy_all(templates).items():
        groups = paper.of("Microsoft.Insights/actionGroups")
        told = [each.properties["emailReceivers"] for each in groups]
        if VARIANTS[variant].get("alertEmail") and [each[0]["emailAddress"] for each in told] != [
            "on-call@contoso.com"
        ]:
            found.append(f"{variant}: nobody gets a mail")
        for each in _alerts(paper):
            if (
                each.properties["actions"]["actionGroups"] != [groups[0].id]
                or each.properties.get("enabled") is not True
            ):
                found.append(f"{variant}: {each.name} reaches nobody")
            workspace = paper.one("Microsoft.OperationalInsights/workspaces").id
            if each.properties["scopes"] != [workspace]:
                found.append(f"{variant}: {each.name} looks elsewhere")
    names = {each.name for each in _alerts(deploy("as azd deploys it", templates))}
    wanted = {"urgent", "worth-a-look", "renewal-silent", "slow-ack", "failures"}
    if names != {f"earshot-{name}" for name in wanted}:
        found.append(f"alerts are {sorted(names)}")
    ack = [each for each in _alerts(deploy("standard", templates)) if each.name == "earshot-slow-ack"]
    for each in ack:
        [criterion] = each.properties["criteria"]["allOf"]
        if (criterion["threshold"], criterion["metricMeasureColumn"], criterion["timeAggregation"]) != (
            2000,
            "P99",
            "Maximum",
        ):
            found.append("a slow answer is noticed too late")
        functions = set(re.findall(r'in \("(\w+)", "(\w+)"\)', criterion["query"])[0])
        if functions - names_in_code()["functions"]:
            found.append(f"answers of {functions} are watched")
    return found


def the_workbook_shows_lines_that_are_written(templates: Templates) -> list[str]:
    items = json.loads((templates.folder / "workbook.json").read_bytes())["items"]
    queries = [each["content"]["query"] for each in items if "query" in each["content"]]
    found = [] if queries else ["the workbook shows nothing"]
    for query in queries:
        for begins in re.findall(r'Message startswith_cs "([^"]*)"', query):
            texts = writes(begins)
            if not texts:
                found.append(f"no line begins with {begins!r}")
            found += _missing(begins, re.findall(r'"[^"]*?(\w+)="', query), texts)
    return found


def the_host_lets_our_lines_through(templates: Templates) -> list[str]:
    """Nothing of bicep/, but what alerts rest on: whole, unsampled lines of every function that writes what they read."""
    del templates
    logging = json.loads((ROOT / "host.json").read_bytes())["logging"]
    heard = {
        name.split(".")[1]
        for name, level in logging["logLevel"].items()
        if name.endswith(".User") and level == "Information"
    }
    wanted = {"notifications", "lifecycle", "processor", "event_hub", "subscription_work", "renewal", "sweep"}
    found = [] if heard >= wanted else [f"lines of {sorted(wanted - heard)} are not let through"]
    if strange := heard - names_in_code()["functions"]:
        found.append(f"there is no function {sorted(strange)}")
    if "Trace" not in logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";"):
        found.append("lines are sampled")
    return found
