"""docs/runbook.md: each alarm has its section, and what people copy from it is right."""

import re
import shlex
from typing import Any

import pytest

from infra.build import ROOT
from tests.infra import audit_alarms
from tests.infra.composite import alarms_in
from whyness_ops.capacity import cost, read_prices
from whyness_ops.options import make_parser

RUNBOOK = (ROOT / "docs/runbook.md").read_text()
ALARMS = RUNBOOK[RUNBOOK.index("## Alarms") : RUNBOOK.index("## Drill")]
Template = dict[str, Any]


def alarms(template: Template, kind: str) -> list[dict[str, Any]]:
    """Return the alarms of a prod stack that no parameter switches on: `kind` is Alarm or CompositeAlarm."""
    found = [r for r in template["Resources"].values() if r["Type"] == f"AWS::CloudWatch::{kind}"]
    return [r["Properties"] for r in found if r.get("Condition", "IsProduction") == "IsProduction"]


def alarm_names(template: Template) -> set[str]:
    """Return the names of all alarms without the stack's."""
    named = [r["Properties"] for r in template["Resources"].values() if "AlarmName" in r["Properties"]]
    return {re.sub(r"^\$\{[\w:]+\}-", "", alarm["AlarmName"]["Fn::Sub"]) for alarm in named}


def test_each_alarm_has_a_section_of_its_own(template: Template) -> None:
    """Who is woken finds the name in the mail as a heading, and no heading is of an alarm that is gone."""
    headings = re.findall(r"^### (.+)$", ALARMS, flags=re.MULTILINE)

    assert sorted(headings) == sorted(alarm_names(template) | alarm_names(audit_alarms.template()))


def test_each_section_says_what_to_check_how_to_fix_it_and_when_it_is_fixed() -> None:
    """The same three lines everywhere, so that a tired person finds them."""
    _, *sections = ALARMS.split("\n### ")

    for section in sections:
        labels = re.findall(r"^- ([^:]+): \S", section, flags=re.MULTILINE)
        assert labels == ["Check first", "Fix", "Fixed when"], section


def test_the_price_of_the_alarms_is_that_of_the_template(template: Template) -> None:
    """An alarm is billed for each metric that it reads; one that is made of others has a price of its own."""
    on_metrics, of_alarms = alarms(template, "Alarm"), alarms(template, "CompositeAlarm")
    count = sum(sum("MetricStat" in query for query in alarm.get("Metrics", [])) or 1 for alarm in on_metrics)
    prices = read_prices()

    usd = count * prices["alarm_month"] + len(of_alarms) * prices["composite_alarm_month"]

    assert count == cost.ALARM_METRICS, "what whyness-mixpanel capacity bills"
    assert len(of_alarms) == cost.COMPOSITE_ALARMS == 1
    assert f"read {count} metrics, and one is made of nine others: about {usd:.2f} USD a month" in ALARMS


def test_the_alarms_that_mail_together_are_those_of_the_template(template: Template) -> None:
    """The page names exactly the alarms that send no mail of their own."""
    [composite] = alarms(template, "CompositeAlarm")
    [named] = re.findall(r"nine of them send no mail \(([^)]+)\)", ALARMS)
    names = {
        n: r["Properties"]["AlarmName"]["Fn::Sub"]
        for n, r in template["Resources"].items()
        if "AlarmName" in r["Properties"]
    }

    expected = [
        names[name].removeprefix("${AWS::StackName}-")
        for name in alarms_in(composite["AlarmRule"]["Fn::Sub"])
    ]

    assert sorted(named.split(", ")) == sorted(expected)
    assert len(expected) == 9


COMMANDS = sorted(set(re.findall(r"`(whyness-mixpanel [^`]+)`", RUNBOOK)))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_runbook_is_one_that_exists(command: str) -> None:
    """Each line that begins with the command's name is taken by its parser."""
    _, *arguments = shlex.split(command)

    make_parser().parse_args(arguments)


def test_names_in_its_aws_commands_are_the_stacks(template: Template) -> None:
    """Function, log group and queue are called what the commands say."""
    resources = {name: r["Properties"] for name, r in template["Resources"].items()}

    assert resources["SendEventsFunction"]["FunctionName"] == {"Fn::Sub": "${AWS::StackName}-send-events"}
    assert resources["SendEventsLogs"]["LogGroupName"] == {
        "Fn::Sub": "/aws/lambda/${AWS::StackName}-send-events"
    }
    assert resources["EventQueue"]["QueueName"] == {"Fn::Sub": "${AWS::StackName}-events"}


def test_metrics_and_parameters_that_it_names_exist(template: Template) -> None:
    """Words in the form of a parameter or metric are one."""
    words = set(re.findall(r"`(MaximumConcurrency|MemorySize|\w+Alarm\w+)`", ALARMS))

    assert {"MaximumConcurrency", "MemorySize", "BacklogAlarmMessageCount", "SilenceAlarmHours"} <= words
    assert words <= set(template["Parameters"])
