"""Date-times in every form that was seen from Graph."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import GraphProtocolError
from shared.graph.timestamp import read_timestamp, write_timestamp
from tests import strategies

READ = {
    "2026-01-01T11:00:00.0000000Z": datetime(2026, 1, 1, 11, tzinfo=UTC),
    "2024-02-08T04:18:58.0463343-08:00": datetime(2024, 2, 8, 12, 18, 58, 46334, tzinfo=UTC),
    "2018-11-24T18:13:08.914+00:00": datetime(2018, 11, 24, 18, 13, 8, 914000, tzinfo=UTC),
    "2018-11-23T18:14:08.0245580Z": datetime(2018, 11, 23, 18, 14, 8, 24558, tzinfo=UTC),
    "2026-01-01T11:00:00Z": datetime(2026, 1, 1, 11, tzinfo=UTC),
    "2026-01-01T11:00:00": datetime(2026, 1, 1, 11, tzinfo=UTC),
    "2026-01-01T16:30:00.1+05:30": datetime(2026, 1, 1, 11, 0, 0, 100_000, tzinfo=UTC),
}


@pytest.mark.parametrize(("text", "moment"), READ.items(), ids=READ.keys())
def test_every_form_seen_is_read(text: str, moment: datetime) -> None:
    assert read_timestamp(text) == moment
    assert read_timestamp(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [None, 1, "", "now", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-01-01T11:00:00Z" + "0" * 100],
)
def test_anything_else_is_an_error(text: object) -> None:
    with pytest.raises(GraphProtocolError):
        read_timestamp(text)


@given(strategies.JSON_VALUES | st.text(st.sampled_from("0123456789-:TZ.+W\ud800")))
def test_any_value_is_a_moment_or_an_error(text: object) -> None:
    try:
        assert read_timestamp(text).tzinfo is UTC
    except GraphProtocolError:
        return


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001 - the zone is added
def test_what_is_written_is_read_again(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=offset)))

    assert read_timestamp(write_timestamp(aware)) == aware
    assert write_timestamp(aware).endswith("Z")
