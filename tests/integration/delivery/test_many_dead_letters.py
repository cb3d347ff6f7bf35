"""Records with very many dead events are settled in slices, with bounded memory, and nothing twice.

In virtual time and without AWS, so that nothing but the delivery itself is measured.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path

from tests.builders import make_record
from tests.fakes import FakeClock
from tests.integration.delivery.lambda_process import peak_bytes
from tests.world import World
from whyness_events import sqs_batch
from whyness_events.delivery.ports import DeadLetter
from whyness_events.log_entry import LogEntry

MEMORY_BYTES = 256 * 1024 * 1024
RECORDS, EVENTS = 5, 17_000
# SQS takes these of a container near it.
CALL_S = 0.008


class Counting:
    """The DeadLetterQueue and the Log port: keeps how often it was given each, and nothing else."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.dead_letters: Counter[int] = Counter()
        self.rows: Counter[int] = Counter()

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str]:
        """Take them all."""
        for call in sqs_batch.in_calls(dead_letters, attrgetter("size_bytes")):
            self._clock.sleep(CALL_S)
            self.dead_letters.update(hash(dead_letter.body) for dead_letter in call)
        assert self._clock.monotonic_s() < deadline_s
        return ["stored"] * len(dead_letters)

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Take them all."""
        self._clock.sleep(CALL_S * len(entries) / 25)
        assert self._clock.monotonic_s() < deadline_s
        assert len([entry.to_item() for entry in entries]) == len(entries)  # as the table does, all at once
        self.rows.update(hash(entry.key) for entry in entries)
        return [True] * len(entries)


def body(number: int) -> str:
    """Return a message of almost 1 MiB: tiny events of a time in 1970."""
    ids = range(number * EVENTS, (number + 1) * EVENTS)
    events = ",".join(f'{{"insert_id":"{at}","event":"a click","user":"12","time":5}}' for at in ids)
    return f'{{"schema_version":1,"identity":"distinct_id","events":[{events}]}}'


def test_five_messages_of_tiny_invalid_events_are_settled_in_little_memory() -> None:
    """85,000 dead letters in one invocation, below 256 MiB over all."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"}

    done = subprocess.run(  # noqa: S603  (this file)
        [sys.executable, str(Path(__file__))], env=environment, capture_output=True, text=True, check=True
    )

    found = json.loads(done.stdout)
    assert found["handed_back"] == []
    assert found["outcomes"] == {"rejected": RECORDS * EVENTS}
    assert found["dead_letters"] == found["rows"] == {"1": RECORDS * EVENTS}
    assert found["peak_bytes"] < MEMORY_BYTES


def _main() -> None:
    import handler  # noqa: PLC0415  (what the function imports counts, too)

    assert handler.logger is not None
    world = World()
    counting = Counting(world.clock)
    world.deliverer.dead_letters = world.deliverer.log = counting  # type: ignore[assignment]  # marks nothing
    report = world.deliver(*[make_record(body(number)) for number in range(RECORDS)])
    found = {
        "handed_back": report.settled.failed_message_ids,
        "outcomes": report.outcomes,
        "dead_letters": Counter(counting.dead_letters.values()),
        "rows": Counter(counting.rows.values()),
        "peak_bytes": peak_bytes(),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _main()
