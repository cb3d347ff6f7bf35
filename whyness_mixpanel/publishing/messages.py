"""Packs encoded events into message bodies, and messages into calls. Pure."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

from whyness_events import limits
from whyness_events.values import size_bytes
from whyness_events.wire import join_message

# Just below what SQS bills as one request; the margin is for what it may add to our count.
MESSAGE_BYTES = limits.BILLED_BYTES - 536
# Just below what SQS accepts in one call; one event, at most limits.EVENT_BYTES, always fits.
CALL_BYTES = limits.BATCH_BYTES - 8_576

T = TypeVar("T")


class Packed(NamedTuple):
    """A message body, the number of its events, and the index of the first one."""

    body: str
    event_count: int
    first: int = 0


def pack(encoded: Iterable[str], *, identity: str, first: int = 0) -> list[Packed]:
    """Return the messages that carry `encoded` events, in order; their indexes begin with `first`.

    Each has at most MESSAGE_BYTES, except that an event larger than that travels alone.
    """
    envelope_bytes = size_bytes(join_message([], identity=identity))
    groups = _groups(encoded, _comma_and, limit_bytes=MESSAGE_BYTES - envelope_bytes + 1)
    packed = []
    for group in groups:
        packed.append(Packed(join_message(group, identity=identity), len(group), first))
        first += len(group)
    return packed


def calls(messages: Iterable[Packed]) -> list[list[Packed]]:
    """Return `messages` in order, in groups that fit into one call each."""
    return list(_groups(messages, _body, limit_bytes=CALL_BYTES, limit_count=limits.BATCH_ENTRIES))


def _comma_and(event: str) -> int:
    return size_bytes(event) + 1


def _body(message: Packed) -> int:
    return size_bytes(message.body)


def _groups(
    items: Iterable[T], measure: Callable[[T], int], *, limit_bytes: int, limit_count: int = sys.maxsize
) -> Iterator[list[T]]:
    group: list[T] = []
    group_bytes = 0
    for item in items:
        item_bytes = measure(item)
        if group and (group_bytes + item_bytes > limit_bytes or len(group) == limit_count):
            yield group
            group, group_bytes = [], 0
        group.append(item)
        group_bytes += item_bytes
    if group:
        yield group
