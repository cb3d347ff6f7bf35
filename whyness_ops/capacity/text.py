"""Pure: the estimate as text for people."""

from collections.abc import Mapping

from whyness_ops.capacity.load import MIXPANEL_CLIENTS, SENDER_THREADS, Load
from whyness_ops.capacity.prices import Prices
from whyness_ops.capacity.report import Report
from whyness_ops.output import table, title

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
    """Return a time in a suitable unit."""
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


def report_text(report: Report, prices: Prices) -> str:
    """Return the whole report."""
    load = report.load
    daily = f"{count_text(load.events_per_day)} events a day of {load.event_bytes} bytes"
    rates = f"{load.mean_per_s:,.1f} events/s on average, {load.peak_per_s:,.1f} in the busy hours"
    costs = f"{report.usd_per_million:.4f} USD, {report.sending_usd_per_million:.4f} of it to send them"
    parts = [
        f"Load: {daily}, {packed_text(load)} per message; {rates}.",
        f"Stacks: {load.projects} with {load.memory_mb} MB and a concurrency of {load.concurrency} each.",
        "",
        title(f"USD a month ({prices.region} list prices, no free tier):"),
        table(_costs(report), ("item", "USD")),
        f"A million events costs {costs}, besides the cost of a stack without events.",
        "",
        title("Limits, the lowest first:"),
        table(_bounds(report), ("limit", "events/s", "used in the busy hours")),
        "",
        title("Delays:"),
        table(_times(report), ("measure", "value")),
        "",
        title("Alternatives for the same events:"),
        table(_others(report), ("alternative", "USD a month", "instances")),
    ]
    return "\n".join([*parts, *(f"\n{line}" for line in advice(report))])


def advice(report: Report) -> list[str]:
    """Return what to do about each limit that is exceeded."""
    load = report.load
    exceeded = [bound for bound in report.bounds if bound.events_per_s < load.peak_per_s]
    lines = [f"Exceeded in the busy hours: {bound.name}. {bound.remedy}" for bound in exceeded]
    clients = load.concurrency * SENDER_THREADS
    if clients > MIXPANEL_CLIENTS:
        lines.append(
            f"Mixpanel sees {clients} clients; it recommends at most {MIXPANEL_CLIENTS} for a project. "
            "Lower MaximumConcurrency."
        )
    if report.projects_needed > load.projects:
        lines.append(f"Within Mixpanel's limits the busy hours need {report.projects_needed} projects.")
    if report.is_exhausting:
        lines.append("After such an outage events wait for more than 72 h and are dead-lettered.")
    return lines


def _costs(report: Report) -> list[Mapping[str, str]]:
    costs = report.costs
    rows = [
        ("SQS", costs.sqs),
        ("Lambda", costs.lambda_),
        ("DynamoDB", costs.dynamodb),
        ("logs", costs.logs),
        ("polling the empty queue", costs.polls),
        ("alarms", costs.alarms),
        ("metrics, dashboard, secret, key", costs.fixed),
        ("total", costs.total),
        ("of which without events", costs.idle),
    ]
    return [{"item": item, "USD": usd_text(usd)} for item, usd in rows]


def _bounds(report: Report) -> list[Mapping[str, str]]:
    return [
        {
            "limit": bound.name,
            "events/s": f"{bound.events_per_s:,.0f}",
            "used in the busy hours": f"{report.load.peak_per_s / bound.events_per_s:.1%}",
        }
        for bound in report.bounds
    ]


def _times(report: Report) -> list[Mapping[str, str]]:
    hours = f"{report.load.outage_hours:g} h"
    rows = (
        ("delay without a backlog, at most", time_text(report.quiet_lag_s)),
        (
            "delay at the end of the busy hours",
            "growing" if report.peak_lag_s is None else time_text(report.peak_lag_s),
        ),
        (f"events waiting after an outage of {hours}", count_text(report.outage_events)),
        ("time to clear them", time_text(report.drain_s)),
        ("time to scale up after a pause", time_text(report.scale_up_s)),
        ("concurrent invocations in the busy hours", f"{report.concurrency:.2f}"),
        ("provisioned pollers needed for a queue", str(report.provisioned_pollers)),
    )
    return [{"measure": measure, "value": value} for measure, value in rows]


def _others(report: Report) -> list[Mapping[str, str]]:
    rows = [("this pipeline", report.costs.total, report.load.projects)]
    rows += [(other.name, other.usd_per_month, other.count) for other in report.alternatives]
    return [
        {"alternative": name, "USD a month": usd_text(usd), "instances": str(count)}
        for name, usd, count in rows
    ]
