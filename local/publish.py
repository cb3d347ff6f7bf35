"""Publish events to the queue at QUEUE_URL, for the drill in docs/runbook.md."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from uuid import uuid4

import boto3

from whyness_events import Event, encode_message

_EVENTS_PER_MESSAGE = 50
# A blank name: the function rejects such an event, as Mixpanel would.
_BAD_NAME = " "


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish; return the exit status."""
    options = _read(arguments)
    queue_url = os.environ.get("QUEUE_URL", "")
    if not queue_url:
        print(
            "QUEUE_URL is not set. Set it to the queue's URL, for example with `. .cache/demo.env`.",
            file=sys.stderr,
        )
        return 2
    sqs = boto3.client("sqs")
    name = _BAD_NAME if options.bad else "Drill"
    events = [_event(name, number) for number in range(options.count)]
    for start in range(0, len(events), _EVENTS_PER_MESSAGE):
        body = encode_message(events[start : start + _EVENTS_PER_MESSAGE], identity="distinct_id")
        sqs.send_message(QueueUrl=queue_url, MessageBody=body)
    print(f"published {len(events)} events named {name!r}")
    return 0


def _event(name: str, number: int) -> Event:
    now_ms = time.time_ns() // 1_000_000
    return Event(insert_id=str(uuid4()), event=name, user=str(1_000 + number), time=now_ms)


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.publish", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="number of events (default 500)")
    parser.add_argument(
        "--bad", action="store_true", help="give them a blank name, so that they are rejected"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
