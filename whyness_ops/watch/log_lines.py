"""Pure: the function's log lines, which are an interface (docs/reference/metrics.md), as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INVOCATION = "invocation"
NOT_DELIVERED = "not delivered"
AWS_REFUSED = "aws refused"
# CloudWatch Logs leaves out all other lines.
PATTERN = " || ".join(f'($.message = "{name}")' for name in (INVOCATION, NOT_DELIVERED, AWS_REFUSED))
PATTERN = f"{{ {PATTERN} }}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Args:
        event_id: CloudWatch's; unique in a log group.
        time_ms: when it was written, epoch milliseconds.
        message: one of the three above.
        fields: all of the line.
    """

    event_id: str
    time_ms: int
    message: str
    fields: Mapping[str, Any]

    def count(self, name: str) -> int:
        """Return a field that is a number; 0 where it is missing, as in lines of older versions."""
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many events of an invocation had each outcome."""
        outcomes = self.fields.get("outcomes")
        found = outcomes.items() if isinstance(outcomes, Mapping) else ()
        return {str(reason): count for reason, count in found if isinstance(count, int)}


def parse(event: Mapping[str, Any]) -> Line | None:
    """Return an event of CloudWatch Logs as a line; None if it is another line, or not ours."""
    try:
        fields = json.loads(event["message"])
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("message") not in (INVOCATION, NOT_DELIVERED, AWS_REFUSED):
        return None
    return Line(str(event["eventId"]), int(event["timestamp"]), fields["message"], fields)
