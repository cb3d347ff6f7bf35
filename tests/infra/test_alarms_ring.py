"""Which alarm rings by when, over metrics that the delivery code makes in virtual time; calm is silent."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.builders import NOW_MS, make_body, make_event, make_raw
from tests.fakes import Late, Posted, accept
from tests.infra.cloudformation import evaluate
from tests.infra.cloudwatch import Alarm, Metrics, State, changes, read_alarm, series_key
from tests.infra.composite import alarms_in, composite_changes
from tests.infra.pipeline_run import DEAD_LETTER_QUEUE, FUNCTION, HOUR_S, MINUTE_S, Mixpanel, PipelineRun
from tests.responders import LOST
from whyness_events.delivery.ports import Answer

DAY_S = 24 * HOUR_S
# Seconds between messages. Busy: 1,200 an hour, so that an outage soon passes the backlog alarm's default.
BUSY_S = 3.0
QUIET_S = 15 * MINUTE_S
HARDLY_ANY_S = 6 * HOUR_S
# What rings in every total outage, whatever its cause.
OUTAGE = {"NothingDeliveredAlarm", "RecordAgeAlarm"}
SETUP = OUTAGE | {"SetupFaultsAlarm", "BreakerOpenAlarm"}
# How many periods more than it evaluates CloudWatch looks at: it does not say, so all must hold for either.
EXTRA_PERIODS = (0, 2)
# Where nothing follows, a bad try of long ago is the newest that is known: 25 minutes, and the extra periods.
REMEMBERED_S = 76 * MINUTE_S
Rings = Mapping[str, Sequence[tuple[float, State]]]


@pytest.fixture(scope="session")
def alarms(template: dict[str, Any]) -> dict[str, Alarm]:
    """Return the alarms of a prod stack, with the parameters' defaults."""
    return deployed(template, {})


@pytest.fixture(scope="session")
def rule(resources: dict[str, Any]) -> str:
    """Return the rule of the composite alarm."""
    return str(resources["EventsDoNotArriveAlarm"]["AlarmRule"]["Fn::Sub"])


def deployed(template: dict[str, Any], given: Mapping[str, str]) -> dict[str, Alarm]:
    """Return the alarms of a prod stack with these parameters; a composite alarm has no metrics."""
    defaults = {name: str(p.get("Default", "")) for name, p in template["Parameters"].items()}
    values = {**defaults, "EnvironmentName": "prod", **given}
    exists = {name: evaluate(c, values, template["Conditions"]) for name, c in template["Conditions"].items()}
    found = {n: r for n, r in template["Resources"].items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    return {
        n: read_alarm(r["Properties"], values)
        for n, r in found.items()
        if "Condition" not in r or exists[r["Condition"]]
    }


def assert_mailed_once(rule: str, rings: Rings, *, over: bool = True) -> None:
    """Fail unless one mail says that events do not arrive, with the first alarm, and one that it is over."""
    found = composite_changes(rule, rings)
    assert [state for _, state in found] == [State.ALARM, State.OK][: 1 + over], found
    assert found[0][0] == min(rings[name][0][0] for name in alarms_in(rule) if name in rings)


def test_each_alarm_rings_in_some_trouble(template: dict[str, Any]) -> None:
    """The tests here name all that rings: an alarm that none names, nobody has seen ring."""
    tests = Path(__file__).read_text()
    kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")

    named = {n for n, r in template["Resources"].items() if r["Type"] in kinds and f'"{n}"' in tests}

    assert named == {n for n, r in template["Resources"].items() if r["Type"] in kinds}


def watch(alarms: Mapping[str, Alarm], metrics: Metrics, for_s: float) -> list[Rings]:
    """Return what each alarm did that did anything, for each number of extra periods."""
    # An alarm none of whose metrics was ever published stays as it is made.
    watched = {n: a for n, a in alarms.items() if any(q.key in metrics.times_s for q in a.queries.values())}
    found = [
        {n: changes(a, metrics, from_s=0, to_s=for_s, extra_periods=extra) for n, a in watched.items()}
        for extra in EXTRA_PERIODS
    ]
    return [{name: states for name, states in rings.items() if states} for rings in found]


def publish_every(run: PipelineRun, every_s: float, until_s: float) -> None:
    """Let the app publish single events, at about even intervals."""
    rng = random.Random(2)  # noqa: S311  (traffic)
    for number in range(int(until_s / every_s)):
        at_s = (number + rng.random()) * every_s
        run.publish(at_s, make_body(make_event(time=NOW_MS + int(at_s * 1000))))


def during(from_s: float, to_s: float, answer: Answer | Late) -> Mixpanel:
    """Answer this in the window, and accept all before and after."""
    return lambda posted, at_s: answer if from_s <= at_s < to_s else accept(posted)


def assert_rang_once(rings: Rings, name: str, *, after_s: float, by_s: float, over_by_s: float) -> None:
    """Fail unless the alarm rang once, in this time, and was over by then: one that flaps gets ignored."""
    states = rings.get(name, [])
    assert [state for _, state in states] == [State.ALARM, State.OK], (name, states)
    (rang_s, _), (was_over_s, _) = states
    assert after_s < rang_s <= by_s, (name, rang_s / MINUTE_S)
    assert was_over_s <= over_by_s, (name, was_over_s / MINUTE_S)


def total(metrics: Metrics, name: str) -> float:
    """Return the sum of one of the function's metrics."""
    return sum(metrics.values[series_key("Whyness", name, FUNCTION)])


@pytest.mark.parametrize(
    ("every_s", "for_s"),
    [(BUSY_S, 2 * HOUR_S), (QUIET_S, DAY_S), (HARDLY_ANY_S, 2 * DAY_S)],
    ids=["busy", "quiet", "hardly any"],
)
def test_calm_rings_nothing(alarms: dict[str, Alarm], every_s: float, for_s: float) -> None:
    """Whatever the traffic, an alarm without trouble is a defect."""
    run = PipelineRun(lambda posted, _: accept(posted))
    publish_every(run, every_s, for_s)

    metrics = run.run(for_s)

    assert total(metrics, "EventsDelivered") >= 8
    assert watch(alarms, metrics, for_s) == [{}, {}]


def test_no_traffic_rings_nothing(alarms: dict[str, Alarm]) -> None:
    """Without a message there is no metric of the function, and none of a queue need be."""
    metrics = PipelineRun(lambda posted, _: accept(posted), reports_zero=False).run(HOUR_S)

    assert metrics.times_s == {}
    assert watch(alarms, metrics, HOUR_S) == [{}, {}]


@pytest.mark.parametrize("every_s", [60.0, QUIET_S], ids=["busy", "quiet"])
@pytest.mark.parametrize(
    ("ahead_s", "expected"), [(14 * MINUTE_S, set()), (50 * MINUTE_S, {"BacklogAgeAlarm"})]
)
def test_events_dated_ahead_ring_nothing_of_ours(
    alarms: dict[str, Alarm], every_s: float, ahead_s: float, expected: set[str]
) -> None:
    """They wait for nothing but their time. Only SQS's own age counts from when they were published."""
    run = PipelineRun(lambda posted, _: accept(posted))
    for number in range(int(DAY_S / 4 / every_s)):
        at_s = number * every_s
        run.publish(at_s, make_body(make_event(time=NOW_MS + int((at_s + ahead_s) * 1000))))

    metrics = run.run(DAY_S / 4 + HOUR_S)

    assert total(metrics, "EventsDelivered") >= 20
    assert total(metrics, "RecordsHandedBack") == 0
    assert [set(rings) for rings in watch(alarms, metrics, DAY_S / 4 + HOUR_S)] == [expected, expected]


@pytest.mark.parametrize("every_s", [20.0, QUIET_S], ids=["busy", "quiet"])
def test_failures_that_pass_ring_nothing(alarms: dict[str, Alarm], every_s: float) -> None:
    """Lost requests, two minutes of 503 each quarter of an hour: retries deal with it, nobody is woken."""
    rng = random.Random(3)  # noqa: S311  (faults)

    def mixpanel(posted: Posted, at_s: float) -> Answer:
        if at_s % QUIET_S < 2 * MINUTE_S:
            return Answer(503)
        return LOST if rng.random() < 0.1 else accept(posted)

    run = PipelineRun(mixpanel)
    publish_every(run, every_s, DAY_S / 2)

    metrics = run.run(DAY_S / 2)

    assert total(metrics, "RecordsHandedBack") > 3
    assert watch(alarms, metrics, DAY_S / 2) == [{}, {}]


@pytest.mark.parametrize(
    ("answer", "reports_zero", "also"),
    [
        (Answer(503), True, set[str]()),
        (Answer(503), False, set[str]()),
        (Late(Answer(200), 31.0), True, set[str]()),
        (Answer(429), True, set[str]()),
        # With such pauses messages grow old in three tries, and so SQS's own age sees them.
        (Answer(429, retry_after="600"), True, {"BacklogAgeAlarm"}),
    ],
    ids=["503", "503, zeros left out", "hangs", "429", "429, wait 10 minutes"],
)
def test_an_outage_on_a_busy_day(
    alarms: dict[str, Alarm], rule: str, answer: Answer | Late, *, reports_zero: bool, also: set[str]
) -> None:
    """Two hours of it: nothing-delivered, then age, then count; each rings once and is over soon after."""
    start_s, end_s, for_s = HOUR_S, 3 * HOUR_S, 5 * HOUR_S
    run = PipelineRun(during(start_s, end_s, answer), reports_zero=reports_zero)
    publish_every(run, BUSY_S, 4 * HOUR_S)

    for rings in watch(alarms, run.run(for_s), for_s):
        soon_s = end_s + 50 * MINUTE_S  # the last try, and what a window remembers
        for name, by_minutes in [("NothingDelivered", 20), ("RecordAge", 40), ("BacklogCount", 80)]:
            by_s = start_s + by_minutes * MINUTE_S
            assert_rang_once(rings, f"{name}Alarm", after_s=start_s, by_s=by_s, over_by_s=soon_s)
        assert set(rings) == OUTAGE | {"BacklogCountAlarm"} | also
        assert_mailed_once(rule, rings)


def test_a_rate_limit_that_lets_most_through_rings_nothing(alarms: dict[str, Alarm]) -> None:
    """Three requests in ten are refused for the moment: slower, and nobody's night."""
    rng = random.Random(4)  # noqa: S311  (faults)
    refused = 0

    def mixpanel(posted: Posted, _: float) -> Answer:
        nonlocal refused
        is_refused = rng.random() < 0.3
        refused += is_refused
        return Answer(429) if is_refused else accept(posted)

    run = PipelineRun(mixpanel)
    publish_every(run, 20.0, DAY_S / 4)

    metrics = run.run(DAY_S / 4)

    assert refused > 0.2 * total(metrics, "EventsDelivered") > 0
    assert watch(alarms, metrics, DAY_S / 4) == [{}, {}]


def test_a_rate_limit_below_what_is_offered(alarms: dict[str, Alarm], rule: str) -> None:
    """One request in ten minutes passes, so that something is always delivered: age and count tell."""
    passed_s = [0.0]

    def mixpanel(posted: Posted, at_s: float) -> Answer:
        if at_s < 3 * HOUR_S and at_s < passed_s[-1] + 10 * MINUTE_S:
            return Answer(429)
        passed_s.append(at_s)
        return accept(posted)

    run = PipelineRun(mixpanel)
    publish_every(run, BUSY_S, 3 * HOUR_S)

    for rings in watch(alarms, run.run(5 * HOUR_S), 5 * HOUR_S):
        for name, by_minutes in [("RecordAgeAlarm", 40), ("BacklogCountAlarm", 90)]:
            over_by_s = 3 * HOUR_S + 20 * MINUTE_S + REMEMBERED_S
            assert_rang_once(rings, name, after_s=0, by_s=by_minutes * MINUTE_S, over_by_s=over_by_s)
        assert set(rings) == {"RecordAgeAlarm", "BacklogCountAlarm"}
        assert_mailed_once(rule, rings)


@pytest.mark.parametrize("answer", [Answer(503), Late(Answer(200), 31.0), Answer(429)])
def test_an_outage_on_a_quiet_day(alarms: dict[str, Alarm], rule: str, answer: Answer | Late) -> None:
    """An invocation a quarter of an hour, hidden most of the time: the same two ring, once each."""
    start_s, end_s, for_s = HOUR_S, 3 * HOUR_S, 6 * HOUR_S
    run = PipelineRun(during(start_s, end_s, answer))
    publish_every(run, QUIET_S, 5 * HOUR_S)

    for rings in watch(alarms, run.run(for_s), for_s):
        # The first event of the outage comes up to two intervals after its start.
        for name, by_minutes in [("NothingDelivered", 60), ("RecordAge", 75)]:
            by_s, over_by_s = start_s + by_minutes * MINUTE_S, end_s + 75 * MINUTE_S
            assert_rang_once(rings, f"{name}Alarm", after_s=start_s, by_s=by_s, over_by_s=over_by_s)
        assert set(rings) == OUTAGE
        assert_mailed_once(rule, rings)


def test_one_event_in_an_outage_of_days(alarms: dict[str, Alarm], rule: str) -> None:
    """Tried every quarter of an hour for 72 hours, an event rings each alarm once, and at last queue-age."""
    run = PipelineRun(lambda *_: Answer(503))
    run.publish(HOUR_S, make_body(make_event()))
    for_s = 80 * HOUR_S

    for rings in watch(alarms, run.run(for_s), for_s):
        given_up_s = 73.5 * HOUR_S
        over_by_s = given_up_s + REMEMBERED_S
        assert_rang_once(
            rings, "RecordAgeAlarm", after_s=HOUR_S, by_s=HOUR_S + 40 * MINUTE_S, over_by_s=over_by_s
        )
        assert_rang_once(
            rings, "NothingDeliveredAlarm", after_s=HOUR_S, by_s=HOUR_S + 40 * MINUTE_S, over_by_s=over_by_s
        )
        assert_rang_once(
            rings, "QueueAgeAlarm", after_s=73 * HOUR_S, by_s=given_up_s, over_by_s=given_up_s + 2 * HOUR_S
        )
        [(rang_s, _)] = rings["DeadLettersAlarm"]
        assert 73 * HOUR_S < rang_s <= given_up_s + 5 * MINUTE_S
        assert set(rings) == OUTAGE | {"QueueAgeAlarm", "DeadLettersAlarm"}
        assert_mailed_once(rule, rings)


@pytest.mark.parametrize(
    ("every_s", "by_minutes", "also"),
    [(BUSY_S, 6, {"BacklogCountAlarm"}), (QUIET_S, 35, set[str]())],
    ids=["busy", "quiet"],
)
def test_bad_credentials(
    alarms: dict[str, Alarm], rule: str, every_s: float, by_minutes: float, also: set[str]
) -> None:
    """The first refused event rings setup-faults and breaker-open, until the credentials are right."""
    start_s, end_s, for_s = HOUR_S, 3 * HOUR_S, 5 * HOUR_S
    run = PipelineRun(during(start_s, end_s, Answer(401)))
    publish_every(run, every_s, 4 * HOUR_S)

    for rings in watch(alarms, run.run(for_s), for_s):
        for name in ("SetupFaultsAlarm", "BreakerOpenAlarm"):
            by_s, over_by_s = start_s + by_minutes * MINUTE_S, end_s + 60 * MINUTE_S
            assert_rang_once(rings, name, after_s=start_s, by_s=by_s, over_by_s=over_by_s)
        assert set(rings) == SETUP | also
        assert_mailed_once(rule, rings)


@pytest.mark.parametrize("every_s", [20.0, QUIET_S], ids=["busy", "quiet"])
def test_one_bad_event(alarms: dict[str, Alarm], rule: str, every_s: float) -> None:
    """It rings dead-letters within minutes, and nothing else: a bad event is no outage."""
    run = PipelineRun(lambda posted, _: accept(posted))
    publish_every(run, every_s, DAY_S / 2)
    run.publish(2 * HOUR_S, make_body(make_raw(event="")))

    for rings in watch(alarms, run.run(DAY_S / 2), DAY_S / 2):
        [(rang_s, state)] = rings["DeadLettersAlarm"]
        assert state is State.ALARM
        assert 2 * HOUR_S < rang_s <= 2 * HOUR_S + 5 * MINUTE_S
        assert set(rings) == {"DeadLettersAlarm"}
        assert composite_changes(rule, rings) == []


def test_a_function_that_never_runs(alarms: dict[str, Alarm], rule: str) -> None:
    """With the event source mapping disabled SQS's own age rings: messages that nobody receives have one."""
    run = PipelineRun(lambda posted, _: accept(posted), slots=0)
    run.publish(HOUR_S, make_body(make_event()))
    for_s = 80 * HOUR_S

    for rings in watch(alarms, run.run(for_s), for_s):
        [(rang_s, _)] = rings["BacklogAgeAlarm"]
        assert HOUR_S + 15 * MINUTE_S < rang_s <= HOUR_S + 17 * MINUTE_S
        [(rang_s, _)] = rings["QueueAgeAlarm"]
        assert 73 * HOUR_S < rang_s <= 73 * HOUR_S + 5 * MINUTE_S
        assert set(rings) == {"BacklogAgeAlarm", "QueueAgeAlarm"}
        assert_mailed_once(rule, rings, over=False)


def test_a_record_that_kills_the_function(alarms: dict[str, Alarm], rule: str) -> None:
    """It rings function-errors at once, and for as long as it is tried; no metric of the function tells."""
    run = PipelineRun(lambda posted, _: accept(posted), kills=True)
    run.publish(HOUR_S, make_body(make_event()))

    for rings in watch(alarms, run.run(DAY_S), DAY_S):
        [(rang_s, _)] = rings["FunctionErrorsAlarm"]
        assert rang_s <= HOUR_S + 2 * MINUTE_S
        # SQS's age sees it until it was received more than three times.
        assert set(rings) == {"FunctionErrorsAlarm", "BacklogAgeAlarm"}
        assert_mailed_once(rule, rings, over=False)


SILENT_HOURS = 4


@pytest.fixture(scope="session")
def optional_alarms(template: dict[str, Any]) -> dict[str, Alarm]:
    """Return the alarms that only a parameter switches on."""
    given = {"SilenceAlarmHours": str(SILENT_HOURS), "VolumeAlarmEventsPerHour": "300"}
    found = deployed(template, given)
    return {name: found[name] for name in found.keys() - deployed(template, {}).keys()}


def test_optional_alarms_are_off_until_a_parameter_says_otherwise(
    alarms: dict[str, Alarm], optional_alarms: dict[str, Alarm]
) -> None:
    """Nobody pays for them, and nobody is woken by them, without having asked."""
    assert set(optional_alarms) == {"SilenceAlarm", "VolumeAlarm"}
    assert not set(alarms) & set(optional_alarms)


@pytest.mark.parametrize("reports_zero", [True, False])
def test_an_app_that_falls_silent(optional_alarms: dict[str, Alarm], *, reports_zero: bool) -> None:
    """The silence alarm rings after so many hours without a message, and ends with the next one."""
    run = PipelineRun(lambda posted, _: accept(posted), reports_zero=reports_zero)
    for at_s in (HOUR_S, 2 * HOUR_S, 5.5 * HOUR_S, 16 * HOUR_S):
        run.publish(at_s, make_body(make_event()))

    for rings in watch(optional_alarms, run.run(17 * HOUR_S), 17 * HOUR_S):
        assert set(rings) == {"SilenceAlarm"}
        after_start = [(at_s, state) for at_s, state in rings["SilenceAlarm"] if at_s > HOUR_S]
        (rang_s, rang), (over_s, over) = after_start[-2:]
        assert (rang, over) == (State.ALARM, State.OK)
        # Where SQS says nothing of a silent queue, an older point counts as long as CloudWatch looks back.
        latest_s = (5.5 + SILENT_HOURS + 2) * HOUR_S
        assert (5.5 + SILENT_HOURS) * HOUR_S - MINUTE_S <= rang_s <= latest_s
        assert 16 * HOUR_S <= over_s <= 16 * HOUR_S + MINUTE_S


@pytest.mark.parametrize(("events_per_hour", "expected"), [(280, set[str]()), (320, {"VolumeAlarm"})])
def test_more_events_than_anybody_expected(
    optional_alarms: dict[str, Alarm], events_per_hour: int, expected: set[str]
) -> None:
    """The volume alarm counts what Mixpanel confirmed within any hour, whatever is published beside it."""
    run = PipelineRun(lambda posted, _: accept(posted))
    publish_every(run, 3600 / events_per_hour, 3 * HOUR_S)

    for rings in watch(optional_alarms, run.run(3 * HOUR_S), 3 * HOUR_S):
        assert {name for name in rings if name != "SilenceAlarm"} == expected


def test_a_backlog_of_which_nothing_is_in_flight(alarms: dict[str, Alarm]) -> None:
    """Where SQS leaves out the count that is zero, the other one alone still is the backlog."""
    run = PipelineRun(lambda posted, _: accept(posted), slots=0, reports_zero=False)
    for _ in range(1_001):
        run.publish(HOUR_S + 1, "{}")

    for rings in watch(alarms, run.run(2 * HOUR_S), 2 * HOUR_S):
        [(rang_s, _)] = rings["BacklogCountAlarm"]
        assert HOUR_S + 10 * MINUTE_S < rang_s <= HOUR_S + 16 * MINUTE_S
        assert set(rings) == {"BacklogCountAlarm", "BacklogAgeAlarm"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("refuses_letters", {"DeadLettersRefusedAlarm"} | OUTAGE),
        ("loses_rows", {"LogWritesLostAlarm", "DeadLettersAlarm"}),
    ],
)
def test_a_bad_event_where_its_reason_cannot_be_kept(
    alarms: dict[str, Alarm], fault: str, expected: set[str]
) -> None:
    """A dead-letter queue or a Log table that takes nothing rings within minutes, without other events."""
    run = PipelineRun(lambda posted, _: accept(posted))
    setattr(run, fault, True)
    run.publish(HOUR_S, make_body(make_raw(event="")))

    for rings in watch(alarms, run.run(3 * HOUR_S), 3 * HOUR_S):
        first = min(rings, key=lambda name: rings[name][0])
        assert set(rings) == expected
        assert first in expected - OUTAGE
        assert rings[first][0][0] <= HOUR_S + 2 * MINUTE_S
        assert all(len(states) <= 2 for states in rings.values()), rings


@pytest.mark.parametrize(
    ("alarm", "namespace", "metric"),
    [
        ("SetupFaultsAlarm", "Whyness", "SetupFaults"),
        ("BreakerOpenAlarm", "Whyness", "BreakerOpen"),
        ("InternalFaultsAlarm", "Whyness", "InternalFaults"),
        ("DeadLettersRefusedAlarm", "Whyness", "DeadLettersRefused"),
        ("LogWritesLostAlarm", "Whyness", "LogWritesLost"),
        ("FunctionErrorsAlarm", "AWS/Lambda", "Errors"),
        ("FunctionThrottlesAlarm", "AWS/Lambda", "Throttles"),
    ],
)
def test_a_fault_at_each_try_rings_once(
    alarms: dict[str, Alarm], alarm: str, namespace: str, metric: str
) -> None:
    """A single fault rings at once; repeated at the longest pause of a record it rings no second time."""
    metrics = Metrics()
    for number in range(10):
        metrics.put(series_key(namespace, metric, FUNCTION), HOUR_S + number * 18 * MINUTE_S, 1)
    last_s = HOUR_S + 9 * 18 * MINUTE_S

    for rings in watch(alarms, metrics, DAY_S / 2):
        assert set(rings) == {alarm}
        assert_rang_once(rings, alarm, after_s=HOUR_S - 1, by_s=HOUR_S + 1, over_by_s=last_s + REMEMBERED_S)


def dead_letters(counts: Sequence[float], ages_s: Mapping[int, float]) -> Metrics:
    """Return a dead-letter queue's metrics: an hourly sample of its count, and of its age where given."""
    metrics = Metrics()
    for hour, count in enumerate(counts):
        key = series_key("AWS/SQS", "ApproximateNumberOfMessagesVisible", DEAD_LETTER_QUEUE)
        metrics.put(key, hour * HOUR_S + 1, count)
        if hour in ages_s:
            key = series_key("AWS/SQS", "ApproximateAgeOfOldestMessage", DEAD_LETTER_QUEUE)
            metrics.put(key, hour * HOUR_S + 1, ages_s[hour])
    return metrics


def test_a_dead_letter_that_nobody_takes(alarms: dict[str, Alarm]) -> None:
    """After 7 days, with 7 left, both reminders ring; emptying the queue ends all three alarms."""
    week = 7 * 24
    counts = [0] * 5 + [1] * (week + 10) + [0] * 10
    metrics = dead_letters(counts, {hour: (hour - 5) * HOUR_S for hour in range(5, week + 15)})

    for rings in watch(alarms, metrics, len(counts) * HOUR_S):
        assert set(rings) == {"DeadLettersAlarm", "DeadLettersAgeAlarm", "DeadLettersLeftAlarm"}
        for name in ("DeadLettersAgeAlarm", "DeadLettersLeftAlarm"):
            rang_s = rings[name][0][0]
            assert (week + 4) * HOUR_S <= rang_s <= (week + 8) * HOUR_S
        assert [states[-1][1] for states in rings.values()] == [State.OK] * 3


def test_a_dead_letter_that_was_only_looked_at(alarms: dict[str, Alarm]) -> None:
    """Looked at four times, it has no age any more; that the queue was not empty for 7 days still rings."""
    counts = [1] * (8 * 24)
    metrics = dead_letters(counts, {hour: hour * HOUR_S for hour in range(48)})

    for rings in watch(alarms, metrics, len(counts) * HOUR_S):
        assert set(rings) == {"DeadLettersAlarm", "DeadLettersLeftAlarm"}


def test_dead_letters_that_are_taken_each_day(alarms: dict[str, Alarm]) -> None:
    """A letter a day, each redriven the same day, is what dead-letters is for, and no reminder rings."""
    day = [0] * 6 + [1] * 12 + [0] * 6
    metrics = dead_letters(day * 20, {})

    for rings in watch(alarms, metrics, 20 * DAY_S):
        assert set(rings) == {"DeadLettersAlarm"}


def test_a_dead_letter_queue_that_falls_silent(alarms: dict[str, Alarm]) -> None:
    """SQS may stop reporting a queue that nobody uses, while its messages stay: the alarm stays too."""
    metrics = dead_letters([0, 1, 1, 1, 1, 1, 1], {})

    for rings in watch(alarms, metrics, 2 * DAY_S):
        assert [state for _, state in rings["DeadLettersAlarm"]] == [State.ALARM]
