"""The Log table in a run: plain puts and conditional updates, and which rows somebody failed to write."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.log_entry import LogEntry, LogKey

DEAD, REDRIVEN, DELIVERED = "dead", "redriven", "delivered"


@dataclass(slots=True)
class Row:
    """A row, as far as the checks need it."""

    entry: LogEntry
    state: str


@dataclass(slots=True)
class LogModel:
    """Rows by key; `doubtful` are the keys of which a write was lost: nobody can say what they hold."""

    rows: dict[LogKey, Row] = field(default_factory=dict)
    doubtful: set[LogKey] = field(default_factory=set)

    def put(self, entry: LogEntry) -> None:
        """Store a row, over the one that is there."""
        self.rows[entry.key] = Row(entry, entry.state)

    def mark_redriven(self, key: LogKey, *, dead_letter_message_id: str) -> None:
        """Do what `whyness_ops` does: only a row that is dead, and of this letter, changes."""
        row = self.rows.get(key)
        if row and row.state == DEAD and row.entry.dead_letter_message_id in ("", dead_letter_message_id):
            row.state = REDRIVEN

    def mark_delivered(self, keys: Sequence[LogKey]) -> None:
        """Set what is dead or redriven to delivered."""
        for key in keys:
            row = self.rows.get(key)
            if row and row.state in (DEAD, REDRIVEN):
                row.state = DELIVERED
