"""The function: how it is called, what it may do, what it is told."""

from pathlib import Path
from typing import Any

import botocore
import botocore.session

from whyness_events import delivery
from whyness_events.delivery.settings import SETTINGS

Resources = dict[str, Any]

# What each call needs; a batch of SQS needs the permission of its single action.
# Source: Service Authorization Reference of SQS, DynamoDB and Secrets Manager, 2026-11.
PERMISSIONS = {
    "send_message_batch": "sqs:SendMessage",
    "change_message_visibility_batch": "sqs:ChangeMessageVisibility",
    "delete_message_batch": "sqs:DeleteMessage",
    "batch_write_item": "dynamodb:BatchWriteItem",
    "batch_execute_statement": "dynamodb:PartiQLUpdate",
    "get_secret_value": "secretsmanager:GetSecretValue",
}


def test_every_answer_is_taken_record_by_record(resources: Resources) -> None:
    """Without ReportBatchItemFailures Lambda would delete what the function hands back."""
    mapping = resources["SendEventsFunctionRecords"]

    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["EventQueue", "Arn"]}


def test_receive_batches_are_as_large_as_lambda_makes_them(resources: Resources) -> None:
    """Only large batches fill requests of 2,000 events; a batch over 10 records needs a window."""
    mapping = resources["SendEventsFunctionRecords"]

    assert mapping["BatchSize"] == 10_000
    assert 1 <= mapping["MaximumBatchingWindowInSeconds"] <= 10


def test_the_mapping_is_capped(resources: Resources) -> None:
    """Concurrency is capped at the queue, where a throttled receive cannot burn receive counts."""
    mapping = resources["SendEventsFunctionRecords"]
    function = resources["SendEventsFunction"]

    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    assert "MetricsConfig" not in mapping, "metrics that nothing reads are billed all the same"
    assert "ReservedConcurrentExecutions" not in function


def test_the_function_is_what_was_built(resources: Resources) -> None:
    """Runtime, handler and processor are those that the build and the layout agree on."""
    function = resources["SendEventsFunction"]

    assert (function["Runtime"], function["Handler"]) == ("python3.13", "handler.handler")
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert function["MemorySize"] == {"Ref": "MemorySize"}
    assert function["Timeout"] == 120


def test_the_log_is_json_in_a_group_of_our_own_that_forgets(resources: Resources) -> None:
    """The function writes to the template's log group, which has a retention."""
    logging = resources["SendEventsFunction"]["LoggingConfig"]

    assert logging == {"LogFormat": "JSON", "LogGroup": {"Ref": "SendEventsLogs"}}
    assert resources["SendEventsLogs"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_the_function_knows_every_name_it_is_told(resources: Resources) -> None:
    """Each environment variable is one that is read, and each setting without a default is set."""
    variables = resources["SendEventsFunction"]["Environment"]["Variables"]

    # REVISION is for the log line only, which is written also where the settings are faulty.
    assert set(variables) <= {setting.name for setting in SETTINGS} | {"REVISION"}
    assert {setting.name for setting in SETTINGS if setting.default is None} <= set(variables)


def test_the_environment_has_exactly_the_operators_names(resources: Resources) -> None:
    """No more and no less than the operator's settings; those for tests and chaos stay out of production."""
    variables = resources["SendEventsFunction"]["Environment"]["Variables"]

    assert variables == {
        "MIXPANEL_PROJECT_ID": {"Ref": "MixpanelProjectId"},
        "MIXPANEL_REGION": {"Ref": "MixpanelRegion"},
        "MIXPANEL_IDENTITY": {"Ref": "MixpanelIdentity"},
        "MIXPANEL_NAMES": {"Ref": "MixpanelNames"},
        "MIXPANEL_SECRET_ARN": {"Ref": "MixpanelSecret"},
        "QUEUE_URL": {"Ref": "EventQueue"},
        "DEAD_LETTER_QUEUE_URL": {"Ref": "DeadLetterQueue"},
        "LOG_TABLE_NAME": {"Ref": "LogTable"},
        "MAX_RECEIVE_COUNT": "1000",
        "SENDER_THREADS": {"Ref": "SenderThreads"},
        "MIXPANEL_API_URL": {"Ref": "MixpanelApiUrl"},
        "REVISION": {"Ref": "Revision"},
        "MIXPANEL_SERVICE_ACCOUNT": "",
        "MIXPANEL_SERVICE_PASSWORD": "",
    }


def test_what_is_deployed_is_in_a_tag(resources: Resources) -> None:
    """The console shows the revision beside the function."""
    tags = {tag["Key"]: tag["Value"] for tag in resources["SendEventsFunction"]["Tags"]}

    assert tags["revision"] == {"Ref": "Revision"}
    assert tags["service-account-expires"] == {"Ref": "ServiceAccountExpires"}


def test_the_function_may_do_what_it_does_and_nothing_else(resources: Resources) -> None:
    """The role has exactly these actions, each on exactly one resource of the stack."""
    role = resources["SendEventsRole"]
    [policy] = role["Policies"]
    statements = policy["PolicyDocument"]["Statement"]

    assert [(s["Effect"], s["Action"], s["Resource"]) for s in statements] == [
        (
            "Allow",
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ChangeMessageVisibility",
            ],
            {"Fn::GetAtt": ["EventQueue", "Arn"]},
        ),
        ("Allow", "sqs:SendMessage", {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}),
        ("Allow", ["dynamodb:BatchWriteItem", "dynamodb:PartiQLUpdate"], {"Fn::GetAtt": ["LogTable", "Arn"]}),
        ("Allow", "secretsmanager:GetSecretValue", {"Ref": "MixpanelSecret"}),
        ("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], {"Fn::GetAtt": ["SendEventsLogs", "Arn"]}),
    ]
    assert "ManagedPolicyArns" not in role
    assert resources["SendEventsFunction"]["Role"] == {"Fn::GetAtt": ["SendEventsRole", "Arn"]}


def test_the_role_covers_every_call_of_the_function(resources: Resources) -> None:
    """Each operation of AWS that the code names is granted; a new one fails here first."""
    [policy] = resources["SendEventsRole"]["Policies"]
    granted = str([statement["Action"] for statement in policy["PolicyDocument"]["Statement"]])
    code = "".join(path.read_text() for path in Path(delivery.__file__).parent.rglob("*.py"))

    called = {name for name in operations("sqs", "dynamodb", "secretsmanager") if f'"{name}"' in code}

    assert called == set(PERMISSIONS)
    assert [name for name in called if f"'{PERMISSIONS[name]}'" not in granted] == []


def operations(*services: str) -> set[str]:
    """Return the names that boto3 gives the operations of services."""
    session = botocore.session.Session()
    models = [session.get_service_model(service) for service in services]
    return {botocore.xform_name(name) for model in models for name in model.operation_names}


def test_only_lambda_can_take_the_role(resources: Resources) -> None:
    """The role trusts the Lambda service and nobody else."""
    [statement] = resources["SendEventsRole"]["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


def test_the_app_may_publish_and_nothing_else(resources: Resources) -> None:
    """The publisher's policy lets it send to the one queue."""
    [statement] = resources["PublisherPolicy"]["PolicyDocument"]["Statement"]

    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert statement["Resource"] == {"Fn::GetAtt": ["EventQueue", "Arn"]}


def test_the_stack_has_one_role_and_one_function(template: dict[str, Any]) -> None:
    """Nothing that SAM generates brings permissions of its own."""
    types = [resource["Type"] for resource in template["Resources"].values()]

    assert types.count("AWS::IAM::Role") == types.count("AWS::Lambda::Function") == 1
    assert "AWS::Lambda::Permission" not in types
