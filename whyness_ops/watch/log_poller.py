"""Edge: new log lines of the function, by FilterLogEvents; billed by nothing but the calls."""

from typing import Any

from whyness_ops.aws import explained
from whyness_ops.watch.log_lines import PATTERN, Line, parse

# CloudWatch Logs shows a line some seconds after it was written, and not in the order of writing.
OVERLAP_MS = 10_000


class LogPoller:
    """Reads a log group again and again, each line once.

    Args:
        logs: a client of CloudWatch Logs.
        group: the log group.
        since_ms: lines older than this are left out.
    """

    def __init__(self, logs: Any, group: str, since_ms: int) -> None:
        self._logs = logs
        self._group = group
        self._since_ms = since_ms
        self._seen: dict[str, int] = {}

    def poll(self) -> list[Line]:
        """Return the lines that are new, in the order of their time.

        Raises:
            SetupFault: AWS refuses or cannot be reached; the next poll returns the same lines and more.
        """
        lines = sorted(self._read(), key=lambda line: line.time_ms)
        fresh = [line for line in lines if line.event_id not in self._seen]
        self._seen |= {line.event_id: line.time_ms for line in fresh}
        if lines:
            self._since_ms = max(self._since_ms, lines[-1].time_ms - OVERLAP_MS)
        self._seen = {id_: time_ms for id_, time_ms in self._seen.items() if time_ms >= self._since_ms}
        return fresh

    def _read(self) -> list[Line]:
        request: dict[str, Any] = {
            "logGroupName": self._group,
            "filterPattern": PATTERN,
            "startTime": self._since_ms,
        }
        lines: list[Line] = []
        while True:
            with explained(f"log group {self._group}"):
                answer = self._logs.filter_log_events(**request)
            lines += [line for line in map(parse, answer["events"]) if line]
            if not answer.get("nextToken"):
                return lines
            request["nextToken"] = answer["nextToken"]
