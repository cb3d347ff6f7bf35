"""What the benchmark decides: verdicts, regressions, its table, and that its work is the same each time."""

import json

import pytest

from bench import targets, workload
from bench.figures import instruction_ratios, instructions_key, values_of
from bench.instructions import FLOORS, WAYS
from bench.targets import TARGETS, Target

_FIGURES = {"cpu_s_per_100k": 1.0, "events_per_s": 100.0, "wall_s": 2.0, "peak_over_idle_mib": 30.0}


def _found(**over: dict[str, float]) -> dict[str, dict[str, float]]:
    names = ("packed", "odd", "single", "floor", "12,000", "1,200", "slow", "fleet")
    found = {name: dict(_FIGURES) for name in names}
    found |= {"import": {"cpu_ms": 50.0}, "libraries": {"cpu_ms": 100.0}, "publisher": {"cpu_us": 40.0}}
    return found | over


@pytest.mark.parametrize(
    ("value", "at_most", "verdict"),
    [
        (2.0, True, "met"),
        (2.01, True, "missed"),
        (2.0, False, "met"),
        (1.99, False, "missed"),
        (None, True, "not measured"),
    ],
)
def test_verdict_is_by_the_limit(value: float | None, at_most: bool, verdict: str) -> None:  # noqa: FBT001  (a table)
    """The limit itself is met."""
    assert Target("key", "title", limit=2.0, at_most=at_most).verdict(value) == verdict


def test_figure_without_a_target_has_no_verdict() -> None:
    """It is only shown."""
    assert Target("key", "title").verdict(1.0) == ""


@pytest.mark.parametrize(
    ("key", "now", "is_worse"),
    [
        ("cpu_to_floor", 1.09, False),
        ("cpu_to_floor", 1.11, True),
        ("cpu_to_floor", 0.5, False),
        ("events_per_s", 0.89, True),
        ("events_per_s", 2.0, False),
        ("rate_to_import", 0.89, True),
        ("fleet_events_per_s", 0.89, True),
        ("fleet_rate_to_utils", 2.0, False),
        ("utils_cpu_s_per_100k", 2.0, False),
        ("import_cpu_s_per_100k", 2.0, False),
        ("import_cpu_ms", 2.0, True),
    ],
)
def test_regression_is_more_than_a_tenth_in_the_wrong_direction(
    key: str,
    now: float,
    is_worse: bool,  # noqa: FBT001  (a table)
) -> None:
    """Whether more is better depends on the figure."""
    (change,) = targets.compare({key: 1.0}, {key: now})

    assert change.is_worse == is_worse
    assert change.part == pytest.approx(now - 1)


def test_only_what_both_runs_have_is_compared() -> None:
    """A run without other clients compares with one that has them."""
    assert targets.compare({"cpu_to_utils": 1.0, "growth": None}, {"growth": 1.0}) == []


def test_ratios_are_of_the_medians_of_one_run() -> None:
    """Ours over theirs."""
    values = values_of(_found(floor=_FIGURES | {"cpu_s_per_100k": 0.5}))

    assert values["cpu_to_floor"] == 2.0
    assert values["import_to_libraries"] == 0.5
    assert "cpu_to_utils" not in values


def test_other_clients_best_figures_count() -> None:
    """With compression or without, whichever is less work, and whichever is faster."""
    peers = {
        "utils": dict(_FIGURES),
        "utils slow": dict(_FIGURES),
        "mixpanel": dict(_FIGURES),
        "mixpanel-import gzip": _FIGURES | {"cpu_s_per_100k": 4.0, "events_per_s": 50.0},
        "mixpanel-import plain": _FIGURES | {"cpu_s_per_100k": 2.0, "events_per_s": 25.0},
    }

    values = values_of(_found(**peers))

    assert values["cpu_to_import"] == 0.5
    assert values["rate_to_import"] == 2.0


def test_figures_of_lambdas_python_are_beside_the_others() -> None:
    """They are left out where the machine has no such Python."""
    on_runtime = {
        f"runtime {way}": _FIGURES | {"cpu_s_per_100k": cpu_s}
        for way, cpu_s in {"packed": 3.0, "single": 4.0, "floor": 2.0}.items()
    }

    values = values_of(_found(**on_runtime))

    assert values["runtime_cpu_to_floor"] == 1.5
    assert values["runtime_single_cpu_s_per_100k"] == 4.0
    assert values["cpu_to_floor"] == 1.0
    assert not [key for key in values_of(_found()) if key.startswith("runtime")]


def test_every_figure_has_a_row() -> None:
    """A figure without a row would be measured for nothing."""
    counted = {instructions_key(way): 1.0 for way in {**WAYS, **FLOORS}}
    found = [*values_of(_found()), *counted, *instruction_ratios(counted)]

    assert set(found) <= {target.key for target in TARGETS}


def test_table_has_a_row_for_each_figure() -> None:
    """Also where it was not measured."""
    rows = targets.table({"cpu_to_floor": 1.5}).splitlines()[2:]

    assert len(rows) == len(TARGETS)
    assert rows[0] == "| CPU of the handler / floor program | 1.5 | ≤ 1.6 | met |"
    assert rows[1].endswith("| - | ≤ 40,460 | not measured |")


def test_work_is_the_same_each_time_and_as_described() -> None:
    """Seeded; 450 bytes an event, every address another, 60 user agents."""
    events = list(workload.events(2_000))

    assert events == list(workload.events(2_000))
    assert len({event.ip for event in events}) == 2_000
    assert len({event.useragent for event in events}) == 60
    bodies = [r["body"] for each in workload.invocations(2_000, per_message=100) for r in each["Records"]]
    assert 420 < sum(map(len, bodies)) / 2_000 < 480


def test_invocations_hold_what_lambda_hands_over() -> None:
    """6 MB of JSON at most, all events in order, none twice."""
    found = workload.invocations(30_000, per_message=100)

    assert all(len(json.dumps(each)) < 6_100_000 for each in found)
    sent = [event["properties"]["$insert_id"] for event in workload.read(found)]
    assert sent == [event.insert_id for event in workload.events(30_000)]
