"""Converts what was assigned to an event into the fields of the message and the row of the outbox.

Each field is converted on its own. Code of a value may run, and whatever that raises is a fault of its field.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from whyness_events import EventTooLarge, InvalidEvent, WhynessEventsError, encode_event, parse_event
from whyness_events import event as contract
from whyness_mixpanel import conf
from whyness_mixpanel.context import add_context, leave_out
from whyness_mixpanel.encoding import field_values, normalise, parked_event
from whyness_mixpanel.encoding.parked_event import Unencoded
from whyness_mixpanel.encoding.plain_values import members, plain, readable_name, settled
from whyness_mixpanel.encoding.refusal import InvalidValue, public_text, refusal_of
from whyness_mixpanel.faults import is_of_signal, type_name
from whyness_mixpanel.privacy import filters
from whyness_mixpanel.privacy.suppression import column_of
from whyness_mixpanel.publishing.insert import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyness_mixpanel.event import Event

Fault: TypeAlias = WhynessEventsError | conf.SettingError

# Of `ip`, `data` and `properties`, which may be of any type.
_USUAL = {(str, str, dict), (str, dict, dict)}
_CANNOT_BE_RELEASED = ". Part of the event could not be encoded, so it cannot be released"


class Made:
    """The converted fields of an event, and the faults of the others.

    Args:
        event: the values as assigned.
        now_ms: the current time, epoch milliseconds.
        is_alone: leave out what the context of the call site would add.
    """

    def __init__(self, event: "Event", now_ms: int, *, is_alone: bool = False) -> None:
        self._event, self._now_ms = event, now_ms
        self._fields: dict[str, Any] = {}
        self._faults: list[Fault] = []
        self._unencoded: list[Unencoded] = []
        self._scrub: Callable[[Any], Any] | None = None
        if event._fault is not None:  # noqa: SLF001  (a friend)
            self._withhold("event", None, event._fault)  # noqa: SLF001  (as above)
        for name, read in field_values.READERS:
            try:
                value = getattr(event, name)
                self._fields[name] = value if type(value) is str else read(value)
            except Exception as error:  # noqa: BLE001  (whatever a value's own code raises)
                self._refuse(name, event, error)
        self._read_members(event)
        self._read_time(event)
        self._user = self._fields.get("user", "")
        self._apply_settings()
        self._has_context = not is_alone and self._add_context()
        if event._history is not None:  # noqa: SLF001  (as above)
            self._apply_history(*event._history)  # noqa: SLF001  (as above)

    @property
    def fields(self) -> dict[str, Any] | None:
        """The converted fields, not checked by the contract; None where one has a fault."""
        return None if self._faults else self._fields

    @property
    def people(self) -> set[str]:
        """The people whom the event is about."""
        return filters.people_of(self._fields)

    def encode(self) -> str:
        """Return the event's JSON.

        Raises:
            InvalidEvent, EventTooLarge, SettingError: it has a fault.
        """
        if self._faults:
            raise self._faults[0]
        try:
            return encode_event(self._checked())
        except InvalidEvent as error:
            raise field_values.named(error, self._fields["properties"]) from error.__cause__
        except EventTooLarge:
            if not self._has_context:
                raise
            leave_out("the event would be too large")
            return Made(self._event, self._now_ms, is_alone=True).encode()
        except WhynessEventsError:
            raise
        except Exception as error:  # MemoryError, RecursionError
            if is_of_signal(error):
                raise
            raise InvalidValue("event", type_name(error), "") from error

    def _checked(self) -> contract.Event:
        """Return the event with these fields; most have their types already."""
        fields = self._fields
        kinds = type(fields["ip"]), type(fields["data"]), type(fields["properties"])
        if kinds not in _USUAL:
            return parse_event(fields, now_ms=self._now_ms)
        event = contract.Event(**fields)
        contract.check_event(event, now_ms=self._now_ms)
        return event

    def row(self) -> Row:
        """Return the row for the outbox; raises like `encode()`."""
        return Row(self.encode(), conf.IDENTITY.get(), column_of(self._fields["user"]))

    def parked(self, fault: Fault) -> Row:
        """Return a parked row, for where `encode()` or `row()` raised."""
        encoded, is_whole = parked_event.encode(self._fields, self._unencoded, self._scrub)
        told = public_text(fault)
        reason = str(fault) if is_whole else str(fault) + _CANNOT_BE_RELEASED
        try:
            identity = conf.IDENTITY.get()
        except conf.SettingError:
            identity = ""  # the setting in force at the release is used
        user = self._fields.get("user", self._user)
        return Row(encoded, identity, column_of(user), reason, told)

    def _read_members(self, event: "Event") -> None:
        """Read the fields that may be dictionaries; each member is converted on its own."""
        try:
            data = self._members("data", "data", event.data)
            is_empty = data in (None, "", {}) and not self._unencoded_in("data")
            self._fields["data"] = plain(getattr(event, "method", "")) if is_empty else data
        except Exception as error:  # noqa: BLE001  (as above)
            self._refuse("data", event, error)
        try:
            properties = self._members("properties", "properties.*", event.properties)
            self._fields["properties"] = {} if properties is None else properties
        except Exception as error:  # noqa: BLE001  (as above)
            self._refuse("properties", event, error)

    def _members(self, field: str, path: str, value: Any) -> Any:
        if type(value) is str or (type(value) is dict and not value):
            return value
        if type(value) is not dict:
            value = settled(value)
            if not issubclass(type(value), dict):
                return plain(value)
        made, refused = members(value)
        for key, member, refusal in refused:
            self._unencoded.append(Unencoded(field, member, key))
            self._faults.append(refusal.named(path, f"{field}.{readable_name(key)}"))
        return made

    def _read_time(self, event: "Event") -> None:
        try:
            time = field_values.moment(event.time)
        except Exception as error:  # noqa: BLE001  (as above)
            self._refuse("time", event, error)
            return
        try:
            self._fields["time"] = normalise.milliseconds(time)
        except InvalidEvent as fault:
            self._withhold("time", time, fault)

    def _apply_settings(self) -> None:
        """Clear anonymous users and scrub secrets; an invalid setting is a fault."""
        fields = self._fields
        try:
            if self._user in conf.ANONYMOUS_USERS.get() and "user" in fields:
                fields["user"] = ""
        except conf.SettingError as fault:
            self._withhold("user", fields.pop("user", ""), fault)
        try:
            self._scrub = filters.scrubber().scrub
        except conf.SettingError as fault:
            for name in ("data", "properties"):
                if fields.get(name):
                    self._withhold(name, fields.pop(name), fault)
            return
        for name in ("data", "properties"):
            if fields.get(name):
                fields[name] = self._scrub(fields[name])

    def _add_context(self) -> bool:
        """Return whether anything was added; nothing is, where secrets could not be removed from it."""
        return self._scrub is not None and add_context(self._fields, self._user, self._scrub)

    def _apply_history(self, created: datetime, user: str) -> None:
        """Give an event that older versions have sent the same time unit and user as then."""
        try:
            before = conf.HISTORY_BEFORE.get()
        except conf.SettingError as fault:
            self._withhold("time", self._fields.pop("time", None), fault)
            return
        if before is not None and created < before:
            self._fields |= {"user": user, "time_unit": "s"}

    def _refuse(self, name: str, event: "Event", error: Exception) -> None:
        self._withhold(name, vars(event).get(name), refusal_of(error).named(name))

    def _withhold(self, name: str, value: object, fault: Fault) -> None:
        self._unencoded.append(Unencoded(name, value))
        self._faults.append(fault)

    def _unencoded_in(self, field: str) -> bool:
        return any(unencoded.field == field for unencoded in self._unencoded)
