"""`Event`, which is published and has no table, and `Log`, the table of the app's older versions."""

import math
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import models

from whyness_events import InvalidEvent, WhynessEventsError, encode_event, parse_event
from whyness_mixpanel import conf, counters, publisher
from whyness_mixpanel.on_commit import publish_on_commit

Text = str  # Event has a method named str

# Numbers below this in magnitude are seconds: as milliseconds they would be in or before March 1973.
_SECONDS_BELOW = 1e11
_TIME_ALLOWED = "an aware datetime, or a number of seconds or milliseconds since 1970"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Event:
    """One event. Give the fields as keywords, or assign them afterwards; other attributes may be added.

    Values read back as assigned; they are normalised and checked when the event is encoded.

    Args:
        event: its name, 1 to 255 bytes.
        user: id of a registered user, `"p:45"` a prospect, `""` nobody. One of ANONYMOUS_USERS is nobody.
        data: what the request was, text or a dictionary. Where it is empty, an attribute `method` stands in.
        insert_id: deduplication key, 1 to 36 of `[A-Za-z0-9-]`; missing, it is a UUID made once.
        time: aware datetime or a number (below 1e11 in magnitude it is seconds, else milliseconds); missing,
            it is the time of construction. A time in the future becomes the time of the first encoding.
        ip: the person's address.
        useragent: the request's User-Agent header.
        properties: further properties, at most 230.
        prospect: id of the prospect that this registered user used to be.
    """

    method: Text

    def __init__(  # noqa: PLR0913  (these are the fields of the contract)
        self,
        *,
        event: Text = "",
        user: Text | int | None = "",
        data: Text | dict[Text, Any] | None = "",
        insert_id: Text | int | UUID | None = None,
        time: datetime | float | None = None,
        ip: Text | None = "",
        useragent: Text | None = "",
        properties: dict[Text, Any] | None = None,
        prospect: Text | int | None = "",
    ) -> None:
        self.event = event
        self.user = user
        self.data = data
        self.insert_id = insert_id
        self.time = _now_ms() if time is None else time
        self.ip = ip
        self.useragent = useragent
        self.properties = {} if properties is None else properties
        self.prospect = prospect
        self._clamped: tuple[object, int] | None = None
        self._make_missing_insert_id()

    def __str__(self) -> Text:
        self._make_missing_insert_id()
        return f"{self.event} {self.time} {self.insert_id}"

    def json(self) -> Text:
        """Return the event's JSON as it travels in a message.

        Raises:
            InvalidEvent: it breaks a rule; the text names the field and never shows a value.
            EventTooLarge: it is more than Mixpanel takes.
            SettingError: ANONYMOUS_USERS is not what is allowed.
        """
        now_ms = _now_ms()
        return encode_event(parse_event(self._raw(now_ms), now_ms=now_ms))

    def str(self) -> Text:
        """Return what `json()` returns, under the old name."""
        return self.json()

    def send(self, using: Text | None = None) -> bool:
        """Encode the event now, and publish it when the current transaction commits, or at once outside one.

        Args:
            using: alias of the database whose transaction is meant; None is the default one.

        Returns:
            Outside a transaction, True means that the queue has confirmed the event. Inside an atomic block,
            True means that the event is encoded and that a commit hook will publish it: if that fails, it is
            counted and lost. False means that the queue has not confirmed it; nothing will try again.

        Raises:
            InvalidEvent, EventTooLarge: it breaks a rule, and RAISE_INVALID holds. Nothing else is raised.
        """
        try:
            return self._send(using)
        except conf.SettingError as error:
            publisher.record(failed=1, fault=publisher.name_fault(error))
            return False

    def _send(self, using: Text | None) -> bool:
        try:
            encoded = self.json()
        except WhynessEventsError as error:
            return _refuse(error)
        return conf.ENABLED.get() and publish_on_commit(encoded, using)

    def _raw(self, now_ms: int) -> dict[Text, object]:
        self._make_missing_insert_id()
        user = _text(self.user)
        nobody = isinstance(user, str) and user in conf.ANONYMOUS_USERS.get()
        return {
            "insert_id": _text(self.insert_id),
            "event": self.event,
            "user": "" if nobody else user,
            "time": self._time_ms(now_ms),
            "ip": _text(self.ip),
            "useragent": _text(self.useragent),
            "data": self.data if self.data not in (None, "", {}) else getattr(self, "method", ""),
            "properties": self.properties,
            "prospect": _text(self.prospect),
        }

    def _make_missing_insert_id(self) -> None:
        if self.insert_id is None or self.insert_id == "":
            self.insert_id = str(uuid4())

    def _time_ms(self, now_ms: int) -> int:
        time_ms = _milliseconds(self.time)
        if time_ms <= now_ms:
            return time_ms
        # Fixed once for the value assigned: encoded again, it must be the same event.
        if self._clamped is None or self._clamped[0] != self.time:
            self._clamped = (self.time, now_ms)
            counters.add("clamped")
        return self._clamped[1]


class Log(models.Model):
    """What older versions noted of each event they sent. Kept as it is; nothing is written to it any more."""

    id = models.AutoField(primary_key=True)
    create_date = models.DateTimeField(auto_now_add=True)
    status_code = models.PositiveSmallIntegerField("Status code", default=0)
    message = models.TextField(default="")

    def __str__(self) -> str:
        return f"{self.create_date} {self.status_code}"


def _refuse(error: WhynessEventsError) -> bool:
    must_raise = conf.raise_invalid()
    counters.add("invalid")
    if must_raise:
        raise error
    publisher.logger.warning("An event breaks a rule and is not sent: %s", error)
    return False


def _text(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, UUID):
        return str(value)
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else value


def _milliseconds(value: object) -> int:
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidEvent("time", "a naive datetime", _TIME_ALLOWED)
        return (value - _EPOCH) // timedelta(milliseconds=1)
    unclear = isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value))
    if unclear or not isinstance(value, int | float):
        raise InvalidEvent("time", f"a {type(value).__name__}", _TIME_ALLOWED)
    return round(value * 1000 if abs(value) < _SECONDS_BELOW else value)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
