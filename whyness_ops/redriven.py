"""Pure: what came of a redrive."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Left:
    """A letter that was meant and stays in the dead-letter queue, and why."""

    message_id: str
    insert_id: str
    why: str


@dataclass(slots=True)
class Redriven:
    """What came of it.

    Attributes:
        total: letters that were there when it began, by the queue's own approximate count.
        looked_at: those of them that were received.
        matched: those of them that were meant.
        sent: those that the queue confirmed (in a dry run: that would be sent).
        left: those that were meant and stay.
        came_back: letters that were sent, and are dead again: they are not sent twice.
        arrived_since: other letters that came after it began; they were not looked at.
        not_deleted: sent, and perhaps still in the dead-letter queue too; they count once all the same.
        rows_not_marked: sent, but the Log table could not be told.
        hidden: messages that somebody else looks at, or that could not be made visible again at once.
        stopped: by a person, or because no more can be looked at in one go.
    """

    total: int = 0
    looked_at: int = 0
    matched: int = 0
    sent: int = 0
    left: list[Left] = field(default_factory=list)
    came_back: int = 0
    arrived_since: int = 0
    not_deleted: int = 0
    rows_not_marked: int = 0
    hidden: int = 0
    stopped: bool = False
    dry_run: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """The figures that the audit row keeps."""
        names = ("looked_at", "matched", "sent", "came_back", "not_deleted", "rows_not_marked")
        return {**{name: getattr(self, name) for name in names}, "left_count": len(self.left)}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)
