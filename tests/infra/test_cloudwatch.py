"""The evaluator of alarms: it decides as the tables in AWS's guide say."""

from functools import partial

import pytest

from tests.infra.cloudwatch import Alarm, Metrics, Query, State, changes
from tests.infra.composite import composite_changes, is_true
from tests.infra.metric_math import evaluate_expression

KEY = "metric"


def make_alarm(periods: int, to_alarm: int, treat_missing: str, period_s: int = 60) -> Alarm:
    """Return an alarm on one metric above 0."""
    return Alarm({"metric": Query(KEY, "Maximum", period_s)}, "metric", 0.0, periods, to_alarm, treat_missing)


def make_metrics(points: str) -> tuple[Metrics, float]:
    """Return metrics of one point a minute, oldest first (X breaching, 0 not, - missing), and their end."""
    metrics = Metrics()
    for number, point in enumerate(points):
        if point != "-":
            metrics.put(KEY, number * 60 + 1, float(point == "X"))
    return metrics, len(points) * 60.0


def state_of(treat_missing: str, to_alarm: int, points: str, before: State) -> State:
    """Return the state of an alarm that evaluates three of these points."""
    alarm = make_alarm(3, to_alarm, treat_missing)
    metrics, at_s = make_metrics(points)
    return alarm.state(partial(alarm.point, metrics), at_s, before, extra_periods=len(points) - 3)


@pytest.mark.parametrize(
    ("points", "to_alarm", "ignoring", "not_breaching", "breaching"),
    [
        # 3 of 3
        ("0-X-X", 3, State.OK, State.OK, State.OK),
        ("0----", 3, State.OK, State.OK, State.OK),
        ("-----", 3, None, State.OK, State.ALARM),
        ("0XX-X", 3, State.ALARM, State.ALARM, State.ALARM),
        ("--X--", 3, None, State.OK, State.ALARM),
        # 2 of 3
        ("0-X-X", 2, State.ALARM, State.ALARM, State.ALARM),
        ("00X0X", 2, State.ALARM, State.ALARM, State.ALARM),
        ("0-X--", 2, State.OK, State.OK, State.ALARM),
        ("----0", 2, State.OK, State.OK, State.ALARM),
        ("---X-", 2, None, State.OK, State.ALARM),
    ],
)
def test_missing_points_are_treated_as_documented(
    points: str, to_alarm: int, ignoring: State | None, not_breaching: State, breaching: State
) -> None:
    """The rows of the guide's two tables: five points, three of them evaluated; None: as before."""
    for before in State:
        assert state_of("ignore", to_alarm, points, before) is (ignoring or before)
        assert state_of("notBreaching", to_alarm, points, before) is not_breaching
        assert state_of("breaching", to_alarm, points, before) is breaching


@pytest.mark.parametrize(
    ("rule", "ringing", "expected"),
    [
        ('ALARM("${A}") OR ALARM("${B}")', {"B"}, True),
        ('ALARM("${A}") OR ALARM("${B}")', set[str](), False),
        ('ALARM("${A}") AND NOT ALARM("${B}")', {"A"}, True),
        ('ALARM("${A}") AND NOT (ALARM("${B}") OR OK("${C}"))', {"A", "B"}, False),
    ],
)
def test_the_rule_of_a_composite_alarm(rule: str, ringing: set[str], expected: object) -> None:
    """AND, OR, NOT and brackets on the states of other alarms."""
    assert is_true(rule, dict.fromkeys(ringing, State.ALARM)) is expected


def test_an_unknown_rule_is_refused() -> None:
    """What the evaluator does not know is an error, not a guess."""
    with pytest.raises(NotImplementedError):
        is_true('AT_LEAST(2, ALARM, "${A}")', {})


def test_a_composite_alarm_rings_from_the_first_to_the_last() -> None:
    """It changes once where the alarms in it overlap, and twice where they do not."""
    rings = {
        "A": [(60.0, State.ALARM), (300.0, State.OK), (600.0, State.ALARM), (660.0, State.OK)],
        "B": [(120.0, State.ALARM), (360.0, State.OK)],
    }

    found = composite_changes('ALARM("${A}") OR ALARM("${B}")', rings)

    assert found == [(60, State.ALARM), (360, State.OK), (600, State.ALARM), (660, State.OK)]


def test_windows_slide() -> None:
    """A sample in minute 3 is in the five-minute windows that end with minute 3 to 7, and in no later one."""
    metrics, _ = make_metrics("--X")

    found = changes(make_alarm(1, 1, "notBreaching", 300), metrics, from_s=0, to_s=900, extra_periods=0)

    assert found == [(180, State.ALARM), (480, State.OK)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FILL(missing, 0) + FILL(two, 0)", 2),
        ("missing + two", None),
        ("MAX([FILL(missing, 0), four / 1000])", 0.004),
        ("IF(two > 0 AND zero == 0 AND four > 0, 1, 0)", 1),
        ("IF(two > 0 AND four == 0 AND four > 0, 1, 0)", 0),
        ("IF(missing > 0 AND zero == 0, 1, 0)", None),
    ],
)
def test_metric_math(expression: str, expected: float | None) -> None:
    """Each form that the template uses comes to what CloudWatch would make of it."""
    points = {"missing": None, "zero": 0.0, "two": 2.0, "four": 4.0}

    assert evaluate_expression(expression, points) == expected


def test_unknown_metric_math_is_refused() -> None:
    """What the evaluator does not know is an error, not a guess."""
    with pytest.raises(NotImplementedError):
        evaluate_expression("RATE(two)", {"two": 2.0})
