"""What is sent in each cell."""

from dataclasses import dataclass
from pathlib import Path

EVENTS_PER_MESSAGE = 100


@dataclass(frozen=True, slots=True)
class Offer:
    """The same for each sender.

    Args:
        event_count: a multiple of EVENTS_PER_MESSAGE.
        patience_s: how long a client's program may neither end nor send, before it counts as hung.
        work_dir: an existing directory for logs and files.
    """

    event_count: int
    patience_s: float
    work_dir: Path
