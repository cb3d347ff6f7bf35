import gc
from collections.abc import Iterator

import pytest

from tests.simulation.capacity_check import DRAINS, LAGS, compare_drain, compare_lag
from whyness_ops.capacity import Load

MOST_DEVIATION = 0.15
# The others take longer; `python -m tests.simulation.capacity_check` has them all.
QUICK_DRAINS = [DRAINS[number] for number in (2, 6, 7, 8, 9)]


@pytest.fixture(autouse=True)
def _no_garbage_collector() -> Iterator[None]:
    """It would look half of the time at millions of messages, in which there are no cycles."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("name", "load"), QUICK_DRAINS)
def test_a_backlog_takes_as_long_as_the_model_says(name: str, load: Load) -> None:
    """Model and simulation agree on the drain within 15 %, whichever limit bites."""
    found = compare_drain(name, load)

    assert abs(found.deviation) < MOST_DEVIATION, found


@pytest.mark.parametrize(("name", "load"), LAGS[:2])
def test_events_are_as_late_as_the_model_says(name: str, load: Load) -> None:
    """Model and simulation agree on the lag of the busy hours within 15 %."""
    found = compare_lag(name, load)

    assert abs(found.deviation) < MOST_DEVIATION, found
