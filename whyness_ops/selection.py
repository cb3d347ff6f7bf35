"""Pure: which dead letters a redrive sends."""

import hashlib
from dataclasses import dataclass
from typing import Any

from whyness_events.dead_letter import moment
from whyness_ops.dead_letter_message import DeadLetter


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters. A dead letter must match all; one with several events matches if any of them does.

    Args:
        reason: such as `rejected`, or `crashed`, or `unknown`.
        event: the event's name.
        user: as in the event: `"123"`, `"p:45"`.
        insert_id: of the event.
        since_ms: it failed (if that is unknown: was sent) at this time or later, in epoch milliseconds.
        until_ms: it failed before this time.
        limit: at most this many dead letters.
    """

    reason: str | None = None
    event: str | None = None
    user: str | None = None
    insert_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    limit: int | None = None

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Whether the dead letter matches; the caller counts up to `limit`."""
        if self.reason is not None and dead_letter.reason != self.reason:
            return False
        if self.since_ms is not None and dead_letter.died_ms < self.since_ms:
            return False
        if self.until_ms is not None and dead_letter.died_ms >= self.until_ms:
            return False
        wanted = (("event", self.event), ("user", self.user), ("insert_id", self.insert_id))
        return all(value is None or value in dead_letter.values(name) for name, value in wanted)

    def describe(self) -> dict[str, Any]:
        """Return the filters for the audit row; of the user, who is a person, a hash."""
        given = {
            "reason": self.reason,
            "event": self.event,
            "user_sha256": None if self.user is None else hashlib.sha256(self.user.encode()).hexdigest(),
            "insert_id": self.insert_id,
            "since": None if self.since_ms is None else moment(self.since_ms),
            "until": None if self.until_ms is None else moment(self.until_ms),
            "limit": self.limit,
        }
        return {name: value for name, value in given.items() if value is not None}
