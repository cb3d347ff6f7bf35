"""The contract between the publishers of events and the Lambda that sends them. Standard library only."""

from whyness_events.errors import (
    EventTooLarge,
    InvalidEvent,
    UnknownVersion,
    UnreadableEvent,
    UnreadableMessage,
    WhynessEventsError,
)
from whyness_events.event import Event, check_event, parse_event, valid_insert_id
from whyness_events.wire import (
    IDENTITIES,
    SCHEMA_VERSION,
    Message,
    decode_message,
    encode_event,
    encode_message,
)

__all__ = [
    "IDENTITIES",
    "SCHEMA_VERSION",
    "Event",
    "EventTooLarge",
    "InvalidEvent",
    "Message",
    "UnknownVersion",
    "UnreadableEvent",
    "UnreadableMessage",
    "WhynessEventsError",
    "check_event",
    "decode_message",
    "encode_event",
    "encode_message",
    "parse_event",
    "valid_insert_id",
]
