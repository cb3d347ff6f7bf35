"""What `doctor` finds, and the command that fixes it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.ops.watch.fake_aws import (
    NOW,
    NOW_MS,
    STACK,
    TELLS_NOTHING,
    WELL,
    FakeClient,
    depth,
    invocation,
)
from whyness_ops.aws import Aws
from whyness_ops.stack import Stack
from whyness_ops.watch.doctor import examine, is_well
from whyness_ops.watch.doctor_checks import OF_AWS, ON_THIS_MACHINE
from whyness_ops.watch.scope import Scope
from whyness_ops.watch.status import Row, rows_text


def examined(monkeypatch: pytest.MonkeyPatch, stack: Stack = STACK, **answers: Any) -> list[Row]:
    """Return what is found in a stack that is well but for these answers."""
    monkeypatch.setattr(Aws, "_client", lambda _, service: FakeClient(service, WELL | answers))
    return examine(Scope(Aws(), stack, NOW_MS), with_drift=True)


def told(*lines: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the log, a line a second, the newest of now."""
    count = len(lines)
    return {
        "events": [
            {"eventId": str(n), "timestamp": NOW_MS - 1000 * (count - n), "message": json.dumps(line)}
            for n, line in enumerate(lines)
        ]
    }


def not_delivered(reason: str, http_status: int = 0) -> dict[str, Any]:
    """Return the line of one outcome."""
    return {"message": "not delivered", "reason": reason, "detail": "why", "http_status": http_status}


DELIVERED = {"message": "invocation", "outcomes": {"delivered": 1}}
REFUSED = {"message": "aws refused", "aws_service": "sqs", "operation": "SendMessageBatch", "code": "Denied"}


def test_a_sound_stack_passes_each_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing to fix."""
    rows = examined(monkeypatch)

    assert {row.name: row.text for row in rows if row.verdict != "well"} == {}
    assert is_well(rows)
    assert "Fix " not in rows_text(
        [{"name": r.name, "verdict": r.verdict, "text": r.text, "do": r.do} for r in rows]
    )
    assert len(rows) == len(ON_THIS_MACHINE) + len(OF_AWS) + 1


def without(answer: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a queue's attributes without one."""
    return {
        **answer,
        "Attributes": {key: value for key, value in answer["Attributes"].items() if key != name},
    }


def late(seconds: int) -> dict[str, Any]:
    """Return a queue's answer with AWS's time so much behind this machine's."""
    answer = depth(0)
    date = (NOW - timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}


def expiring(date: str) -> dict[str, Any]:
    """Return a stack whose service account expires then."""
    parameter = {"ParameterKey": "ServiceAccountExpires", "ParameterValue": date}
    return {"Stacks": [{**WELL["deployment"]["Stacks"][0], "Parameters": [parameter]}]}


@pytest.mark.parametrize(
    ("answers", "name", "text", "do"),
    [
        ({"logs": told(not_delivered("setup"), DELIVERED)}, "refusals", "setup why (1 times)", "runbook"),
        ({"logs": told(REFUSED, REFUSED)}, "refusals", "sqs SendMessageBatch Denied (2 times)", "runbook"),
        ({"logs": told(not_delivered("rejected"), DELIVERED)}, "refusals", "rejected why", "runbook"),
        ({"logs": told(DELIVERED, not_delivered("retry", 401))}, "credentials", "last 1 s ago", "rotate"),
        ({"queue": without(depth(0), "RedrivePolicy")}, "queue", "does not name s-dead-letters", "undrift"),
        ({"queue": without(depth(0), "Policy")}, "queue", "calls without TLS", "undrift"),
        (
            {"logs": told({"message": "invocation", "outcomes": {}})},
            "delivery",
            "none in",
            "nothing-delivered",
        ),
        (
            {"logs": told(DELIVERED, {"message": "invocation", "is_breaker_open": True})},
            "delivery",
            "breaker is open",
            "breaker-open",
        ),
        ({"dead": depth(7)}, "dead letters", "7 dead letters; SQS deletes each 14 days", "dlq list"),
        ({"queue": late(3600)}, "clock", "from AWS's", "timedatectl"),
        ({"secret": {"Name": "s"}}, "secret", "empty", "fill-in-the-secret"),
        (
            {"deployment": expiring("2027-02-30")},
            "service account",
            "2027-02-30 is not a",
            "deploy the date",
        ),
        ({"deployment": expiring("2027-01-25")}, "service account", "in 10 days", "rotate"),
        ({"deployment": expiring("2026-12-25")}, "service account", "expired on", "rotate"),
        ({"mapping": {**WELL["mapping"], "State": "Disabled"}}, "mapping", "nothing is sent", "resume"),
        (
            {"mapping": {**WELL["mapping"], "FunctionResponseTypes": []}},
            "mapping",
            "ignores which records failed",
            "undrift",
        ),
        (
            {"account": {"AccountLimit": {"UnreservedConcurrentExecutions": 3}}},
            "concurrency",
            "3 executions free in this account, 4 wanted",
            "quota",
        ),
        (
            {"subscriptions": {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}},
            "alarm mails",
            "not confirmed",
            "confirm",
        ),
        ({"subscriptions": {"Subscriptions": []}}, "alarm mails", "no subscription", "confirm"),
        (
            {"drifts": {"StackResourceDrifts": [{"LogicalResourceId": "EventQueuePolicy"}]}},
            "drift",
            "changed by hand: EventQueuePolicy",
            "undrift",
        ),
    ],
)
def test_each_fault_is_found_with_what_fixes_it(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], name: str, text: str, do: str
) -> None:
    """And nothing else is blamed."""
    rows = examined(monkeypatch, **answers)

    [ill] = [row for row in rows if row.verdict != "well"]
    assert not is_well(rows)
    assert (ill.name, ill.verdict) == (name, "ill")
    assert text in ill.text
    assert do in ill.do


@pytest.mark.parametrize(
    "log",
    [told(not_delivered("retry", 503), not_delivered("throttled", 429)), told(not_delivered("setup", 401))],
)
def test_what_passed_is_told_and_blames_nobody(monkeypatch: pytest.MonkeyPatch, log: dict[str, Any]) -> None:
    """A retry; a 401 before a later delivery is no fault of the credentials."""
    log["events"] += invocation(outcomes={"delivered": 1})["events"]
    log["events"][-1]["timestamp"] = NOW_MS

    rows = {row.name: row for row in examined(monkeypatch, logs=log)}

    assert rows["credentials"].verdict == "well"
    assert "why" in rows["refusals"].text


@pytest.mark.parametrize("name", [name for name in WELL if name not in ("alarms", "metrics")])
@pytest.mark.parametrize("answer", TELLS_NOTHING)
def test_an_answer_that_tells_nothing_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, answer: Any
) -> None:
    """The other checks stand, and the whole does not pass."""
    if (name, answer) == ("drift", {}):
        answer = {"DetectionStatus": "DETECTION_FAILED", "DetectionStatusReason": "words"}

    rows = examined(monkeypatch, **{name: answer})

    assert not is_well(rows)
    assert any(row.verdict == "well" for row in rows)
    assert all(row.text for row in rows)


def test_the_demo_says_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no secret of its own, no mapping, no alarms."""
    rows = examined(monkeypatch, replace(STACK, is_local=True, name=""))

    assert {row.name for row in rows if row.verdict == "not here"} == set(OF_AWS)


def test_a_stack_without_mails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would hear of an alarm."""
    rows = examined(monkeypatch, replace(STACK, alarm_topic_arn=""))

    [ill] = [row for row in rows if row.verdict == "ill"]
    assert "no address gets the alarms" in ill.text


def test_drift_waits_until_cloudformation_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks it pauses."""
    states = iter(["DETECTION_IN_PROGRESS", "DETECTION_IN_PROGRESS", "DETECTION_COMPLETE"])
    pauses: list[float] = []
    monkeypatch.setattr("whyness_ops.watch.doctor_checks.time.sleep", pauses.append)

    class Detecting(FakeClient):
        """Is done at the third look."""

        def describe_stack_drift_detection_status(self, **_: Any) -> dict[str, str]:
            """As boto3's client."""
            return {"DetectionStatus": next(states)}

    monkeypatch.setattr(Aws, "_client", lambda _, service: Detecting(service, WELL))

    rows = examine(Scope(Aws(), STACK, NOW_MS), with_drift=True)

    assert {row.name: row.verdict for row in rows}["drift"] == "well"
    assert len(pauses) == 2


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits here."""
    monkeypatch.setattr("whyness_ops.watch.doctor_checks.time.sleep", lambda _: None)
