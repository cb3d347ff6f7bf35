"""The measures of `send()` and their targets, as data, and their tables. Pure."""

from collections.abc import Mapping, Sequence

from bench.targets import Target

# Medians by database and measure.
Values = Mapping[str, Mapping[str, float]]

_LOOP = "of the simplest loop's"
MEASURES = (
    *(
        Target(
            f"{kind}_{count}_{mode}",
            f"{title}, {count} event{'s' * (count > 1)}, {where}, {_LOOP}",
            "",
            limit,
        )
        for mode, where, limit in (("atomic", "ATOMIC_REQUESTS", 0.5), ("plain", "no transaction", 0.6))
        for count in (1, 10)
        for kind, title in (("cpu", "CPU"), ("wall", "wall"))
    ),
    Target("wall_slow", f"wall, answers after 10 ms, back to back, {_LOOP}", limit=0.1),
    Target("cpu_at_rate", f"CPU of the whole process, 50 requests/s with one event each, {_LOOP}", limit=0.8),
    Target("billed_1", "billed SQS requests for 1,000 events at 50/s, one process", limit=120),
    Target("billed_8", "billed SQS requests for 1,000 events at 50/s, eight processes", limit=120),
    Target("late_1", "commit to confirmed, median, one process", "s", 0.3),
    Target("latest_1", "commit to confirmed, 99th percentile, one process", "s", 1.0),
    Target("late_8", "commit to confirmed, median, eight processes", "s", 0.3),
    Target("latest_8", "commit to confirmed, 99th percentile, eight processes", "s", 1.0),
    Target("claim", "a claim, 8 processes, 640 events/s, 20,000 dead rows under a snapshot, mean", "ms", 3.0),
    Target("drain_rate", "drain of 100,000 rows: events/s of the backfill's", limit=1.0, at_most=False),
    Target("drain_peak", "drain of 100,000 rows: peak above the idle process", "MiB", 64.0),
    Target("lines", "lines of `publishing/` of the 903 that it replaced", limit=1.0),
)
PUBLISHER = (
    Target("us_pure", "pure: Event(...) to message bodies", "µs", 60.0),
    Target("us_send_many", "send_many(100), no transaction", "µs"),
    Target("us_send_many_atomic", "send_many(100), transaction", "µs"),
    Target("us_sends_atomic", "100 send(), transaction", "µs"),
)
_EVENT_COUNTS = (1, 10)
_MODES = {"plain": "no transaction", "atomic": "ATOMIC_REQUESTS"}


def measures_table(values: Values) -> str:
    """Return the measures and their targets as a Markdown table."""
    return _table("measure, added to the empty page", MEASURES, values)


def _table(title: str, targets: Sequence[Target], values: Values) -> str:
    lines = [f"| {title} | {' | '.join(values)} | target | verdict |"]
    lines.append("|---|" + "---|" * (len(values) + 2))
    for target in targets:
        known = [figures.get(target.key) for figures in values.values()]
        shown = " | ".join("-" if value is None else f"{value:,.3g} {target.unit}".strip() for value in known)
        lines.append(f"| {target.title} | {shown} | {target.wanted} | {verdict(target, known)} |")
    return "\n".join(lines)


def verdict(target: Target, known: Sequence[float | None]) -> str:
    """Return whether the target is met on all databases where it was measured, in words."""
    verdicts = {target.verdict(value) for value in known if value is not None}
    return "missed" if "missed" in verdicts else verdicts.pop() if verdicts else "not measured"


def pages_table(values: Values) -> str:
    """Return what events add to a request, in milliseconds, as a Markdown table."""
    ways = {"loop": "simplest loop", "send": "send()"}
    kinds = [(way, count) for way in ways for count in _EVENT_COUNTS]
    heads = [f"{ways[way]}, {count} event{'s' * (count > 1)}" for way, count in kinds]
    lines = [f"| added to a request, ms of CPU / ms | the page itself | {' | '.join(heads)} |"]
    lines.append("|---|---|" + "---|" * len(heads))
    for database, figures in values.items():
        for mode, title in _MODES.items():
            cells = [
                _cell(figures, f"page_{mode}"),
                *(_cell(figures, f"{way}_{count}_{mode}") for way, count in kinds),
            ]
            lines.append(f"| {database}, {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figures: Mapping[str, float], name: str) -> str:
    pair = [figures.get(f"{name}_{unit}") for unit in ("cpu_ms", "wall_ms")]
    return " / ".join("-" if value is None else f"{value:.2f}" for value in pair)


def publisher_table(values: Values) -> str:
    """Return the publisher's CPU per event as a Markdown table."""
    return _table("CPU of the publisher, batches of 100", PUBLISHER, values)
