"""A blueprint as the host sees it: its functions by name, each with its bindings and the function to call."""

import json
from collections.abc import Mapping
from typing import Any

import azure.functions as func


class Kept(func.Out[list[str]]):
    """What a function hands to an output binding."""

    def __init__(self) -> None:
        self.value: list[str] | None = None

    def set(self, val: list[str]) -> None:
        self.value = val

    def get(self) -> list[str]:
        return self.value or []


def registered(blueprint: func.Blueprint) -> Mapping[str, Any]:
    """Register a blueprint in an app of its own."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    app.register_functions(blueprint)
    return {str(function.get_function_name()): function for function in app.get_functions()}


def bindings(function: Any) -> list[dict[str, Any]]:
    """Read the bindings as they go over to the host, in the order of their names."""
    found: list[dict[str, Any]] = json.loads(function.get_function_json())["bindings"]
    return sorted(found, key=lambda binding: binding["name"])


def trigger(function: Any) -> dict[str, Any]:
    return next(binding for binding in bindings(function) if binding["type"].lower().endswith("trigger"))


def request(
    method: str = "POST",
    *,
    body: bytes = b"",
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    **route: str,
) -> Any:
    return func.HttpRequest(
        method=method,
        url="https://app.example/api/x",
        params=params or {},
        headers=headers or {},
        route_params=route,
        body=body,
    )
