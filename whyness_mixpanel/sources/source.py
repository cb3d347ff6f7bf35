"""A source: a table, and how each of its rows becomes an event."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import Error
from django.db.models import Model, QuerySet
from django.utils import timezone

from whyness_events import InvalidEvent, WhynessEventsError
from whyness_mixpanel.conf import SettingError
from whyness_mixpanel.faults import is_of_signal
from whyness_mixpanel.models import Event

# With a hyphen and the longest key of a BigAutoField, 19 digits, it is an insert id of at most 36 bytes.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}").fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoEvent(Exception):
    """A row has no valid event; the text says why, and shows no value."""


@dataclass(frozen=True)
class Source:
    """A table whose rows are events. Every path uses it, so that a row becomes the same event on each.

    Args:
        name: 1 to 16 of `[a-z0-9-]`, starting with a letter. Part of the insert ids, so it may never change.
        model: label such as `shop.Payment`; looked up when it is used. Its primary key is an integer.
        build: returns the event of a row, without its insert id and time, which the source sets. The result
            must always be the same for the same row: no clock, nothing random.
        joins: the relations that `build` follows, as for `select_related`; others cost one query per row.
        created: the DateTimeField that is the event's time. It may never change either.
        whole_seconds: cut the time to seconds instead of milliseconds, as the first event was sent.
        bare_key: use the bare key as insert id, as call sites do. Otherwise the name precedes the key, so
            that equal keys of two tables are two events.
        old_user: returns the user that older versions of the app sent; None where they sent no events.
    """

    name: str
    model: str
    build: Callable[[Any], Event]
    joins: tuple[str, ...] = ()
    created: str = "create_date"
    whole_seconds: bool = False
    bare_key: bool = False
    old_user: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        if not _NAME(self.name):
            raise ValueError("A source's name must be 1 to 16 of a-z, 0-9 and -, and start with a letter.")

    @property
    def is_installed(self) -> bool:
        """Whether its model is installed."""
        try:
            apps.get_model(self.model)
        except LookupError:
            return False
        return True

    def rows(self) -> QuerySet[Any]:
        """Return all rows, ordered by key.

        Raises:
            LookupError: the model is not installed.
        """
        model: type[Model] = apps.get_model(self.model)
        return model._base_manager.order_by("pk")  # noqa: SLF001  (Django's public API for models)

    def joined_rows(self) -> QuerySet[Any]:
        """Return the rows joined with what `build` needs, without those that lack a relation."""
        return self.rows().select_related(*self.joins) if self.joins else self.rows()

    def created_at(self, row: Any) -> datetime:
        """Return the time of a row; a naive one is read in the site's time zone.

        Raises:
            InvalidEvent: it has none.
        """
        moment = getattr(row, self.created, None)
        if not isinstance(moment, datetime):
            raise InvalidEvent("time", f"no datetime in {self.created} of the row", "a datetime")
        return moment if timezone.is_aware(moment) else moment.replace(tzinfo=timezone.get_default_timezone())

    def event(self, row: Any) -> Event:
        """Return the event of a row: its `json()` always has the same four deduplication fields.

        For a row from before HISTORY_BEFORE it is the event that older versions of the app sent.

        Raises:
            InvalidEvent: the row has no time, or no key yet.
        """
        if row.pk is None:
            raise InvalidEvent("insert_id", "an unsaved row", "a row with a key")
        event, created = self.build(row), self.created_at(row)
        event.insert_id = str(row.pk) if self.bare_key else f"{self.name}-{row.pk}"
        event.time = (created - _EPOCH) // timedelta(seconds=1) if self.whole_seconds else created
        if self.old_user is not None:
            event._history = created, self.old_user(row)  # noqa: SLF001  (not for call sites)
        return event

    def fields(self, row: Any) -> dict[str, Any] | None:
        """Return the fields of a row's event, not checked by the contract; None if `encode` must be asked."""
        try:
            return self.event(row)._made(is_alone=True).fields  # noqa: SLF001  (not for call sites)
        except Exception as error:
            if is_of_signal(error):
                raise
            return None  # `encode` says why

    def encode(self, row: Any) -> str:
        """Return the JSON of a row's event; raises like `encode_with_people`."""
        return self.encode_with_people(row)[0]

    def encode_with_people(self, row: Any) -> tuple[str, set[str]]:
        """Return the JSON of a row's event, and whom it is about; without anything of the context.

        Raises:
            NoEvent: the row has no valid event.
            SettingError: a setting is invalid.
            django.db.Error: the database failed.
        """
        try:
            made = self.event(row)._made(is_alone=True)  # noqa: SLF001  (not for call sites)
            return made.encode(), made.people
        except WhynessEventsError as error:
            raise NoEvent(str(error)) from error
        except (Error, SettingError):
            raise
        except Exception as error:
            if is_of_signal(error):
                raise
            raise NoEvent(f"its event cannot be built ({type(error).__name__})") from error
