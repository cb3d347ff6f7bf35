"""The most that Lambda ever hands over, 6 MB: delivered whole, in little memory."""

import json
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import large_properties, make_body, make_raw, make_record
from tests.integration.delivery.function import counted, environment_of, recent_event, recent_sqs_event, sent
from tests.integration.delivery.lambda_process import run_lambda
from whyness_events import Event
from whyness_events.delivery.items import Record

# Source: Lambda's quota for a synchronous invocation, read as MB so that it fits either way; 2026-11-23.
INVOCATION_BYTES = 6_000_000
MEMORY_BYTES = 256 * 1024 * 1024
_HEADERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{0} like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)


def real_event(number: int) -> Event:
    """Return an event as large, and as varied, as a site's own."""
    return recent_event(
        event=f"Page {number % 50}",
        user=f"p:{number % 3_000}" if number % 3 else str(number % 3_000 + 2),
        ip=f"8.8.{number % 200}.{number % 250}",
        useragent=_HEADERS[number % 2].format(number % 120),
        data="GET",
    )


def filled(records: list[Record]) -> dict[str, Any]:
    """Return the invocation, and make sure that it is as large as one can be, and not larger."""
    event = recent_sqs_event(*records)
    assert 0.9 * INVOCATION_BYTES < len(json.dumps(event)) <= INVOCATION_BYTES
    return event


@pytest.mark.parametrize(
    ("record_count", "per_record", "padding"),
    [pytest.param(5_000, 1, 190, id="single"), pytest.param(60, 200, 95, id="packed")],
)
def test_a_full_invocation_is_delivered_in_little_memory(
    aws: AwsStub, mixpanel: MixpanelSimulator, record_count: int, per_record: int, padding: int
) -> None:
    """5,000 single events, or 12,000 in 60 messages, in one go: each counts once, below 256 MiB."""
    events = [
        Event(**{**real_event(at).to_wire(), "properties": {"path": "x" * padding, "from": "y" * padding}})
        for at in range(record_count * per_record)
    ]
    starts = range(0, len(events), per_record)
    records = [make_record(make_body(*events[start : start + per_record])) for start in starts]

    run = run_lambda([filled(records)], environment_of(aws, mixpanel.url))

    assert run.answers == [{"batchItemFailures": []}]
    assert counted(mixpanel) == sent(events)
    assert len(mixpanel.raw_events()) == len(events)
    assert run.peak_bytes < MEMORY_BYTES


def test_a_full_invocation_that_waits_is_handed_back_in_little_memory(
    aws: AwsStub, mixpanel: MixpanelSimulator
) -> None:
    """In an outage nothing piles up: the same container takes one full invocation after the other."""
    records = [make_record(make_body(*map(real_event, range(200)))) for _ in range(60)]
    mixpanel.faults.add(status=503, headers={"Retry-After": "600"})

    run = run_lambda([recent_sqs_event(*records)] * 3, environment_of(aws, mixpanel.url))

    expected = [{"itemIdentifier": record.message_id} for record in records]
    assert run.answers == [{"batchItemFailures": expected}] * 3
    assert run.peak_bytes < MEMORY_BYTES


def test_a_full_invocation_of_dead_events_is_settled_in_little_memory(
    aws: AwsStub, mixpanel: MixpanelSimulator
) -> None:
    """If all of 12,000 events are invalid, all become dead letters, and all have a row."""
    events = [{**real_event(at).to_wire(), "time": 1_763_900_000} for at in range(12_000)]
    records = [make_record(make_body(*events[start : start + 200])) for start in range(0, 12_000, 200)]

    run = run_lambda([recent_sqs_event(*records)], environment_of(aws, mixpanel.url), timeout_s=90)

    assert run.answers == [{"batchItemFailures": []}]
    assert len({dead_letter.attributes["insert_id"] for dead_letter in aws.dead_letters}) == 12_000
    assert run.peak_bytes < MEMORY_BYTES


def test_five_messages_of_the_largest_size_are_settled_in_little_memory(
    aws: AwsStub, mixpanel: MixpanelSimulator
) -> None:
    """Bodies of almost 1 MiB that hold an oversized event, text that is no JSON, or a thousand bad events."""
    large = json.dumps(make_raw(properties=large_properties(1_040_000)), separators=(",", ":"))
    many = make_body(*[make_raw(time=-1, data="x" * 900) for _ in range(1_000)])
    bodies = [large, "{" * 1_040_000, many, large, many]
    records = [make_record(body) for body in bodies]

    run = run_lambda([recent_sqs_event(*records)], environment_of(aws, mixpanel.url), timeout_s=120)

    assert run.answers == [{"batchItemFailures": []}]
    assert len(aws.dead_letters) == 2_003
    assert run.peak_bytes < MEMORY_BYTES


def test_a_message_full_of_nothing_stays_within_memory(aws: AwsStub, mixpanel: MixpanelSimulator) -> None:
    """300,000 empty objects in one message: a hostile body must not end the process."""
    event = recent_event()
    hostile = make_record('{"schema_version":1,"events":[' + ",".join(["{}"] * 300_000) + "]}")

    run = run_lambda(
        [recent_sqs_event(hostile, make_record(event))], environment_of(aws, mixpanel.url), timeout_s=20
    )

    assert run.answers in (
        [{"batchItemFailures": []}],
        [{"batchItemFailures": [{"itemIdentifier": hostile.message_id}]}],
    )
    assert counted(mixpanel) == sent([event])
    assert run.peak_bytes < MEMORY_BYTES
