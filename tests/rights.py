"""What each call of the tools and the runbook needs, of whom.

Source: Service Authorization Reference of each service; SQS Developer Guide (API permissions), for moves
between queues; CloudWatch API Reference, for alarms made of others. Read 2026-11.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache

import botocore.session

from infra.build import ROOT
from infra.policies import PLACE

EVENTS, DEAD = (f"arn:aws:sqs:{PLACE}:stack-{name}" for name in ("EventQueue", "DeadLetterQueue"))
TABLE = f"arn:aws:dynamodb:{PLACE}:table/stack-LogTable-1"
INDEX = f"{TABLE}/index/by_day_reason"
STACK = f"arn:aws:cloudformation:{PLACE}:stack/stack/*"
LOG = f"arn:aws:logs:{PLACE}:log-group:/aws/lambda/stack-send-events:*"
FUNCTION = f"arn:aws:lambda:{PLACE}:function:stack-send-events"
MAPPING = f"arn:aws:lambda:{PLACE}:event-source-mapping:00000000-0000-0000-0000-000000000000"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:MixpanelSecret-a1b2c3"
# The stack's own, or the one in its place: each stack has one, the examples both.
TOPICS = (f"arn:aws:sns:{PLACE}:stack-AlarmTopic-1", f"arn:aws:sns:{PLACE}:pages")
ALL = "*"

# An action, and what it is allowed on.
Right = tuple[str, str]
_SERVICES = (
    "sqs",
    "dynamodb",
    "cloudformation",
    "cloudwatch",
    "logs",
    "lambda",
    "secretsmanager",
    "sns",
    "sts",
)
_MOVED: set[Right] = {
    ("sqs:ReceiveMessage", DEAD),
    ("sqs:DeleteMessage", DEAD),
    ("sqs:GetQueueAttributes", DEAD),
}

VIEWER: Mapping[str, set[Right]] = {
    "get_caller_identity": set(),  # nobody can be refused it
    "describe_stacks": {("cloudformation:DescribeStacks", STACK)},
    "get_queue_attributes": {("sqs:GetQueueAttributes", EVENTS), ("sqs:GetQueueAttributes", DEAD)},
    "receive_message": {("sqs:ReceiveMessage", DEAD)},
    "change_message_visibility_batch": {("sqs:ChangeMessageVisibility", DEAD)},
    "query": {("dynamodb:Query", TABLE), ("dynamodb:Query", INDEX)},
    "describe_table": {("dynamodb:DescribeTable", TABLE)},
    "filter_log_events": {("logs:FilterLogEvents", LOG)},
    "get_function_configuration": {("lambda:GetFunctionConfiguration", FUNCTION)},
    "get_event_source_mapping": {("lambda:GetEventSourceMapping", MAPPING)},
    "list_event_source_mappings": {("lambda:ListEventSourceMappings", ALL)},
    "get_account_settings": {("lambda:GetAccountSettings", ALL)},
    "describe_secret": {("secretsmanager:DescribeSecret", SECRET)},
    "list_subscriptions_by_topic": {("sns:ListSubscriptionsByTopic", topic) for topic in TOPICS},
    "describe_alarms": {("cloudwatch:DescribeAlarms", ALL)},
    "get_metric_data": {("cloudwatch:GetMetricData", ALL)},
}
# What an operator may do besides.
OPERATOR: Mapping[str, set[Right]] = {
    "send_message": {("sqs:SendMessage", EVENTS), ("sqs:SendMessage", DEAD)},
    "send_message_batch": {("sqs:SendMessage", EVENTS)},
    "delete_message_batch": {("sqs:DeleteMessage", DEAD)},
    "start_message_move_task": {("sqs:StartMessageMoveTask", DEAD), ("sqs:SendMessage", EVENTS)} | _MOVED,
    "list_message_move_tasks": {("sqs:ListMessageMoveTasks", DEAD)} | _MOVED,
    "cancel_message_move_task": {("sqs:CancelMessageMoveTask", DEAD)} | _MOVED,
    "put_item": {("dynamodb:PutItem", TABLE)},
    "update_item": {("dynamodb:UpdateItem", TABLE)},
    "update_event_source_mapping": {("lambda:UpdateEventSourceMapping", MAPPING)},
    "detect_stack_drift": {("cloudformation:DetectStackDrift", STACK)},
    "describe_stack_drift_detection_status": {("cloudformation:DescribeStackDriftDetectionStatus", ALL)},
    "describe_stack_resource_drifts": {("cloudformation:DescribeStackResourceDrifts", STACK)},
}


@cache
def operations() -> set[str]:
    """Return the names that boto3 gives the operations of the services that the tools use."""
    session = botocore.session.get_session()
    models = [session.get_service_model(service) for service in _SERVICES]
    return {botocore.xform_name(name) for model in models for name in model.operation_names}


def called_by_the_tools() -> set[str]:
    """Return the operations that the source of whyness-mixpanel calls, paginators included."""
    return {name for path in (ROOT / "whyness_ops").rglob("*.py") for name in _calls(path.read_text())}


def _calls(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="get_paginator" | "get_waiter"), args=[ast.Constant(value=str(name))]
            ):
                yield name
            case ast.Attribute(attr=name) if name in operations():
                yield name


def called_by_the_runbook() -> set[str]:
    """Return the operations behind the AWS CLI's commands in the runbook."""
    text = (ROOT / "docs/runbook.md").read_text()
    found = re.findall(r"\baws (?:--\S+ \S+ )*([a-z]+) ([a-z-]+)", text)
    return {"filter_log_events" if pair == ("logs", "tail") else pair[1].replace("-", "_") for pair in found}
