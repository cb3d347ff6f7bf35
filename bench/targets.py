"""The measures of the benchmark and their targets, as data. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# A figure that is worse by more than this is a regression; medians on a quiet machine differ by less.
REGRESSION_PART = 0.10
# 1.4 and 2.2 times a floor program that mapped the events to dictionaries: 28,900 and 31,300. The present one
# maps them to structs, and takes fewer, so it is no measure of these targets.
_INSTRUCTIONS, _SINGLE_INSTRUCTIONS = 40_460, 68_860


@dataclass(frozen=True, slots=True)
class Target:
    """A row of the table.

    Args:
        key: its name in the JSON.
        title: for people.
        unit: of the value.
        limit: the target; None for a figure without a target.
        at_most: whether the limit is a maximum, else a minimum.
    """

    key: str
    title: str
    unit: str = ""
    limit: float | None = None
    at_most: bool = True

    def verdict(self, value: float | None) -> str:
        """Return whether the target is met, in words."""
        if value is None:
            return "not measured"
        if self.limit is None:
            return ""
        is_met = value <= self.limit if self.at_most else value >= self.limit
        return "met" if is_met else "missed"

    @property
    def wanted(self) -> str:
        """The target in words."""
        if self.limit is None:
            return ""
        return f"{'≤' if self.at_most else '≥'} {self.limit:,.10g}"


TARGETS = (
    Target("cpu_to_floor", "CPU of the handler / floor program", limit=1.6),
    Target("instructions", "instructions an event, 100 a message", limit=_INSTRUCTIONS),
    Target("single_instructions", "instructions an event, one a message", limit=_SINGLE_INSTRUCTIONS),
    Target("odd_instructions_to_packed", "instructions with 10 odd events in 100 / without", limit=1.1),
    Target("odd_to_packed", "CPU with 10 odd events in 100 / without", limit=1.1),
    Target("cpu_to_utils", "CPU of the handler / mixpanel-utils", limit=1.0),
    Target("cpu_to_mixpanel", "CPU of the handler / mixpanel (BufferedConsumer)", limit=1.0),
    Target("cpu_to_import", "CPU of the handler / mixpanel-import (npm)", limit=0.9),
    Target("small_instructions", "instructions of an invocation with one event", limit=4_500_000),
    Target("single_to_packed", "CPU of an event alone in its message / packed", limit=2.0),
    Target("growth", "time of 12,000 events / of 1,200", limit=10.5),
    Target("peak_over_idle_mib", "peak memory of a 6 MB invocation over idle", "MiB", 120.0),
    Target("import_to_libraries", "CPU to import the handler / requests + boto3", limit=1.0),
    Target("publisher_us", "publisher: Event() up to message bodies, batch of 100", "µs", 30.0),
    Target("cpu_s_per_100k", "CPU of 100,000 events, 100 a message", "s"),
    Target("single_cpu_s_per_100k", "CPU of 100,000 events, one a message", "s"),
    Target("floor_cpu_s_per_100k", "CPU of 100,000 events, floor program", "s"),
    Target("utils_cpu_s_per_100k", "CPU of 100,000 events, mixpanel-utils", "s"),
    Target("mixpanel_cpu_s_per_100k", "CPU of 100,000 events, mixpanel", "s"),
    Target("import_cpu_s_per_100k", "CPU of 100,000 events, mixpanel-import", "s"),
    Target("events_per_s", "events/s, 100 a message, one container"),
    Target("single_events_per_s", "events/s, one a message, one container"),
    Target("import_cpu_ms", "CPU to import the handler", "ms"),
    Target("slow_events_per_s", "events/s at 100 ms, one container of 10 senders"),
    Target("fleet_events_per_s", "events/s at 100 ms, 10 containers on these cores"),
    Target("utils_slow_events_per_s", "events/s at 100 ms, mixpanel-utils with 10 threads"),
    Target("import_events_per_s", "events/s, mixpanel-import"),
    Target("fleet_rate_to_utils", "events/s at 100 ms, 10 containers / mixpanel-utils with 10"),
    Target("floor_to_utils", "CPU of the floor program / mixpanel-utils"),
    Target("floor_to_import", "CPU of the floor program / mixpanel-import"),
    Target("odd_instructions", "instructions an event, 10 odd ones in 100"),
    Target("floor_instructions", "instructions an event, floor program"),
    Target("single_floor_instructions", "instructions an event, floor program, one a message"),
    Target("instructions_to_floor", "instructions of the handler / floor program"),
    Target("single_instructions_to_floor", "the same with one event a message"),
    Target("runtime_cpu_to_floor", "CPU of the handler / floor program, on Lambda's Python"),
    Target("runtime_cpu_s_per_100k", "CPU of 100,000 events, on Lambda's Python", "s"),
    Target("runtime_single_cpu_s_per_100k", "CPU of 100,000 events, one a message, on Lambda's Python", "s"),
    Target("runtime_floor_cpu_s_per_100k", "CPU of 100,000 events, floor program, on Lambda's Python", "s"),
    Target("runtime_instructions", "instructions an event, on Lambda's Python"),
    Target("runtime_single_instructions", "instructions an event, one a message, on Lambda's Python"),
    Target("runtime_floor_instructions", "instructions an event, floor program, on Lambda's Python"),
    Target("runtime_small_instructions", "instructions of an invocation with one event, on Lambda's Python"),
    Target("rate_to_import", "events/s of the handler / mixpanel-import (npm)", at_most=False),
    Target(
        "slow_rate_to_utils",
        "events/s at 100 ms, one container of 10 senders / mixpanel-utils with 10",
        at_most=False,
    ),
)
_HIGHER_IS_BETTER = tuple(t.key for t in TARGETS if t.key.endswith(("events_per_s", "fleet_rate_to_utils")))
# Figures of other programs only: they change with their versions and the machine.
_NOT_OURS = (
    "floor_",
    "single_floor_",
    "runtime_floor_",
    "utils_",
    "mixpanel_",
    "import_cpu_s",
    "import_events",
)


def table(values: Mapping[str, float | None]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| measure | value | target | verdict |", "|---|---|---|---|"]
    for target in TARGETS:
        value = values.get(target.key)
        shown = "-" if value is None else f"{value:,.4g} {target.unit}".strip()
        lines.append(f"| {target.title} | {shown} | {target.wanted} | {target.verdict(value)} |")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure in two runs. `part` is its relative growth."""

    key: str
    before: float
    now: float
    is_worse: bool

    @property
    def part(self) -> float:
        """Return the change relative to the earlier value."""
        return self.now / self.before - 1


def compare(before: Mapping[str, float | None], now: Mapping[str, float | None]) -> Sequence[Change]:
    """Return the change of each figure in both runs; only our own figures can be worse."""
    return [
        _change(target, was, is_)
        for target in TARGETS
        if (was := before.get(target.key)) and (is_ := now.get(target.key)) is not None
    ]


def _change(target: Target, before: float, now: float) -> Change:
    grows = now / before - 1
    is_good_to_grow = not target.at_most or target.key in _HIGHER_IS_BETTER
    loss = 0.0 if target.key.startswith(_NOT_OURS) else -grows if is_good_to_grow else grows
    return Change(target.key, before, now, loss > REGRESSION_PART)
