"""Pure: translate an event of the contract into the JSON that Mixpanel gets."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from whyness_events import limits
from whyness_events.delivery.event_struct import EventStruct
from whyness_events.event import Event
from whyness_events.values import Cutter
from whyness_events.version import __version__

LIBRARY = {"mp_lib": "whyness-mixpanel", "$lib_version": __version__}
_PROSPECT = "p:"
# Longer headers are not kept; useragent.py does not read further either.
_KEPT_CHARS = 1_000
_KEPT_HEADERS = 4_096
# Traffic has few names; each is at most 255 bytes.
_KEPT_NAMES = 1_024
# A plain int: compared for every event.
_STRING_BYTES = int(limits.STRING_BYTES)

DescribeUseragent = Callable[[str], Mapping[str, str]]


AnyEvent = Event | EventStruct
# The JSON of an event for Mixpanel, or of a part of it, and how many of its strings were cut.
Translated = tuple[bytes, int]


class Translator:
    """Translates events, and caches the properties of User-Agent headers.

    Args:
        describe_useragent: returns Mixpanel's default properties for a raw header.
    """

    def __init__(self, describe_useragent: DescribeUseragent) -> None:
        self._describe_useragent = describe_useragent
        self._kept = lru_cache(_KEPT_HEADERS)(self._describe)

    def translate(self, event: AnyEvent, identity: str) -> Translated:
        """Return the event's JSON for `/import`, and how many strings were cut.

        The parts are encoded separately: the header's part is the same in many events, and the length of the
        others shows whether a string may be too long.

        Args:
            event: valid, except perhaps for the size of nested values.
            identity: `distinct_id` or `simplified`; alone decides which fields identify the person.
        """
        known = _field_properties(event, identity)
        header = event.useragent
        described, cut_count = self._kept(header) if len(header) <= _KEPT_CHARS else self._describe(header)
        head, tail = _encode(known), _members(event.properties)
        if len(head) > _STRING_BYTES or len(tail) > _STRING_BYTES:  # a string may be too long
            cutter = Cutter()
            known.data, tail = cutter.cut(event.data), _members(cutter.cut(event.properties))
            head = _encode(known)
            cut_count += cutter.cut_count
        return b"".join((_opening(event.event), head[:-1], described, tail, b"}}")), cut_count

    def _describe(self, header: str) -> Translated:
        """Return the properties that all events with this header share."""
        cutter = Cutter()
        said = {**self._describe_useragent(header), "useragent": header} if header else {}
        return _members(cutter.cut(said) | LIBRARY), cutter.cut_count


class _FieldProperties(msgspec.Struct, omit_defaults=True, gc=False):
    """The properties that the fields of the contract become, except those from the header."""

    time: int
    insert_id: str = msgspec.field(name="$insert_id")
    distinct_id: str
    ip: str | int
    user_id: str = msgspec.field(default="", name="$user_id")
    device_id: str = msgspec.field(default="", name="$device_id")
    prospect: str = ""
    data: str | dict[str, Any] = ""


_encode = msgspec.json.Encoder().encode


@lru_cache(_KEPT_NAMES)
def _opening(name: str) -> bytes:
    """Return the JSON before the first property."""
    return b'{"event":%b,"properties":' % _encode(name)


def _members(properties: Mapping[str, Any]) -> bytes:
    """Return the JSON of properties that follow others in an object."""
    return b"," + _encode(properties)[1:-1] if properties else b""


def _field_properties(event: AnyEvent, identity: str) -> _FieldProperties:
    distinct_id, user_id, device_id = _person(event, identity)
    time = event.time // 1000 if event.time_unit == "s" else event.time
    address = location_address(event.ip)
    return _FieldProperties(
        time, event.insert_id, distinct_id, address, user_id, device_id, event.prospect, event.data or ""
    )


def _person(event: AnyEvent, identity: str) -> tuple[str, str, str]:
    """Return `distinct_id`, `$user_id` and `$device_id`; the last two may be empty."""
    user = event.user
    if identity == "distinct_id" or not user:
        return user, "", ""
    if user.startswith(_PROSPECT):
        device = _device(user.removeprefix(_PROSPECT))
        return f"$device:{device}", "", device
    return user, user, _device(event.prospect) if event.prospect else ""


def _device(prospect: str) -> str:
    return f"p-{prospect}"


# The alternatives differ in their first character, which is twice as fast.
_OCTET = "(?:1[0-9]{0,2}|2(?:[0-4][0-9]?|5[0-5]?|[6-9])?|[3-9][0-9]?|0)"
# First octets of networks that are not entirely public, and all from 224 on: left to `ipaddress`.
_SPECIAL = r"(?!(?:0|10|100|127|169|172|192|198|203|22[4-9]|2[345][0-9])\.)"
_is_public_ipv4 = re.compile(rf"{_SPECIAL}{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}").fullmatch


def location_address(ip: str) -> str | int:
    """Return the address for Mixpanel to geolocate; 0, which means "no location", if `ip` is not public.

    An event without `ip` would get the location of the data centre that sends the request.
    Source: docs.mixpanel.com/docs/tracking-best-practices/geolocation, 2026-11-23.
    """
    if _is_public_ipv4(ip):  # `ipaddress` takes as long as the rest of the translation
        return ip
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return 0
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address).partition("%")[0] if address.is_global else 0  # without an IPv6 zone
