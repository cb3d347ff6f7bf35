import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.capacity_sim import CapacitySim
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.telemetry import METRICS
from whyness_ops.capacity import Load, cost, lag, live_events_per_message, load, read_prices, report
from whyness_ops.capacity.bounds import bounds, pollers_needed, projects_needed, runs_per_s, scale_up_s
from whyness_ops.capacity.prices import measured

TEMPLATE = (Path(__file__).parents[3] / "infra/template.yaml").read_text()


def template_default(parameter: str) -> int:
    """Return the default of a parameter of the template."""
    found = re.search(rf"\n  {parameter}:\n.*?\n    Default: (\d+)\n", TEMPLATE, re.DOTALL)
    assert found is not None
    return int(found[1])


def test_the_model_assumes_what_the_template_sets() -> None:
    """Memory, concurrency, threads, window, alarms, metrics and request size are those of the product."""
    of_template = Load(1e6)

    assert of_template.memory_mb == template_default("MemorySize")
    assert of_template.concurrency == template_default("MaximumConcurrency")
    assert template_default("SenderThreads") == load.SENDER_THREADS
    assert f"MaximumBatchingWindowInSeconds: {load.WINDOW_S}\n" in TEMPLATE
    assert template_default("LogRetentionDays") == cost.LOG_DAYS
    assert len(METRICS) + 8 == cost.METRICS
    assert load.REQUEST_BYTES == REQUEST_BYTES


def test_a_receive_batch_is_what_six_megabytes_hold() -> None:
    """Packed it holds about 12,000 events, single about 5,000, and never more than 10,000 messages."""
    packed, single, tiny = Load(1e6), Load(1e6, events_per_message=1), Load(1e6, 1, 1)

    assert 11_000 < packed.full_events < 13_000
    assert 4_000 < single.full_events < 5_500
    assert tiny.full_messages < 10_000


@pytest.mark.parametrize(("event_bytes", "packed"), [(450, 100), (1_300, 50), (65_000, 1), (1_000_000, 1)])
def test_a_message_has_no_more_events_than_fit_what_sqs_bills_as_one(event_bytes: int, packed: int) -> None:
    """The publisher packs to 65,000 bytes; a larger event travels alone."""
    assert Load(1e6, event_bytes).packed == packed


@pytest.mark.parametrize(
    ("events_per_s", "least", "most"), [(0.001, 1, 1.001), (1, 1.1, 1.3), (200, 39, 42), (1e6, 1e5, 1e6)]
)
def test_live_events_share_a_message_with_what_comes_within_a_gathering(
    events_per_s: float, least: float, most: float
) -> None:
    """A rare event is alone; of many, each gathering of 0.2 s makes a message, up to what fits one."""
    live = Load(events_per_s * 86_400, events_per_message=live_events_per_message(events_per_s))

    assert least <= live.events_per_message <= most
    assert live.packed == min(live.events_per_message, 144)
    assert live.message_bytes < 65_536


@given(st.floats(0.001, 1e5), st.floats(1.01, 100))
def test_the_more_comes_the_less_sending_an_event_costs(events_per_s: float, factor: float) -> None:
    """From a request for each event on, down to what fits 64 KiB."""
    less, more = (
        cost.sending_usd_per_million(
            Load(rate * 86_400, events_per_message=live_events_per_message(rate)), read_prices()
        )
        for rate in (events_per_s, events_per_s * factor)
    )

    assert more <= less <= 1_000_000 * read_prices()["sqs_request"]


def test_both_measurements_of_cpu_are_met() -> None:
    """An event costs what was measured at 100 a message and at one a message."""
    packed, single = Load(1e6), Load(1e6, events_per_message=1)

    assert packed.cpu_s_per_event * 100_000 == pytest.approx(measured().cpu_s_per_100k_packed)
    assert single.cpu_s_per_event * 100_000 == pytest.approx(measured().cpu_s_per_100k_single)


def test_memory_buys_cpu_up_to_one() -> None:
    """Work takes 3.5 times as long at 512 MB as with a whole CPU, and no less with more than one."""
    small, whole, large = (
        replace(Load(1e6, answer_ms=0), memory_mb=size).duration_s(10_000) for size in (512, 1_769, 10_240)
    )

    assert small / whole == pytest.approx(1_769 / 512)
    assert large == whole


def test_half_of_the_events_come_in_the_busy_hours() -> None:
    """Busy and other hours together are a day, and their events a day's."""
    of_day = Load(1e6, peak_factor=3)

    busy = of_day.peak_per_s * of_day.peak_s

    assert busy == pytest.approx(5e5)
    assert busy + of_day.rest_per_s * (86_400 - of_day.peak_s) == pytest.approx(1e6)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"memory_mb": 128}, "MaximumConcurrency"),
        ({"memory_mb": 1_769}, "Mixpanel's events/s"),
        ({"memory_mb": 1_769, "event_bytes": 2_000}, "Mixpanel's bytes/min"),
        ({"projects": 1_000, "memory_mb": 1_769, "concurrency": 1_000}, "Lambda's account concurrency"),
    ],
)
def test_the_first_limit_is_named(settings: dict[str, int], name: str) -> None:
    """Which limit bites first depends on memory, size and projects."""
    found = bounds(Load(1e9, **settings))

    assert found[0].name == name
    assert found == sorted(found, key=lambda bound: bound.events_per_s)


def test_projects_multiply_what_mixpanel_lets_through() -> None:
    """With the projects that are needed, Mixpanel bites no more in the busy hours."""
    much = Load(1e10, memory_mb=1_769)

    found = bounds(replace(much, projects=projects_needed(much)))
    fewer = bounds(replace(much, projects=projects_needed(much) - 1))

    assert found[0].events_per_s >= much.peak_per_s
    assert fewer[0].events_per_s < much.peak_per_s


def test_a_provisioned_poller_reads_a_hundred_messages_or_a_megabyte() -> None:
    """A million single events a second take 10,000 pollers; never fewer than two are sold."""
    single = Load(1e6 * 86_400, 450, 1, peak_factor=1)

    assert pollers_needed(single) == 10_000
    assert pollers_needed(Load(1e6)) == 2
    assert pollers_needed(replace(single, event_bytes=1_048_576 - 55)) == 1_000_000


def test_lambda_adds_300_batches_a_minute() -> None:
    """From 5 to 305 takes a minute, beside the cold start."""
    of_few, of_many = Load(1e6, concurrency=4), Load(1e6, concurrency=305)

    assert scale_up_s(of_many) - scale_up_s(of_few) == pytest.approx(60)


def test_runs_follow_messages_then_the_window_then_the_batch() -> None:
    """Few messages make a run each, more make one a second, and many make one for each full batch."""
    single = Load(1e6, events_per_message=1)

    assert runs_per_s(single, 0.001) == pytest.approx(0.001, rel=0.01)
    assert runs_per_s(single, 1_000) == pytest.approx(1.0, rel=0.01)
    assert runs_per_s(single, 1e6) == pytest.approx(1e6 / single.full_messages)


def test_sqs_is_asked_once_for_each_64_kib() -> None:
    """Packed: a message of 45 kB is one send, 0.69 of a receive as billed, and a tenth of a delete."""
    requests = cost.sqs_requests(Load(5e9, peak_factor=1, dead_per_million=0))

    messages = 5e9 * 30 / 100
    assert requests == pytest.approx(messages * (1 + 45_055 / 65_536 + 1 / 10))


def test_a_stack_without_events_is_billed_in_a_line_of_its_own() -> None:
    """Five pollers that ask every 20 seconds, what alarms read, metrics, dashboard, secret and key."""
    prices = read_prices()
    costs = cost.monthly(Load(1), prices)

    polls = 5 / 20 * 30 * 86_400 * prices["sqs_request"]
    alarms = 19 * prices["alarm_month"] + prices["composite_alarm_month"]
    fixed = 18 * prices["metric_month"] + sum(
        prices[f"{name}_month"] for name in ("dashboard", "secret", "key")
    )
    assert costs.idle == pytest.approx(polls + alarms + fixed)
    assert costs.total == pytest.approx(costs.idle, abs=0.01)


def test_a_day_of_more_than_gets_through_never_ends() -> None:
    """Neither the busy hours nor an outage have an end then, and the report says what to do."""
    found = report(Load(1e10), read_prices())

    assert found.peak_lag_s is None
    assert found.drain_s is None
    assert found.is_exhausting


def test_a_backlog_drains_by_what_is_left() -> None:
    """Half a day of 1,000 events/s, at 3,000 events/s: 43.2 million wait, 2,000 a second are left."""
    flat = Load(1_000 * 86_400, peak_factor=1, outage_hours=12)

    assert lag.outage_events(flat) == pytest.approx(43.2e6)
    assert lag.drain_s(flat, 3_000, is_refused=False) == pytest.approx(21_600)


def test_what_mixpanel_refuses_of_the_first_rush_waits_once_more() -> None:
    """After a long outage all of it comes within the longest pause; a backlog of hours hides that."""
    short, long = Load(1e8, outage_hours=4), Load(8e8, outage_hours=4)
    pause_s = lag.hidden_s(short)

    quick, refused = (lag.drain_s(short, 29_100, is_refused=each) for each in (False, True))
    slow = [lag.drain_s(long, 29_100, is_refused=each) for each in (False, True)]

    assert quick is not None
    assert refused == pytest.approx(2 * pause_s)
    assert pause_s < quick < 2 * pause_s
    assert slow[0] == slow[1]


def test_without_an_outage_nothing_waits() -> None:
    """No outage, no backlog, no drain."""
    assert lag.drain_s(Load(1e6, outage_hours=0), 3_000, is_refused=True) == 0


def test_events_that_wait_for_three_days_are_said_to_be_dead_lettered() -> None:
    """An outage that is just shorter exhausts events too, by what its end takes; one of 12 h does not."""
    short, long = (report(Load(1e6, outage_hours=hours), read_prices()) for hours in (12, 71.9))

    assert not short.is_exhausting
    assert long.is_exhausting


def test_where_nothing_waits_no_event_is_later_than_the_model_says() -> None:
    """Window and run are the most, in the simulation too."""
    usual = Load(1e8)
    sim = CapacitySim(usual, lambda _: usual.peak_per_s, lambda _: False)

    sim.run(600)

    assert max(late for _, late in sim.lags) <= lag.quiet_lag_s(usual, usual.full_events) + 1
    assert len(sim.lags) > 1_000
