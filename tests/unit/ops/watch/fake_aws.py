"""AWS's answers of a stack that is well, to be replaced one by one."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from whyness_ops.stack import Stack

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
STACK = Stack(
    queue_url="https://sqs.eu-west-1.amazonaws.com/1/s-events",
    dead_letter_queue_url="https://sqs.eu-west-1.amazonaws.com/1/s-dead-letters",
    log_table="s-Log",
    function="s-send-events",
    log_group="/aws/lambda/s-send-events",
    secret_arn="arn:aws:secretsmanager:eu-west-1:1:secret:s",
    alarm_topic_arn="arn:aws:sns:eu-west-1:1:t",
    mapping_id="11111111-2222-3333-4444-555555555555",
    name="s",
)


def depth(visible: int, hidden: int = 0) -> dict[str, Any]:
    """Return what SQS says of a queue's depth."""
    numbers = {"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": hidden}
    policy = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:s-dead-letters", "maxReceiveCount": 1000}
    attributes = {"QueueArn": "arn", "MessageRetentionPeriod": "1209600", "RedrivePolicy": json.dumps(policy)}
    attributes["Policy"] = json.dumps({"Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    return {"Attributes": {**attributes, **{name: str(number) for name, number in numbers.items()}}}


def invocation(**fields: Any) -> dict[str, Any]:
    """Return a page of the log with one line `invocation` of ten seconds ago."""
    message = json.dumps({"message": "invocation", **fields})
    return {"events": [{"eventId": "1", "timestamp": NOW_MS - 10_000, "message": message}]}


WELL: dict[str, Any] = {
    "logs": invocation(outcomes={"delivered": 600}, events_received_first=600, delivery_lag_ms=1200),
    "queue": depth(3, 2),
    "dead": depth(0),
    "alarms": {"MetricAlarms": [], "CompositeAlarms": []},
    "metrics": {"MetricDataResults": [{"Id": "queue", "Values": [4.0]}]},
    "mapping": {
        "State": "Enabled",
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "ScalingConfig": {"MaximumConcurrency": 4},
    },
    "function": {"Environment": {"Variables": {"MIXPANEL_REGION": "eu"}}},
    "account": {"AccountLimit": {"UnreservedConcurrentExecutions": 900}},
    "secret": {"VersionIdsToStages": {"v": ["AWSCURRENT"]}, "LastChangedDate": NOW},
    "subscriptions": {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:eu-west-1:1:t:1"}]},
    "drift started": {"StackDriftDetectionId": "d"},
    "drift": {"DetectionStatus": "DETECTION_COMPLETE"},
    "drifts": {"StackResourceDrifts": []},
    "deployment": {
        "Stacks": [
            {
                "StackName": "s",
                "StackStatus": "UPDATE_COMPLETE",
                "CreationTime": NOW,
                "LastUpdatedTime": NOW,
                "Tags": [{"Key": "revision", "Value": "v1-2-gabc"}],
            }
        ]
    },
}
REQUESTS: dict[str, tuple[str, str]] = {
    "logs": ("logs", "filter_log_events"),
    "queue": ("sqs", "get_queue_attributes"),
    "dead": ("sqs", "get_queue_attributes"),
    "alarms": ("cloudwatch", "describe_alarms"),
    "metrics": ("cloudwatch", "get_metric_data"),
    "mapping": ("lambda", "get_event_source_mapping"),
    "function": ("lambda", "get_function_configuration"),
    "account": ("lambda", "get_account_settings"),
    "secret": ("secretsmanager", "describe_secret"),
    "subscriptions": ("sns", "list_subscriptions_by_topic"),
    "deployment": ("cloudformation", "describe_stacks"),
    "drift started": ("cloudformation", "detect_stack_drift"),
    "drift": ("cloudformation", "describe_stack_drift_detection_status"),
    "drifts": ("cloudformation", "describe_stack_resource_drifts"),
}


class FakeClient:
    """Answers from `answers`, by name of the request; an exception is raised."""

    def __init__(self, service: str, answers: Mapping[str, Any]) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1")
        self._answers = {
            name: answers[name] for name, (service_name, _) in REQUESTS.items() if service_name == service
        }

    def get_paginator(self, _: str) -> "FakeClient":
        """One page."""
        return self

    def paginate(self, **_: Any) -> Iterator[Any]:
        """As boto3's paginator."""
        yield self._answer("alarms")

    def get_queue_attributes(self, *, QueueUrl: str, **_: Any) -> Any:  # noqa: N803  (boto3's name)
        """As boto3's client."""
        answer = self._answer("dead" if QueueUrl.endswith("dead-letters") else "queue")
        date = format_datetime(datetime.now(UTC), usegmt=True)
        return {"ResponseMetadata": {"HTTPHeaders": {"date": date}}, **answer}

    def __getattr__(self, method: str) -> Any:
        name = next(name for name, (_, own) in REQUESTS.items() if own == method and name in self._answers)
        return lambda **_: self._answer(name)

    def _answer(self, name: str) -> Any:
        answer = self._answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def refused(code: str) -> ClientError:
    """Return AWS's error of that code."""
    return ClientError({"Error": {"Code": code, "Message": "words"}}, "Operation")


# Denied, throttled, missing, unreachable, slow, empty.
TELLS_NOTHING: tuple[Any, ...] = (
    refused("AccessDenied"),
    refused("Throttling"),
    refused("ResourceNotFoundException"),
    EndpointConnectionError(endpoint_url="https://x"),
    ReadTimeoutError(endpoint_url="https://x"),
    {},
)
