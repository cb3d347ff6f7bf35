"""Account for every event: what was logged and sent, against what arrived, is dead, or still waits. Pure.

Events are compared by the four fields by which Mixpanel tells them apart, not by counting.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What makes an event one event."""

    event: str
    user: str
    time_ms: int
    insert_id: str


class Fate(NamedTuple):
    """How one event of a raw message dies."""

    message_id: str
    reason: str
    by_mixpanel: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be accounted for.

    Args:
        logged: the rows of the site's database.
        delivered: events of raw messages that Mixpanel takes.
        dead: events of raw messages that nobody can deliver.
    """

    logged: Sequence[Key]
    delivered: Collection[Key]
    dead: Sequence[Fate]


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
class Found:
    """What there is in the end.

    Args:
        published_count, failed_count: events that the site says it has published, and has not.
        at_mixpanel: the events as a query at Mixpanel counts them.
        log_keys: of the rows in the Log table.
    """

    published_count: int
    failed_count: int
    at_mixpanel: Sequence[Key]
    dead_letters: Sequence[DeadLetter]
    log_keys: Sequence[str]
    waiting: Sequence[Waiting]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The account. Without `problems`, `published` is the sum of `delivered` and all `dead`."""

    logged: int
    published: int
    delivered: int
    dead: Mapping[str, int]
    log_rows: int
    in_flight: int
    lost: int
    double_counted: int
    problems: Sequence[str]

    def to_json(self) -> str:
        """Return the account as one line of JSON."""
        names = (name for name in self.__slots__ if name != "problems")
        return json.dumps({name: getattr(self, name) for name in names})


def reconcile(expected: Expected, found: Found) -> Reconciliation:
    """Compare what must be with what is."""
    at_mixpanel = set(found.at_mixpanel)
    dead = {key for letter in found.dead_letters for key in letter.keys}
    in_queue = {key for message in found.waiting for key in message.keys}
    deliverable = {*expected.logged, *expected.delivered}
    missing = deliverable - at_mixpanel - dead - in_queue
    missing_dead = _missing_dead(expected, found)
    # Of the missing ones, those that the site knows to be unpublished are no surprise.
    lost = max(0, len(missing) - found.failed_count) + len(missing_dead)
    counted_twice = len(found.at_mixpanel) - len({(key.event, key.insert_id) for key in found.at_mixpanel})
    logged_twice = len(expected.logged) - len(set(expected.logged))
    unexpected_dead = Counter(letter.fate for letter in found.dead_letters) - Counter(expected.dead)
    problems = {
        "events are lost": lost,
        "events count twice at Mixpanel": counted_twice,
        "events are still in the queue": sum(max(1, len(message.keys)) for message in found.waiting),
        "events were logged and not published": len(expected.logged) - found.published_count,
        "events could not be published": found.failed_count,
        "rows of the site are the same event as another": logged_twice,
        "events are at Mixpanel that nobody sent": len(at_mixpanel - deliverable),
        "events are at Mixpanel and among the dead letters": len(at_mixpanel & dead),
        "dead letters were not expected": unexpected_dead.total(),
        "dead letters and rows of the Log table have no counterpart": _unmatched(
            (letter.log_key for letter in found.dead_letters), found.log_keys
        ),
    }
    return Reconciliation(
        logged=len(expected.logged),
        published=found.published_count + len(expected.delivered) + len(expected.dead),
        delivered=len(found.at_mixpanel),
        dead=dict(sorted(Counter(letter.fate.reason for letter in found.dead_letters).items())),
        log_rows=len(found.log_keys),
        in_flight=problems["events are still in the queue"],
        lost=lost,
        double_counted=counted_twice,
        problems=[f"{count} {what}" for what, count in problems.items() if count],
    )


def keys_in(body: str) -> tuple[Key, ...]:
    """Return the keys of the events in a message body, as far as it has any."""
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


def _missing_dead(expected: Expected, found: Found) -> list[Fate]:
    in_queue = {message.message_id for message in found.waiting}
    missing = Counter(expected.dead) - Counter(letter.fate for letter in found.dead_letters)
    return [fate for fate in missing.elements() if fate.message_id not in in_queue]


def _unmatched(some: Iterable[str], others: Iterable[str]) -> int:
    left, right = Counter(some), Counter(others)
    return (left - right).total() + (right - left).total()
