"""The plots of docs/reference/capacity.md."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.capacity_reports import CPU_MB, ask, ask_live

ROOT = Path(__file__).parents[1]
PLOTS = ROOT / "docs/plots"


def draw() -> list[str]:
    """Draw the plots, and return their paths.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    try:
        plt: Any = importlib.import_module("matplotlib.pyplot")
    except ModuleNotFoundError:
        raise SystemExit(
            "The plots need matplotlib: .venv/bin/python -m pip install -r requirements/bench.txt"
        ) from None
    plt.rcParams |= {"svg.hashsalt": "whyness", "svg.fonttype": "none", "font.size": 10}
    PLOTS.mkdir(exist_ok=True)
    return [_draw_cost(plt), _draw_drain(plt)]


def _draw_cost(plt: Any) -> str:
    counts = [10 ** (4 + step / 8) for step in range(49)]
    packed = [ask(count, 100) for count in counts]
    lines = {
        "this, 100 events a message": [one.costs.total for one in packed],
        "this, live traffic": [ask_live(count).costs.total for count in counts],
        "this, one event a message": [ask(count, 1).costs.total for count in counts],
        "EventBridge API destinations": [one.alternatives[0].usd_per_month for one in packed],
        "Celery worker, t4g.small": [one.alternatives[1].usd_per_month for one in packed],
    }
    return _plot(plt, "capacity-cost", counts, lines, ("What a month costs", "USD a month"))


def _draw_drain(plt: Any) -> str:
    counts = [10 ** (5 + step / 16) for step in range(76)]
    kinds = {
        "512 MB, 100 events a message": (100, 512),
        "512 MB, one event a message": (1, 512),
        "1,769 MB, 100 events a message": (100, CPU_MB),
    }
    lines: dict[str, list[float | None]] = {}
    for name, (packed, memory_mb) in kinds.items():
        reports = [ask(count, packed, memory_mb=memory_mb) for count in counts]
        lines[f"drained after 4 h outage: {name}"] = [_hours(report.drain_s) for report in reports]
        if packed == 1:
            lines[f"behind after busy hours: {name}"] = [
                _hours(report.peak_lag_s or None) for report in reports
            ]
    return _plot(plt, "capacity-lag", counts, lines, ("How long events wait, one project", "hours"))


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / 3_600


def _plot(plt: Any, name: str, counts: Sequence[float], lines: dict[str, Any], texts: tuple[str, str]) -> str:
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for label, values in lines.items():
        axes.plot(counts, [float("nan") if value is None else value for value in values], label=label)
    axes.set(xscale="log", yscale="log", xlabel="events a day", title=texts[0], ylabel=texts[1])
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    path = PLOTS / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return str(path.relative_to(ROOT))
