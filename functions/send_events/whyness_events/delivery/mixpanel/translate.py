"""Pure: an event of the contract into the JSON of the event that Mixpanel gets."""

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
# As long a header is described (useragent.py reads no more of it); longer ones are not kept.
_KEPT_CHARS = 1_000
_KEPT_HEADERS = 4_096
# Traffic has few names; each is at most 255 bytes.
_KEPT_NAMES = 1_024
# Looked up for each event.
_STRING_BYTES = int(limits.STRING_BYTES)

DescribeUseragent = Callable[[str], Mapping[str, str]]


AnyEvent = Event | EventStruct
# An event's JSON as Mixpanel gets it, or a part of it, and how many of its strings had to be cut.
Translated = tuple[bytes, int]


class Translator:
    """Translates events, and keeps what the headers of the last ones said.

    Args:
        describe_useragent: from the raw header to Mixpanel's default properties.
    """

    def __init__(self, describe_useragent: DescribeUseragent) -> None:
        self._describe_useragent = describe_useragent
        self._kept = lru_cache(_KEPT_HEADERS)(self._describe)

    def translate(self, event: AnyEvent, identity: str) -> Translated:
        """Return the event as `/import` takes it.

        The parts are encoded apart: the header's is the same in many events, and the length of the others
        shows whether a string may be too long.

        Args:
            event: valid, but for the size of nested values.
            identity: `distinct_id` or `simplified`; decides the person's fields, and nothing else does.
        """
        known = _known(event, identity)
        header = event.useragent
        described, cut_count = self._kept(header) if len(header) <= _KEPT_CHARS else self._describe(header)
        head, tail = _encode(known), _members(event.properties)
        if len(head) > _STRING_BYTES or len(tail) > _STRING_BYTES:  # else no string can be longer
            cutter = Cutter()
            known.data, tail = cutter.cut(event.data), _members(cutter.cut(event.properties))
            head = _encode(known)
            cut_count += cutter.cut_count
        return b"".join((_opening(event.event), head[:-1], described, tail, b"}}")), cut_count

    def _describe(self, header: str) -> Translated:
        """Return the properties that are the same in all events with this header."""
        cutter = Cutter()
        said = {**self._describe_useragent(header), "useragent": header} if header else {}
        return _members(cutter.cut(said) | LIBRARY), cutter.cut_count


class _Known(msgspec.Struct, omit_defaults=True, gc=False):
    """The properties that we know the names of, but for those that the header gives."""

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
    """Return what comes before the first property."""
    return b'{"event":%b,"properties":' % _encode(name)


def _members(properties: Mapping[str, Any]) -> bytes:
    """Return them as they follow others in an object."""
    return b"," + _encode(properties)[1:-1] if properties else b""


def _known(event: AnyEvent, identity: str) -> _Known:
    distinct_id, user_id, device_id = _person(event, identity)
    time = event.time // 1000 if event.time_unit == "s" else event.time
    address = location_address(event.ip)
    return _Known(
        time, event.insert_id, distinct_id, address, user_id, device_id, event.prospect, event.data or ""
    )


def _person(event: AnyEvent, identity: str) -> tuple[str, str, str]:
    """Return `distinct_id`, `$user_id` and `$device_id`; the last two only where they are not empty."""
    user = event.user
    if identity == "distinct_id" or not user:
        return user, "", ""
    if user.startswith(_PROSPECT):
        device = _device(user.removeprefix(_PROSPECT))
        return f"$device:{device}", "", device
    return user, user, _device(event.prospect) if event.prospect else ""


def _device(prospect: str) -> str:
    return f"p-{prospect}"


# Its alternatives differ in their first character: that is twice as fast.
_OCTET = "(?:1[0-9]{0,2}|2(?:[0-4][0-9]?|5[0-5]?|[6-9])?|[3-9][0-9]?|0)"
# First octets of networks that are, in part, not public, and all from 224 on: those get the closer look.
_SPECIAL = r"(?!(?:0|10|100|127|169|172|192|198|203|22[4-9]|2[345][0-9])\.)"
_is_public_ipv4 = re.compile(rf"{_SPECIAL}{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}").fullmatch


def location_address(ip: str) -> str | int:
    """Return the address that Mixpanel should place on the map, or 0 for "do not".

    Without `ip`, or with 0 left out, Mixpanel places the event where the request comes from: a data
    centre. Source: docs.mixpanel.com/docs/tracking-best-practices/geolocation, 2026-11-23.
    """
    if _is_public_ipv4(ip):  # `ipaddress` would take as long as all the rest of an event
        return ip
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return 0
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address).partition("%")[0] if address.is_global else 0  # without an IPv6 zone
