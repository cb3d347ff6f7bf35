"""Account for every event: compare what was offered with what arrived, is dead, or still waits. Pure.

Events are compared by Mixpanel's four deduplication fields. Counting alone would miss a wrong event.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from whyness_events.outcomes import CRASHED, UNKNOWN, Reason

DELIVERED = ""
# Mixpanel may also have an event with such a dead letter: its last answer was unknown, or the process died.
_MAY_BE_BOTH = {CRASHED, Reason.EXHAUSTED}
_NO_REASONS = {"", UNKNOWN}


class Key(NamedTuple):
    """The four deduplication fields of an event."""

    event: str
    user: str
    time_ms: int
    insert_id: str


class Fate(NamedTuple):
    """How one event of a message dies: the message it came in, the reason, and who refused it."""

    message_id: str
    reason: str
    by_mixpanel: bool


class DeadLetter(NamedTuple):
    """A message in the dead-letter queue."""

    fate: Fate
    log_key: str
    keys: tuple[Key, ...]


class Waiting(NamedTuple):
    """A message that is still in the queue, visible or not."""

    message_id: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of the events.

    Args:
        fates: for each event DELIVERED, or the reason of its dead letter.
        dead: dead letters that are known by the message they came in, because the event may be unreadable.
    """

    fates: Mapping[Key, str]
    dead: Sequence[Fate] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the events of a stack are; `at_mixpanel` as a query there counts them."""

    at_mixpanel: Sequence[Key]
    dead_letters: Sequence[DeadLetter]
    waiting: Sequence[Waiting]

    def of(self, prefix: str) -> "Snapshot":
        """Return the part with insert ids that begin with `prefix`, and all dead letters without a key."""
        return Snapshot(
            [key for key in self.at_mixpanel if key.insert_id.startswith(prefix)],
            [letter for letter in self.dead_letters if not letter.keys or _begins(letter.keys, prefix)],
            [message for message in self.waiting if _begins(message.keys, prefix)],
        )


@dataclass(frozen=True, slots=True)
class Account:
    """How many events took which way. The last four are 0 if all is well.

    Args:
        offered, delivered, dead: delivered and dead ones are among those offered.
        lost: neither delivered nor dead nor waiting.
        double_counted: events that Mixpanel counts again, or that are delivered and dead with a reason that
            says they never counted.
        unexplained: events that nobody offered, dead letters without a reason, wrong fates.
        waiting: still in the queue; a message without a readable event is one.
    """

    offered: int
    delivered: int
    dead: int
    lost: int
    double_counted: int
    unexplained: int
    waiting: int

    @property
    def problems(self) -> list[str]:
        """What is wrong, for people; empty if every event has the one fate it should have."""
        counts = {
            "lost": self.lost,
            "counted twice": self.double_counted,
            "unexplained": self.unexplained,
            "still in the queue": self.waiting,
        }
        return [f"events {what}: {count}" for what, count in counts.items() if count]


def account(expected: Expected, snapshot: Snapshot) -> Account:
    """Compare what must become of the events with what became of them."""
    offered = set(expected.fates)
    delivered = offered.intersection(snapshot.at_mixpanel)
    unmatched, missing_count = _match(expected.dead, snapshot)
    reasons = _reasons(unmatched)
    dead = offered & reasons.keys()
    waiting = {key for message in snapshot.waiting for key in message.keys}
    return Account(
        offered=len(offered) + len(expected.dead),
        delivered=len(delivered),
        dead=len(dead) + len(snapshot.dead_letters) - len(unmatched),
        lost=len(offered - delivered - dead - waiting) + missing_count,
        double_counted=_counted_again(snapshot.at_mixpanel)
        + sum(not reasons[key] & _MAY_BE_BOTH for key in delivered & dead),
        unexplained=len(set(snapshot.at_mixpanel) - offered)
        + sum(letter.fate.reason in _NO_REASONS or not letter.keys for letter in unmatched)
        + _wrong_fates(expected.fates, delivered, reasons),
        waiting=len(waiting) + sum(not message.keys for message in snapshot.waiting),
    )


def _match(expected: Iterable[Fate], snapshot: Snapshot) -> tuple[list[DeadLetter], int]:
    """Return the dead letters that no fate explains, and how many fates have no dead letter, now or later."""
    missing = Counter(expected)
    unmatched = []
    for letter in snapshot.dead_letters:
        if missing[letter.fate]:
            missing[letter.fate] -= 1
        else:
            unmatched.append(letter)
    waiting_ids = {message.message_id for message in snapshot.waiting}
    return unmatched, sum(fate.message_id not in waiting_ids for fate in missing.elements())


def _reasons(letters: Iterable[DeadLetter]) -> dict[Key, set[str]]:
    reasons: dict[Key, set[str]] = {}
    for letter in letters:
        for key in letter.keys:
            reasons.setdefault(key, set()).add(letter.fate.reason)
    return reasons


def _counted_again(at_mixpanel: Sequence[Key]) -> int:
    """Count the events too many: a name and an insert id stand for one event."""
    return len(at_mixpanel) - len({(key.event, key.insert_id) for key in at_mixpanel})


def _wrong_fates(fates: Mapping[Key, str], delivered: Iterable[Key], reasons: Mapping[Key, set[str]]) -> int:
    wrongly_dead = sum(actual != {fates.get(key, DELIVERED)} for key, actual in reasons.items())
    wrongly_delivered = sum(fates[key] != DELIVERED and key not in reasons for key in delivered)
    return wrongly_dead + wrongly_delivered


def _begins(keys: Iterable[Key], prefix: str) -> bool:
    return any(key.insert_id.startswith(prefix) for key in keys)


def keys_in(body: str) -> tuple[Key, ...]:
    """Return the keys of the events in a message body; none if it cannot be read."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    events = document.get("events", [document]) if isinstance(document, dict) else []
    return tuple(key for event in events if (key := _key_of(event)))


def key_at_mixpanel(event: Mapping[str, Any]) -> Key:
    """Return the key of an event as Mixpanel has it."""
    properties = event["properties"]
    return Key(event["event"], properties["distinct_id"], properties["time"], properties["$insert_id"])


def _key_of(event: object) -> Key | None:
    if not isinstance(event, dict) or not event.keys() >= {"event", "user", "time", "insert_id"}:
        return None
    return Key(event["event"], event["user"], event["time"], event["insert_id"])
