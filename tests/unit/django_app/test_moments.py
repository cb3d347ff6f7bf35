from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from whyness_mixpanel.encoding import normalise


@given(st.datetimes(datetime(2001, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  (given below)
@example(datetime(2025, 11, 23, 12, 13, 20, 999_999, tzinfo=UTC))
def test_a_moment_is_the_same_whatever_it_is_written_as(moment: datetime) -> None:
    """Cut to milliseconds, never rounded: as a datetime, in any zone, and as seconds with their fraction."""
    expected_ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=45)))

    found = {normalise.milliseconds(value) for value in (moment, elsewhere, moment.timestamp())}

    assert found == {expected_ms}


@given(st.floats(1e9, 2e9), st.floats(1e11, 2e12))
def test_a_number_is_never_rounded_up(seconds: float, milliseconds: float) -> None:
    """Of `time.time()` what counts is the millisecond that it is in, to the precision of a float."""
    assert 0 <= seconds * 1000 - normalise.milliseconds(seconds) < 1
    assert 0 <= milliseconds - normalise.milliseconds(milliseconds) < 1
