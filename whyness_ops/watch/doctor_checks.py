"""Edge: the checks of `doctor`. Each asks AWS one question; none reads a secret or an event."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from whyness_ops.aws import clock_ms, explained
from whyness_ops.stack import described
from whyness_ops.watch import log_checks
from whyness_ops.watch.scope import Scope
from whyness_ops.watch.status import Row, duration

_CLOCK_WELL_S = 5
_EXPIRY_WARNED_DAYS = 30
_DRIFT_PAUSE_S, _DRIFT_TIMEOUT_S = 5.0, 900.0
_FILL_IN = "docs/how-to/deploy.md#fill-in-the-secret"


# --- queues


def _queue(scope: Scope) -> Row:
    attributes = _attributes(scope, scope.stack.need("queue_url"))["Attributes"]
    policy = json.loads(attributes.get("RedrivePolicy", "{}"))
    dead_name = scope.stack.need("dead_letter_queue_url").rpartition("/")[2]
    if not str(policy.get("deadLetterTargetArn", "")).endswith(f":{dead_name}"):
        return Row("queue", "ill", f"its redrive policy does not name {dead_name}", "make undrift")
    if "aws:SecureTransport" not in attributes.get("Policy", "") and not scope.stack.is_local:
        return Row("queue", "ill", "its policy no longer refuses calls without TLS", "make undrift")
    if "QueueArn" not in attributes:
        raise KeyError("QueueArn")
    return Row("queue", "well", f"redrives to {dead_name} after {policy.get('maxReceiveCount')} receives")


def _clock(scope: Scope) -> Row:
    began_ms = time.time_ns() // 1_000_000
    aws_ms = clock_ms(_attributes(scope, scope.stack.need("queue_url")))
    if aws_ms is None:
        raise KeyError("Date")
    # AWS's time has whole seconds, and stands for some moment of the call.
    ahead_s = max(0, abs(began_ms - aws_ms) / 1000 - 1)
    text = f"this machine's is {ahead_s:.0f} s from AWS's"
    if ahead_s > _CLOCK_WELL_S:
        return Row("clock", "ill", text, "timedatectl set-ntp true (or your system's time service)")
    return Row("clock", "well", text)


def _retention(scope: Scope) -> Row:
    attributes = _attributes(scope, scope.stack.need("dead_letter_queue_url"))["Attributes"]
    retention_s, count = (
        int(attributes["MessageRetentionPeriod"]),
        int(attributes["ApproximateNumberOfMessages"]),
    )
    text = f"{count} dead letters; SQS deletes each {duration(retention_s)} after it came"
    if not count:
        return Row("dead letters", "well", text)
    return Row("dead letters", "ill", text, "whyness-mixpanel dlq list; then redrive, or dlq export")


def _attributes(scope: Scope, url: str) -> Mapping[str, Any]:
    with explained(f"queue {url}"):
        found: Mapping[str, Any] = scope.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return found


# --- function, secret, alarms


def _mapping(scope: Scope) -> Row:
    with explained("the event source mapping"):
        found = scope.aws.functions.get_event_source_mapping(UUID=scope.stack.need("mapping_id"))
    if found["State"] != "Enabled":
        return Row("mapping", "ill", f"{found['State'].lower()}: nothing is sent", "whyness-mixpanel resume")
    if "ReportBatchItemFailures" not in found.get("FunctionResponseTypes", ()):
        return Row("mapping", "ill", "Lambda ignores which records failed", "make undrift")
    return Row("mapping", "well", "enabled")


def _region(scope: Scope) -> Row:
    with explained("the function"):
        found = scope.aws.functions.get_function_configuration(FunctionName=scope.stack.need("function"))
    mixpanel = found["Environment"]["Variables"].get("MIXPANEL_REGION") or "us"
    here = scope.aws.functions.meta.region_name
    return Row("region", "well", f"stack in {here}, Mixpanel's data in {mixpanel}")


def _concurrency(scope: Scope) -> Row:
    with explained("Lambda's account settings"):
        found = scope.aws.functions.get_account_settings()["AccountLimit"]
        mapping = scope.aws.functions.get_event_source_mapping(UUID=scope.stack.need("mapping_id"))
    free, wanted = found["UnreservedConcurrentExecutions"], mapping["ScalingConfig"]["MaximumConcurrency"]
    text = f"{free} executions free in this account, {wanted} wanted"
    if free < wanted:
        return Row("concurrency", "ill", text, "raise the quota L-B99A9384 in Service Quotas")
    return Row("concurrency", "well", text)


def _secret(scope: Scope) -> Row:
    with explained("the secret"):
        found = scope.aws.secrets.describe_secret(SecretId=scope.stack.need("secret_arn"))
    stages = [stage for stages in found.get("VersionIdsToStages", {}).values() for stage in stages]
    if "AWSCURRENT" not in stages:
        return Row("secret", "ill", "empty: the credentials for Mixpanel are missing", _FILL_IN)
    changed = found.get("LastChangedDate")
    return Row("secret", "well", f"filled, changed {changed:%Y-%m-%d}" if changed else "filled")


def _email(scope: Scope) -> Row:
    if not scope.stack.alarm_topic_arn:
        return Row(
            "alarm mails",
            "ill",
            "no address gets the alarms",
            "AlarmEmail in samconfig.toml, then make deploy",
        )
    with explained("the alarms' topic"):
        found = scope.aws.sns.list_subscriptions_by_topic(TopicArn=scope.stack.alarm_topic_arn)
    states = [subscription["SubscriptionArn"] for subscription in found["Subscriptions"]]
    if "PendingConfirmation" in states or not states:
        text = "a subscription is not confirmed" if states else "the topic has no subscription"
        return Row("alarm mails", "ill", text, "open the mail of AWS Notifications and confirm it")
    return Row("alarm mails", "well", f"{len(states)} confirmed")


def _expiry(scope: Scope) -> Row:
    found = described(scope.aws.cloudformation, scope.stack.name)
    parameters = {p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", ())}
    expires = parameters.get("ServiceAccountExpires", "")
    if not expires:
        return Row("service account", "well", "its expiry date is not given (ServiceAccountExpires)")
    try:
        days = (date.fromisoformat(expires) - scope.now.date()).days
    except ValueError:  # the template's pattern takes 30 February
        text = f"its expiry date {expires} is not a date (ServiceAccountExpires)"
        return Row("service account", "ill", text, "deploy the date that Mixpanel shows")
    text = f"expires on {expires}, in {days} days" if days >= 0 else f"expired on {expires}"
    if days <= _EXPIRY_WARNED_DAYS:
        return Row("service account", "ill", text, "docs/how-to/rotate-credentials.md")
    return Row("service account", "well", text)


# --- drift


def drift(scope: Scope) -> Row:
    """Check whether resources differ from the template; CloudFormation takes minutes."""
    cloudformation, name = scope.aws.cloudformation, scope.stack.name
    with explained("the drift of the stack"):
        id_ = cloudformation.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
        for _ in range(int(_DRIFT_TIMEOUT_S / _DRIFT_PAUSE_S)):
            found = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=id_)
            if found["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                break
            time.sleep(_DRIFT_PAUSE_S)
        states = ["MODIFIED", "DELETED"]
        drifts = cloudformation.describe_stack_resource_drifts(
            StackName=name, StackResourceDriftStatusFilters=states
        )
    names = [drift["LogicalResourceId"] for drift in drifts["StackResourceDrifts"]]
    if names:
        return Row("drift", "ill", f"changed by hand: {', '.join(names)}", "make undrift")
    if found["DetectionStatus"] != "DETECTION_COMPLETE":
        return Row("drift", "unclear", str(found.get("DetectionStatusReason", found["DetectionStatus"])))
    return Row("drift", "well", "none")


Check = Callable[[Scope], Row]
ON_THIS_MACHINE: dict[str, Check] = {
    "delivery": log_checks.delivery,
    "refusals": log_checks.refusals,
    "credentials": log_checks.credentials,
    "queue": _queue,
    "dead letters": _retention,
    "clock": _clock,
}
OF_AWS: dict[str, Check] = {
    "secret": _secret,
    "service account": _expiry,
    "mapping": _mapping,
    "concurrency": _concurrency,
    "region": _region,
    "alarm mails": _email,
}
