"""The sample's alarms, over what an audit prints each morning."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest

from tests.infra import audit_alarms
from tests.infra.cloudwatch import State, changes, read_alarm
from whyness_ops.audit.audit_line import AuditLine, printer, told
from whyness_ops.audit.audit_report import Report
from whyness_ops.audit.verdicts import Counts, Verdict
from whyness_ops.errors import NotJudged

DAY_S, HOUR_S = 86_400.0, 3_600.0
MORNING_S = 9.25 * HOUR_S
EXTRA_PERIODS = (0, 2)
REPORT = [
    "By day and event name:",
    "",
    "3  matched",
    '["mixpanel audit"]',
    '{"message": "other", "exit_code": 1}',
]
ABOUT = {"since": "", "until": "", "zone": "UTC", "project": "7"}


def printed(code: int | None) -> list[str]:
    """Return what an audit prints that ends so; None: it could not begin."""
    lines = list(REPORT if code is not None else [])
    with suppress(NotJudged), told(AuditLine(0, 1), printer(lines.append, is_wanted=True)) as line:
        line.judged(report(code), code or 0)
    return lines


def report(code: int | None) -> Report:
    """Return a report for an exit code."""
    if code is None:
        raise NotJudged("Mixpanel refuses the export with 401.")
    counts = Counts(Counter({(Verdict.MISSING, 0, "Name"): code % 2}))
    return Report(counts, frozenset(), {0: "cut"} if code == 2 else {}, 0, ABOUT)


def rings(
    codes: Sequence[int | None], days: float, extra_periods: int
) -> dict[str, list[tuple[float, State]]]:
    """Return what the alarms do over days of which the first ones have an audit, each with this end."""
    lines = [(day * DAY_S + MORNING_S, line) for day, code in enumerate(codes) for line in printed(code)]
    metrics = audit_alarms.filtered(lines)
    found = {
        name: read_alarm(resource["Properties"], {})
        for name, resource in audit_alarms.template()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    return {
        name: changes(alarm, metrics, from_s=0, to_s=days * DAY_S, extra_periods=extra_periods)
        for name, alarm in found.items()
    }


@pytest.mark.parametrize("extra_periods", EXTRA_PERIODS)
def test_each_audit_that_is_not_well_rings_and_no_other(extra_periods: int) -> None:
    """Within a minute, each day anew; the report beside the line, and lines of others, are not read."""
    found = rings([0, 1, 2, None, 0], 5, extra_periods)["AuditFaultAlarm"]

    began = [at_s for at_s, state in found if state is State.ALARM]
    assert [at_s // DAY_S for at_s in began] == [1, 2, 3]
    assert all(0 <= at_s % DAY_S - MORNING_S <= 60 for at_s in began)
    assert found[-1][1] is State.OK


@pytest.mark.parametrize("extra_periods", EXTRA_PERIODS)
def test_audits_that_stop_ring(extra_periods: int) -> None:
    """A little over a day after the last one, whatever it found; before that, never again."""
    found = rings([0, 1, None], 5, extra_periods)["AuditDidNotRunAlarm"]

    last_s = 2 * DAY_S + MORNING_S
    after_first = [(at_s, state) for at_s, state in found if at_s > MORNING_S + HOUR_S]
    assert [state for _, state in after_first] == [State.ALARM]
    assert 25 * HOUR_S <= after_first[0][0] - last_s <= 29 * HOUR_S


def test_audits_of_every_day_are_silent() -> None:
    """Also where one begins an hour late."""
    for extra_periods in EXTRA_PERIODS:
        found = rings([0] * 6, 6, extra_periods)

        assert [state for at_s, state in found["AuditDidNotRunAlarm"] if at_s > MORNING_S + HOUR_S] == []
        assert found["AuditFaultAlarm"] == []


def test_each_mail_names_its_section_of_the_runbook() -> None:
    """Whose heading is the alarm's name behind the stack's, by which status shows it too."""
    for resource in audit_alarms.template()["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            of = resource["Properties"]
            name = of["AlarmName"]["Fn::Sub"].removeprefix("${StackName}-")
            assert of["AlarmDescription"].strip().endswith(f"Runbook: docs/runbook.md#{name}")
            assert of["AlarmActions"] == [{"Ref": "AlarmTopicArn"}]


def test_what_the_sample_costs_is_what_it_has() -> None:
    """A metric of one's own, and two alarms of one metric each."""
    kinds = Counter(resource["Type"] for resource in audit_alarms.template()["Resources"].values())

    assert kinds == {"AWS::Logs::MetricFilter": 1, "AWS::CloudWatch::Alarm": 2}
