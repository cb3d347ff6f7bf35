"""Alarms and dashboard: they watch what exists, and can tell somebody."""

import json
import re
from typing import Any

import pytest

from infra.build import ROOT
from tests.infra.composite import alarms_in
from whyness_events.delivery.settling.exhaust import EXHAUST_AFTER_S
from whyness_events.delivery.settling.redelivery import CAP_S
from whyness_events.delivery.telemetry import METRICS, NAMESPACE, OUTCOME_METRIC
from whyness_events.outcomes import Reason

DAY_S = 24 * 3_600
COMPOSITE = "EventsDoNotArriveAlarm"
OPTIONAL = {"SilenceAlarm", "VolumeAlarm"}
MAILED_TOGETHER = {
    "NothingDeliveredAlarm",
    "RecordAgeAlarm",
    "BacklogCountAlarm",
    "BacklogAgeAlarm",
    "QueueAgeAlarm",
    "SetupFaultsAlarm",
    "BreakerOpenAlarm",
    "FunctionErrorsAlarm",
    "FunctionThrottlesAlarm",
}
# The alarms on one metric of their own that ring above a number: metric, and number.
THRESHOLDS = [
    ("RecordAgeAlarm", "OldestRecordAge", 15 * 60 * 1000),
    ("BacklogAgeAlarm", "ApproximateAgeOfOldestMessage", 15 * 60),
    ("DeadLettersAgeAlarm", "ApproximateAgeOfOldestMessage", 7 * DAY_S),
    ("SetupFaultsAlarm", "SetupFaults", 0),
    ("BreakerOpenAlarm", "BreakerOpen", 0),
    ("InternalFaultsAlarm", "InternalFaults", 0),
    ("DeadLettersRefusedAlarm", "DeadLettersRefused", 0),
    ("LogWritesLostAlarm", "LogWritesLost", 0),
    ("FunctionErrorsAlarm", "Errors", 0),
    ("FunctionThrottlesAlarm", "Throttles", 0),
]
# Those whose rule is not so simple, or has a parameter: each has a test of its own below.
OTHER_RULES = {
    "NothingDeliveredAlarm",
    "QueueAgeAlarm",
    "BacklogCountAlarm",
    "DeadLettersAlarm",
    "DeadLettersLeftAlarm",
} | OPTIONAL
Template = dict[str, Any]
Resources = dict[str, Any]

# By namespace: metrics, and the dimension they come with. Source: the metrics page of each service's guide.
AWS_METRICS = {
    "AWS/SQS": (
        {
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "NumberOfMessagesSent",
        },
        "QueueName",
    ),
    "AWS/Lambda": (
        {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
        "FunctionName",
    ),
    "AWS/DynamoDB": ({"ConsumedWriteCapacityUnits", "WriteThrottleEvents"}, "TableName"),
}


def assert_exists(namespace: str, metric: str, dimensions: dict[str, Any]) -> None:
    """Fail unless somebody publishes this metric with exactly these dimensions."""
    if namespace != NAMESPACE:
        names, dimension = AWS_METRICS[namespace]
        assert (metric in names, set(dimensions)) == (True, {dimension}), metric
        return
    reason = dimensions.pop("reason", None)
    # The function's name, as an alarm's reference or in the dashboard's text: another one in each stack.
    assert dimensions in ({"service": {"Ref": "SendEventsFunction"}}, {"service": "1SendEventsFunction"})
    if metric == OUTCOME_METRIC:
        assert reason in set(Reason)
    else:
        assert (metric in {known.name for known in METRICS}, reason) == (True, None), metric


def alarms(template: Template) -> dict[str, Any]:
    """Return the properties of the alarms on metrics, by logical id."""
    found = template["Resources"].items()
    return {name: r["Properties"] for name, r in found if r["Type"] == "AWS::CloudWatch::Alarm"}


def all_alarms(template: Template) -> dict[str, Any]:
    """Return the properties of all alarms, by logical id."""
    return alarms(template) | {COMPOSITE: template["Resources"][COMPOSITE]["Properties"]}


def text_of(value: Any, *, is_production: bool) -> str:
    """Return what Sub comes to, with references as they stand."""
    text, variables = (value["Fn::Sub"], {}) if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"]
    for name, given in variables.items():
        _, then, otherwise = given["Fn::If"]
        chosen = then if is_production else otherwise
        text = text.replace(f"${{{name}}}", chosen["Fn::Sub"] if isinstance(chosen, dict) else chosen)
    return str(text)


def dimensions(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an alarm's dimensions as a mapping."""
    return {entry["Name"]: entry["Value"] for entry in entries}


def widgets(resources: Resources) -> list[dict[str, Any]]:
    """Return the dashboard's widgets, as if each reference were a word or a number."""
    body = text_of(resources["Dashboard"]["DashboardBody"], is_production=True)
    text = re.sub(r"\$\{([^}]+)\}", r"1\1", body)
    numbers = r": 1(MaximumConcurrency|BacklogAlarmMessageCount)\b"
    found: list[dict[str, Any]] = json.loads(re.sub(numbers, ": 1", text))["widgets"]
    return found


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return namespace, name and dimensions of each metric that an alarm reads."""
    stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    return stats or [alarm]


def test_each_way_to_fail_has_its_alarm(template: Template) -> None:
    """An outage, a wrong set-up, a backlog by count and age, dead letters new and old, and our own faults."""
    assert set(alarms(template)) == {
        "NothingDeliveredAlarm",
        "SetupFaultsAlarm",
        "BreakerOpenAlarm",
        "RecordAgeAlarm",
        "BacklogCountAlarm",
        "BacklogAgeAlarm",
        "QueueAgeAlarm",
        "DeadLettersAlarm",
        "DeadLettersAgeAlarm",
        "DeadLettersLeftAlarm",
        "DeadLettersRefusedAlarm",
        "LogWritesLostAlarm",
        "InternalFaultsAlarm",
        "FunctionErrorsAlarm",
        "FunctionThrottlesAlarm",
        "SilenceAlarm",
        "VolumeAlarm",
    }


def test_each_metric_is_read_by_an_alarm_or_the_dashboard(template: Template, resources: Resources) -> None:
    """A metric that nothing reads costs 0.30 USD a month: it is a field of the log line instead."""
    read = {metric["MetricName"] for alarm in alarms(template).values() for metric in metrics_of(alarm)}
    body = text_of(resources["Dashboard"]["DashboardBody"], is_production=True)
    shown = set(re.findall(r'\["Whyness", "(\w+)"', body))

    assert {metric.name for metric in METRICS} - read - shown == set()
    assert OUTCOME_METRIC in shown


def test_dev_pays_for_three_alarms_and_no_dashboard(template: Template) -> None:
    """What a trial stack must tell; whatever refers to the others is there in production only."""
    conditions = {name: template["Resources"][name].get("Condition") for name in all_alarms(template)}
    found = {name for name, condition in conditions.items() if condition is None}

    assert found == {"DeadLettersAlarm", "SetupFaultsAlarm", "FunctionErrorsAlarm"}
    assert conditions["SilenceAlarm"] == "HasSilenceAlarm"
    assert conditions["VolumeAlarm"] == "HasVolumeAlarm"
    assert {conditions[name] for name in conditions.keys() - found - OPTIONAL} == {"IsProduction"}
    assert template["Resources"]["Dashboard"]["Condition"] == "IsProduction"
    assert template["Outputs"]["DashboardUrl"]["Condition"] == "IsProduction"


def test_each_alarm_has_its_threshold_tested(template: Template) -> None:
    """In the list, or by a test of its own: a wrong number would ring always, or never."""
    assert {alarm for alarm, _, _ in THRESHOLDS} | OTHER_RULES == set(alarms(template))


@pytest.mark.parametrize(("alarm", "metric", "threshold"), THRESHOLDS)
def test_an_alarm_rings_above_its_threshold(
    resources: Resources, alarm: str, metric: str, threshold: int
) -> None:
    """One metric each, in its own unit: SQS counts seconds, the function milliseconds."""
    properties = resources[alarm]

    assert (properties["MetricName"], properties["Threshold"]) == (metric, threshold)
    assert properties["ComparisonOperator"] == "GreaterThanThreshold"


def test_an_outage_is_received_and_not_delivered_for_15_minutes(resources: Resources) -> None:
    """Counted on the function's own metrics, over three windows of five minutes, whatever the pauses."""
    alarm = resources["NothingDeliveredAlarm"]
    stats = {q["Id"]: q["MetricStat"] for q in alarm["Metrics"] if "MetricStat" in q}

    assert {name: stat["Metric"]["MetricName"] for name, stat in stats.items()} == {
        "received": "EventsReceived",
        "delivered": "EventsDelivered",
        "handed_back": "RecordsHandedBack",
    }
    assert {(stat["Stat"], stat["Period"]) for stat in stats.values()} == {("Sum", 300)}
    assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == 3


def test_a_queue_of_three_days_is_seen_by_either_age(resources: Resources) -> None:
    """SQS knows the age of what nobody receives, the function of what it receives; both count as seconds."""
    alarm = resources["QueueAgeAlarm"]
    [expression] = [q["Expression"] for q in alarm["Metrics"] if q["ReturnData"]]

    assert [metric["MetricName"] for metric in metrics_of(alarm)] == [
        "ApproximateAgeOfOldestMessage",
        "OldestRecordAge",
    ]
    assert expression == "MAX([FILL(queue_s, 0), FILL(record_ms, 0) / 1000])"
    assert alarm["Threshold"] == 3 * DAY_S == EXHAUST_AFTER_S


def test_the_longest_pause_of_a_record_fits_into_an_alarms_memory(resources: Resources) -> None:
    """While records wait for their next try no alarm may end: its window covers the longest pause."""
    longest_s = max(CAP_S * 1.2, resources["EventQueue"]["VisibilityTimeout"])

    for name in ("RecordAgeAlarm", "SetupFaultsAlarm", "BreakerOpenAlarm", "FunctionErrorsAlarm"):
        alarm = resources[name]
        assert alarm["EvaluationPeriods"] == alarm["DatapointsToAlarm"] == 1
        # Half as much again would be too long to learn that it is over.
        assert 1.2 * longest_s < alarm["Period"] < 1.5 * longest_s


def test_an_alarm_looks_no_further_back_than_cloudwatch_allows(template: Template) -> None:
    """A day, or seven with periods of an hour. Source: PutMetricAlarm, CloudWatch API Reference, 2026-11."""
    for alarm in (alarm for name, alarm in alarms(template).items() if name not in OPTIONAL):
        periods = {q["MetricStat"]["Period"] for q in alarm.get("Metrics", []) if "MetricStat" in q}
        [period_s] = periods or {alarm["Period"]}
        assert period_s * alarm["EvaluationPeriods"] <= (7 * DAY_S if period_s >= 3_600 else DAY_S)
    longest = template["Parameters"]["SilenceAlarmHours"]["MaxValue"]
    assert template["Resources"]["SilenceAlarm"]["Properties"]["Period"] * longest <= 7 * DAY_S


def test_alarms_watch_metrics_that_exist(template: Template) -> None:
    """A misspelt metric or dimension would make an alarm that never rings."""
    for alarm in alarms(template).values():
        for metric in metrics_of(alarm):
            assert_exists(metric["Namespace"], metric["MetricName"], dimensions(metric["Dimensions"]))


@pytest.mark.parametrize(
    ("alarm", "dimension", "value"),
    [
        ("DeadLettersAlarm", "QueueName", {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}),
        ("DeadLettersAgeAlarm", "QueueName", {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}),
        ("DeadLettersLeftAlarm", "QueueName", {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}),
        ("BacklogAgeAlarm", "QueueName", {"Fn::GetAtt": ["EventQueue", "QueueName"]}),
        ("SilenceAlarm", "QueueName", {"Fn::GetAtt": ["EventQueue", "QueueName"]}),
        ("VolumeAlarm", "service", {"Ref": "SendEventsFunction"}),
        ("FunctionErrorsAlarm", "FunctionName", {"Ref": "SendEventsFunction"}),
        ("FunctionThrottlesAlarm", "FunctionName", {"Ref": "SendEventsFunction"}),
    ],
)
def test_alarms_watch_this_stack(resources: Resources, alarm: str, dimension: str, value: Any) -> None:
    """Each alarm looks at the resource it is about."""
    assert dimensions(resources[alarm]["Dimensions"]) == {dimension: value}


def test_one_dead_letter_rings(resources: Resources) -> None:
    """The alarm looks at what is in the queue: what SQS itself moved there is counted nowhere else."""
    alarm = resources["DeadLettersAlarm"]

    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_hidden_messages_count_as_backlog(resources: Resources) -> None:
    """The backlog is visible + in flight, both of the event queue, only their sum compared."""
    queries = {query["Id"]: query for query in resources["BacklogCountAlarm"]["Metrics"]}
    [shown] = [query for query in queries.values() if query["ReturnData"]]
    summed = [queries[name]["MetricStat"] for name in ("visible", "in_flight")]

    assert shown["Expression"] == "FILL(visible, 0) + FILL(in_flight, 0)"
    assert [stat["Metric"]["MetricName"] for stat in summed] == [
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
    ]
    assert all(
        dimensions(stat["Metric"]["Dimensions"]) == {"QueueName": {"Fn::GetAtt": ["EventQueue", "QueueName"]}}
        for stat in summed
    )


def test_a_queue_that_falls_silent_does_not_clear_its_alarm(template: Template) -> None:
    """Counts keep their state, and so does what only the next try can tell; elsewhere nothing is fine."""
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms(template).items()}

    assert {name for name, treatment in missing.items() if treatment == "ignore"} == {
        "DeadLettersAlarm",
        "DeadLettersLeftAlarm",
        "BacklogCountAlarm",
        "NothingDeliveredAlarm",
    }
    assert {name for name, treatment in missing.items() if treatment == "breaching"} == {"SilenceAlarm"}
    assert set(missing.values()) == {"ignore", "breaching", "notBreaching"}


def test_one_alarm_mails_for_all_that_say_that_events_do_not_arrive(resources: Resources) -> None:
    """An outage is one mail, whatever rings in it; what is no outage is not part of it."""
    assert set(alarms_in(resources[COMPOSITE]["AlarmRule"]["Fn::Sub"])) == MAILED_TOGETHER


def test_alarms_reach_the_address_or_the_topic_that_was_given(template: Template) -> None:
    """Each alarm and its end are mailed once: by itself, or in production by the composite alarm."""
    topic = {"Fn::If": ["HasAlarmTopicArn", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    mailed = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], topic]}
    mailed_in_dev = {"Fn::If": ["IsProduction", {"Ref": "AWS::NoValue"}, mailed]}
    in_dev = {"SetupFaultsAlarm", "FunctionErrorsAlarm"}

    for name, alarm in all_alarms(template).items():
        by_itself = None if name in MAILED_TOGETHER else mailed
        expected = mailed_in_dev if name in in_dev else by_itself
        assert alarm.get("AlarmActions") == alarm.get("OKActions") == expected, name
    with_address = {n for n, r in template["Resources"].items() if r.get("Condition") == "HasAlarmEmail"}
    assert with_address == {"AlarmTopic", "AlarmTopicPolicy", "AlarmKey"}


def test_cloudwatch_can_use_the_encrypted_topic(resources: Resources) -> None:
    """A topic under a key that CloudWatch may not use drops alarms silently."""
    statements = resources["AlarmKey"]["KeyPolicy"]["Statement"]
    [granted] = [s for s in statements if s["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]

    assert resources["AlarmTopic"]["KmsMasterKeyId"] == {"Ref": "AlarmKey"}
    assert granted["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert granted["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_an_alarm_says_what_it_means(template: Template) -> None:
    """The text of the e-mail is one that a tired person understands, and CloudWatch takes (1,024)."""
    for is_production in (True, False):
        # A stack's name has up to 128 characters, a region's up to 14.
        texts = {
            n: written(a["AlarmDescription"], is_production=is_production)
            for n, a in all_alarms(template).items()
        }

        assert [name for name, text in texts.items() if not 60 <= len(text) <= 1_024] == []


def written(description: Any, *, is_production: bool) -> str:
    """Return a description with the longest names that there are."""
    text = text_of(description, is_production=is_production)
    for name, length in {"AWS::StackName": 128, "AWS::Region": 14}.items():
        text = text.replace(f"${{{name}}}", "x" * length)
    return text


def test_an_alarm_ends_with_where_to_look(template: Template, resources: Resources) -> None:
    """The dashboard, where there is one, and its section of the runbook: no other host, no dead link."""
    url = "https://console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${AWS::StackName}"
    runbook = (ROOT / "docs/runbook.md").read_text()

    assert resources["Dashboard"]["DashboardName"] == {"Ref": "AWS::StackName"}
    for alarm in all_alarms(template).values():
        name = alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")
        text = text_of(alarm["AlarmDescription"], is_production=True)
        assert text.endswith(f". Dashboard: {url} Runbook: docs/runbook.md#{name}")
        assert text.count("://") == 1
        assert f"\n### {name}\n" in runbook
    for name in ("DeadLettersAlarm", "SetupFaultsAlarm", "FunctionErrorsAlarm", *OPTIONAL):
        text = text_of(resources[name]["AlarmDescription"], is_production=False)
        assert ". Dashboard: none in dev. Runbook: docs/runbook.md#" in text
        assert "://" not in text


def test_an_alarm_is_called_what_its_resource_is_called(template: Template) -> None:
    """RecordAgeAlarm is `<stack>-record-age`: people find the one by the other."""
    for name, alarm in all_alarms(template).items():
        words = re.findall(r"[A-Z][a-z]+", name.removesuffix("Alarm"))
        assert alarm["AlarmName"] == {"Fn::Sub": "${AWS::StackName}-" + "-".join(words).lower()}


def test_the_dashboard_shows_metrics_that_exist(resources: Resources) -> None:
    """The dashboard is JSON, and each of its lines is published by somebody."""
    lines = [line for widget in widgets(resources) for line in widget["properties"].get("metrics", [])]

    assert len(lines) > 15
    for namespace, metric, *rest in lines:
        pairs = [part for part in rest if not isinstance(part, dict)]
        assert_exists(namespace, metric, dict(zip(pairs[::2], pairs[1::2], strict=True)))


def test_the_dashboard_shows_every_reason_and_every_alarm(template: Template, resources: Resources) -> None:
    """A new outcome or alarm that the dashboard leaves out fails here."""
    found = widgets(resources)
    lines = [line for widget in found for line in widget["properties"].get("metrics", [])]
    shown_alarms = [alarm for widget in found for alarm in widget["properties"].get("alarms", [])]

    assert {line[-1] for line in lines if line[1] == OUTCOME_METRIC} == set(Reason) - {Reason.DELIVERED}
    assert set(shown_alarms) == {f"1{name}.Arn" for name in all_alarms(template)}


def test_the_dashboard_has_no_overlapping_widgets(resources: Resources) -> None:
    """Widgets stand in the grid of 24 columns without covering each other."""
    cells = [
        (x, y)
        for widget in widgets(resources)
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
