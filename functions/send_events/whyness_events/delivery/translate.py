"""Pure: an event of the contract into the event that Mixpanel gets."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from whyness_events import limits
from whyness_events.event import Event
from whyness_events.values import longer_than

LIBRARY = {"mp_lib": "whyness-mixpanel", "$lib_version": "0.1.0"}
_PROSPECT = "p:"

DescribeUseragent = Callable[[str], Mapping[str, str]]


def translate(
    event: Event, identity: str, describe_useragent: DescribeUseragent
) -> tuple[dict[str, Any], int]:
    """Return the event as `/import` takes it, and how many of its strings had to be cut.

    Args:
        event: valid.
        identity: `distinct_id` or `simplified`; decides the person's fields, and nothing else does.
        describe_useragent: from the raw header to Mixpanel's default properties.
    """
    cutter = _Cutter()
    properties: dict[str, Any] = {"time": _time(event), "$insert_id": event.insert_id}
    properties |= _person(event, identity)
    properties["ip"] = location_address(event.ip)
    if event.useragent:
        properties |= cutter.cut(dict(describe_useragent(event.useragent)))
        properties["useragent"] = cutter.cut(event.useragent)
    if event.data:
        properties["data"] = cutter.cut(event.data)
    properties |= LIBRARY
    if event.properties:
        properties |= cutter.cut(event.properties)
    return {"event": event.event, "properties": properties}, cutter.cut_count


def _person(event: Event, identity: str) -> dict[str, str]:
    prospect = {"prospect": event.prospect} if event.prospect else {}
    if identity == "distinct_id":
        return {"distinct_id": event.user, **prospect}
    if event.user.startswith(_PROSPECT):
        device = _device(event.user.removeprefix(_PROSPECT))
        return {"distinct_id": f"$device:{device}", "$device_id": device, **prospect}
    if not event.user:
        return {"distinct_id": "", **prospect}
    registered = {"distinct_id": event.user, "$user_id": event.user, **prospect}
    return registered | ({"$device_id": _device(event.prospect)} if event.prospect else {})


def _device(prospect: str) -> str:
    return f"p-{prospect}"


def location_address(ip: str) -> str | int:
    """Return the address that Mixpanel should place on the map, or 0 for "do not".

    Without `ip`, or with 0 left out, Mixpanel places the event where the request comes from: a data
    centre. Source: docs.mixpanel.com/docs/tracking-best-practices/geolocation, 2026-11-23.
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return 0
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address).partition("%")[0] if address.is_global else 0  # without an IPv6 zone


class _Cutter:
    """Cuts over-long strings as Mixpanel would, and counts them: 255 bytes, on a character's boundary."""

    def __init__(self) -> None:
        self.cut_count = 0

    def cut(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._cut_text(value) if longer_than(value, limits.STRING_BYTES) else value
        if isinstance(value, dict):
            return {self.cut(name): self.cut(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.cut(member) for member in value]
        return value

    def _cut_text(self, text: str) -> str:
        self.cut_count += 1
        return text.encode()[: limits.STRING_BYTES].decode(errors="ignore")


def _time(event: Event) -> int:
    return event.time // 1000 if event.time_unit == "s" else event.time
