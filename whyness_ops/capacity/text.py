"""Pure: what the model says, as text for people."""

from collections.abc import Mapping

from whyness_ops.capacity.load import MIXPANEL_CLIENTS, SENDER_THREADS, Load
from whyness_ops.capacity.prices import Prices
from whyness_ops.capacity.report import Report
from whyness_ops.output import table

_SCALES = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))
_MINUTE_S, _HOUR_S, _LONG_S = 60, 3_600, 172_800
_ROUND_ABOVE = 100


def count_text(count: float) -> str:
    """Return 10k, 5m, 1bn."""
    for scale, unit in _SCALES:
        if count >= scale:
            return f"{count / scale:.3g}{unit}"
    return f"{count:.3g}"


def packed_text(load: Load) -> str:
    """Return how many events a message has."""
    return f"{round(load.packed, 1):,g}"


def time_text(seconds: float | None) -> str:
    """Return a time in the unit that suits it."""
    if seconds is None:
        return "never"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < _LONG_S:
        return f"{seconds / _HOUR_S:.1f} h"
    return f"{seconds / _HOUR_S / 24:.1f} days"


def usd_text(usd: float) -> str:
    """Return an amount to the cent, or whole dollars above 100."""
    return f"{usd:,.0f}" if usd >= _ROUND_ABOVE else f"{usd:,.2f}"


def report_text(found: Report, prices: Prices) -> str:
    """Return the whole report."""
    load = found.load
    sent = f"{count_text(load.events_per_day)} events a day of {load.event_bytes} bytes"
    packed = f"{packed_text(load)} a message"
    stacks = f"{load.projects} project(s), {load.memory_mb} MB x {load.concurrency} each"
    rates = f"{load.mean_per_s:,.1f} events/s, {load.peak_per_s:,.1f} in the busy hours"
    sending = f"{found.sending_usd_per_million:.4f} of it to send them"
    each = f"{found.usd_per_million:.4f} per million events, {sending}, beside what a stack costs without any"
    parts = [
        f"{sent}, {packed}; {stacks}: {rates}.",
        f"\nUSD a month ({prices.region} list prices, no free tier); {each}:",
        table(_costs(found), ("what", "USD")),
        "\nWhat each limit lets through, the first to bite first:",
        table(_bounds(found), ("limit", "events/s", "of the busy hours")),
        "\nTime:",
        table(_times(found), ("what", "value")),
        "\nThe same events by other ways:",
        table(_others(found), ("way", "USD a month", "how many")),
    ]
    return "\n".join([*parts, *(f"\n{line}" for line in advice(found))])


def advice(found: Report) -> list[str]:
    """Return what to do where a limit bites."""
    biting = [bound for bound in found.bounds if bound.events_per_s < found.load.peak_per_s]
    lines = [f"Too little in the busy hours: {bound.name}. {bound.remedy}" for bound in biting]
    if found.load.concurrency * SENDER_THREADS > MIXPANEL_CLIENTS:
        lines.append(
            f"Mixpanel would see more clients than the {MIXPANEL_CLIENTS} that it recommends for a project."
        )
    if found.projects_needed > found.load.projects:
        lines.append(f"Under Mixpanel's limits the busy hours take {found.projects_needed} projects.")
    if found.is_exhausting:
        lines.append("Events would wait for more than 72 h after such an outage, and be dead-lettered.")
    return lines


def _costs(found: Report) -> list[Mapping[str, str]]:
    costs = found.costs
    rows = [
        ("SQS", costs.sqs),
        ("Lambda", costs.lambda_),
        ("DynamoDB", costs.dynamodb),
        ("logs", costs.logs),
        ("asking an empty queue", costs.polls),
        ("alarms", costs.alarms),
        ("metrics, dashboard, secret, key", costs.fixed),
        ("all", costs.total),
        ("of it without any event", costs.idle),
    ]
    return [{"what": what, "USD": usd_text(usd)} for what, usd in rows]


def _bounds(found: Report) -> list[Mapping[str, str]]:
    return [
        {
            "limit": bound.name,
            "events/s": f"{bound.events_per_s:,.0f}",
            "of the busy hours": f"{found.load.peak_per_s / bound.events_per_s:.1%}",
        }
        for bound in found.bounds
    ]


def _times(found: Report) -> list[Mapping[str, str]]:
    hours = f"{found.load.outage_hours:g} h"
    rows = (
        ("an event is late, where nothing waits, by at most", time_text(found.quiet_lag_s)),
        ("behind, at the end of the busy hours, by", time_text(found.peak_lag_s)),
        (f"events that wait after an outage of {hours}", count_text(found.outage_events)),
        ("until nothing waits any more", time_text(found.drain_s)),
        ("until all pollers run, after a pause", time_text(found.scale_up_s)),
        ("invocations at once, in the busy hours", f"{found.concurrency:.2f}"),
        ("provisioned pollers a queue would need", str(found.provisioned_pollers)),
    )
    return [{"what": what, "value": value} for what, value in rows]


def _others(found: Report) -> list[Mapping[str, str]]:
    rows = [("this", found.costs.total, found.load.projects)]
    rows += [(other.name, other.usd_per_month, other.count) for other in found.alternatives]
    return [{"way": name, "USD a month": usd_text(usd), "how many": str(count)} for name, usd, count in rows]
