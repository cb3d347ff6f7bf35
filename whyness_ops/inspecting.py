"""Inspecting the dead-letter queue: what was inspected is visible again at once."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from whyness_events.dead_letter import moment
from whyness_events.outcomes import CRASHED, DEAD_REASONS
from whyness_ops.dead_letter_message import DeadLetter
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.errors import NotFound, OpsError
from whyness_ops.files import new_file
from whyness_ops.log_table import LogTable, Row
from whyness_ops.stop import Stop

_MOST_LEVELS = 50


def overview(
    queue: DeadLetterQueue, log: LogTable, *, days: Sequence[date], sample_count: int, stop: Stop
) -> dict[str, Any]:
    """Return the Log's counts of these days, the queue's own count, and a sample of the queue.

    SQS chooses the sample: it says nothing about the rest.
    """
    rows = log.rows(days, DEAD_REASONS)
    sample = take_sample(queue, sample_count, stop)
    depth = queue.depth()
    oldest = min(sample, key=lambda dead_letter: dead_letter.sent_ms, default=None)
    return {
        "days": len(days),
        "log": count_rows(rows, ("reason", "state")),
        "queue": {"visible": depth.visible, "hidden": depth.hidden},
        "sample": {
            "count": len(sample),
            "by_reason": dict(Counter(dead_letter.reason for dead_letter in sample)),
            "oldest": oldest.describe() if oldest else None,
            "crashed": [dead_letter.describe() for dead_letter in sample if dead_letter.reason == CRASHED],
            "letters": [dead_letter.describe() for dead_letter in sample if dead_letter.reason != CRASHED],
        },
    }


def count_rows(rows: Sequence[Row], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how many rows have the same values in `names`, most frequent first."""
    counts = Counter(tuple(str(row.get(name, "")) for name in names) for row in rows)
    return [
        {**dict(zip(names, values, strict=True)), "count": count} for values, count in counts.most_common()
    ]


def take_sample(queue: DeadLetterQueue, count: int, stop: Stop) -> list[DeadLetter]:
    """Return up to `count` dead letters."""
    sample: list[DeadLetter] = []
    if count <= 0:
        return sample
    with queue.hold(stop) as hold:
        for batch in hold.batches():
            sample += batch
            if len(sample) >= count:
                break
    return sample[:count]


def find_dead_letter(
    queue: DeadLetterQueue, *, message_id: str = "", insert_id: str = "", stop: Stop
) -> DeadLetter:
    """Return the dead letter with this message id, or with an event of this insert id.

    Raises:
        NotFound: it is not in the queue, or is hidden while somebody inspects it.
    """
    with queue.hold(stop) as hold:
        for dead_letter in itertools.chain.from_iterable(hold.batches()):
            is_named = insert_id and insert_id in dead_letter.values("insert_id")
            if is_named or message_id == dead_letter.message_id:
                return dead_letter
    hidden = queue.depth().hidden
    raise NotFound(
        f"Dead letter {message_id or insert_id} is not in {queue.url}. It was redriven, or it is one of "
        f"{hidden} that are hidden while somebody inspects them; those reappear within ten minutes."
    )


def show(dead_letter: DeadLetter, log: LogTable | None) -> dict[str, Any]:
    """Return all that is known about a dead letter, its body included, which may hold personal data."""
    key = dead_letter.log_key
    rows = log.get(key.pk) if log and key else []
    return {
        **dead_letter.describe(),
        "attributes": dict(dead_letter.attributes),
        "body": dead_letter.body,
        "events": [raw for raw in dead_letter.raw_events if not _is_deep(raw)],
        "log": [row for row in rows if key and row.get("sk") == key.sk],
    }


def export(
    queue: DeadLetterQueue,
    path: Path,
    *,
    force: bool = False,
    stop: Stop,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> dict[str, int]:
    """Write all dead letters of the queue to `path`, one line of JSON each.

    The file appears when it is complete. Only its owner can read it, because it holds personal data.

    Args:
        queue: the dead-letter queue.
        path: of the file.
        force: replace an existing file.
        stop: ends it; then there is no file.
        progress: called with the number written and the approximate total.

    Returns:
        How many dead letters (`letters`) are in the file, and how many `arrived_since`, which are not.

    Raises:
        FileFault: the file exists already, or cannot be written.
        OpsError: it was stopped.
    """
    with new_file(path, force=force) as file, queue.hold(stop) as hold:
        for batch in hold.batches():
            file.writelines(json.dumps(_line(dead_letter)) + "\n" for dead_letter in batch)
            progress(hold.there_count, hold.snapshot.total)
        if stop.is_set() or hold.is_full:
            raise OpsError(
                f"Stopped after {hold.there_count} dead letters: {path} was not written. Run it again."
            )
    return {"letters": hold.there_count, "arrived_since": hold.arrived_since}


def _line(dead_letter: DeadLetter) -> Mapping[str, Any]:
    return {
        "message_id": dead_letter.message_id,
        "reason": dead_letter.reason,
        "sent_at": moment(dead_letter.sent_ms),
        "attributes": dict(dead_letter.attributes),
        "body": dead_letter.body,
    }


def _is_deep(raw: object, levels: int = _MOST_LEVELS) -> bool:
    """Whether it is nested too deeply to be shown as JSON; `body` still has it."""
    if not isinstance(raw, dict | list):
        return False
    inner = raw.values() if isinstance(raw, dict) else raw
    return levels == 0 or any(_is_deep(value, levels - 1) for value in inner)
