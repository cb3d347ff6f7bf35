"""Seeded traffic: events of about 450 bytes as a site like Whyness makes them, packed into SQS events."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

from whyness_events import Event, encode_message

# 2026-11-18, well in the past: any clock takes it.
START_MS = 1_795_000_000_000
# What Lambda hands over at most, with room for the metadata that its records have here.
PAYLOAD_BYTES = 6_000_000
# When the messages were sent: just now, or their waiting would be over.
_NOW_MS = int(time.time() * 1000)
_NAMES = ("Audio upload", "Audio play", "Search", "Profile update", "Home", "User click", "Prospect click")
_SYSTEMS = (
    "Windows NT 10.0; Win64; x64",
    "Macintosh; Intel Mac OS X 10_15_7",
    "X11; Linux x86_64",
    "Linux; Android 14; SM-S918B",
    "Linux; Android 13; Pixel 7",
)


def useragents(count: int = 60) -> list[str]:
    """Return distinct headers of current browsers."""
    return [
        f"Mozilla/5.0 ({_SYSTEMS[n % len(_SYSTEMS)]}) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{100 + n}.0.{n}.{n * 7} Safari/537.36"
        for n in range(count)
    ]


def events(count: int, seed: int = 1) -> Iterator[Event]:
    """Yield `count` events, every address another, the user agents among 60."""
    rng = random.Random(seed)  # noqa: S311  (traffic)
    headers = useragents()
    for number in range(count):
        yield Event(
            insert_id=str(1_000_000 + number),
            event=rng.choice(_NAMES),
            user=str(rng.randrange(2, 50_000)) if rng.random() < 0.8 else f"p:{rng.randrange(2, 50_000)}",  # noqa: PLR2004
            time=START_MS + number * 1000,
            ip=f"81.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            useragent=rng.choice(headers),
            data=rng.choice(("GET", "POST", "PUT")),
            properties={
                "page": f"/listen/{rng.randrange(10_000)}/",
                "plan": "trial",
                "length_s": rng.randrange(3_600),
            },
        )


def mixpanel_events(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return the same events as other clients take them: `{"event", "properties"}`."""
    return list(read(invocations(count, per_message=100, seed=seed)))


def read(prepared: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Read the records as one would in a few lines: every field under Mixpanel's name, nothing checked."""
    for sqs_event in prepared:
        for record in sqs_event["Records"]:
            for event in json.loads(record["body"])["events"]:
                known = {
                    "time": event["time"],
                    "$insert_id": event["insert_id"],
                    "distinct_id": event["user"],
                }
                known |= {name: event[name] for name in ("ip", "useragent", "data")}
                yield {"event": event["event"], "properties": known | event["properties"]}


def one_invocation(count: int, *, per_message: int) -> list[dict[str, Any]]:
    """Return one SQS event with `count` events, also where Lambda would make two of it."""
    found = invocations(count, per_message=per_message)
    return [{"Records": [record for each in found for record in each["Records"]]}]


def invocations(count: int, *, per_message: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return SQS events that carry `count` events, each as full as Lambda fills one."""
    found: list[dict[str, Any]] = [{"Records": []}]
    room_bytes, batch = PAYLOAD_BYTES, []
    for event in events(count, seed):
        batch.append(event)
        if len(batch) == per_message:
            record = _record(encode_message(batch, identity="distinct_id"))
            size_bytes, batch = len(json.dumps(record)), []
            if size_bytes > room_bytes:
                found.append({"Records": []})
                room_bytes = PAYLOAD_BYTES
            found[-1]["Records"].append(record)
            room_bytes -= size_bytes
    return found


def _record(body: str) -> dict[str, Any]:
    return {
        "messageId": f"{abs(hash(body)):036d}"[:36],
        "receiptHandle": "x" * 400,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(_NOW_MS)},
        "messageAttributes": {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:whyness-events",
        "awsRegion": "eu-west-1",
    }
