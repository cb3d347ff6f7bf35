"""A stand-in for Mixpanel's raw export: a function from a day to an answer, with its quirks."""

import gzip
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from whyness_events import Event, encode_message
from whyness_ops.audit.audit_report import json_lines, make_report
from whyness_ops.audit.auditing import Rules, audit
from whyness_ops.audit.expected_events import write_expected
from whyness_ops.audit.export_client import Answer
from whyness_ops.audit.export_days import DayReader
from whyness_ops.audit.export_pace import Pace

Row = dict[str, Any]


def local_ms(utc_ms: int, zone: ZoneInfo) -> int:
    """Return the local time as if it were UTC: the standard library's own way, which takes a datetime."""
    moment = datetime.fromtimestamp(utc_ms // 1000, UTC).astimezone(zone)
    return utc_ms + int((moment.utcoffset() or timedelta()).total_seconds()) * 1000


def exported(translated: bytes, zone: ZoneInfo) -> Row:
    """Return an event as a healthy export has it."""
    row: Row = json.loads(translated)
    properties = row["properties"]
    time = properties["time"] * (1000 if properties["time"] < 10**11 else 1)
    properties["time"] = local_ms(time, zone)
    properties.pop("ip", None)
    properties |= {"$import": True, "mp_processing_time_ms": time + 900, "$city": "Berlin"}
    return row


def day_of(row: Row) -> str:
    """Return the day on whose export a row is."""
    return datetime.fromtimestamp(row["properties"]["time"] / 1000, UTC).date().isoformat()


class FakeExport:
    """Answers for each day.

    Args:
        rows: of all days.
        splits: where the line of a row is split in two.
        cut_days: their answers always end too early.
        troubles: what the next answers are instead: a status, or a body.
        pieces_bytes: how the body arrives.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        *,
        splits: Mapping[int, Sequence[int]] | None = None,
        cut_days: Iterable[str] = (),
        troubles: Iterable[int | bytes] = (),
        pieces_bytes: int = 4_096,
    ) -> None:
        self._lines: dict[str, list[bytes]] = {}
        for number, row in enumerate(rows):
            line = json.dumps(row, ensure_ascii=number % 2 == 0).encode()
            self._lines.setdefault(day_of(row), []).append(_split(line, (splits or {}).get(number, ())))
        self._cut_days, self._troubles, self._pieces_bytes = set(cut_days), deque(troubles), pieces_bytes
        self.asked: list[str] = []

    @contextmanager
    def ask(self, day: str) -> Iterator[Answer]:
        """Yield the answer for a day."""
        self.asked.append(day)
        trouble = self._troubles.popleft() if self._troubles else 200
        body = gzip.compress(b"".join(line + b"\n" for line in self._lines.get(day, [])))
        status = 200
        if isinstance(trouble, bytes):
            body = trouble
        else:
            status = trouble
        if day in self._cut_days:
            body = body[:-5]
        pieces = (body[at : at + self._pieces_bytes] for at in range(0, len(body), self._pieces_bytes))
        yield Answer(status, 0.0, True, pieces)  # noqa: FBT003  (a tuple)


def _split(line: bytes, places: Sequence[int]) -> bytes:
    for place in sorted({place % (len(line) + 1) for place in places}, reverse=True):
        line = line[:place] + b"\n" + line[place:]
    return line


class FakeTime:
    """A clock that runs only while somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []
        self.notes: list[str] = []

    def pace(self) -> Pace:
        """Return a pace of this clock."""
        return Pace(lambda: self.now_s, self.wait, self.notes.append)

    def wait(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(seconds)
        self.now_s += seconds

    def reader(self, export: FakeExport) -> DayReader:
        """Return a reader of an export."""
        return DayReader(export.ask, self.pace(), self.notes.append)


def lines_of(events: Iterable[Event], identity: str, absent: Mapping[str, str] | None = None) -> list[str]:
    """Return the file of expected events."""
    lines = []
    for event in events:
        message = json.loads(encode_message([event], identity=identity))
        if mark := (absent or {}).get(event.insert_id):
            message["absent"] = mark
        lines.append(json.dumps(message))
    return lines


def run(
    lines: Sequence[str], export: FakeExport, rules: Rules, time: FakeTime | None = None
) -> tuple[dict[str, Any], set[tuple[str, str, str]]]:
    """Return the summary, and verdict, event name and insert id of each finding."""
    with audit(
        lambda directory: write_expected(
            lines, directory, identity="distinct_id", now_ms=rules.now_ms, derived=rules.derived
        ),
        (time or FakeTime()).reader(export),
        rules,
    ) as audited:
        report = make_report(audited.counts, audited.incomplete, audited.refused, {})
        texts = (line for path in audited.findings for line in Path(path).read_text().splitlines())
        summary, *rest = map(json.loads, json_lines(report, texts))
    findings = [line for line in rest if line["kind"] == "event"]
    return summary, {(line["verdict"], line["event"], line["insert_id"]) for line in findings}
