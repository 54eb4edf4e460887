"""host.json, its defaults and its overrides."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.host_json import EventHubOptions, HostJsonError, HostOptions, QueueOptions, read_host_json
from local.host.time_spans import read_span_or_seconds, read_time_span

EMPTY = '{"version": "2.0"}'


def test_an_empty_file_gives_the_documented_defaults() -> None:
    assert read_host_json(EMPTY, {}) == HostOptions(log_levels={})
    assert QueueOptions() == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        visibility_timeout=timedelta(0),
        max_polling_interval=timedelta(minutes=1),
        base64=True,
    )


def test_our_own_host_json_is_read() -> None:
    options = read_host_json((Path(__file__).parents[3] / "host.json").read_text(encoding="utf-8"), {})
    assert options.route_prefix == "api"
    assert not options.queues.base64
    assert options.queues.visibility_timeout == timedelta(seconds=30)


@pytest.mark.parametrize(
    "name",
    [
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout",
        "AZUREFUNCTIONSJOBHOST__EXTENSIONS__QUEUES__VISIBILITYTIMEOUT",
    ],
)
def test_the_environment_overrides_any_value_whatever_its_case(name: str) -> None:
    text = '{"version": "2.0", "extensions": {"queues": {"visibilityTimeout": "00:00:30", "batchSize": 4}}}'
    queues = read_host_json(text, {name: "00:00:03"}).queues
    assert queues.visibility_timeout == timedelta(seconds=3)
    assert queues.batch_size == 4


def test_the_threshold_follows_the_batch_size_unless_it_is_given() -> None:
    override = "AzureFunctionsJobHost__extensions__queues__"
    assert read_host_json(EMPTY, {override + "batchSize": "6"}).queues.new_batch_threshold == 3
    given = {override + "batchSize": "6", override + "newBatchThreshold": "0"}
    assert read_host_json(EMPTY, given).queues.new_batch_threshold == 0


def test_a_function_timeout_of_minus_one_is_none() -> None:
    assert read_host_json('{"version": "2.0", "functionTimeout": "-1"}', {}).function_timeout is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": "2.0", "extensions": {"queues": {"batchSize": 33}}}',
        '{"version": "2.0", "extensions": {"queues": {"messageEncoding": "hex"}}}',
        '{"version": "2.0", "functionTimeout": "ten minutes"}',
        '{"version": "2.0", "extensions": {"eventHubs": {"maxEventBatchSize": 0}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"minEventBatchSize": 101}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"batchCheckpointFrequency": 0}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"maxWaitTime": "00:10:01"}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"loadBalancingUpdateInterval": "-00:00:01"}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"initialOffsetOptions": {"type": "middle"}}}}',
        '{"version": "2.0", "extensions": {"eventHubs": {"initialOffsetOptions": {"type": "fromEnqueuedTime"}}}}',
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(HostJsonError, match=r"host\.json"):
        read_host_json(text, {})


def test_event_hubs_have_their_own_defaults_and_unknown_names_are_nobody_s() -> None:
    assert EventHubOptions() == EventHubOptions(
        max_event_batch_size=100,
        min_event_batch_size=1,
        max_wait_time=timedelta(minutes=1),
        batch_checkpoint_frequency=1,
        prefetch_count=300,
        start="-1",
        load_balancing_update_interval=timedelta(seconds=30),
        partition_ownership_expiration_interval=timedelta(minutes=2),
    )
    text = '{"version": "2.0", "extensions": {"eventHubs": {"transportType": "amqpTcp", "clientRetryOptions": {}}}}'
    assert read_host_json(text, {}).event_hubs == EventHubOptions()


def test_event_hubs_are_read_and_overridden() -> None:
    text = """{"version": "2.0", "extensions": {"eventHubs": {
        "maxEventBatchSize": 64, "minEventBatchSize": 8, "maxWaitTime": "00:00:05", "batchCheckpointFrequency": 5,
        "prefetchCount": 0, "loadBalancingUpdateInterval": "00:00:10"}}}"""
    override = {"AzureFunctionsJobHost__extensions__eventHubs__partitionOwnershipExpirationInterval": "00:00:04"}
    assert read_host_json(text, override).event_hubs == EventHubOptions(
        max_event_batch_size=64,
        min_event_batch_size=8,
        max_wait_time=timedelta(seconds=5),
        batch_checkpoint_frequency=5,
        prefetch_count=0,
        load_balancing_update_interval=timedelta(seconds=10),
        partition_ownership_expiration_interval=timedelta(seconds=4),
    )


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["00:00:05", "fromStart"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "enqueuedTimeUtc"]), inner),
    max_leaves=5,
)
NAMES = ["maxEventBatchSize", "minEventBatchSize", "maxWaitTime", "batchCheckpointFrequency", "prefetchCount"]
SPANS = ["initialOffsetOptions", "loadBalancingUpdateInterval", "partitionOwnershipExpirationInterval"]


@given(anything | st.dictionaries(st.sampled_from([*NAMES, *SPANS]), anything))
def test_whatever_is_said_of_event_hubs_is_options_or_an_error_of_host_json(section: Any) -> None:
    text = json.dumps({"version": "2.0", "extensions": {"eventHubs": section}})
    try:
        options = read_host_json(text, {}).event_hubs
    except HostJsonError:
        return
    assert 1 <= options.min_event_batch_size <= options.max_event_batch_size


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ("{}", "-1"),
        ('{"type": "fromStart"}', "-1"),
        ('{"type": "fromEnd"}', "@latest"),
        (
            '{"type": "fromEnqueuedTime", "enqueuedTimeUtc": "2026-11-20T10:00:00Z"}',
            datetime(2026, 11, 20, 10, tzinfo=UTC),
        ),
        (
            '{"type": "fromEnqueuedTime", "enqueuedTimeUtc": "2026-11-20T10:00:00"}',
            datetime(2026, 11, 20, 10, tzinfo=UTC),
        ),
    ],
)
def test_a_partition_without_a_checkpoint_begins_where_host_json_says(options: str, start: str | datetime) -> None:
    text = f'{{"version": "2.0", "extensions": {{"eventHubs": {{"initialOffsetOptions": {options}}}}}}}'
    assert read_host_json(text, {}).event_hubs.start == start


@pytest.mark.parametrize(
    ("category", "level"),
    [
        ("Function.noisy.User", 40),
        ("Function.noisy", 40),
        ("Function.noisyneighbour", 30),
        ("Function.other.User", 30),
        ("Worker", 10),
    ],
)
def test_the_longest_prefix_decides_the_log_level(category: str, level: int) -> None:
    levels = '{"default": "Debug", "Function": "Warning", "Function.noisy": "Error"}'
    options = read_host_json(f'{{"version": "2.0", "logging": {{"logLevel": {levels}}}}}', {})
    assert options.log_level(category) == level


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:03", 3), ("00:10:00", 600), ("1.02:03:04.5", 93784.5), ("-00:00:01", -1), ("1:30", 5400)],
)
def test_time_spans_are_read(text: str, seconds: float) -> None:
    assert read_time_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "24:00:00", "00:60:00", "00:00:60", "a:b:c"])
def test_what_is_no_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        read_time_span(text)


def test_a_plain_number_is_seconds_where_that_is_allowed() -> None:
    assert read_span_or_seconds("0.5") == read_span_or_seconds("00:00:00.5") == timedelta(seconds=0.5)
