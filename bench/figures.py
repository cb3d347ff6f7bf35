"""The figures of the table from what the runs found. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Measured = dict[str, Any]


def medians_of(runs: Sequence[Measured]) -> Measured:
    """Return the median of each figure."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def values_of(medians: Mapping[str, Measured]) -> dict[str, float | None]:
    """Return the figures of the table from the medians by name."""
    packed, single, floor = medians["packed"], medians["single"], medians["floor"]
    cpu_s = packed["cpu_s_per_100k"]
    values: dict[str, float | None] = {
        "cpu_to_floor": cpu_s / floor["cpu_s_per_100k"],
        "single_to_packed": single["cpu_s_per_100k"] / cpu_s,
        "odd_to_packed": medians["odd"]["cpu_s_per_100k"] / cpu_s,
        "growth": medians["12,000"]["wall_s"] / medians["1,200"]["wall_s"],
        "peak_over_idle_mib": packed["peak_over_idle_mib"],
        "import_to_libraries": medians["import"]["cpu_ms"] / medians["libraries"]["cpu_ms"],
        "publisher_us": medians["publisher"]["cpu_us"],
        "cpu_s_per_100k": cpu_s,
        "single_cpu_s_per_100k": single["cpu_s_per_100k"],
        "floor_cpu_s_per_100k": floor["cpu_s_per_100k"],
        "events_per_s": packed["events_per_s"],
        "single_events_per_s": single["events_per_s"],
        "import_cpu_ms": medians["import"]["cpu_ms"],
        "slow_events_per_s": medians["slow"]["events_per_s"],
        "fleet_events_per_s": medians["fleet"]["events_per_s"],
    }
    values |= _runtime_values(medians) if "runtime packed" in medians else {}
    return values | (_peer_values(medians) if "utils" in medians else {})


def _runtime_values(medians: Mapping[str, Measured]) -> dict[str, float]:
    packed, single, floor = (
        medians[f"runtime {way}"]["cpu_s_per_100k"] for way in ("packed", "single", "floor")
    )
    return {
        "runtime_cpu_to_floor": packed / floor,
        "runtime_cpu_s_per_100k": packed,
        "runtime_single_cpu_s_per_100k": single,
        "runtime_floor_cpu_s_per_100k": floor,
    }


def _peer_values(medians: Mapping[str, Measured]) -> dict[str, float]:
    packed, utils, mixpanel = medians["packed"], medians["utils"], medians["mixpanel"]
    # Its better result, with or without compression.
    importer = [medians["mixpanel-import gzip"], medians["mixpanel-import plain"]]
    import_cpu_s = min(run["cpu_s_per_100k"] for run in importer)
    return {
        "cpu_to_utils": packed["cpu_s_per_100k"] / utils["cpu_s_per_100k"],
        "cpu_to_mixpanel": packed["cpu_s_per_100k"] / mixpanel["cpu_s_per_100k"],
        "cpu_to_import": packed["cpu_s_per_100k"] / import_cpu_s,
        "rate_to_import": packed["events_per_s"] / max(run["events_per_s"] for run in importer),
        "slow_rate_to_utils": medians["slow"]["events_per_s"] / medians["utils slow"]["events_per_s"],
        "fleet_rate_to_utils": medians["fleet"]["events_per_s"] / medians["utils slow"]["events_per_s"],
        "floor_to_utils": medians["floor"]["cpu_s_per_100k"] / utils["cpu_s_per_100k"],
        "floor_to_import": medians["floor"]["cpu_s_per_100k"] / import_cpu_s,
        "utils_slow_events_per_s": medians["utils slow"]["events_per_s"],
        "import_events_per_s": max(run["events_per_s"] for run in importer),
        "utils_cpu_s_per_100k": utils["cpu_s_per_100k"],
        "mixpanel_cpu_s_per_100k": mixpanel["cpu_s_per_100k"],
        "import_cpu_s_per_100k": import_cpu_s,
    }


def instructions_key(way: str) -> str:
    """Return the key of a way's instructions."""
    return "instructions" if way == "packed" else f"{way}_instructions"


def instruction_ratios(counted: Mapping[str, float]) -> dict[str, float]:
    """Return the ratios of counts to others."""
    return {
        "instructions_to_floor": counted["instructions"] / counted["floor_instructions"],
        "single_instructions_to_floor": counted["single_instructions"] / counted["single_floor_instructions"],
        "odd_instructions_to_packed": counted["odd_instructions"] / counted["instructions"],
    }
