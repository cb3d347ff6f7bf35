"""Looking at the dead-letter queue: whatever is looked at is visible again at once."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import IO, Any

from whyness_events.dead_letter import moment
from whyness_events.outcomes import CRASHED, DEAD_REASONS
from whyness_ops.dead_letter_queue import DeadLetterQueue
from whyness_ops.errors import NotFound, OpsError
from whyness_ops.letters import DeadLetter
from whyness_ops.log_table import LogTable, Row
from whyness_ops.stop import Stop


def overview(
    queue: DeadLetterQueue, log: LogTable, *, days: Sequence[date], sample_count: int, stop: Stop
) -> dict[str, Any]:
    """Return what is dead: the Log's counts of these days, the queue's own, and a sample of it.

    SQS chooses what comes in a sample: its figures say nothing about the rest.
    """
    rows = log.rows(days, DEAD_REASONS)
    sample = take_sample(queue, sample_count, stop)
    depth = queue.depth()
    oldest = min(sample, key=lambda letter: letter.sent_ms, default=None)
    return {
        "days": len(days),
        "log": count_rows(rows, ("reason", "state")),
        "queue": {"visible": depth.visible, "hidden": depth.hidden},
        "sample": {
            "count": len(sample),
            "by_reason": dict(Counter(letter.reason for letter in sample)),
            "oldest": oldest.describe() if oldest else None,
            "crashed": [letter.describe() for letter in sample if letter.reason == CRASHED],
            "letters": [letter.describe() for letter in sample if letter.reason != CRASHED],
        },
    }


def count_rows(rows: Sequence[Row], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how many rows have the same values in `names`, most frequent first."""
    counts = Counter(tuple(str(row.get(name, "")) for name in names) for row in rows)
    return [
        {**dict(zip(names, values, strict=True)), "count": count} for values, count in counts.most_common()
    ]


def take_sample(queue: DeadLetterQueue, count: int, stop: Stop) -> list[DeadLetter]:
    """Return up to `count` letters."""
    sample: list[DeadLetter] = []
    if count <= 0:
        return sample
    with queue.hold(stop) as hold:
        for batch in hold.batches():
            sample += batch
            if len(sample) >= count:
                break
    return sample[:count]


def find_letter(
    queue: DeadLetterQueue, *, message_id: str = "", insert_id: str = "", stop: Stop
) -> DeadLetter:
    """Return the letter with this message id, or with an event of this insert id.

    Raises:
        NotFound: it is not there, or somebody else looks at it at this moment.
    """
    with queue.hold(stop) as hold:
        for letter in (letter for batch in hold.batches() for letter in batch):
            if message_id == letter.message_id or (insert_id and insert_id in letter.values("insert_id")):
                return letter
    hidden = queue.depth().hidden
    raise NotFound(
        f"No dead letter {message_id or insert_id} in {queue.url}. "
        f"It may have been redriven, or be one of {hidden} that somebody looks at now."
    )


def show(letter: DeadLetter, log: LogTable | None) -> dict[str, Any]:
    """Return all that is known about a letter: the body too, which may hold personal data."""
    key = letter.log_key
    rows = log.get(key.pk) if log and key else []
    return {
        **letter.describe(),
        "attributes": dict(letter.attributes),
        "body": letter.body,
        "events": list(letter.raw_events),
        "log": [row for row in rows if key and row["sk"] == key.sk],
    }


def export(
    queue: DeadLetterQueue, path: Path, *, stop: Stop, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Write all letters to `path`, one line of JSON each, and return how many.

    The file appears when it is complete, readable by its owner alone: it holds personal data.

    Raises:
        OpsError: it was stopped, or the file cannot be written.
    """
    count = 0
    with _complete_file(path) as file, queue.hold(stop) as hold:
        for batch in hold.batches():
            file.writelines(json.dumps(_line(letter)) + "\n" for letter in batch)
            count += len(batch)
            progress(count)
        if stop.is_set() or hold.is_full:
            raise OpsError(f"Stopped after {count} letters; {path} was not written.")
    return count


@contextmanager
def _complete_file(path: Path) -> Iterator[IO[str]]:
    unfinished = path.with_name(f"{path.name}.unfinished-{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        unfinished.replace(path)
    except OSError as error:
        raise OpsError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _line(letter: DeadLetter) -> Mapping[str, Any]:
    return {
        "message_id": letter.message_id,
        "reason": letter.reason,
        "sent_at": moment(letter.sent_ms),
        "attributes": dict(letter.attributes),
        "body": letter.body,
    }
