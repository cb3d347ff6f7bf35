"""Records for the tests of the delivery."""

import json
from collections.abc import Sequence
from typing import Any

from tests.builders import make_body, make_event, make_record
from whyness_events import Event
from whyness_events.delivery.items import Record


def make_records(count: int, *, events: int = 1, **fields: Any) -> list[Record]:
    """Return records of so many events each."""
    return [make_record(make_body(*(make_event() for _ in range(events))), **fields) for _ in range(count)]


def ids_of(records: Sequence[Record]) -> list[str]:
    """Return the insert ids of all their events, in order."""
    return [event["insert_id"] for record in records for event in json.loads(record.body)["events"]]


def large_event(size_bytes: int) -> Event:
    """Return an event of a little more than `size_bytes`; no one value of it is over a limit."""
    lists = [["x" * 250] * 30] * (size_bytes // 7_590 + 1)
    return make_event(properties={f"list {n}": found for n, found in enumerate(lists)})


def large_records(count: int, size_bytes: int = 20_000) -> list[Record]:
    """Return records of one large event each."""
    return [make_record(large_event(size_bytes)) for _ in range(count)]
