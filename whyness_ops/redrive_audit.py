"""One row in the Log table for each redrive: who, when, which selection, how many, which edit."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from whyness_events.dead_letter import moment
from whyness_events.log_entry import LogEntry, LogKey
from whyness_events.outcomes import AUDIT, AuditState
from whyness_ops.errors import SetupFault
from whyness_ops.log_table import LogTable

# Fields of a LogEntry that say nothing about a redrive.
_NOT_OURS = ("attempts", "http_status", "first_failed_at", "last_failed_at", "event_count")


@dataclass(frozen=True, slots=True)
class Audit:
    """The row, written before anything is moved: a killed redrive leaves it in the state `running`."""

    log: LogTable
    key: LogKey
    detail: str

    @classmethod
    def begin(
        cls, log: LogTable, *, who: str, selection: Mapping[str, Any], edit: str, now_ms: int
    ) -> "Audit":
        """Write the row.

        Raises:
            SetupFault: the row cannot be written; then nothing may be moved.
        """
        key = LogKey(f"{AUDIT}#{moment(now_ms)}#{secrets.token_hex(4)}", "audit")
        text = json.dumps(selection, sort_keys=True)
        detail = f"{text}{' edit ' + edit if edit else ''} by {who}"
        entry = LogEntry(key, AUDIT, detail, last_failed_at_ms=now_ms, state=AuditState.RUNNING)
        item = {name: value for name, value in entry.to_item().items() if name not in _NOT_OURS}
        item |= {"who": who, "started_at": now_ms, "selection": text}
        if edit:
            item["edit"] = edit
        if not log.put_new(item):
            raise SetupFault(f"Log table {log.name} already has the audit row {key}. Try again.")
        return cls(log, key, detail)

    def end(self, state: AuditState, counts: Mapping[str, int], *, now_ms: int) -> None:
        """Write how it ended: `done`, `stopped` or `failed`, and the counts.

        Raises:
            SetupFault: the row cannot be written.
        """
        values = {"state": state, "finished_at": now_ms, **counts}
        try:
            self.log.update(self.key, {**values, "detail": f"{counts.get('sent', 0)} sent: {self.detail}"})
        except SetupFault as fault:
            raise SetupFault(
                f"The redrive ended as {state}, {dict(counts)}, but its audit row still says "
                f"`{AuditState.RUNNING}`: {fault}"
            ) from fault
