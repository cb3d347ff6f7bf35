"""`Event`: what is published. A plain object without a table."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Never
from uuid import UUID, uuid4

from asgiref.sync import sync_to_async

from whyness_events import InvalidEvent, WhynessEventsError, encode_event, parse_event
from whyness_mixpanel import conf, counters, normal, privacy
from whyness_mixpanel.publishing import memory, publisher, send
from whyness_mixpanel.publishing.insert import Row

Text = str  # Event has a method named str

_USER_CHARACTERS = 255


class _NoTable:
    """Stands where a model has its manager and its options, and says what is there instead."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, _owner: type) -> Never:
        raise AttributeError(
            f"Event.{self._name} does not exist: Event has no table. What waits to be published is in "
            "whyness_mixpanel.models.Outbox; what older versions sent is in whyness_mixpanel.models.Log."
        )


class Event:
    """One event. Give the fields as keywords, or assign them afterwards; other attributes may be added.

    Values read back as assigned; they are normalised and checked when the event is encoded.

    Args:
        event: its name, 1 to 255 bytes.
        user: id of a registered user, `"p:45"` a prospect, `""` nobody. One of ANONYMOUS_USERS is nobody.
        data: what the request was, text or a dictionary. Where it is empty, an attribute `method` stands in.
        insert_id: deduplication key, 1 to 36 of `[A-Za-z0-9-]`; missing, it is a UUID made once.
        time: aware datetime or a number (below 1e11 in magnitude it is seconds, else milliseconds); missing,
            it is the time of construction. It is cut to whole milliseconds, and nobody alters it; one that
            is up to an hour ahead waits in the queue until then.
        ip: the person's address.
        useragent: the request's User-Agent header.
        properties: further properties, at most 230.
        prospect: id of the prospect that this registered user used to be.
    """

    objects = _NoTable()
    _meta = _NoTable()
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
        self.time = normal.now_ms() if time is None else time
        self.ip = ip
        self.useragent = useragent
        self.properties = {} if properties is None else properties
        self.prospect = prospect
        # Of a row of an old table: when it was created, and the user that older versions of the app sent.
        self._history: tuple[datetime, Text] | None = None
        # Why the row that it should be made of makes none.
        self._fault: InvalidEvent | None = None
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
        return encode_event(parse_event(privacy.scrub(self._raw()), now_ms=normal.now_ms()))

    def str(self) -> Text:
        """Return what `json()` returns, under the old name."""
        return self.json()

    def send(self, using: Text | None = None) -> bool:
        """Encode the event now and write it into the outbox; it is published once that is committed.

        Args:
            using: alias of the database in whose transaction it is written; None is the default one.

        Returns:
            True: the row is written.

        Raises:
            InvalidEvent, EventTooLarge: it breaks a rule, and RAISE_INVALID holds.
            SynchronousOnlyOperation: it is called in an event loop, where `await event.asend()` is right.
                Nothing else is raised, whatever fails.
        """
        return send_many([self], using)

    async def asend(self, using: Text | None = None) -> bool:
        """Do what `send()` does, in async code."""
        return await sync_to_async(self.send)(using)

    @staticmethod
    def send_many(events: "Iterable[Event]", using: Text | None = None) -> bool:
        """Send several at once; see `send_many` of this module."""
        return send_many(events, using)

    def _row(self) -> Row:
        """Return what stands for this event in the outbox; parked where it breaks a rule."""
        raw: dict[Text, object] = {}
        try:
            raw = privacy.scrub(self._raw())
            encoded, reason = encode_event(parse_event(raw, now_ms=normal.now_ms())), ""
        except WhynessEventsError as error:
            _refuse(error)
            encoded, reason = _legible(raw or privacy.scrub(vars(self))), str(error)
        user = raw.get("user", "")
        return Row(encoded, conf.IDENTITY.get(), _storable(user) if reason else str(user), reason)

    def _raw(self) -> dict[Text, object]:
        if self._fault:
            raise self._fault
        self._make_missing_insert_id()
        user = normal.text(self.user)
        nobody = isinstance(user, str) and user in conf.ANONYMOUS_USERS.get()
        return {
            "insert_id": normal.text(self.insert_id),
            "event": self.event,
            "user": "" if nobody else user,
            "time": normal.milliseconds(self.time),
            "ip": normal.text(self.ip),
            "useragent": normal.text(self.useragent),
            "data": self.data if self.data not in (None, "", {}) else getattr(self, "method", ""),
            "properties": self.properties,
            "prospect": normal.text(self.prospect),
            **self._as_older_versions_sent_it(),
        }

    def _as_older_versions_sent_it(self) -> dict[Text, object]:
        """Return what keeps an event of the history the one that it was: seconds, and its own user."""
        before = conf.HISTORY_BEFORE.get() if self._history else None
        if self._history is None or before is None or self._history[0] >= before:
            return {}
        return {"user": self._history[1], "time_unit": "s"}

    def _make_missing_insert_id(self) -> None:
        if self.insert_id is None or self.insert_id == "":
            self.insert_id = str(uuid4())


def send_many(events: Iterable[Event], using: Text | None = None) -> bool:
    """Send `events` as `Event.send()` sends one, with few queries; True when each row is written.

    Where one raises because it breaks a rule, none of them is sent.
    """
    send.check_no_event_loop()
    events = list(events)
    try:
        rows = [event._row() for event in events]  # noqa: SLF001  (of the same module)
        return conf.ENABLED.get() and send.send(rows, using)
    except conf.SettingError as error:
        memory.lose(len(events), f"they cannot be made: {error}")
        return False


def _refuse(error: WhynessEventsError) -> None:
    must_raise = conf.raise_invalid()
    counters.add("invalid")
    if must_raise:
        raise error
    publisher.logger.warning("An event breaks a rule and is parked in the outbox: %s", error)


def _storable(user: object) -> Text:
    """Return what a database takes of the user of an event that breaks a rule."""
    return str(user).encode("utf-8", "replace").decode().replace("\x00", "")[:_USER_CHARACTERS]


def _legible(raw: dict[Text, object]) -> Text:
    """Return what can be kept of an event that breaks a rule, for the person who looks at it."""
    try:
        return json.dumps(raw, default=lambda value: f"<{type(value).__name__}>", skipkeys=True)
    except (ValueError, RecursionError):  # it contains itself
        return "{}"
