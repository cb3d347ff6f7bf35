"""Queues, table and secret: what must survive, and how long."""

from typing import Any

import pytest

from whyness_events import limits
from whyness_events.delivery.setting_conflicts import QUEUE_VISIBILITY_S
from whyness_events.log_entry import LogEntry, LogKey

Resources = dict[str, Any]
FOURTEEN_DAYS_S = 14 * 24 * 3600


def test_a_record_stays_hidden_for_six_timeouts_and_the_window(resources: Resources) -> None:
    """The visibility timeout is AWS's advice: 6 x function timeout + batching window."""
    timeout_s = resources["SendEventsFunction"]["Timeout"]
    window_s = resources["SendEventsFunctionRecords"]["MaximumBatchingWindowInSeconds"]

    visibility_s = resources["EventQueue"]["VisibilityTimeout"]

    assert visibility_s == 6 * timeout_s + window_s == QUEUE_VISIBILITY_S == 725


def test_what_kills_the_function_ends_in_the_dead_letter_queue(resources: Resources) -> None:
    """The redrive policy names our dead-letter queue, and the function knows the same receive count."""
    policy = resources["EventQueue"]["RedrivePolicy"]
    variables = resources["SendEventsFunction"]["Environment"]["Variables"]

    assert policy == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": 1000,
    }
    assert variables["MAX_RECEIVE_COUNT"] == str(policy["maxReceiveCount"])


def test_only_the_event_queue_may_use_the_dead_letter_queue(resources: Resources) -> None:
    """RedriveAllowPolicy names exactly the event queue, by the name it really has."""
    allowed = resources["DeadLetterQueue"]["RedriveAllowPolicy"]
    name = resources["EventQueue"]["QueueName"]["Fn::Sub"]

    assert allowed["redrivePermission"] == "byQueue"
    assert allowed["sourceQueueArns"] == [
        {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:" + name}
    ]


@pytest.mark.parametrize("queue", ["EventQueue", "DeadLetterQueue"])
def test_a_queue_keeps_the_largest_messages_longest_and_encrypted(resources: Resources, queue: str) -> None:
    """Both queues keep 14 days, take 1 MiB and encrypt at rest."""
    properties = resources[queue]

    assert properties["MessageRetentionPeriod"] == FOURTEEN_DAYS_S
    assert properties["MaximumMessageSize"] == limits.MESSAGE_BYTES
    assert properties["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize("queue", ["EventQueue", "DeadLetterQueue"])
def test_a_queue_is_reached_over_tls_only(resources: Resources, queue: str) -> None:
    """Each queue's policy denies every call that is not over TLS, and allows nothing."""
    properties = resources[f"{queue}Policy"]
    [statement] = properties["PolicyDocument"]["Statement"]

    assert properties["Queues"] == [{"Ref": queue}]
    assert (statement["Effect"], statement["Action"], statement["Principal"]) == ("Deny", "sqs:*", "*")
    assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_log_table_outlives_the_stack(template: dict[str, Any]) -> None:
    """The table is retained, recoverable, encrypted, and in production protected from deletion."""
    table = template["Resources"]["LogTable"]
    properties = table["Properties"]

    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["IsProduction", True, False]}
    assert template["Conditions"]["IsProduction"] == {"Fn::Equals": [{"Ref": "EnvironmentName"}, "prod"]}


def test_the_log_table_has_the_shape_of_its_rows(resources: Resources) -> None:
    """Keys, index, expiry and what the index shows are attributes that a Log row has, all keys strings."""
    properties = resources["LogTable"]
    [index] = properties["GlobalSecondaryIndexes"]
    row = LogEntry(LogKey("1201", "abc"), "rejected", "why", event="Dashboard", http_status=400).to_item()

    keys = [key["AttributeName"] for key in properties["KeySchema"] + index["KeySchema"]]

    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert (index["IndexName"], keys) == ("by_day_reason", ["pk", "sk", "gsi1pk", "gsi1sk"])
    assert {
        a["AttributeName"]: a["AttributeType"] for a in properties["AttributeDefinitions"]
    } == dict.fromkeys(keys, "S")
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert {*keys, *index["Projection"]["NonKeyAttributes"], "expires_at"} <= set(row)


def test_the_template_says_nothing_about_what_the_secret_holds(resources: Resources) -> None:
    """Any value here would be deployed over the operator's; the secret is made empty."""
    assert set(resources["MixpanelSecret"]) == {"Description"}
