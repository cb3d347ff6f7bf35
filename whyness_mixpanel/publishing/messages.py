"""Packs encoded events into message bodies, and messages into calls. Pure."""

import sys
from collections.abc import Iterable
from typing import NamedTuple

from whyness_events import limits, sqs_batch
from whyness_events.values import size_bytes
from whyness_events.wire import join_message

# Just below what SQS bills as one request; the margin is for what it may add to our count.
MESSAGE_BYTES = limits.BILLED_BYTES - 536
# Just below what SQS accepts in one call; one event, at most limits.EVENT_BYTES, always fits.
CALL_BYTES = limits.BATCH_BYTES - 8_576


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
    room_bytes = MESSAGE_BYTES - envelope_bytes + 1
    groups = sqs_batch.in_calls(encoded, _comma_and, most_entries=sys.maxsize, most_bytes=room_bytes)
    packed = []
    for group in groups:
        packed.append(Packed(join_message(group, identity=identity), len(group), first))
        first += len(group)
    return packed


def calls(messages: Iterable[Packed]) -> list[list[Packed]]:
    """Return `messages` in order, in groups that fit into one call each."""
    most = limits.BATCH_ENTRIES
    return list(sqs_batch.in_calls(messages, _body, most_entries=most, most_bytes=CALL_BYTES))


def _comma_and(event: str) -> int:
    return size_bytes(event) + 1


def _body(message: Packed) -> int:
    return size_bytes(message.body)
