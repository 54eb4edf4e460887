"""Settings, the sample and the words about them say the same."""

import ast
import inspect

import pytest

from shared import settings
from shared.settings import NAMES, NEEDED_BY, Settings
from tests.house.shipping import FILLED_IN, ROOT, sample

HOSTS_OWN = {"FUNCTIONS_WORKER_RUNTIME"}
"""What the sample sets for the host alone."""

NOT_SETTINGS = {"environ", "problems"}


def documented_fields() -> set[str]:
    """The fields of Settings that are followed by a text."""
    [tree] = [
        node
        for node in ast.parse(inspect.getsource(settings)).body
        if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    return {
        field.target.id
        for field, text in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def test_the_sample_has_every_setting_and_no_other() -> None:
    assert set(sample()) - HOSTS_OWN == set(NAMES)


def test_every_field_has_a_name_in_the_environment_and_a_text() -> None:
    fields = set(Settings.__dataclass_fields__)

    assert {attribute for attribute, _ in NAMES.values()} == fields - NOT_SETTINGS
    assert documented_fields() == fields


def test_the_sample_is_in_order_once_it_is_filled_in() -> None:
    read = Settings.from_environ(sample() | FILLED_IN)

    assert read.problems == ()
    assert {part: read.missing(part) for part in NEEDED_BY} == dict.fromkeys(NEEDED_BY, ())


def test_the_sample_holds_no_secret() -> None:
    secrets = {"CLIENT_STATE_KEY", "CLIENT_STATE_KEY_PREVIOUS", "FORWARD_SIGNING_KEY", "GRAPH_CLIENT_SECRET"}
    secrets |= {"AzureSignalRConnectionString", "TOKEN_CACHE_KEY", "TOKEN_CACHE_KEY_PREVIOUS"}

    assert all(not sample()[name] for name in secrets)


@pytest.mark.parametrize(
    "name",
    ["max_body_bytes", "handler_timeout", "retry_attempts", "retry_first_delay", "retry_longest_delay",
     "deduplication_window", "subscriptions_file", "graph_cloud", "graph_publisher_app_id", "api_scope"],
)  # fmt: skip
def test_the_samples_values_are_the_defaults(name: str) -> None:
    assert getattr(Settings.from_environ(sample()), name) == getattr(Settings.from_environ({}), name)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_names_every_setting(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text("utf-8")
