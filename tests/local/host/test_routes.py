"""Routes and queries as ASP.NET and the host read them."""

from typing import Any

import pytest

from local.host.app_settings import MissingSettingError
from local.host.functions import Binding, Function, read_function, read_functions
from local.host.routes import Routes, query_values, read_route


def http_function(name: str, route: str | None, methods: tuple[str, ...] = ()) -> Function:
    trigger = Binding(
        name="req", type="httpTrigger", binary=False, settings={"route": route, "methods": list(methods) or None}
    )
    return Function(name=name, id=name, trigger=trigger, outputs={})


ROUTES = Routes(
    [
        read_route(function)
        for function in (
            http_function("rest", "files/{*path}"),
            http_function("file", "files/{name}"),
            http_function("list", "files/all"),
            http_function("number", "files/{id:int}"),
            http_function("maybe", "feeds/{feed?}", ("GET",)),
            http_function("make", "feeds", ("POST",)),
            http_function("page", "pages/{page=1}"),
            http_function("bare", None),
            http_function("mixed", "v{version:int}/x"),
        )
    ],
    "api",
)


@pytest.mark.parametrize(
    ("method", "path", "name", "parameters"),
    [
        ("GET", "/api/files/all", "list", {}),
        ("GET", "/API/Files/ALL/", "list", {}),
        ("GET", "/api/files/7", "number", {"id": "7"}),
        ("GET", "/api/files/a%20b", "file", {"name": "a b"}),
        ("GET", "/api/files/a%2Fb", "file", {"name": "a%2Fb"}),
        ("GET", "/api/files/a/b", "rest", {"path": "a/b"}),
        ("GET", "/api/feeds", "maybe", {}),
        ("GET", "/api/feeds/x", "maybe", {"feed": "x"}),
        ("POST", "/api/feeds", "make", {}),
        ("GET", "/api/pages", "page", {"page": "1"}),
        ("GET", "/api/pages/2", "page", {"page": "2"}),
        ("DELETE", "/api/bare", "bare", {}),
        ("GET", "/api/v2/x", "mixed", {"version": "2"}),
    ],
)
def test_a_request_finds_its_function(method: str, path: str, name: str, parameters: dict[str, str]) -> None:
    found = ROUTES.find(method, path)
    assert found is not None
    assert (found[0].name, found[1]) == (name, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/feeds"),
        ("GET", "/api"),
        ("GET", "/feeds"),
        ("GET", "/api/unknown"),
        ("GET", "/api/vx/x"),
        ("GET", "/apifeeds"),
    ],
)
def test_a_path_or_method_without_a_route_finds_nothing(method: str, path: str) -> None:
    assert ROUTES.find(method, path) is None


def test_an_unknown_constraint_is_refused() -> None:
    with pytest.raises(ValueError, match="regex"):
        read_route(http_function("x", "a/{b:regex(^x$)}"))


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1,2"}),
        ("a=&b", {}),
        ("A=1&a=2", {"A": "1,2"}),
        ("t=a+b%20c%2Bd%252B", {"t": "a b c+d%2B"}),
        ("x=%C3%A9&y=%ff", {"x": "é", "y": "\ufffd"}),
    ],
)
def test_a_query_is_decoded_once(raw: str, values: dict[str, str]) -> None:
    assert query_values(raw) == values


def listed(name: str = "work", **trigger: Any) -> dict[str, Any]:
    binding = {
        "name": "msg",
        "type": "queueTrigger",
        "direction": "IN",
        "queueName": "%QUEUE%",
        "connection": "Store",
        **trigger,
    }
    return {"name": name, "id": name, "bindings": [binding]}


def test_placeholders_in_bindings_are_resolved() -> None:
    function = read_function(listed(dataType="BINARY"), {"QUEUE": "jobs"})
    assert function.trigger.settings["queueName"] == "jobs"
    assert function.trigger.connection == "Store"
    assert function.trigger.binary


def test_a_missing_setting_stops_that_function_alone() -> None:
    running, stopped = read_functions([listed(), listed("other", queueName="fixed")], {})
    assert [function.name for function in running] == ["other"]
    assert [item.why for item in stopped] == ["The 'work' function is in error: '%QUEUE%' does not resolve to a value."]
    with pytest.raises(MissingSettingError):
        read_function(listed(), {})


@pytest.mark.parametrize(
    ("item", "blame"),
    [
        (listed(name="1st"), "function name"),
        (listed(name="host"), "function name"),
        (listed(msg=1) | {"bindings": []}, "exactly one trigger"),
        (listed(type="kafkaTrigger", queueName="q"), "kafkaTrigger"),
        (listed(name="work") | {"bindings": [{**listed()["bindings"][0], "name": "a__b", "queueName": "q"}]}, "a__b"),
    ],
)
def test_what_the_host_refuses_is_stopped_with_a_reason(item: dict[str, Any], blame: str) -> None:
    running, stopped = read_functions([item], {"QUEUE": "q"})
    assert not running
    assert blame in stopped[0].why


def test_only_the_functions_asked_for_are_loaded_and_disabled_ones_are_said() -> None:
    items = [listed("a"), listed("b"), listed("c")]
    running, stopped = read_functions(items, {"QUEUE": "q", "AzureWebJobs.b.Disabled": "true"}, only=["a", "b"])
    assert [function.name for function in running] == ["a"]
    assert [item.why for item in stopped] == ["Function b is disabled."]
