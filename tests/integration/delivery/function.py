"""The real handler in this process, and what an invocation leaves behind for a test to look at."""

import itertools
import json
import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import structs

import handler
from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import SECRET_ARN, TABLE, AwsStub
from tests.builders import SENT_MS, make_event, make_record, sqs_event
from whyness_events import Event
from whyness_events.delivery.items import Record

PROJECT_ID, ACCOUNT, PASSWORD = "123", "account", "password"
FUNCTION_NAME = "dev-send-events"
# Too short for a pause between two tries, which is 3 s at least: what waits is handed back at once.
SHORT_S = 5.0
_runs = itertools.count(1)

FourFields = tuple[str, str, int, str]


class Context:
    """Lambda's context: the time that is left counts down in real time."""

    def __init__(self, timeout_s: float) -> None:
        self.aws_request_id = f"run-{next(_runs)}"
        self.function_name = FUNCTION_NAME
        self._end_s = time.monotonic() + timeout_s

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left before Lambda ends the process."""
        return max(0, int((self._end_s - time.monotonic()) * 1000))


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one invocation answered and printed.

    Args:
        failed_ids: the records handed back.
        metrics: the documents in CloudWatch's embedded format.
        details: the logged detail of each outcome but `delivered`.
        logged: the fields of the line `invocation`.
        refusals: the logged lines about what AWS refused.
    """

    failed_ids: list[str]
    metrics: list[dict[str, Any]]
    details: dict[str, str]
    logged: Mapping[str, Any]
    refusals: list[dict[str, Any]] = field(default_factory=list)

    @property
    def outcomes(self) -> dict[str, int]:
        """Events by outcome."""
        return {m["reason"]: int(_first(m["Events"])) for m in self.metrics if "reason" in m}

    def metric(self, name: str) -> float:
        """Return a metric's value."""
        return next(_first(m[name]) for m in self.metrics if name in m)


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@dataclass
class Function:
    """One container of the deployed function.

    Args:
        monkeypatch: sets the environment.
        capsys: reads what is printed.
        environment: the variables it runs with.
    """

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    environment: Mapping[str, str]
    _keeper: _Keeper = field(default_factory=_Keeper)

    @property
    def logged(self) -> list[logging.LogRecord]:
        """What the last invocation logged."""
        return self._keeper.records

    def __post_init__(self) -> None:
        """Start the container."""
        self.set(**self.environment)

    def set(self, **variables: str) -> None:
        """Change variables, `""` unsets one; as with a deploy, a new container follows."""
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        handler.container.cache_clear()

    def invoke(self, *records: Record, timeout_s: float = SHORT_S) -> Invocation:
        """Run one invocation; it must be over before Lambda would end it."""
        context = Context(timeout_s)
        self.capsys.readouterr()
        self._keeper.records.clear()
        logging.getLogger("send_events").addHandler(self._keeper)
        try:
            answer = handler.handler(recent_sqs_event(*records), context)
        finally:
            logging.getLogger("send_events").removeHandler(self._keeper)
        assert context.get_remaining_time_in_millis() > 0, "the handler did not return in time"
        printed = self.capsys.readouterr().out.splitlines()
        metrics = [json.loads(line) for line in printed if '"_aws"' in line]
        details = {vars(r)["reason"]: vars(r)["detail"] for r in self._keeper.records if "detail" in vars(r)}
        [logged] = [vars(r) for r in self._keeper.records if r.getMessage() == "invocation"]
        failed_ids = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        refusals = [vars(r) for r in self._keeper.records if r.getMessage() == "aws refused"]
        return Invocation(failed_ids, metrics, details, logged, refusals)

    def invoke_until_settled(self, *records: Record, timeout_s: float = SHORT_S) -> Invocation:
        """Hand what came back in again, as SQS would; a second time must be enough."""
        first = self.invoke(*records, timeout_s=timeout_s)
        left = [record for record in records if record.message_id in first.failed_ids]
        second = self.invoke(*left, timeout_s=timeout_s)
        assert second.failed_ids == []
        return second


def forget_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take out of the environment what the developer's own shell sets for AWS and for the function."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MIXPANEL_", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)


def environment_of(aws: AwsStub, mixpanel_url: str) -> dict[str, str]:
    """Return the function's variables, as its template would set them."""
    return {
        **aws.environment,
        "MIXPANEL_PROJECT_ID": PROJECT_ID,
        "MIXPANEL_API_URL": mixpanel_url,
        "MIXPANEL_SECRET_ARN": SECRET_ARN,
        "QUEUE_URL": aws.queue_url,
        "DEAD_LETTER_QUEUE_URL": aws.dead_letter_queue_url,
        "LOG_TABLE_NAME": TABLE,
        "ANSWER_TIMEOUT_S": "10",
        "BREAKER_S": "0",  # each invocation probes: nothing here waits for time to pass
    }


def recent_event(**fields: Any) -> Event:
    """Return a valid event of a minute ago: the Mixpanel of these tests looks at the real clock."""
    return make_event(**{"time": int(time.time() * 1000) - 60_000, **fields})


def recent_sqs_event(*records: Record) -> dict[str, Any]:
    """Return the records as if just published: on the real clock, the builders' moment is long ago."""
    sent_ms = int(time.time() * 1000) - 30_000
    moved = (structs.replace(r, sent_ms=sent_ms) if r.sent_ms == SENT_MS else r for r in records)
    return sqs_event(*moved)


def records_of(count: int, **fields: Any) -> tuple[list[Event], list[Record]]:
    """Return events, each in a record of its own."""
    events = [recent_event(**fields) for _ in range(count)]
    return events, [make_record(event) for event in events]


def counted(mixpanel: MixpanelSimulator) -> list[FourFields]:
    """Return the four deduplication fields of each event that Mixpanel counts, sorted."""
    found = ((event["event"], event["properties"]) for event in mixpanel.events())
    return sorted((name, p["distinct_id"], p["time"], p["$insert_id"]) for name, p in found)


def sent(events: Iterable[Event]) -> list[FourFields]:
    """Return the four deduplication fields of events, sorted."""
    return sorted((e.event, e.user, e.time, e.insert_id) for e in events)


def _first(value: float | list[float]) -> float:
    return value[0] if isinstance(value, list) else value
