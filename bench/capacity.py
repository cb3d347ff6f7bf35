"""Write the tables and plots of docs/reference/capacity.md from the model."""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.capacity_plots import draw
from bench.capacity_reports import CPU_MB, ask, ask_live
from whyness_ops.capacity import Load, Report, read_prices
from whyness_ops.capacity.bounds import bounds
from whyness_ops.capacity.load import DAY_S
from whyness_ops.capacity.text import count_text, packed_text, time_text, usd_text

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/capacity.md"
EVENTS = (1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10)
_RATES = (0.1, 1, 10, 50, 200, 1_000)
_OUTAGES_H = (1, 4, 12, 24)
_DRAINED = (1e7, 1e8, 3e8, 1e9)
_EPILOG = """examples:
  .venv/bin/python -m bench.capacity            # update the tables of docs/reference/capacity.md
  .venv/bin/python -m bench.capacity --plots    # update the plots too; needs requirements/bench.txt
"""


def cost_table() -> str:
    """Return the cost of live traffic and of packed events, by events a day."""
    head = ("events a day", "events per message", "USD / million", *_COSTS, "USD a month")
    rows = [_cost_row(report) for count in EVENTS for report in (ask_live(count), ask(count, 100))]
    return _table(head, rows)


_COSTS = ("SQS", "Lambda", "DynamoDB", "logs", "idle")


def _cost_row(report: Report) -> tuple[str, ...]:
    costs = report.costs
    services = (costs.sqs, costs.lambda_, costs.dynamodb, costs.logs, costs.idle)
    return (
        count_text(report.load.events_per_day),
        packed_text(report.load),
        f"{report.usd_per_million:.4f}",
        *(usd_text(usd) for usd in services),
        usd_text(costs.total),
    )


def short_text() -> str:
    """Return a summary of the costs of a small site and of live traffic."""
    small, large = ask_live(1e4), ask_live(1e8)
    costs, large_usd = small.costs, usd_text(large.costs.total)
    busy, busier = (f"{ask_live(rate * DAY_S).sending_usd_per_million * 100:.1f}" for rate in (50, 200))
    return (
        f"A small site pays for the idle stack, not for its events: 10,000 events a day cost "
        f"{usd_text(costs.total)} USD a month, of which {usd_text(costs.idle)} are billed without any event "
        f"({usd_text(costs.polls)} of them for polling an empty queue) and {usd_text(costs.variable)} for "
        f"the events. Sending a million events of live traffic costs {busy} cents at 50 events/s, at most "
        f"{busier} above 200 events/s. 100 million events a day cost {large_usd} USD a month."
    )


def live_table() -> str:
    """Return the cost of live traffic at a steady rate, packed by the relay."""
    head = (
        "events/s",
        "events a day",
        "events per message",
        "requests to send 1,000",
        "USD / million, sending",
    )
    rows = []
    for rate in _RATES:
        report = ask_live(rate * DAY_S)
        sending = report.sending_usd_per_million
        requests = sending / read_prices()["sqs_request"] / 1_000
        packed = (f"{rate:,g}", count_text(rate * DAY_S), packed_text(report.load), f"{requests:,.0f}")
        rows.append(
            (*packed, f"{sending:.4f}", f"{report.usd_per_million:.4f}", usd_text(report.costs.total))
        )
    return _table((*head, "USD / million, total", "USD a month, total"), rows)


def capacity_table() -> str:
    """Return the capacity of the template's stack, by events a day."""
    head = (
        "events a day",
        "events per message",
        "events/s in the busy hours",
        "lowest limit",
        "events/s allowed",
        "concurrent invocations",
    )
    waits = ("delay after the busy hours", "time to clear a 4 h outage", "projects needed")
    return _table(
        (*head, *waits), [_capacity_row(ask(count, packed)) for count in EVENTS for packed in (100, 1)]
    )


def _capacity_row(report: Report) -> tuple[str, ...]:
    return (
        count_text(report.load.events_per_day),
        packed_text(report.load),
        f"{report.load.peak_per_s:,.1f}",
        report.bounds[0].name,
        f"{report.capacity_per_s:,.0f}",
        f"{report.concurrency:.2f}",
        time_text(report.peak_lag_s),
        time_text(report.drain_s),
        str(report.projects_needed),
    )


def sizes_table() -> str:
    """Return the capacity of one stack by memory, answer time and packing."""
    head = (
        "MemorySize",
        "answer, ms",
        "events per message",
        "lowest limit",
        "events/s allowed",
        "events/s of the function",
    )
    rows = []
    for memory_mb in (512, 1_024, CPU_MB):
        for answer_ms in (100, 300, 1_000):
            for packed in (100, 1):
                load = Load(1e9, events_per_message=packed, memory_mb=memory_mb, answer_ms=answer_ms)
                limits = bounds(load)
                own = next(limit for limit in limits if limit.name == "MaximumConcurrency")
                rates = (f"{limits[0].events_per_s:,.0f}", f"{own.events_per_s:,.0f}")
                rows.append((str(memory_mb), str(answer_ms), str(packed), limits[0].name, *rates))
    return _table(head, rows)


def outage_table() -> str:
    """Return the time to clear the backlog of an outage, with a whole CPU."""
    rows = []
    for count in _DRAINED:
        reports = [ask(count, 100, memory_mb=CPU_MB, outage_hours=hours) for hours in _OUTAGES_H]
        rows.append((count_text(count), *(time_text(report.drain_s) for report in reports)))
    return _table(("events a day", *(f"after {hours} h" for hours in _OUTAGES_H)), rows)


def many_table() -> str:
    """Return the largest loads, with the projects that they need."""
    head = (
        "events a day",
        "projects",
        "MemorySize",
        "lowest limit",
        "events/s allowed",
        "time to clear a 4 h outage",
    )
    rows = []
    for count in (1e9, 3e9, 1e10):
        projects = ask(count, 100).projects_needed
        report = ask(count, 100, projects=projects, memory_mb=CPU_MB)
        allowed = f"{report.capacity_per_s:,.0f}"
        row = (count_text(count), str(projects), str(CPU_MB), report.bounds[0].name, allowed)
        rows.append((*row, time_text(report.drain_s), usd_text(report.costs.total)))
    return _table((*head, "USD a month"), rows)


def ways_table() -> str:
    """Return USD a month of the alternatives, and their number of destinations or instances."""
    head = ("events a day", "this pipeline, live", "this pipeline, one event per message")
    rows = []
    for count in EVENTS:
        live, single = ask_live(count), ask(count, 1)
        others = [f"{usd_text(other.usd_per_month)} ({other.count})" for other in live.alternatives]
        rows.append((count_text(count), usd_text(live.costs.total), usd_text(single.costs.total), *others))
    return _table((*head, "EventBridge API destinations", "Celery worker, t4g.small"), rows)


def prices_table() -> str:
    """Return the prices with source and date."""
    rows = [
        (f"`{name}`", f"{price.usd:.10f}".rstrip("0").rstrip("."), price.unit, price.source, price.checked)
        for name, price in read_prices().by_name.items()
    ]
    return _table(("price", "USD", "per", "source", "checked"), rows)


TEXTS = {"short": short_text}
TABLES: dict[str, Callable[[], str]] = {
    "cost": cost_table,
    "live": live_table,
    "capacity": capacity_table,
    "sizes": sizes_table,
    "outage": outage_table,
    "many": many_table,
    "ways": ways_table,
    "prices": prices_table,
}


def written(page: str) -> str:
    """Return the page with all tables and figures updated."""
    for mark, make in (TEXTS | TABLES).items():
        pattern = re.compile(f"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)", re.DOTALL)
        page = pattern.sub(f"{make()}\n", page)  # no table has a backslash
    return page


def main() -> None:
    """Write the page, and the plots if wanted; print one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity",
        description="Update the tables and plots of docs/reference/capacity.md.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--plots", action="store_true", help="update docs/plots/capacity-*.svg too")
    options = parser.parse_args()
    PAGE.write_text(written(PAGE.read_text()))
    plots = draw() if options.plots else []
    print(json.dumps({"page": str(PAGE.relative_to(ROOT)), "tables": len(TABLES), "plots": plots}))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
