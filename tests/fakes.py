"""Fakes of the ports, in virtual time and one thread; tests/contract holds them to the real edges."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from tests.builders import NOW_MS
from whyness_events import limits, sqs_batch
from whyness_events.delivery.ports import Answer, DeadLetter, SetupFault, call_s
from whyness_events.log_entry import REDRIVEN_AS, DeliveredRow, LogEntry
from whyness_events.outcomes import State


class FakeClock:
    """Time that passes only when somebody waits."""

    def __init__(self, now_s: float = NOW_MS / 1000) -> None:
        self._start_s = now_s
        self.passed_s = 0.0

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return self._start_s + self.passed_s

    def monotonic_s(self) -> float:
        """Return seconds since the clock was made."""
        return self.passed_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed_s += seconds


@dataclass
class Posted:
    """One request that reached the fake: its events as Mixpanel would read them."""

    events: list[dict[str, Any]]
    body: bytes
    started_s: float

    @property
    def insert_ids(self) -> list[str]:
        """The insert ids, in order."""
        return [event["properties"]["$insert_id"] for event in self.events]


@dataclass
class Late:
    """An answer that comes after `after_s`; infinity: never."""

    answer: Answer
    after_s: float


Responder = Callable[[Posted], Answer | Late]


def accept(posted: Posted) -> Answer:
    """Answer as Mixpanel does when all is well."""
    return report(200, imported=len(posted.events))


def report(status: int, *, imported: object = None, failed: object = None) -> Answer:
    """Return an answer with a report of Mixpanel's shape."""
    body: dict[str, Any] = {"code": status, "status": "OK" if status == 200 else "Bad Request"}
    if imported is not None:
        body["num_records_imported"] = imported
    if failed is not None:
        body["failed_records"] = failed
    return Answer(status, json.dumps(body).encode())


@dataclass
class FakePool:
    """The SenderPool port: `respond` decides the answers, `posted` keeps the requests."""

    clock: FakeClock
    respond: Responder = accept
    posted: list[Posted] = field(default_factory=list)
    abandoned: list[int] = field(default_factory=list)
    credentials_fault: str = ""
    can_refresh: bool = True
    refreshed: int = 0
    most_at_once: int = 0
    _under_way: dict[int, tuple[float, Answer]] = field(default_factory=dict)

    def submit(self, ticket: int, events: Sequence[bytes], timeout_s: float) -> None:
        """Take a request."""
        if self.credentials_fault:
            raise SetupFault(self.credentials_fault)
        body = b"[" + b",".join(events) + b"]"
        posted = Posted(json.loads(body), body, self.clock.monotonic_s())
        self.posted.append(posted)
        answer = self.respond(posted)
        late = answer if isinstance(answer, Late) else Late(answer, 0.01)
        if late.after_s > timeout_s:
            late = (
                Late(Answer(0, error="no answer in time"), timeout_s)
                if late.after_s != float("inf")
                else late
            )
        self._under_way[ticket] = (self.clock.monotonic_s() + late.after_s, late.answer)
        self.most_at_once = max(self.most_at_once, len(self._under_way))

    def wait(self, timeout_s: float) -> list[tuple[int, Answer]]:
        """Let time pass to the first answer, or by `timeout_s`."""
        first_s = min((at for at, _ in self._under_way.values()), default=float("inf"))
        self.clock.sleep(max(0.0, min(timeout_s, first_s - self.clock.monotonic_s())))
        now_s = self.clock.monotonic_s()
        ready = [ticket for ticket, (at, _) in self._under_way.items() if at <= now_s + 1e-9]
        return [(ticket, self._under_way.pop(ticket)[1]) for ticket in ready]

    def abandon(self, ticket: int) -> None:
        """Forget a request."""
        del self._under_way[ticket]
        self.abandoned.append(ticket)

    def abandon_all(self) -> None:
        """Forget all requests."""
        for ticket in list(self._under_way):
            self.abandon(ticket)

    def refresh_credentials(self) -> bool:
        """Count."""
        self.refreshed += 1
        return self.can_refresh


def takes_call(clock: FakeClock, takes_s: float, deadline_s: float) -> bool:
    """Let the time of a call to AWS pass, infinity for one that hangs; tell whether it was over in time."""
    seconds = call_s(deadline_s - clock.monotonic_s())
    clock.sleep(min(takes_s, seconds))
    return takes_s < seconds


@dataclass
class FakeDeadLetterQueue:
    """The DeadLetterQueue port, with the limits of SQS; `refuse` names what it does not confirm."""

    clock: FakeClock
    refuse: Callable[[DeadLetter], bool] = lambda _: False
    call_s: float = 0.02
    sent: list[DeadLetter] = field(default_factory=list)

    def send(self, dead_letters: Sequence[DeadLetter], *, deadline_s: float) -> list[str | None]:
        """Keep what fits."""
        message_ids: list[str | None] = []
        for call in sqs_batch.in_calls(dead_letters, attrgetter("size_bytes")):
            in_time = takes_call(self.clock, self.call_s, deadline_s)
            message_ids += [self._take(dead_letter) if in_time else None for dead_letter in call]
        return message_ids

    def _take(self, dead_letter: DeadLetter) -> str | None:
        if self.refuse(dead_letter) or dead_letter.size_bytes > limits.MESSAGE_BYTES or not dead_letter.body:
            return None
        self.sent.append(dead_letter)
        return f"dead-{len(self.sent)}"

    @property
    def reasons(self) -> list[str]:
        """The dead letters' reasons, in order; `""` where there was no room for one."""
        return [dead_letter.attributes.get("reason", "") for dead_letter in self.sent]


@dataclass
class FakeLog:
    """The Log port; `lose` names the rows that are not stored."""

    clock: FakeClock
    lose: Callable[[LogEntry], bool] = lambda _: False
    call_s: float = 0.0
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def write(self, entries: Sequence[LogEntry], *, deadline_s: float) -> list[bool]:
        """Keep the rows by key."""
        in_time = takes_call(self.clock, self.call_s, deadline_s)
        return [in_time and self._put(entry) for entry in entries]

    def mark_delivered(self, rows: Sequence[DeliveredRow], *, now_ms: int, deadline_s: float) -> int:
        """Change the rows that are there, and their event's."""
        lost = 0
        in_time = takes_call(self.clock, self.call_s, deadline_s)
        for delivered in rows:
            row = self.rows.get((delivered.row.pk, delivered.row.sk), {"state": State.DELIVERED})
            is_its_own = not delivered.is_edited or row.get(REDRIVEN_AS) == str(delivered.event)
            if self.lose(LogEntry(delivered.row, "", "")) or not in_time:
                lost += 1
            elif is_its_own and row["state"] != State.DELIVERED:
                row |= {"state": State.DELIVERED, "delivered_at": now_ms}
        return lost

    def _put(self, entry: LogEntry) -> bool:
        if self.lose(entry):
            return False
        self.rows[entry.key.pk, entry.key.sk] = entry.to_item()
        return True


@dataclass
class FakeSourceQueue:
    """The SourceQueue port; confirms at most `most` of each call, and each ten take `call_s`."""

    most: int = 1_000_000
    clock: FakeClock = field(default_factory=FakeClock)
    call_s: float = 0.01
    delays: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)

    def delay(self, delays: Sequence[tuple[str, int]], *, deadline_s: float) -> int:
        """Keep them."""
        taken = delays[: self._taken(len(delays), deadline_s)]
        self.delays |= dict(taken)
        return len(taken)

    def delete(self, receipt_handles: Sequence[str], *, deadline_s: float) -> int:
        """Delete them."""
        taken = receipt_handles[: self._taken(len(receipt_handles), deadline_s)]
        self.deleted += taken
        return len(taken)

    def _taken(self, count: int, deadline_s: float) -> int:
        """Return how many of the entries there is time for."""
        taken = 0
        for start in range(0, count, limits.BATCH_ENTRIES):
            if takes_call(self.clock, self.call_s, deadline_s):
                taken += min(limits.BATCH_ENTRIES, count - start)
        return min(taken, self.most)
