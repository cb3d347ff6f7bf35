"""docs/reference/metrics.md and docs/reference/alarms.md: what the function tells, and what rings."""

from typing import Any

from local.template import TEMPLATE_PATH, Template
from tests.reference.markdown import code, table
from whyness_events.delivery.telemetry import LOG_FIELDS, METRICS

_OPERATORS = {"GreaterThanThreshold": ">", "LessThanThreshold": "<"}
_STACKS = {
    "": "all",
    "IsProduction": "production",
    "HasSilenceAlarm": "with `SilenceAlarmHours`",
    "HasVolumeAlarm": "with `VolumeAlarmEventsPerHour`",
}


def metrics() -> str:
    """Return the table of metrics."""
    return table(("metric", "unit", "meaning"), [(code(m.name), m.unit.value, m.meaning) for m in METRICS])


def log_fields() -> str:
    """Return the table of the fields of the line `invocation`."""
    return table(("field", "meaning"), [(code(field.name), field.meaning) for field in LOG_FIELDS])


def alarms() -> str:
    """Return the table of the template's alarms."""
    template = Template.read(TEMPLATE_PATH)
    rows = [
        _alarm(template.properties(name), resource)
        for name, resource in template._document["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    ]
    rows += [
        (*_name(resource["Properties"]), "ALARM of others", _members(resource["Properties"]), "production")
        for resource in template._document["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::CompositeAlarm"
    ]
    return table(("alarm", "metric", "rings when", "stacks"), sorted(rows))


def _name(alarm: dict[str, Any]) -> tuple[str]:
    text = alarm["AlarmName"]
    name = (text if isinstance(text, str) else text["Fn::Sub"]).removeprefix("${AWS::StackName}-")
    return (f"[{name}](../runbook.md#{name})",)


def _members(alarm: dict[str, Any]) -> str:
    return f"one of {alarm['AlarmRule']['Fn::Sub'].count('ALARM(')} alarms rings"


def _alarm(alarm: dict[str, Any], resource: dict[str, Any]) -> tuple[str, ...]:
    stacks = _STACKS[resource.get("Condition", "")]
    threshold = f"{alarm['Threshold']:,}"
    if parameter := _parameter(resource["Properties"]["Threshold"]):
        threshold += f" (the parameter {code(parameter)})"
    return (*_name(alarm), _metric(alarm), _rings(alarm, threshold, resource["Properties"]), stacks)


def _parameter(threshold: object) -> str:
    return str(threshold["Ref"]) if isinstance(threshold, dict) else ""


def _metric(alarm: dict[str, Any]) -> str:
    queries = [query for query in alarm.get("Metrics", ()) if "Expression" in query]
    if queries:
        return code(queries[0]["Expression"])
    return f"{alarm['Namespace']} {code(alarm['MetricName'])}"


def _rings(alarm: dict[str, Any], threshold: str, properties: dict[str, Any]) -> str:
    statistic = alarm.get("Statistic", "").lower() or "value"
    told = f"{statistic} {_OPERATORS[alarm['ComparisonOperator']]} {threshold}"
    if parameter := _parameter(properties["EvaluationPeriods"]):
        return f"{told} in each of {code(parameter)} periods of {_duration(_period_s(alarm))}"
    count, of = alarm["DatapointsToAlarm"], alarm["EvaluationPeriods"]
    each = "in" if count == of == 1 else f"in {count} of {of} periods of"
    return f"{told} {each} {_duration(_period_s(alarm))}"


def _period_s(alarm: dict[str, Any]) -> int:
    if "Period" in alarm:
        return int(alarm["Period"])
    [period_s] = {query["MetricStat"]["Period"] for query in alarm["Metrics"] if "MetricStat" in query}
    return int(period_s)


def _duration(period_s: int) -> str:
    return "an hour" if period_s == 3600 else f"{period_s // 60} minutes"
