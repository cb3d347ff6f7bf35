"""The rows: one for each fault that the pipeline must survive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.chaos import killing, troubles
from local.chaos.lane import Lane
from local.chaos.load import Bad, Mix
from local.chaos.pace import Pace
from local.chaos.troubles import Trouble, at_aws, at_mixpanel, limit

_SENDS = ("SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch", "BatchWriteItem")
_CALLS = (*_SENDS, "ReceiveMessage", "ChangeMessageVisibility", "UpdateItem")
_FEW_BAD = Mix(bad_share=0.03)
_RETRY_AFTER = {"headers": {"Retry-After": "1"}}


@dataclass(frozen=True, slots=True)
class Row:
    """A trouble and the load that is offered during it.

    Args:
        name: on the command line and in the JSON.
        what: a title for people.
        trouble: begins before the load and, without `fixed_after_s`, lasts until the queue is empty.
        fixed_after_s: how long it lasts; the load is offered meanwhile.
        mix: of the load.
    """

    name: str
    what: str
    trouble: Trouble
    fixed_after_s: Callable[[Pace], float] | None = None
    mix: Mix = Mix()  # noqa: RUF009  (frozen)


def _status(probability: float, status: int, **more: Any) -> Trouble:
    fault: Mapping[str, Any] = {"probability": probability, "status": status, **more}
    return at_mixpanel(fault)


def _soon(pace: Pace) -> float:
    return pace.trouble_s


def _late(pace: Pace) -> float:
    return pace.outage_s


def _stop(lane: Lane) -> None:
    lane.stop_poller()


def _kill(lane: Lane) -> None:
    lane.kill_poller()


ROWS = (
    Row("throttled-10", "10 % 429", _status(0.1, 429)),
    Row("retry-after-10", "10 % 429 with Retry-After", _status(0.1, 429, **_RETRY_AFTER)),
    Row("throttled-30", "30 % 429", _status(0.3, 429)),
    Row("retry-after-30", "30 % 429 with Retry-After", _status(0.3, 429, **_RETRY_AFTER)),
    Row("unavailable", "10 % 503", _status(0.1, 503)),
    Row("gateway", '504 "too many requests" as plain text', _status(0.1, 504, body="too many requests")),
    Row(
        "reset-before",
        "5 % resets before ingestion",
        at_mixpanel({"probability": 0.05, "connection": "reset"}),
    ),
    Row(
        "reset-after",
        "5 % resets after ingestion",
        at_mixpanel({"probability": 0.05, "connection": "reset", "ingest": True}),
    ),
    Row("outage", "total outage", at_mixpanel({"status": 503}), _late),
    Row(
        "too-large",
        "413 far below the packed size",
        limit(413, max_body_bytes=lambda p: max(2_000, p.events * 5)),
    ),
    Row("unauthorised", "401, then the secret is rotated", troubles.rotated, _soon),
    Row("wrong-project", "400 for a wrong project, then redeployed", troubles.wrong_project, _soon),
    Row("rate-limit", "rate limit below the load", limit(429, events_per_s=lambda p: p.events // 150), _late),
    Row("slow", "answers slower than the timeout", troubles.slow),
    Row("dripping", "dripping answers", at_mixpanel({"probability": 0.3, "drip_s": 0.2})),
    Row(
        "garbage",
        "garbage 200s",
        at_mixpanel(
            {"probability": 0.15, "status": 200, "body": "<html>welcome</html>"},
            {"probability": 0.15, "count": "short", "ingest": True},
            {"probability": 0.15, "count": "missing"},
            {"probability": 0.15, "status": 200, "body": {"code": 200}, "ingest": True},
        ),
    ),
    Row("invalid", "1 % invalid events", troubles.invalid, mix=Mix(bad_share=0.01)),
    Row("killed", "kill -9 of the runtimes during invocations", killing.killed, _soon),
    Row("poison", "a record that kills its process", killing.poisoned("poison"), mix=Mix(poison=True)),
    Row(
        "aws-partial",
        "SQS and DynamoDB refuse parts of batches",
        at_aws({"effect": "partial", "probability": 0.2, "operations": _SENDS}),
        mix=_FEW_BAD,
    ),
    Row(
        "aws-throttled",
        "SQS and DynamoDB throttle or are unavailable",
        at_aws(
            {"effect": "throttle", "probability": 0.2, "operations": _CALLS},
            {"effect": "unavailable", "probability": 0.1, "operations": _CALLS},
        ),
        mix=_FEW_BAD,
    ),
    Row(
        "aws-dropped",
        "SQS and DynamoDB drop connections",
        at_aws(
            {"effect": "drop_before", "probability": 0.1, "operations": _CALLS},
            {"effect": "drop_after", "probability": 0.1, "operations": _CALLS},
        ),
        mix=_FEW_BAD,
    ),
    Row(
        "redrive",
        "dead letters redriven once Mixpanel takes them",
        troubles.redriven,
        mix=Mix(bad_share=0.05, kinds=(Bad.AT_MIXPANEL,), fate=""),
    ),
    Row("poller-stopped", "the poller restarted (SIGTERM)", killing.restarted(_stop), _soon),
    Row("poller-killed", "the poller restarted (kill -9)", killing.restarted(_kill), _soon),
)
# These take longest, so that they begin first.
LONGEST_FIRST = ("poison", "outage", "rate-limit", "too-large", "dripping")
