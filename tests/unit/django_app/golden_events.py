"""Events of every kind, and the rows of the outbox that they become.

`python -m tests.unit.django_app.golden_events` recorded the rows before there was a context.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from django.test import RequestFactory

from tests.django_support import override
from whyness_mixpanel.models import Event
from whyness_mixpanel.track import event_of

RECORDED = Path(__file__).with_name("golden_events.json")
TIME_MS = 1_763_900_000_123
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "bare": {"event": "Home"},
    "full": {
        "event": "Audio upload",
        "user": 7,
        "data": "POST",
        "ip": "203.0.113.9",
        "useragent": "UA",
        "properties": {"seconds": 12, "$current_url": "https://example.com/?token=hidden", "utm_source": "x"},
    },
    "prospect": {"event": "Prospect click", "user": "p:45", "data": {"link": "a: b"}},
    "linked": {"event": "Registered", "user": UUID(int=7), "prospect": 45},
    "nobody": {"event": "Import finished", "user": "1"},
    "values": {
        "event": "Ünïcode \x00 𝄞",
        "properties": {
            "price": Decimal("1.50"),
            "day": date(2026, 1, 31),
            "for": timedelta(minutes=2),
            "at": datetime(2026, 1, 31, tzinfo=UTC),
            "password": "hidden",
            "list": [1, {"a": (2, 3)}],
        },
    },
    "reserved name": {"event": "Home", "properties": {"time": 1}},
    "no value": {"event": "Home", "properties": {"what": object}},
    "no name": {"event": "", "user": 7},
    "many properties": {"event": "Home", "properties": {f"p{number}": number for number in range(230)}},
}


def encode_all() -> dict[str, list[str]]:
    """Return the rows of all events by their names."""
    meta: dict[str, Any] = {
        "REMOTE_ADDR": "203.0.113.9",
        "HTTP_USER_AGENT": "UA",
        "HTTP_REFERER": "https://example.org/",
    }
    request = RequestFactory().get("/page/?utm_source=mail", **meta)
    given: dict[str, Any] = {"insert_id": "golden", "time": TIME_MS}
    events = {name: Event(**given, **fields) for name, fields in _FIELDS.items()}
    events |= {"of a request": event_of(request, "Video watched", {"part": 2}, **given)}
    with (
        override(RAISE_INVALID=False, BACKEND="dummy"),
        patch("whyness_mixpanel.encoding.normalise.now_ms", return_value=TIME_MS),
    ):
        return {name: list(event._row()) for name, event in events.items()}


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(encode_all(), indent=1) + "\n")
