"""Where each published event is at every moment: in messages of either queue, or counted by Mixpanel."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.mixpanel_model import FourFields
from tests.simulation.traffic import Expected, canonical
from whyness_events import UnknownVersion, UnreadableMessage, decode_message

Counted = Callable[[FourFields], bool]
_NEWER, _KNOWN = '"schema_version": 2', '"schema_version": 1'


def is_newer(body: str) -> bool:
    """Whether only the newer version of the function can read a body."""
    return body.startswith(f"{{{_NEWER}")


def as_known(body: str) -> str:
    """Return a body of the newer version as one that this reader knows: what the newer reader understands."""
    return body.replace(_NEWER, _KNOWN, 1) if is_newer(body) else body


@dataclass(slots=True)
class Doubt:
    """For which events an exception of the promise holds, each counted once per cause.

    Args:
        unknown: an answer of Mixpanel was not the plain truth, or came when nobody waited for it.
        resent: their record came again although its dead letters were sent.
        twice: the queue handed their message out twice, or a person published or copied it twice.
        unlogged: it is not known what their Log row says.
    """

    unknown: set[str] = field(default_factory=set)
    resent: Counter[str] = field(default_factory=Counter)
    twice: set[str] = field(default_factory=set)
    unlogged: set[str] = field(default_factory=set)

    def process_died(self, keys: Iterable[str]) -> None:
        """Know nothing of what a dead process did last."""
        for key in keys:
            self.unknown.add(key)
            self.unlogged.add(key)
            self.resent[key] += 1

    def came_twice(self, keys: Iterable[str]) -> None:
        """Know that two processes may have done the same."""
        for key in keys:
            self.twice.add(key)
            self.unlogged.add(key)
            self.resent[key] += 1


class Ledger:
    """Counts events; a message that leaves a queue must not take the last copy with it.

    Args:
        is_counted: whether Mixpanel counts an event with these fields.
        violate: hears of a broken promise.
    """

    def __init__(self, is_counted: Counted, violate: Callable[[str], None]) -> None:
        self.doubt = Doubt()
        self.expected: dict[str, Expected] = {}
        self.sent: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.by_insert_id: defaultdict[str, set[str]] = defaultdict(set)
        self.owner: dict[FourFields, str] = {}
        self._is_counted, self._violate = is_counted, violate
        self._fields: defaultdict[str, set[FourFields]] = defaultdict(set)
        self._edited: dict[str, str] = {}
        self._keys: dict[str, Sequence[str]] = {}
        self.held: Mapping[str, Counter[str]] = {"message": Counter(), "dead": Counter()}

    def publish(self, body: str, events: Sequence[Expected]) -> None:
        """Learn what is in a body before it is sent."""
        self._keys[body] = [event.key for event in events]
        for event in events:
            self.expected[event.key] = event
            if event.fields:
                self._accept(event.key, event.fields)

    def edit(self, original: str, edited: Expected) -> str:
        """Learn that a person puts an event right; return whose it was when it was published."""
        key = self._edited.get(original, original)
        self._edited[edited.key] = key
        if edited.fields:
            self._accept(key, edited.fields)
        return key

    def _accept(self, key: str, fields: FourFields) -> None:
        self._fields[key].add(fields)
        self.owner[fields] = key
        self.by_insert_id[fields[3]].add(key)

    def keys(self, body: str) -> Sequence[str]:
        """Return the events in a body, by the key under which they were published; more than once if so."""
        keys = self._keys.get(body)
        if keys is None:
            keys = self._keys[body] = [self._edited.get(key, key) for key in _read_keys(body)]
        return keys

    def counted(self, key: str) -> list[FourFields]:
        """Return the fields by which Mixpanel counts the event: at most one."""
        return [fields for fields in self._fields.get(key, ()) if self._is_counted(fields)]

    def is_good(self, key: str) -> bool:
        """Whether nothing is wrong with the event as it was published."""
        event = self.expected.get(key)
        return event is not None and event.fields is not None

    def came(self, queue: str, body: str) -> None:
        """A message is in a queue now."""
        for key in self.keys(body):
            self.held[queue][key] += 1
            if queue == "message":
                self.sent[key] += 1

    def left(self, queue: str, message_id: str, body: str) -> None:
        """A message is in a queue no more."""
        for key in self.keys(body):
            self.held[queue][key] -= 1
            if not (self.held["message"][key] or self.held["dead"][key] or self.counted(key)):
                self._violate(f"{message_id} was acknowledged, and lost {key[:200]}")


@dataclass(slots=True)
class Watch:
    """Tells the ledger of one queue.

    Args:
        ledger: of the run.
        queue: its name there.
        arrived: hears of id and body too.
        gone: as well.
    """

    ledger: Ledger
    queue: str
    arrived: Callable[[str, str], None]
    gone: Callable[[str, str], None] = lambda _id, _body: None

    def came(self, message_id: str, body: str) -> None:
        """Count it in."""
        self.ledger.came(self.queue, body)
        self.arrived(message_id, body)

    def left(self, message_id: str, body: str) -> None:
        """Count it out."""
        self.ledger.left(self.queue, message_id, body)
        self.gone(message_id, body)


def _read_keys(body: str) -> list[str]:
    try:
        return [canonical(raw) for raw in decode_message(as_known(body)).raw_events]
    except (UnreadableMessage, UnknownVersion, RecursionError):
        return [body]
