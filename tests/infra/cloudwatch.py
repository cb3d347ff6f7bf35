"""What CloudWatch makes of an alarm and of metrics, as far as the template's alarms need.

Source: CloudWatch User Guide (alarm evaluation, missing data), read 2026-11: windows slide; where fewer
points are found than evaluated, the rule for missing data decides; some more periods than those evaluated are
looked at, how many is not said.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from typing import Any

from tests.infra.metric_math import evaluate_expression

# The point of the period that ends then.
PointAt = Callable[[float], float | None]


class State(StrEnum):
    """Of an alarm; INSUFFICIENT_DATA does not occur with the treatments that the template uses."""

    OK = "OK"
    ALARM = "ALARM"


def series_key(namespace: Any, name: str, dimension: Any) -> str:
    """Return the key of a metric; `dimension` is that of its one dimension, as in the template, or None."""
    return f"{namespace} {name} {json.dumps(dimension)}"


@dataclass
class Metrics:
    """What was published: for each metric its samples, in the order of time."""

    times_s: dict[str, list[float]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)

    def put(self, key: str, at_s: float, value: float) -> None:
        """Publish a sample; not before the last one of this metric."""
        times_s = self.times_s.setdefault(key, [])
        assert not times_s or times_s[-1] <= at_s
        times_s.append(at_s)
        self.values.setdefault(key, []).append(value)

    def window(self, key: str, from_s: float, to_s: float) -> Sequence[float]:
        """Return the samples after `from_s` until `to_s`."""
        times_s = self.times_s.get(key, [])
        return self.values.get(key, [])[bisect_right(times_s, from_s) : bisect_right(times_s, to_s)]


_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}


@dataclass(frozen=True, slots=True)
class Query:
    """One metric as an alarm reads it."""

    key: str
    statistic: str
    period_s: int

    def point(self, metrics: Metrics, end_s: float) -> float | None:
        """Return the point of the period that ends then, None where nothing was published."""
        found = metrics.window(self.key, end_s - self.period_s, end_s)
        return _STATISTICS[self.statistic](found) if found else None


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of the template, its references resolved."""

    queries: Mapping[str, Query]
    expression: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    treat_missing: str
    rings_below: bool = False

    @property
    def period_s(self) -> int:
        """Seconds of a period; all metrics of an alarm have the same."""
        [period_s] = {query.period_s for query in self.queries.values()}
        return period_s

    def point(self, metrics: Metrics, end_s: float) -> float | None:
        """Return the point that is compared with the threshold."""
        points = {name: query.point(metrics, end_s) for name, query in self.queries.items()}
        return evaluate_expression(self.expression, points)

    def state(self, point_at: PointAt, at_s: float, before: State, *, extra_periods: int) -> State:
        """Return the alarm's state at a time.

        Args:
            point_at: its points.
            at_s: when.
            before: its state until now.
            extra_periods: how many periods more than those evaluated are looked at.
        """
        count, period_s = self.evaluation_periods + extra_periods, self.period_s
        points = [point_at(at_s - number * period_s) for number in range(count)]
        found = [self._breaches(point) for point in points if point is not None]
        return judge(
            found[: self.evaluation_periods],
            before,
            missing_count=max(0, self.evaluation_periods - len(found)),
            datapoints_to_alarm=self.datapoints_to_alarm,
            treat_missing=self.treat_missing,
        )

    def _breaches(self, point: float) -> bool:
        return point < self.threshold if self.rings_below else point > self.threshold


def judge(
    breaching: Sequence[bool],
    before: State,
    *,
    missing_count: int,
    datapoints_to_alarm: int,
    treat_missing: str,
) -> State:
    """Return the state that so many points, breaching or not, and so many missing ones make."""
    if treat_missing == "ignore" and missing_count and all(breaching):
        return before
    bad = sum(breaching) + (missing_count if treat_missing == "breaching" else 0)
    return State.ALARM if bad >= datapoints_to_alarm else State.OK


def read_alarm(properties: Mapping[str, Any], parameters: Mapping[str, Any]) -> Alarm:
    """Return the alarm that a resource's properties describe, with these parameters' values."""
    assert properties["ComparisonOperator"] in {"GreaterThanThreshold", "LessThanThreshold"}
    assert properties["TreatMissingData"] in {"breaching", "ignore", "notBreaching"}
    queries, expression = _read_queries(properties)
    return Alarm(
        queries=queries,
        expression=expression,
        threshold=_number(properties["Threshold"], parameters),
        evaluation_periods=int(_number(properties["EvaluationPeriods"], parameters)),
        datapoints_to_alarm=int(_number(properties["DatapointsToAlarm"], parameters)),
        treat_missing=properties["TreatMissingData"],
        rings_below=properties["ComparisonOperator"] == "LessThanThreshold",
    )


def _number(value: Any, parameters: Mapping[str, Any]) -> float:
    return float(parameters[value["Ref"]] if isinstance(value, Mapping) else value)


def _read_queries(properties: Mapping[str, Any]) -> tuple[dict[str, Query], str]:
    if "MetricName" in properties:
        return {"metric": _query(properties, properties["Statistic"], properties["Period"])}, "metric"
    [expression] = [q["Expression"] for q in properties["Metrics"] if q["ReturnData"]]
    stats = {q["Id"]: q["MetricStat"] for q in properties["Metrics"] if "MetricStat" in q}
    return {name: _query(s["Metric"], s["Stat"], s["Period"]) for name, s in stats.items()}, expression


def _query(metric: Mapping[str, Any], statistic: str, period_s: int) -> Query:
    # What a metric filter publishes has no dimension.
    [dimension] = metric.get("Dimensions", [{"Value": None}])
    key = series_key(metric["Namespace"], metric["MetricName"], dimension["Value"])
    return Query(key, statistic, period_s)


def changes(
    alarm: Alarm, metrics: Metrics, *, from_s: float, to_s: float, extra_periods: int
) -> list[tuple[float, State]]:
    """Return when the alarm rang and when it was over, looked at each minute (hourly where it spans days)."""
    is_multi_day = alarm.period_s * alarm.evaluation_periods > 86_400
    step_s = 3_600 if is_multi_day else 60
    point_at = cache(partial(alarm.point, metrics))
    state, found = State.OK, []
    for at_s in range(int(from_s), int(to_s) + 1, step_s):
        now = alarm.state(point_at, at_s, state, extra_periods=extra_periods)
        if now is not state:
            found.append((at_s - from_s, now))
        state = now
    return found
