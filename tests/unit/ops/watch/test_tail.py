"""Lines of the function's log, for people and for programs."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from whyness_ops.cli import main
from whyness_ops.stack import Stack
from whyness_ops.stop import Stop
from whyness_ops.watch import tail
from whyness_ops.watch.log_lines import AWS_REFUSED, INVOCATION, NOT_DELIVERED, Line
from whyness_ops.watch.tail import line_text

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("message", "fields", "text"),
    [
        (
            INVOCATION,
            {"outcomes": {"retry": 3, "delivered": 60}, "delivery_lag_ms": 1234},
            "2027-01-15T08:00:00Z  60 delivered, 3 retry, lag 1.2 s",
        ),
        (INVOCATION, {}, "2027-01-15T08:00:00Z  no events"),
        (
            NOT_DELIVERED,
            {"reason": "rejected", "detail": "a\nb", "insert_ids": ["i"], "message_ids": ["m"]},
            "2027-01-15T08:00:00Z    rejected: a b [i, m]",
        ),
        (NOT_DELIVERED, {"insert_ids": 5, "detail": None}, "2027-01-15T08:00:00Z    ?: None"),
        (
            AWS_REFUSED,
            {"aws_service": "sqs", "operation": "SendMessageBatch", "code": "Denied", "count": 2},
            "2027-01-15T08:00:00Z    AWS refused sqs SendMessageBatch Denied, 2 times",
        ),
        (AWS_REFUSED, {"count": "many"}, "2027-01-15T08:00:00Z    AWS refused   , 0 times"),
    ],
)
def test_a_line_is_one_line_of_text(message: str, fields: dict[str, Any], text: str) -> None:
    """When, what, how many, why; also where somebody else wrote it."""
    assert line_text(Line("id", NOW_MS, message, fields)) == text


def test_lines_are_shown_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each once; as JSON where asked. What would steer a terminal is escaped."""
    polls: list[int] = []

    def filter_log_events(**request: Any) -> dict[str, Any]:
        polls.append(request["startTime"])
        line = {"message": NOT_DELIVERED, "reason": "\x1b[31m", "level": "WARNING"}
        return {"events": [{"eventId": "1", "timestamp": NOW_MS, "message": json.dumps(line)}]}

    aws = SimpleNamespace(logs=SimpleNamespace(filter_log_events=filter_log_events))
    monkeypatch.setattr(tail, "connect", lambda _: (aws, Stack(log_group="g")))
    monkeypatch.setattr(Stop, "wait", lambda stop, _: stop.set() if len(polls) % 2 == 0 else None)

    for options in ([], ["--json"]):
        main(["tail", *options])

    text, as_json = capsys.readouterr().out.splitlines()
    assert len(polls) == 4
    assert "\\x1b[31m" in text
    assert json.loads(as_json) == {
        "time": "2027-01-15T08:00:00Z",
        "message": NOT_DELIVERED,
        "reason": "\x1b[31m",
    }
