"""The Log table in a run: plain puts and conditional updates, and which rows somebody failed to write."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from whyness_events.log_entry import DeliveredRow, LogEntry, LogKey
from whyness_events.outcomes import State


@dataclass(slots=True)
class Row:
    """A row, as far as the checks need it."""

    entry: LogEntry
    state: str
    redriven_as: LogKey | None = None


@dataclass(slots=True)
class LogModel:
    """Rows by key; `doubtful` are the keys of lost writes, whose content is unknown."""

    rows: dict[LogKey, Row] = field(default_factory=dict)
    doubtful: set[LogKey] = field(default_factory=set)

    def put(self, entry: LogEntry) -> None:
        """Store a row, over the one that is there."""
        self.rows[entry.key] = Row(entry, entry.state)

    def mark_edited(self, key: LogKey, edited: LogKey, *, dead_letter_message_id: str) -> None:
        """Do what `whyness_ops` does before it sends."""
        if row := self._dead_row(key, dead_letter_message_id):
            row.redriven_as = edited

    def mark_redriven(self, key: LogKey, *, dead_letter_message_id: str) -> None:
        """Do what `whyness_ops` does: only a row that is dead, and of this dead letter, changes."""
        if row := self._dead_row(key, dead_letter_message_id):
            row.state = State.REDRIVEN

    def mark_delivered(self, rows: Sequence[DeliveredRow]) -> None:
        """Set the events' own rows to delivered."""
        for each in rows:
            row = self.rows.get(each.row)
            if row and (not each.is_edited or row.redriven_as == each.event):
                row.state = State.DELIVERED

    def _dead_row(self, key: LogKey, dead_letter_message_id: str) -> Row | None:
        row = self.rows.get(key)
        is_dead_letters = row and row.entry.dead_letter_message_id in ("", dead_letter_message_id)
        return row if row and is_dead_letters and row.state == State.DEAD else None
