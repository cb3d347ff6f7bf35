"""Write the tables and plots of docs/reference/bench.md from results."""

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.targets import table

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reference/bench.md"
PLOTS = ROOT / "docs/plots"
_BARS = {
    "bench-cpu": ("CPU of 100,000 events, seconds", (
        ("floor program", "floor_cpu_s_per_100k"),
        ("handler, 100 a message", "cpu_s_per_100k"),
        ("handler, one a message", "single_cpu_s_per_100k"),
        ("mixpanel-import (npm), in memory", "import_cpu_s_per_100k"),
        ("mixpanel-utils", "utils_cpu_s_per_100k"),
        ("mixpanel", "mixpanel_cpu_s_per_100k"),
    )),
    "bench-rate": ("events/s, thousands", (
        ("handler, 100 a message", "events_per_s"),
        ("handler, one a message", "single_events_per_s"),
        ("mixpanel-import (npm), in memory", "import_events_per_s"),
    )),
    "bench-slow": ("events/s where an answer takes 100 ms, thousands", (
        ("handler, one container", "slow_events_per_s"),
        ("handler, 10 containers", "fleet_events_per_s"),
        ("mixpanel-utils, 10 threads", "utils_slow_events_per_s"),
    )),
    "bench-instructions": ("instructions of an event, thousands", (
        ("floor program", "floor_instructions"),
        ("handler, 100 a message", "instructions"),
        ("handler, 10 odd events in 100", "odd_instructions"),
        ("handler, one a message", "single_instructions"),
    )),
}  # fmt: skip


def write_page(result: Mapping[str, Any]) -> None:
    """Write the table between its marks, and the plots."""
    caption = (
        f"{result['events']:,} events a run, medians of {result['runs']} runs, {result['at'][:10]}, "
        f"Python {result['python']}; Lambda's Python is {result['runtime']}."
    )
    write_block("table", f"{caption}\n\n{table(result['values'])}")
    for name, (title, bars) in _BARS.items():
        _draw(PLOTS / f"{name}.svg", title, {label: result["values"].get(key) for label, key in bars})


def write_block(name: str, text: str, page: Path = PAGE) -> None:
    """Replace the text between the marks of that name, by default in docs/reference/bench.md."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.read_text().partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def require_matplotlib() -> None:
    """Exit where the plots could not be drawn: before minutes of measuring, not after.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise SystemExit("The plots need matplotlib: .venv/bin/pip install -r requirements/bench.txt")


def _draw(path: Path, title: str, bars: Mapping[str, float | None]) -> None:
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"  # the same figures give the same file
    plot = importlib.import_module("matplotlib.pyplot")
    known = {label: value for label, value in reversed(list(bars.items())) if value is not None}
    scale = 1_000 if "thousands" in title else 1
    figure, axes = plot.subplots(figsize=(8, 0.45 * len(known) + 0.9), layout="constrained")
    drawn = axes.barh(list(known), [value / scale for value in known.values()], color="#4f46e5")
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.set_xlabel(title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plot.close(figure)
