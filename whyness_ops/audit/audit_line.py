"""An audit as one line of JSON, for alarms and for `status`: counts and no ids, however the audit ends."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from whyness_ops.audit.verdicts import FAULTS, NOT_JUDGED, Verdict
from whyness_ops.errors import OpsError
from whyness_ops.output import Write, printable

if TYPE_CHECKING:
    from whyness_ops.audit.audit_report import Report

MESSAGE = "mixpanel audit"
RESULTS = ("all accounted for", "not all accounted for", "not judged")
"""What an exit code means."""

Tell = Callable[[Mapping[str, Any]], object]


class AuditLine:
    """What is told of one audit.

    Args:
        since_ms: first moment of its period, epoch milliseconds.
        until_ms: end of its period.
        sources: names of the sources that it was asked for; none for a file.
    """

    def __init__(self, since_ms: int, until_ms: int, sources: Sequence[str] = ()) -> None:
        self.fields: dict[str, Any] = {
            "message": MESSAGE,
            "since": _iso(since_ms),
            "until": _iso(until_ms),
            "sources": list(sources),
        }
        self.fail("")

    def judged(self, report: "Report", code: int) -> None:
        """Tell the result: its counts, and its exit code."""
        sums, days = report.counts.by_verdict(), len(report.incomplete)
        self._end(code, f"incomplete days: {days}" if days else "")
        self.fields |= {
            "project": report.about["project"],
            "faults": sum(sums[verdict] for verdict in FAULTS),
            "verdicts": {str(verdict): sums[verdict] for verdict in Verdict},
            "unprobed": report.counts.unprobed.total(),
            "refused": report.refused,
            "exported": report.counts.exported,
        }

    def fail(self, why: str) -> None:
        """Tell that nothing was judged, and why."""
        self._end(NOT_JUDGED, why)

    def _end(self, code: int, why: str) -> None:
        self.fields |= {"exit_code": code, "result": RESULTS[code], "why": why}


@contextmanager
def told(line: AuditLine, tell: Tell, now_s: Callable[[], float] = time.time) -> Iterator[AuditLine]:
    """Yield the line, and tell it at the end, also where an error ends the audit.

    Args:
        line: of the audit.
        tell: is given its fields.
        now_s: the clock, epoch seconds.
    """
    try:
        yield line
    except BaseException as error:
        # Sentences of ours quote nothing; those of a database may.
        line.fail(printable(str(error)) if isinstance(error, OpsError) else type(error).__name__)
        raise
    finally:
        tell({"message": MESSAGE, "at": _iso(int(now_s() * 1000)), **line.fields})


def printer(write: Write, *, is_wanted: bool) -> Tell:
    """Return what writes a line as JSON, where it is wanted."""

    def tell(fields: Mapping[str, Any]) -> None:
        if is_wanted:
            write(json.dumps(fields))

    return tell


def line_text(fields: Mapping[str, Any]) -> str:
    """Return a line for people, on one line; the fields may come from another machine."""
    verdicts, sources = fields.get("verdicts"), fields.get("sources")
    counts = verdicts.items() if isinstance(verdicts, Mapping) else ()
    told_counts = ", ".join(f"{count} {verdict}" for verdict, count in counts if count)
    why = f" ({fields['why']})" if fields.get("why") else ""
    parts = [
        f"{fields.get('at')}: {fields.get('result')}{why}",
        f"from {fields.get('since')} to {fields.get('until')}",
        *(["of " + ", ".join(map(str, sources))] if isinstance(sources, Sequence) and sources else []),
        *([f"faults: {fields['faults']}"] if fields.get("faults") else []),
        *([told_counts] if told_counts else []),
    ]
    return printable("; ".join(parts).replace("\n", " "))


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms // 1000, UTC).isoformat().replace("+00:00", "Z")
