"""Pure: the result of a redrive."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Left:
    """A dead letter that matched but was not sent, and why."""

    message_id: str
    insert_id: str
    why: str


@dataclass(slots=True)
class Redriven:
    """The counts of a redrive.

    Attributes:
        total: dead letters at the start, by the queue's own approximate count.
        looked_at: those of them that were inspected.
        matched: those that match the filters.
        sent: those that the queue confirmed (in a dry run: that would be sent).
        left: those that matched but were not sent.
        came_back: dead letters that were sent and came back; they are not sent twice.
        arrived_since: other dead letters that arrived after the start; they were skipped.
        not_deleted: sent, but perhaps still in the dead-letter queue; sent again, they count once.
        rows_not_marked: sent, but their Log rows could not be marked.
        hidden: messages that somebody else inspects, or that could not be made visible again at once.
        stopped: by a person, or because no more messages may be held at once.
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
        """The counts that the audit row keeps."""
        names = ("looked_at", "matched", "sent", "came_back", "not_deleted", "rows_not_marked")
        return {**{name: getattr(self, name) for name in names}, "left_count": len(self.left)}

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)
