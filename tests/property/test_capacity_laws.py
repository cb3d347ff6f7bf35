from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from whyness_ops.capacity import Load, read_prices, report

PRICES = read_prices()
LOADS = st.builds(
    Load,
    events_per_day=st.floats(1, 1e11),
    event_bytes=st.integers(1, 1_000_000),
    events_per_message=st.integers(1, 10_000),
    peak_factor=st.floats(1, 24),
    outage_hours=st.floats(0, 72),
    answer_ms=st.floats(1, 10_000),
    projects=st.integers(1, 50),
    memory_mb=st.integers(128, 10_240),
    concurrency=st.integers(2, 1_000),
)


@given(LOADS)
def test_each_load_has_an_answer(load: Load) -> None:
    """Whatever the settings, costs and bounds are positive, and only what never ends has no time."""
    found = report(load, PRICES)

    assert found.costs.total > 0
    assert all(bound.events_per_s > 0 for bound in found.bounds)
    assert (found.peak_lag_s is None) == (load.mean_per_s >= found.capacity_per_s)
    assert found.drain_s is None or found.drain_s >= 0


@given(LOADS, st.floats(1.01, 10))
def test_more_events_never_cost_less(load: Load, factor: float) -> None:
    """SQS, DynamoDB and all together grow with the events."""
    less, more = (
        report(replace(load, events_per_day=count), PRICES).costs
        for count in (load.events_per_day, load.events_per_day * factor)
    )

    assert more.sqs >= less.sqs * 0.999
    assert more.dynamodb >= less.dynamodb


@given(LOADS)
def test_packing_never_costs_more_on_sqs(load: Load) -> None:
    """A message that is packed to 64 KiB costs no more than its events one by one."""
    packed, single = (
        report(replace(load, events_per_message=count), PRICES).costs.sqs
        for count in (load.events_per_message, 1)
    )

    assert packed <= single * 1.001


@given(LOADS)
def test_a_longer_outage_never_leaves_less(load: Load) -> None:
    """What waits at the end grows with the outage."""
    short, long = (
        report(replace(load, outage_hours=hours), PRICES).outage_events
        for hours in (load.outage_hours, load.outage_hours + 1)
    )

    assert long > short
