"""Pure: translate an event of the contract into the JSON that Mixpanel gets."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from whyness_events import limits
from whyness_events.delivery.event_struct import EventStruct
from whyness_events.delivery.mixpanel.kept import Kept
from whyness_events.delivery.mixpanel.location import location_address
from whyness_events.event import Event
from whyness_events.values import Cutter
from whyness_events.version import __version__

LIBRARY = {"mp_lib": "whyness-mixpanel", "$lib_version": __version__}
_PROSPECT = "p:"
_KEPT_HEADERS = 4_096
# Traffic has few names; each is at most 255 bytes.
_KEPT_NAMES = 1_024
# A plain int: compared for every event.
_STRING_BYTES = int(limits.STRING_BYTES)

DescribeUseragent = Callable[[str], Mapping[str, str | float]]


AnyEvent = Event | EventStruct
# The JSON of an event for Mixpanel, or of a part of it, and how many of its strings were cut.
Translated = tuple[bytes, int]


class Translator:
    """Translates events, and keeps the properties of User-Agent headers.

    Args:
        describe_useragent: returns Mixpanel's default properties for a raw header.
    """

    def __init__(self, describe_useragent: DescribeUseragent) -> None:
        self._describe_useragent = describe_useragent
        self._described = Kept(self._describe, _KEPT_HEADERS)

    def translate(self, events: Sequence[AnyEvent], identities: Iterable[str]) -> list[Translated]:
        """Return the JSON of each event for `/import`, and how many of its strings were cut.

        The parts of an event are encoded separately: the header's part is the same in many events, and the
        length of the others shows whether a string may be too long.

        Args:
            events: valid, except perhaps for the size of nested values.
            identities: of each, `distinct_id` or `simplified`; decides which fields identify the person.
        """
        all_known = [
            _field_properties(event, identity) for event, identity in zip(events, identities, strict=True)
        ]
        heads, tails = _members(all_known), _members([event.properties for event in events])
        return [
            self._join(event, head, tail)
            if len(head) <= _STRING_BYTES and len(tail) <= _STRING_BYTES
            else self._cut(event, known)  # a string may be too long
            for event, known, head, tail in zip(events, all_known, heads, tails, strict=True)
        ]

    def _join(self, event: AnyEvent, head: bytes, tail: bytes) -> Translated:
        described, cut_count = self._described[event.useragent]
        comma = b"," if tail else b""
        return b"".join((_openings[event.event], head, described, comma, tail, b"}}")), cut_count

    def _cut(self, event: AnyEvent, known: "_FieldProperties") -> Translated:
        cutter = Cutter()
        known.data = cutter.cut(event.data)
        (head,), (tail,) = _members([known]), _members([cutter.cut(event.properties)])
        encoded, cut_count = self._join(event, head, tail)
        return encoded, cut_count + cutter.cut_count

    def _describe(self, header: str) -> Translated:
        """Return the properties that all events with this header share."""
        cutter = Cutter()
        said = {**self._describe_useragent(header), "useragent": header} if header else {}
        (members,) = _members([cutter.cut(said) | LIBRARY])
        return b"," + members, cutter.cut_count


class _FieldProperties(msgspec.Struct, omit_defaults=True, gc=False):
    """The properties that the fields of the contract become, except those from the header."""

    time: int
    insert_id: str = msgspec.field(name="$insert_id")
    distinct_id: str
    ip: str | int
    prospect: str = ""
    data: str | dict[str, Any] = ""


class _Identified(_FieldProperties, omit_defaults=True, gc=False):
    """The same, with the person's two ids of Simplified ID Merge."""

    user_id: str = msgspec.field(default="", name="$user_id")
    device_id: str = msgspec.field(default="", name="$device_id")


_encoder = msgspec.json.Encoder()


def _members(objects: Sequence[object]) -> list[bytes]:
    """Return the JSON of each object without its braces.

    They are encoded as lines. A line break within JSON is escaped, so one stands only between two objects.
    """
    return _encoder.encode_lines(objects)[1:-2].split(b"}\n{") if objects else []


def _opening(name: str) -> bytes:
    """Return the JSON before the first property."""
    return b'{"event":%b,"properties":{' % _encoder.encode(name)


_openings = Kept(_opening, _KEPT_NAMES)


def _field_properties(event: AnyEvent, identity: str) -> _FieldProperties:
    time = event.time // 1000 if event.time_unit else event.time
    address, prospect, data = location_address(event.ip), event.prospect, event.data or ""
    if identity == "distinct_id" or not event.user:
        return _FieldProperties(time, event.insert_id, event.user, address, prospect, data)
    distinct_id, user_id, device_id = _person(event)
    return _Identified(time, event.insert_id, distinct_id, address, prospect, data, user_id, device_id)


def _person(event: AnyEvent) -> tuple[str, str, str]:
    """Return `distinct_id`, `$user_id` and `$device_id`; the last two may be empty."""
    user = event.user
    if user.startswith(_PROSPECT):
        device = _device(user.removeprefix(_PROSPECT))
        return f"$device:{device}", "", device
    return user, user, _device(event.prospect) if event.prospect else ""


def _device(prospect: str) -> str:
    return f"p-{prospect}"
