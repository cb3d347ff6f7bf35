"""Pure: pack events into import requests, within Mixpanel's limits to the exact byte."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from whyness_events import limits

# Below Mixpanel's 10 MB: its pages do not say whether MB or MiB, and older ones have a lower limit.
REQUEST_BYTES = 9_500_000


class Encoded(Protocol):
    """Anything with its JSON encoded."""

    @property
    def encoded(self) -> bytes:
        """The event's JSON."""


ItemT = TypeVar("ItemT", bound=Encoded)


class RequestLimits(Struct, frozen=True):
    """The limits of one request: the number of events, and `body_bytes` of uncompressed JSON."""

    events: int = limits.REQUEST_EVENTS
    body_bytes: int = REQUEST_BYTES


def body_bytes(items: Sequence[Encoded]) -> int:
    """Return the exact size of the JSON array of `items`, at least one."""
    return 1 + _added_bytes(items)


def _added_bytes(items: Sequence[Encoded]) -> int:
    # A comma or the bracket follows each.
    if len(items) == 1:  # a sum takes three times as long
        return len(items[0].encoded) + 1
    return sum([len(item.encoded) for item in items]) + len(items)


def pack(groups: Iterable[Sequence[ItemT]], within: RequestLimits) -> list[list[ItemT]]:
    """Return the events of each request, in order.

    A group (the events of one record) is split only if it does not fit into one request. A single event above
    `body_bytes` gets a request of its own.
    """
    requests: list[list[ItemT]] = []
    current: list[ItemT] = []
    size, most_events, most_bytes = 1, within.events, within.body_bytes
    for group in groups:
        added = _added_bytes(group)
        fits = len(group) <= most_events and 1 + added <= most_bytes
        # Nearly all groups fit, and thousands hold one event: no list of parts is made for them.
        for part in (group,) if fits else [[item] for item in group]:
            added = added if fits else _added_bytes(part)
            if current and (len(current) + len(part) > most_events or size + added > most_bytes):
                requests.append(current)
                current, size = [], 1
            current.extend(part)
            size += added
    return [*requests, current] if current else requests
