"""Pure but for `emit`: results as text for people, or JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from whyness_ops import terminal
from whyness_ops.columns import columns

_SHOWN = ("gsi1sk", "day", "reason", "state", "event", "insert_id", "http_status", "count", "detail")
_HEADINGS = {"gsi1sk": "failed at and key"}
# Begins a line that a terminal shows bold. No text of a stranger can begin a line with it: tables and JSON
# escape control characters.
_TITLE = "\x01"
_ARRIVED = "Skipped, arrived after the start: {}."
_STOPPED = "Stopped before the end. Run the command again for the rest."

F = TypeVar("F")
Write = Callable[[str], object]


def emit(result: F, text: Callable[[F], str], *, as_json: bool, write: Write = print) -> None:
    """Print a result."""
    write(json.dumps(result) if as_json else _styled(text(result)))


def printable(text: str) -> str:
    """Return text without what would steer a terminal: dead letters hold what strangers wrote."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def pretty(value: object) -> str:
    """Return a value as JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def title(text: str) -> str:
    """Return a line that a terminal shows bold."""
    return _TITLE + text


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return rows as columns that fit the terminal; `(none)` if there are none."""
    if not (rows and names):
        return "(none)"
    cells = [[_cell(row.get(name, "")) for name in names] for row in rows]
    heading, *lines = columns([_HEADINGS.get(name, name) for name in names], cells, terminal.width())
    return "\n".join([title(heading), *lines])


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the Log, or counts of them."""
    names = [name for name in _SHOWN if any(name in row for row in rows)]
    return table(rows, names)


def overview_text(summary: Mapping[str, Any]) -> str:
    """Return the result of `inspecting.overview`."""
    sample, queue = summary["sample"], summary["queue"]
    names = ("message_id", "reason", "insert_id", "event_count", "failed_at", "detail")
    oldest = f", the oldest sent {sample['oldest']['sent_at']}" if sample["oldest"] else ""
    parts = [
        title(f"Log, last {_count(summary['days'], 'day')}:"),
        table(summary["log"], ("reason", "state", "count")),
        f"\nDead-letter queue: about {queue['visible']} visible, {queue['hidden']} being inspected.\n",
        title(f"Sample of {_count(sample['count'], 'dead letter')}, as SQS chose them{oldest}:"),
        table(sample["letters"], names),
    ]
    if sample["crashed"]:
        parts += [
            "",
            title("Crashed, in the sample (SQS moved them after too many receives):"),
            table(sample["crashed"], names),
        ]
    return "\n".join(parts)


def redriven_text(report: Mapping[str, Any]) -> str:
    """Return the result of a redrive."""
    sent = "would be sent" if report["dry_run"] else "sent"
    inspected = _count(report["looked_at"], "dead letter")
    lines = [f"Inspected {inspected}: {report['matched']} matched, {report['sent']} {sent}."]
    notes = (
        ("came_back", "Came back, still failing: {}. Fix the cause, then redrive them again."),
        ("arrived_since", _ARRIVED),
        ("not_deleted", "Sent, perhaps still in the dead-letter queue: {}. Sent again, they count once."),
        ("rows_not_marked", "Sent, but not marked as redriven in the Log: {}."),
        ("hidden", "Hidden while somebody inspects them: {}. Run the command again in ten minutes."),
    )
    lines += [note.format(report[name]) for name, note in notes if report[name]]
    if report["stopped"]:
        lines.append(_STOPPED)
    if report["left"]:
        lines.append(title("Not sent, still in the dead-letter queue:"))
        lines.append(table(report["left"], ("message_id", "insert_id", "why")))
    return "\n".join(lines)


def moved_text(move: Mapping[str, Any]) -> str:
    """Return the result of a message move task."""
    moved = f"Moved {move['moved']} of about {_count(move['to_move'], 'dead letter')}"
    failure = f" ({move['failure']})" if move["failure"] else ""
    lines = [f"{moved}: {move['status'].lower()}{failure}."]
    if move["came_back"]:
        lines.append(f"Came back, still failing, or arrived after the start: about {move['came_back']}.")
    return "\n".join(lines)


def would_move_text(result: Mapping[str, Any]) -> str:
    """Return the result of a dry run of `redrive --all`."""
    return f"Dry run: about {_count(result['would_move'], 'dead letter')} would be moved."


def exported_text(result: Mapping[str, Any]) -> str:
    """Return the result of an export."""
    line = f"Wrote {_count(result['letters'], 'dead letter')} to {result['file']}."
    late = result["arrived_since"]
    return f"{line} Not in the file, arrived after the start: {late}." if late else line


def rebuilt_text(result: Mapping[str, Any]) -> str:
    """Return the result of `rebuilding.rebuild`."""
    inspected = _count(result["letters"], "dead letter")
    added = _count(result["rows"], "Log row")
    lines = [f"Inspected {inspected}: added {added}, {result['present']} existed already."]
    if result["arrived_since"]:
        lines.append(_ARRIVED.format(result["arrived_since"]))
    if result["cut_short"]:
        lines.append(_STOPPED)
    return "\n".join(lines)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: object) -> str:
    return printable(str(value)).replace("\n", "\\x0a")


def _styled(text: str) -> str:
    return "\n".join(
        terminal.bold(printable(line[1:])) if line.startswith(_TITLE) else printable(line)
        for line in text.split("\n")
    )
