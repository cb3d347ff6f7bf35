"""What a queue's model keeps of a message, and who hears of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

_NEVER_DRAWN = object()


class Watcher(Protocol):
    """Who hears of every message that comes into a queue, and leaves it for whatever reason."""

    def came(self, message_id: str, body: str) -> None:
        """Hear that it is in the queue now."""

    def left(self, message_id: str, body: str) -> None:
        """Hear that it is not in the queue any more."""


@dataclass(slots=True, eq=False)
class Message:
    """A message as the queue keeps it; `drawn_in`: for which window it was drawn whether it comes twice."""

    message_id: str
    body: str
    attributes: Mapping[str, str]
    sent_s: float
    visible_s: float
    receive_count: int = 0
    receipt_handle: str = ""
    source: str = ""
    drawn_in: object = _NEVER_DRAWN
