"""The exceptions of the contract.

WhynessEventsError
├── InvalidEvent        one event breaks a rule; its neighbours may be fine
│   └── UnreadableEvent it is not an object, or lacks a field that only the publisher can set
├── EventTooLarge       one event is larger than a limit
├── UnreadableMessage   no event can be read from the whole message
└── UnknownVersion      the message is newer than this reader

Their texts are safe to log and to show: they name fields, kinds, lengths and limits, never a value.
"""


class WhynessEventsError(Exception):
    """Base class of the contract's exceptions."""


class InvalidEvent(WhynessEventsError):
    """One event breaks a rule of the contract.

    Args:
        path: the field, such as `insert_id`; `properties.*` for everything below `properties`.
        found: kind, length or class of the field's value.
        allowed: what the field may hold.
    """

    def __init__(self, path: str, found: str, allowed: str) -> None:
        super().__init__(path, found, allowed)
        self.path = path
        self.found = found
        self.allowed = allowed

    def __str__(self) -> str:
        return f"{self.path}: found {self.found}; allowed: {self.allowed}"


class UnreadableEvent(InvalidEvent):
    """One event is not an object, or lacks one of the four deduplication fields."""


class EventTooLarge(WhynessEventsError):
    """One event of `size_bytes` is larger than `limit_bytes`."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_bytes, limit_bytes)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"event: found {self.size_bytes} bytes of JSON; allowed: at most {self.limit_bytes} bytes"


class UnreadableMessage(WhynessEventsError):
    """No event can be read from the message; `reason` says what was found instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownVersion(WhynessEventsError):
    """The message has a `schema_version` above `known`: keep it for a newer reader."""

    def __init__(self, known: int) -> None:
        super().__init__(known)
        self.known = known

    def __str__(self) -> str:
        return f"schema_version: found a version above {self.known}; allowed: 1 to {self.known}"
