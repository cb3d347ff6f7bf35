"""What the emulator lacks, tried on small stacks of their own; and what shows it instead."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

_QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "lacks-kept"}}
_ALARM = {
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "MetricName": "Nothing",
    "Namespace": "Lacks",
    "Period": 3600,
    "Statistic": "Sum",
    "Threshold": 0,
}
_TOPICS = [f"arn:aws:sns:us-east-1:000000000000:lacks-{name}" for name in ("before", "after")]


class Lack(NamedTuple):
    """Something that AWS has: what it is, what shows it instead, and whether the emulator lacks it."""

    what: str
    instead: str
    is_so: Callable[[], bool]


def report(lacks: tuple[Lack, ...] | None = None) -> Iterator[str]:
    """Yield a line for each; what the emulator has by now is said, too."""
    for lack in LACKS if lacks is None else lacks:
        if lack.is_so():
            yield f"  - {lack.what}; instead: {lack.instead}"
        else:
            yield f"  - (it has this by now, and `make e2e` should look at it: {lack.what})"


def _client(service: str) -> Any:
    make: Any = boto3.client
    return make(service)


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except (BotoCoreError, ClientError):  # a waiter's error is one of the first
        return True
    return False


def _make(name: str, **template: Any) -> None:
    """Make a stack and wait for it."""
    cloudformation = _client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )


def _no_rules() -> bool:
    rule = {"Never": {"Assertions": [{"Assert": {"Fn::Equals": ["a", "b"]}}]}}
    return not _is_refused(
        lambda: _make("lacks-rules", Rules=rule, Resources={"Queue": {"Type": _QUEUE["Type"]}})
    )


def _no_allowed_pattern() -> bool:
    parameter = {"Number": {"Type": "String", "AllowedPattern": "[0-9]+", "Default": "none"}}
    resources = {"Queue": {"Type": _QUEUE["Type"]}}
    return not _is_refused(lambda: _make("lacks-pattern", Parameters=parameter, Resources=resources))


def _no_partiql() -> bool:
    statement = 'UPDATE "lacks" SET "state" = ? SET "at" = ? WHERE "pk" = ? AND "sk" = ? AND "state" <> ?'
    dynamodb = _client("dynamodb")
    names = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
    dynamodb.create_table(
        TableName="lacks", AttributeDefinitions=names, KeySchema=keys, BillingMode="PAY_PER_REQUEST"
    )
    row = {"pk": {"S": "p"}, "sk": {"S": "s"}, "state": {"S": "dead"}}
    dynamodb.put_item(TableName="lacks", Item=row)
    values = [{"S": text} for text in ("delivered", "now", "p", "s", "delivered")]
    return _is_refused(lambda: dynamodb.execute_statement(Statement=statement, Parameters=values)) or (
        dynamodb.get_item(TableName="lacks", Key={"pk": row["pk"], "sk": row["sk"]})["Item"]["state"]
        == row["state"]
    )


def _no_change_of_alarm_actions() -> bool:
    def template(topic: str) -> dict[str, Any]:
        properties = {**_ALARM, "AlarmName": "lacks-actions", "AlarmActions": [topic]}
        return {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}

    _make("lacks-actions", Resources=template(_TOPICS[0]))
    cloudformation = _client("cloudformation")
    body = json.dumps({"Resources": template(_TOPICS[1])})
    if _is_refused(lambda: cloudformation.update_stack(StackName="lacks-actions", TemplateBody=body)):
        return True
    waiter = cloudformation.get_waiter("stack_update_complete")
    waiting = {"Delay": 1, "MaxAttempts": 30}
    if _is_refused(lambda: waiter.wait(StackName="lacks-actions", WaiterConfig=waiting)):
        return True
    (alarm,) = _client("cloudwatch").describe_alarms(AlarmNames=["lacks-actions"])["MetricAlarms"]
    return bool(alarm["AlarmActions"] != [_TOPICS[1]])


def _no_composites() -> bool:
    cloudwatch = _client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="lacks-part", **_ALARM)
    cloudwatch.put_composite_alarm(AlarmName="lacks-whole", AlarmRule='ALARM("lacks-part")')
    cloudwatch.set_alarm_state(AlarmName="lacks-part", StateValue="ALARM", StateReason="lacks")
    (whole,) = cloudwatch.describe_alarms(AlarmNames=["lacks-whole"], AlarmTypes=["CompositeAlarm"])[
        "CompositeAlarms"
    ]
    return bool(whole["StateValue"] != "ALARM")


def _no_alarm_states_asked() -> bool:
    cloudwatch = _client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="lacks-quiet", **_ALARM)
    cloudwatch.set_alarm_state(AlarmName="lacks-quiet", StateValue="OK", StateReason="lacks")
    found = cloudwatch.describe_alarms(AlarmNamePrefix="lacks-quiet", StateValue="ALARM")["MetricAlarms"]
    return bool(found)


def _no_termination_protection() -> bool:
    cloudformation = _client("cloudformation")
    _make("lacks-protection", Resources={"Queue": {"Type": _QUEUE["Type"]}})
    cloudformation.update_termination_protection(
        StackName="lacks-protection", EnableTerminationProtection=True
    )
    return not _is_refused(lambda: cloudformation.delete_stack(StackName="lacks-protection"))


def _no_retention() -> bool:
    cloudformation = _client("cloudformation")
    _make("lacks-retention", Resources={"Queue": {**_QUEUE, "DeletionPolicy": "RetainExceptOnCreate"}})
    cloudformation.delete_stack(StackName="lacks-retention")
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName="lacks-retention", WaiterConfig={"Delay": 1}
    )
    return _is_refused(lambda: _client("sqs").get_queue_url(QueueName="lacks-kept"))


def _no_dashboards() -> bool:
    widget = {"type": "text", "x": 0, "y": 0, "width": 1, "height": 1, "properties": {"markdown": "lacks"}}
    properties = {"DashboardName": "lacks", "DashboardBody": json.dumps({"widgets": [widget]})}
    resources = {"Board": {"Type": "AWS::CloudWatch::Dashboard", "Properties": properties}}
    return _is_refused(lambda: _make("lacks-dashboard", Resources=resources)) or _is_refused(
        lambda: _client("cloudwatch").get_dashboard(DashboardName="lacks")
    )


def _no_pending_subscriptions() -> bool:
    sns = _client("sns")
    topic = sns.create_topic(Name="lacks")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="nobody@example.com")
    (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return bool(found["SubscriptionArn"] != "PendingConfirmation")


def _no_rights() -> bool:
    nobody = boto3.Session("nobody", "wrong")
    return not _is_refused(nobody.client("sqs").list_queues)


def _no_metrics_of_log_lines() -> bool:
    return not _client("cloudwatch").list_metrics(Namespace="Whyness")["Metrics"]


def _no_drift() -> bool:
    _make("lacks-drift", Resources={"Queue": {"Type": _QUEUE["Type"]}})
    return _is_refused(lambda: _client("cloudformation").detect_stack_drift(StackName="lacks-drift"))


def _no_saved_queries() -> bool:
    return _is_refused(_client("logs").describe_query_definitions)


_ALARMS = "tests/infra/test_alarms_ring.py, by a model of CloudWatch"
LACKS = (
    Lack("Rules of a template are not evaluated", "tests/infra/test_parameters.py", _no_rules),
    Lack("AllowedPattern is not checked", "tests/infra/test_parameters.py", _no_allowed_pattern),
    Lack(
        "BatchExecuteStatement cannot read the function's UPDATE",
        "the plug-in carries it out as UpdateItem",
        _no_partiql,
    ),
    Lack(
        "an update does not change an alarm",
        "tests/infra/test_alarms.py",
        _no_change_of_alarm_actions,
    ),
    Lack("composite alarms are not evaluated", _ALARMS, _no_composites),
    Lack(
        "the function's log lines become no metrics, so no alarm rings by them",
        _ALARMS,
        _no_metrics_of_log_lines,
    ),
    Lack("DescribeAlarms leaves no alarm out by its state", "the command line does", _no_alarm_states_asked),
    Lack(
        "a protected stack is deleted all the same", "tests/infra/test_deploy.py", _no_termination_protection
    ),
    Lack("DeletionPolicy keeps nothing", "tests/infra/test_queues.py", _no_retention),
    Lack("dashboards are accepted, not made", "tests/infra/test_alarms.py", _no_dashboards),
    Lack("saved queries are accepted, not made", "cfn-lint, in make check", _no_saved_queries),
    Lack(
        "a subscription counts as confirmed at once",
        "tests/unit/ops/watch/test_doctor.py",
        _no_pending_subscriptions,
    ),
    Lack(
        "rights and passwords are not checked",
        "tests/infra/test_policies.py, by parliament and the calls",
        _no_rights,
    ),
    Lack("drift is not detected (doctor --drift, make undrift)", "tests/infra/test_undrift.py", _no_drift),
)
