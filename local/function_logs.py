"""The function's log lines: from its runtimes' files to the emulator's CloudWatch Logs, as Lambda does."""

import logging
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import InputLogEventTypeDef

_logger = logging.getLogger(__name__)
_LOOK_EACH_S = 0.5
_STREAM = "local"
# PutLogEvents takes no more at once.
_MOST_LINES = 10_000


class LogShipper:
    """Ships each complete line of JSON in `lambda-*.log`; a context manager over a thread of its own."""

    def __init__(self, logs: "CloudWatchLogsClient", group: str, log_dir: Path) -> None:
        self._logs = logs
        self._group = group
        self._log_dir = log_dir
        self._read_bytes: dict[Path, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="function logs", daemon=True)

    def __enter__(self) -> Self:
        self.make_group()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def make_group(self) -> None:
        """Make the log group, in which nothing stands yet."""
        self._logs.create_log_group(logGroupName=self._group)
        self._logs.create_log_stream(logGroupName=self._group, logStreamName=_STREAM)

    def _run(self) -> None:
        while not self._end.wait(_LOOK_EACH_S):
            try:
                self.ship()
            except (BotoCoreError, ClientError, OSError) as error:  # the lines are in the files
                _logger.warning("log lines were not shipped: %s", error)

    def ship(self) -> None:
        """Ship what was written since the last time."""
        lines = [
            line for path in sorted(self._log_dir.glob("lambda-*.log")) for line in self._new_lines(path)
        ]
        now_ms = time.time_ns() // 1_000_000
        events: list[InputLogEventTypeDef] = [{"timestamp": now_ms, "message": line} for line in lines]
        for start in range(0, len(events), _MOST_LINES):
            self._logs.put_log_events(
                logGroupName=self._group, logStreamName=_STREAM, logEvents=events[start : start + _MOST_LINES]
            )

    def _new_lines(self, path: Path) -> list[str]:
        with path.open("rb") as file:
            file.seek(self._read_bytes.get(path, 0))
            complete, _, _ = file.read().rpartition(b"\n")
        if not complete:
            return []
        self._read_bytes[path] = self._read_bytes.get(path, 0) + len(complete) + 1
        lines = complete.decode(errors="replace").split("\n")
        return [line for line in lines if line.startswith("{")]
