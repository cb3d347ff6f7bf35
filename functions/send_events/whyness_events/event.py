"""What an event is, and its rules, which the publisher and the Lambda both apply."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from whyness_events import limits
from whyness_events.errors import InvalidEvent, UnreadableEvent
from whyness_events.values import check_text, check_value, kind, longer_than, size_bytes

# Set by the translation for Mixpanel: a caller's properties must not override them.
OWN_PROPERTIES = frozenset({"useragent", "data", "prospect"})
# 254, less the up to 19 that the translation adds, and a margin for new ones.
CALLERS_PROPERTY_KEYS = 230

_INSERT_ID = re.compile(r"[A-Za-z0-9-]{1,36}", re.ASCII).fullmatch
_INSERT_ID_ALLOWED = "1 to 36 letters A-Z a-z, digits and hyphens, not a placeholder such as null or 0"
_DEVICE_PREFIX = "$device:"
_PROSPECT_PREFIX = "p:"
# Milliseconds, or seconds: Mixpanel deduplicates an event that was sent in seconds only against seconds.
_TIME_UNITS = ("", "s")
# A prospect may become `$device:p-45`, which must not be longer than any other id.
_PROSPECT_BYTES = limits.DISTINCT_ID_BYTES - len("$device:p-")


@dataclass(frozen=True, slots=True)
class Event:
    """One event; the field names are the names on the wire.

    Args:
        insert_id: deduplication key, made once by the publisher; 1 to 36 of `[A-Za-z0-9-]`.
        event: name, 1 to 255 bytes.
        user: `"123"` for a registered user, `"p:45"` for a prospect, `""` for neither; at most 255 bytes.
        time: when it happened, epoch milliseconds.
        ip: the person's address; anything but a public address means "no location".
        useragent: raw header.
        data: what the request was, a string or an object.
        properties: ad-hoc properties, at most 230.
        prospect: the prospect that this registered user used to be; `""` for none.
        time_unit: `"s"` to give Mixpanel `time` in seconds, which events first sent in seconds need for
            deduplication; else `""`.

    Mixpanel deduplicates by `insert_id`, `event`, `user` and `time`: nothing downstream may change them.
    """

    insert_id: str
    event: str
    user: str
    time: int
    ip: str = ""
    useragent: str = ""
    data: str | dict[str, Any] = ""
    properties: dict[str, Any] = field(default_factory=dict)
    prospect: str = ""
    time_unit: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Return the event as JSON data, without empty optional fields."""
        required = {"insert_id": self.insert_id, "event": self.event, "user": self.user, "time": self.time}
        optional = ("ip", "useragent", "data", "properties", "prospect", "time_unit")
        return required | {name: value for name in optional if (value := getattr(self, name))}


def parse_event(raw: object, *, now_ms: int) -> Event:
    """Return the event that `raw` (decoded JSON) describes.

    Unknown fields are ignored. An `ip` of any type is accepted: one that is not an address means "no
    location".

    Args:
        raw: decoded JSON of any type.
        now_ms: the reader's clock, epoch milliseconds; see `check_event`.

    Raises:
        UnreadableEvent: it is not an object, or a required field is missing.
        InvalidEvent: a field has the wrong type, or breaks a rule.
    """
    if not isinstance(raw, dict):
        raise UnreadableEvent("events.*", kind(raw), "an object")
    ip = raw.get("ip", "")
    event = Event(
        insert_id=_required(raw, "insert_id", _is_string, "a string"),
        event=_required(raw, "event", _is_string, "a string"),
        user=_required(raw, "user", _is_string, 'a string ("" for an anonymous event)'),
        time=_required(raw, "time", _is_integer, "epoch milliseconds as an integer"),
        ip=ip if isinstance(ip, str) else "",
        useragent=_optional(raw, "useragent", _is_string, "a string"),
        data=_optional(raw, "data", _is_string_or_object, "a string or an object"),
        properties=_optional(raw, "properties", _is_object, "an object", default={}),
        prospect=_optional(raw, "prospect", _is_string, "a string"),
        time_unit=_optional(raw, "time_unit", _is_string, "a string"),
    )
    check_event(event, now_ms=now_ms)
    return event


def check_event(event: Any, *, now_ms: int) -> None:
    """Raise InvalidEvent unless every rule holds for `event`, whose fields have their declared types.

    Args:
        event: an Event, or anything with the same fields.
        now_ms: the reader's clock, epoch milliseconds; a time more than an hour ahead is refused.
    """
    _check_insert_id(event.insert_id)
    check_name(event.event)
    _check_user(event.user)
    _check_time(event.time, now_ms)
    check_text("useragent", event.useragent)
    check_value("data", event.data)
    _check_prospect(event.prospect)
    if event.time_unit not in _TIME_UNITS:
        raise InvalidEvent("time_unit", kind(event.time_unit), '"s", or nothing')
    if event.properties:
        _check_properties(event.properties)


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_string_or_object(value: object) -> bool:
    return isinstance(value, str | dict)


def _required(raw: dict[str, Any], name: str, fits: Callable[[object], bool], allowed: str) -> Any:
    if name not in raw:
        raise UnreadableEvent(name, "nothing (the field is missing)", allowed)
    return _typed(raw[name], name, fits, allowed)


def _optional(
    raw: dict[str, Any], name: str, fits: Callable[[object], bool], allowed: str, default: object = ""
) -> Any:
    return _typed(raw[name], name, fits, allowed) if name in raw else default


def _typed(value: object, name: str, fits: Callable[[object], bool], allowed: str) -> object:
    if not fits(value):
        raise InvalidEvent(name, kind(value), allowed)
    return value


def _check_not_empty(path: str, name: str, allowed: str) -> None:
    if not name:
        raise InvalidEvent(path, kind(name), f"{allowed}; it must not be empty")


def _check_insert_id(insert_id: str) -> None:
    _check_not_empty("insert_id", insert_id, _INSERT_ID_ALLOWED)
    if not valid_insert_id(insert_id):
        raise InvalidEvent("insert_id", _class_of_id(insert_id), _INSERT_ID_ALLOWED)


def valid_insert_id(insert_id: object) -> TypeGuard[str]:
    """Return whether Mixpanel accepts `insert_id` as a deduplication key."""
    return (
        isinstance(insert_id, str)
        and _INSERT_ID(insert_id) is not None
        and insert_id.lower() not in limits.PLACEHOLDERS
    )


def _class_of_id(text: str) -> str:
    if text.lower() in limits.PLACEHOLDERS:
        return "a placeholder"
    if longer_than(text, limits.INSERT_ID_BYTES):
        return kind(text)
    return f"{kind(text)} with other characters"


def check_name(name: str) -> None:
    """Raise InvalidEvent unless `name` is allowed as the name of an event."""
    _check_not_empty("event", name, "a name of 1 to 255 bytes")
    if name.isspace():
        raise InvalidEvent("event", "a blank string", "a name of 1 to 255 bytes")
    check_text("event", name)
    if longer_than(name, limits.EVENT_NAME_BYTES):
        raise InvalidEvent("event", kind(name), f"a name of at most {limits.EVENT_NAME_BYTES} bytes")
    if name in limits.IDENTITY_VERBS:
        raise InvalidEvent("event", "an identity verb", "names other than $identify, $merge, $create_alias")


def _check_user(user: str) -> None:
    check_text("user", user)
    if longer_than(user, limits.DISTINCT_ID_BYTES):
        raise InvalidEvent("user", kind(user), f"at most {limits.DISTINCT_ID_BYTES} bytes")
    if user.lower() in limits.PLACEHOLDERS:
        raise InvalidEvent("user", "a placeholder", 'an id, or "" for an anonymous event')
    if user.startswith(_PROSPECT_PREFIX):
        _check_prospect_user(user.removeprefix(_PROSPECT_PREFIX))
    if user.startswith(_DEVICE_PREFIX):
        raise InvalidEvent("user", "the prefix $device:", 'an id, or "p:" and an id for a prospect')


def _check_prospect_user(prospect: str) -> None:
    if not prospect:
        raise InvalidEvent("user", "the prefix p: alone", '"p:" and the id of a prospect')
    _check_prospect(prospect, path="user")


def _check_prospect(prospect: str, path: str = "prospect") -> None:
    check_text(path, prospect)
    if longer_than(prospect, _PROSPECT_BYTES):
        raise InvalidEvent(
            path, f"a prospect of {size_bytes(prospect)} bytes", f"at most {_PROSPECT_BYTES} bytes"
        )


def _check_time(time_ms: int, now_ms: int) -> None:
    if time_ms < limits.EARLIEST_TIME_MS:
        found = "a time before 1971 (are these seconds?)"
        raise InvalidEvent("time", found, "epoch milliseconds from 1971-01-01 on")
    if time_ms > now_ms + limits.FUTURE_MS:
        found = "a time more than an hour in the future"
        raise InvalidEvent("time", found, "epoch milliseconds up to an hour ahead")


def _check_properties(properties: dict[str, Any]) -> None:
    if len(properties) > CALLERS_PROPERTY_KEYS:
        raise InvalidEvent("properties", kind(properties), f"at most {CALLERS_PROPERTY_KEYS} keys")
    for name in properties:
        check_property_name(name)
    for value in properties.values():
        check_value("properties.*", value)


def check_property_name(name: object) -> None:
    """Raise InvalidEvent unless a caller may set a property with this name."""
    if not isinstance(name, str):
        raise InvalidEvent("properties.*", f"a name that is {kind(name)}", "names that are strings")
    _check_not_empty("properties.*", name, "any other name")
    check_text("properties.*", name)
    if name in limits.CALLERS_PROPERTIES:
        return
    if name in limits.RESERVED_PROPERTIES:
        raise InvalidEvent("properties.*", "a name that Mixpanel reserves", "any other name")
    if name in OWN_PROPERTIES:
        raise InvalidEvent("properties.*", "the name of a field of the event", "any other name")
    if name.startswith(limits.RESERVED_PREFIXES):
        raise InvalidEvent("properties.*", "a name starting with $ or mp_", "any other name")
