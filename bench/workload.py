"""Seeded traffic: events of about 450 bytes, as a site like Whyness sends them, packed into SQS events."""

import json
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from whyness_events import Event, encode_message

# 2026-11-18: in the past for every clock.
START_MS = 1_795_000_000_000
# Lambda's limit of a payload, less some room for the metadata of records.
PAYLOAD_BYTES = 6_000_000
# When the messages were sent: now, or they would be too old to deliver.
_NOW_MS = int(time.time() * 1000)
_NAMES = ("Audio upload", "Audio play", "Search", "Profile update", "Home", "User click", "Prospect click")
_WEBKIT, _LIKE = "AppleWebKit/605.1.15 (KHTML, like Gecko)", "AppleWebKit/537.36 (KHTML, like Gecko)"
# The forms of browsers' user agents.
_HEADERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {like} Chrome/{n}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {like} Chrome/{n}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_{m} like Mac OS X) {webkit} Version/17.{m} Mobile/15E Safari/604.1",  # noqa: E501
    "Mozilla/5.0 (Linux; Android 14; SM-S9{n}B) {like} Chrome/{n}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Version/17.{m} Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0",
)  # fmt: skip
_TITLES = ("The first hour", "Why we begin", "Notes from a walk", "Listening, again", "A question of trust")


def useragents(count: int = 60) -> list[str]:
    """Return distinct headers of current browsers."""
    return [
        _HEADERS[n % len(_HEADERS)].format(n=100 + n, m=n // len(_HEADERS), like=_LIKE, webkit=_WEBKIT)
        for n in range(count)
    ]


def events(count: int, seed: int = 1, *, odd_of_100: int = 0) -> Iterator[Event]:
    """Yield `count` events with different addresses and 60 user agents.

    Args:
        count: how many.
        seed: of the random values.
        odd_of_100: how many of 100 events are valid but unusual, of each kind in `_ODD` as many.
    """
    rng = random.Random(seed)  # noqa: S311  (traffic)
    headers = useragents()
    for number in range(count):
        event = Event(
            insert_id=_insert_id(rng, number),
            event=rng.choice(_NAMES),
            user=str(rng.randrange(2, 50_000)) if rng.random() < 0.8 else f"p:{rng.randrange(2, 50_000)}",  # noqa: PLR2004
            time=START_MS + number * 1000,
            ip=f"81.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            useragent=rng.choice(headers),
            data=rng.choice(("GET", "POST", "PUT")),
            properties=_properties(rng),
        )
        is_odd = number % 100 * odd_of_100 % 100 < odd_of_100
        yield _odd(event, rng.choice(_ODD)) if is_odd else event


# Valid events that the rules as types, or the rules for groups, may leave to the contract's check. Properties
# are added to the event's own.
_ODD: tuple[dict[str, Any], ...] = (
    {"user": "zoë", "properties": {"título": "Écoute, encore"}},
    {"properties": {"title": "Notes from a long walk. " * 12}},
    {"data": {"form": {"tags": ["a", "b"], "rating": {"stars": 4}}}},
    {"user": "-17", "properties": {"balance": -12, "$longitude": -71.05}},
)


def _odd(event: Event, fields: dict[str, Any]) -> Event:
    return replace(event, **fields | {"properties": event.properties | fields.get("properties", {})})


def _insert_id(rng: random.Random, number: int) -> str:
    """Return a row's number, as events of the three tables have it, or a UUID."""
    return str(1_000_000 + number) if rng.random() < 0.8 else str(UUID(int=rng.getrandbits(128), version=4))  # noqa: PLR2004


def _properties(rng: random.Random) -> dict[str, Any]:
    site = "https://www.example.org"
    properties: dict[str, Any] = {
        "$current_url": f"{site}/listen/{rng.randrange(10_000)}/",
        "$referrer": f"{site}/programmes/{rng.randrange(500)}/",
        "plan": rng.choice(("trial", "pro")),
        "title": rng.choice(_TITLES),
    }
    if rng.random() < 0.5:  # noqa: PLR2004
        properties |= {"length_s": rng.randrange(3_600), "is_member": rng.random() < 0.5}  # noqa: PLR2004
    return properties


def mixpanel_events(count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return the same events in the form of other clients: `{"event", "properties"}`."""
    return list(read(invocations(count, per_message=100, seed=seed)))


def read(prepared: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Read the records in a few lines: map every field to Mixpanel's name, check nothing."""
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


def small_invocations(count: int) -> list[dict[str, Any]]:
    """Return `count` SQS events with one event each."""
    (full,) = one_invocation(count, per_message=1)
    return [{"Records": [record]} for record in full["Records"]]


def one_invocation(count: int, *, per_message: int) -> list[dict[str, Any]]:
    """Return one SQS event with `count` events, even above Lambda's limit."""
    sqs_events = invocations(count, per_message=per_message)
    return [{"Records": [record for sqs_event in sqs_events for record in sqs_event["Records"]]}]


def invocations(count: int, *, per_message: int, seed: int = 1, odd_of_100: int = 0) -> list[dict[str, Any]]:
    """Return SQS events with `count` events, filled up to Lambda's limit."""
    sqs_events: list[dict[str, Any]] = [{"Records": []}]
    room_bytes, batch = PAYLOAD_BYTES, []
    for event in events(count, seed, odd_of_100=odd_of_100):
        batch.append(event)
        if len(batch) == per_message:
            record = _record(encode_message(batch, identity="distinct_id"))
            size_bytes, batch = len(json.dumps(record)), []
            if size_bytes > room_bytes:
                sqs_events.append({"Records": []})
                room_bytes = PAYLOAD_BYTES
            sqs_events[-1]["Records"].append(record)
            room_bytes -= size_bytes
    return sqs_events


def _record(body: str) -> dict[str, Any]:
    return {
        "messageId": f"{zlib.crc32(body.encode()):036d}",
        "receiptHandle": "x" * 400,
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": str(_NOW_MS)},
        "messageAttributes": {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:whyness-events",
        "awsRegion": "eu-west-1",
    }
