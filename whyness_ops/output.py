"""Pure but for `emit`: what came of it, as text for people or JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

_SHOWN = ("gsi1sk", "day", "reason", "state", "event", "insert_id", "http_status", "count", "detail")
_HEADINGS = {"gsi1sk": "failed at and key"}

F = TypeVar("F")


def emit(found: F, text: Callable[[F], str], *, as_json: bool) -> None:
    """Print what was found."""
    print(json.dumps(found) if as_json else printable(text(found)))  # noqa: T201  (a command line talks)


def printable(text: str) -> str:
    """Return text without what would steer a terminal: dead letters hold what strangers wrote."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def pretty(found: object) -> str:
    """Return it as JSON for people."""
    return json.dumps(found, indent=2, ensure_ascii=False)


def table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """Return rows as columns; `(none)` where there are none."""
    if not rows:
        return "(none)"
    cells = [[_HEADINGS.get(name, name) for name in names]]
    cells += [[str(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the Log, or counts of them."""
    names = [name for name in _SHOWN if any(name in row for row in rows)]
    return table(rows, names)


def overview_text(found: Mapping[str, Any]) -> str:
    """Return what `inspecting.overview` found."""
    sample, queue = found["sample"], found["queue"]
    names = ("message_id", "reason", "insert_id", "event_count", "failed_at", "detail")
    oldest = (
        f"oldest of the sample: {sample['oldest']['sent_at']}" if sample["oldest"] else "the queue gave none"
    )
    parts = [
        f"Log, last {found['days']} days:",
        table(found["log"], ("reason", "state", "count")),
        f"\nQueue: about {queue['visible']} letters, and {queue['hidden']} that somebody looks at now.",
        f"\nSample of {sample['count']}, as SQS chose them; {oldest}:",
        table(sample["letters"], names),
    ]
    if sample["crashed"]:
        parts += [
            "\nCrashed (moved by SQS, received too often), of the sample:",
            table(sample["crashed"], names),
        ]
    return "\n".join(parts)


def redriven_text(found: Mapping[str, Any]) -> str:
    """Return what came of a redrive."""
    verb = "would be sent" if found["dry_run"] else "sent"
    lines = [f"{found['looked_at']} looked at, {found['matched']} meant, {found['sent']} {verb}."]
    if found["came_back"]:
        lines.append(f"came back: {found['came_back']}, still failing.")
    notes = (
        ("arrived_since", "arrived since it began, and were left."),
        ("not_deleted", "were sent and may still be in the dead-letter queue: sent again, they count once."),
        ("rows_not_marked", "rows of the Log could not be marked as redriven."),
        ("hidden", "letters are hidden at the moment: somebody looks at them, or they will reappear."),
    )
    lines += [f"{found[name]} {note}" for name, note in notes if found[name]]
    if found["stopped"]:
        lines.append("Stopped before the end.")
    if found["left"]:
        lines += ["Left in the dead-letter queue:", table(found["left"], ("message_id", "insert_id", "why"))]
    return "\n".join(lines)


def moved_text(found: Mapping[str, Any]) -> str:
    """Return what came of a message move task."""
    moved = (
        f"{found['status'].lower()}: {found['moved']} of about {found['to_move']} moved {found['failure']}"
    )
    came_back = f"\ncame back: about {found['came_back']}, still failing, or arrived since it began."
    return moved.rstrip() + (came_back if found["came_back"] else "")


def exported_text(found: Mapping[str, Any]) -> str:
    """Return what was exported."""
    line = f"{found['letters']} letters in {found['file']}"
    return f"{line}; {found['arrived_since']} arrived since it began" if found["arrived_since"] else line
