"""`Event`: what call sites send. A plain object, without a table; `event_conversion.py` encodes it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Never

from asgiref.sync import sync_to_async

from whyness_events import InvalidEvent, WhynessEventsError
from whyness_mixpanel import conf, counters
from whyness_mixpanel.encoding import field_values, normalise
from whyness_mixpanel.encoding.refusal import public_text
from whyness_mixpanel.event_conversion import Fault, Made
from whyness_mixpanel.event_types import Address, Data, Identifier, Moment, Properties, TextValue, User
from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.publishing import memory, publisher, send
from whyness_mixpanel.publishing.insert import Row

if TYPE_CHECKING:
    from datetime import datetime

Text = str  # Event has a method named str


class _NoTable:
    """Stands where a model has its manager and options, and says where the tables are."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, _instance: object, _owner: type) -> Never:
        raise AttributeError(
            f"Event.{self._name} does not exist, because Event has no table. Events that wait to be "
            "published are in whyness_mixpanel.models.Outbox; events that older versions sent are in "
            "whyness_mixpanel.models.Log."
        )


class Event:
    """One event. Give the fields as keywords, or assign them afterwards; other attributes may be added.

    Values read back as assigned; they are normalised and checked when the event is encoded.

    Args:
        event: its name, 1 to 255 bytes.
        user: id of a registered user, or the user itself, such as `request.user`; `"p:45"` for a prospect.
            Without a user: `""`, an anonymous user, or one of ANONYMOUS_USERS.
        data: what was requested, text or a dictionary. Where it is empty, an attribute `method` replaces it.
        insert_id: deduplication key, 1 to 36 of `[A-Za-z0-9-]`; by default a new UUID.
        time: aware datetime or a number (below 1e11 in magnitude in seconds, else in milliseconds); by
            default the time of construction. It is cut to milliseconds and never altered. An event whose
            time is up to an hour ahead waits in the queue until then.
        ip: the person's address.
        useragent: the request's User-Agent header.
        properties: further properties, at most 230; docs/reference/python.md says what their values may be.
        prospect: id of the prospect that this user was before the registration.
    """

    objects = _NoTable()
    _meta = _NoTable()
    method: Text

    def __init__(  # noqa: PLR0913  (these are the fields of the contract)
        self,
        *,
        event: TextValue = "",
        user: User = "",
        data: Data = "",
        insert_id: Identifier = None,
        time: Moment | None = None,
        ip: Address = "",
        useragent: TextValue | None = "",
        properties: Properties = None,
        prospect: Identifier = "",
    ) -> None:
        self.event = event
        self.user = user
        self.data = data
        self.insert_id = insert_id
        self.time: Moment = normalise.now_ms() if time is None else time
        self.ip = ip
        self.useragent = useragent
        self.properties: Any = {} if properties is None else properties
        self.prospect = prospect
        # Of a row of an old table: its time, and the user that older versions of the app sent.
        self._history: tuple[datetime, Text] | None = None
        # Why no valid event can be built from the row.
        self._fault: InvalidEvent | None = None
        self._make_missing_insert_id()

    def __str__(self) -> Text:
        self._make_missing_insert_id()
        return f"{self.event} {self.time} {self.insert_id}"

    def json(self) -> Text:
        """Return the event's JSON as it travels in a message.

        Raises:
            InvalidEvent: it breaks a rule; the text names the field and never shows a value.
            EventTooLarge: it is larger than Mixpanel accepts.
            SettingError: ANONYMOUS_USERS, SCRUB_NAMES or SCRUB_PATTERNS is invalid.
        """
        return self._made().encode()

    def str(self) -> Text:
        """Return `json()`, under its old name."""
        return self.json()

    def send(self, using: Text | None = None) -> bool:
        """Encode the event now and write it into the outbox; it is published after the commit.

        Args:
            using: alias of the database that it is written to, in the open transaction; by default `default`.

        Returns:
            Whether the row is written and the event is valid.

        Raises:
            InvalidEvent, EventTooLarge: it breaks a rule, and RAISE_INVALID is in force.
            SynchronousOnlyOperation: it is called in an event loop; use `await event.asend()` there.
                Nothing else is raised, whatever fails.
        """
        return send_many([self], using)

    async def asend(self, using: Text | None = None) -> bool:
        """Do what `send()` does, in async code."""
        try:
            return await sync_to_async(self.send)(using)
        except WhynessEventsError:
            raise
        except Exception as error:  # noqa: BLE001  (at the end of a process there is no thread)
            lose(error)
            return False

    @staticmethod
    def send_many(events: "Iterable[Event]", using: Text | None = None) -> bool:
        """Send several events; see `send_many` of this module."""
        return send_many(events, using)

    def _row(self) -> Row:
        """Return the event's row for the outbox; a parked one where the event is invalid."""
        made = self._made()
        try:
            return made.row()
        except (WhynessEventsError, conf.SettingError) as fault:
            _refuse(fault)
            return made.parked(fault)

    def _made(self, *, is_alone: bool = False) -> Made:
        self._make_missing_insert_id()
        return Made(self, normalise.now_ms(), is_alone=is_alone)

    def _make_missing_insert_id(self) -> None:
        if self.insert_id is None or (type(self.insert_id) is Text and not self.insert_id):
            self.insert_id = field_values.new_identifier()


def send_many(events: Iterable[Event], using: Text | None = None) -> bool:
    """Send several events with few queries, as `Event.send()` sends one; True when each row is written.

    Where an invalid event raises, none of them is sent.
    """
    send.check_no_event_loop()
    some, are_all = _listed(events)
    rows = [row for event in some if (row := _row_of(event))]
    try:
        if not conf.ENABLED.get():
            return False
    except conf.SettingError as error:
        rows = [_parked(row, str(error)) for row in rows]
    return send.send(rows, using) and are_all and len(rows) == len(some)


def lose(error: Exception) -> None:
    """Count an event that cannot be parked; re-raise what a signal handler raised."""
    if is_of_signal(error):
        raise error
    memory.lose(1, f"they could not be built ({type_name(error)})")


def _listed(events: Iterable[Event]) -> tuple[list[Event], bool]:
    """Return the events up to where iterating fails, and whether it did not fail."""
    some: list[Event] = []
    try:
        some.extend(events)
    except Exception as error:  # noqa: BLE001  (whatever the iterable raises)
        lose(error)
        return some, False
    return some, True


def _row_of(event: Event) -> Row | None:
    """Return an event's row, None where it cannot be built."""
    try:
        return event._row()  # noqa: SLF001  (of the same module)
    except WhynessEventsError:
        raise
    except Exception as error:  # noqa: BLE001  (no page may fail for it)
        lose(error)
        return None


def _parked(row: Row, reason: str) -> Row:
    if row.reason:
        return row
    counters.add("invalid")
    return row._replace(reason=reason)


def _refuse(fault: Fault) -> None:
    """Count an invalid event; raise its fault where RAISE_INVALID is in force, else log it."""
    counters.add("invalid")
    if isinstance(fault, WhynessEventsError) and _must_raise():
        raise fault
    publisher.logger.warning("An event is invalid and was parked in the outbox: %s", public_text(fault))


def _must_raise() -> bool:
    try:
        return conf.raise_invalid()
    except conf.SettingError as error:
        publisher.logger.warning("A setting is invalid, so invalid events do not raise: %s", error)
        return False
