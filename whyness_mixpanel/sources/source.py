"""What a source is: a table, and the one way in which each of its rows becomes an event."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet

from whyness_events import InvalidEvent, parse_event
from whyness_events.wire import to_sqs_json
from whyness_mixpanel.models import Event

# With a hyphen and the longest key of a BigAutoField, 19 digits, it is an insert id of at most 36 bytes.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}").fullmatch


@dataclass(frozen=True)
class Source:
    """A table whose rows are events. Every path asks it, so that a row is the same event on each of them.

    Args:
        name: 1 to 16 of `[a-z0-9-]`, the first a letter. Part of the insert ids: it may never change.
        model: label such as `shop.Payment`; looked up when it is used. Its primary key is a whole number.
        build: returns the event of a row, but for its insert id and its time, which the source sets. It gives
            the same for the same row whenever it is asked: no clock, nothing random.
        joins: the relations that `build` follows, as `select_related` takes them; others cost a query a row.
        created: the field that says when it happened, a DateTimeField; the event's time is its whole seconds.
        bare_key: there are call sites that send the row with its bare key as insert id. Otherwise the name
            stands before the key, so that equal keys of two tables stay two events.
        old_user: what older versions of the app sent as the user of a row; None where they sent nothing.
    """

    name: str
    model: str
    build: Callable[[Any], Event]
    joins: tuple[str, ...] = ()
    created: str = "create_date"
    bare_key: bool = False
    old_user: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        if not _NAME(self.name):
            raise ValueError("a source's name: allowed are 1 to 16 of a-z, 0-9 and -, the first a letter")

    def rows(self) -> QuerySet[Any]:
        """Return all rows in the order of their keys, with what `build` needs of other tables.

        Raises:
            LookupError: the model is not installed.
        """
        model: type[Model] = apps.get_model(self.model)
        rows = model._base_manager.order_by("pk")  # noqa: SLF001  (Django's public API for models)
        return rows.select_related(*self.joins) if self.joins else rows

    def created_at(self, row: Any) -> datetime:
        """Return when what the row tells of happened."""
        found: datetime = getattr(row, self.created)
        return found

    def event(self, row: Any) -> Event:
        """Return the event of a row; its `json()` has the same four deduplication fields every time."""
        event = self.build(row)
        event.insert_id = row.pk if self.bare_key else f"{self.name}-{row.pk}"
        event.time = int(self.created_at(row).timestamp())
        return event

    def encode(self, row: Any, *, cut_over: datetime | None) -> str:
        """Return the JSON of a row's event as it travels, exactly as it may be in Mixpanel already.

        Args:
            row: one of `rows()`.
            cut_over: rows created before it were sent by an older version of the app, and get the four fields
                that it sent: seconds as time, its own user. None: there was none.

        Raises:
            InvalidEvent, EventTooLarge: the row makes no event.
        """
        encoded = self.event(row).json()
        if self.old_user is None or cut_over is None or self.created_at(row) >= cut_over:
            return encoded
        return _carried(json.loads(encoded) | {"user": self.old_user(row), "time_unit": "s"})


def _carried(document: dict[str, Any]) -> str:
    """Return the JSON of an event, unless the contract would drop some of it and so make another of it."""
    if parse_event(document, now_ms=document["time"]).to_wire() != document:
        raise InvalidEvent("time_unit", "a field that the contract lacks", "a contract that carries seconds")
    return to_sqs_json(document)
