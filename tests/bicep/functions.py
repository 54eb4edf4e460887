"""Bicep's functions and operators, as far as the templates use them, with made-up answers where only Azure knows.

https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions (2026-04)
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any


def _union(*values: Any) -> Any:
    if isinstance(values[0], list):
        return [item for index, each in enumerate(values) for item in each if index == 0 or item not in values[0]]
    merged: dict[str, Any] = {}
    for each in values:
        for key, value in each.items():
            old = merged.get(key)
            merged[key] = _union(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _subnet(prefix: str, size: int, index: int) -> str:
    return str(list(ipaddress.ip_network(prefix).subnets(new_prefix=size))[index])


def _unique(*parts: str) -> str:
    return re.sub(r"[^a-z0-9]", "", "".join(parts).lower())[:4] + "0123456789abc"[4:]


BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minValue": lambda value, bound: value >= bound,
    "maxValue": lambda value, bound: value <= bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
}
TYPES: Mapping[str, Any] = {"string": str, "int": int, "bool": bool, "object": dict, "string[]": list}
OPERATIONS: Mapping[tuple[str, int], Callable[..., Any]] = {
    ("!", 1): lambda one: not one,
    ("-", 1): lambda one: -one,
    ("==", 2): lambda one, other: one == other,
    ("!=", 2): lambda one, other: one != other,
    (">", 2): lambda one, other: one > other,
    ("<", 2): lambda one, other: one < other,
    (">=", 2): lambda one, other: one >= other,
    ("<=", 2): lambda one, other: one <= other,
    ("+", 2): lambda one, other: one + other,
    ("*", 2): lambda one, other: one * other,
    ("??", 2): lambda one, other: other if one is None else one,
}
KEEPING = {"any", "concat", "union"}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "any": lambda value: value,
    "bool": lambda text: {"true": True, "false": False}[text],
    "cidrSubnet": _subnet,
    "concat": lambda *lists: [item for each in lists for item in each],
    "contains": lambda whole, part: part in whole,
    "empty": lambda value: not value,
    "environment": lambda: {
        "name": "AzureCloud",
        "suffixes": {"storage": "core.windows.net", "keyvaultDns": ".vault.azure.net"},
    },
    "guid": lambda *parts: f"guid({', '.join(parts)})",
    "join": lambda items, between: between.join(items),
    "max": max,
    "min": min,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {"id": "/resourceGroup"},
    "resourceId": lambda type_, *names: f"/{type_}/{'/'.join(names)}",
    "split": lambda text, between: text.split(between),
    "subscription": lambda: {"id": "/subscription"},
    "subscriptionResourceId": lambda type_, *names: f"/{type_}/{'/'.join(names)}",
    "take": lambda text, count: text[:count],
    "tenant": lambda: {"tenantId": "11111111-1111-4111-8111-111111111111"},
    "toLower": str.lower,
    "union": _union,
    "uniqueString": _unique,
}
