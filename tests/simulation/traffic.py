"""What is published in a run, and what the messages alone say must become of each event."""

import json
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.builders import NOW_MS, large_properties
from tests.mixpanel_model import FourFields

DAY_S = 86_400.0
LEAST_MESSAGES = 50
LEAST_EVENTS = 200
_NAMES = ("User click", "Prospect click", "Audio upload", "Audio play")
_IDENTITIES = ("distinct_id", "simplified")
_USERAGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Version/17.0 Mobile/15E148 Safari/604.1"
# Passes the contract (8,192 bytes), and not the simulator's smaller reading of Mixpanel's "8 kB".
_TOO_MUCH_FOR_MIXPANEL = {"list": ["x" * 29] * 252}
# What is wrong with an event: by whom it is refused does not matter, only that it ends in the DLQ.
WRONGS: tuple[dict[str, Any], ...] = (
    {"event": " "},
    {"user": 7},
    {"time": "2026-11-23"},
    {"time": 1_000},
    {"insert_id": "null"},
    {"insert_id": "a_b"},
    {"properties": {"$secret": 1}},
    {"properties": {"n": float("nan")}},
    {"properties": {"large": _TOO_MUCH_FOR_MIXPANEL}},
)
_TOO_LARGE_PART = 0.1
# In each event, and never to be seen in a reason.
PRIVATE = "private"
# The user agents of events that end the process: when the body is first read, when the event is read, sent or
# answered, or by taking for ever.
POISONS = ("dies at once", "dies reading", "dies sending", "dies answered", "never ends")
DIES_AT_ONCE, DIES_READING, DIES_SENDING, DIES_ANSWERED, NEVER_ENDS = POISONS
_UNREADABLE = ("no JSON", "[]", '{"schema_version":1,"events":[]}', "[" * 2_000)


@dataclass(frozen=True, slots=True)
class Expected:
    """One event of a message.

    Args:
        key: names it among all: its JSON, or the body where no event can be read.
        fields: what Mixpanel must count it by; None where it must end in the dead-letter queue.
    """

    key: str
    fields: FourFields | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """One message.

    Args:
        at_s: when it is sent, seconds since the start.
        body: as sent.
        events: what is in it.
    """

    at_s: float
    body: str
    events: Sequence[Expected]


def canonical(raw: object) -> str:
    """Return one text for all JSON that says the same; NaN is equal to itself, 1 is not true."""
    return json.dumps(raw, sort_keys=True)


def make_traffic(rng: random.Random, kinds: Collection[str], days: float) -> list[Publication]:
    """Return the messages of so many days, in bursts: at least 50 a run, with at least 200 events.

    Some of the kinds of trouble come with a message.
    """
    maker = _Maker(rng, kinds)
    publications: list[Publication] = []
    while (
        len(publications) < LEAST_MESSAGES * max(1, days)
        or sum(len(p.events) for p in publications) < LEAST_EVENTS
    ):
        at_s = rng.random() * days * DAY_S * 0.8
        for _ in range(rng.randint(1, 12)):
            at_s += rng.expovariate(0.5)
            publications.append(message := maker.message(at_s))
            if rng.random() < 0.05:  # an app that did not hear of its success publishes again
                publications.append(replace(message, at_s=at_s + rng.choice([0.5, 60, 3_600])))
    if rng.random() < _TOO_LARGE_PART:
        publications.append(maker.too_large(rng.choice(publications).at_s))
    if "poison" in kinds:
        publications.append(maker.poison(rng.choice(publications).at_s))
    return sorted(publications, key=lambda publication: publication.at_s)


class _Maker:
    def __init__(self, rng: random.Random, kinds: Collection[str]) -> None:
        self._rng = rng
        self._count = 0
        # As in a real project, all messages that are stamped are stamped alike.
        self._identity = rng.choice(_IDENTITIES)
        # Where a deploy changes the function's own identity, all must be: it serves what has no stamp.
        self._all_stamped = "changed default" in kinds
        self._newer_part = 0.2 if "newer message" in kinds or "newer reader" in kinds else 0.0

    def message(self, at_s: float) -> Publication:
        kind = self._rng.random()
        if kind < 0.05:
            self._count += 1
            body = f"{self._rng.choice(_UNREADABLE)}{' ' * self._count}"
            return Publication(at_s, body, [Expected(body)])
        if kind < 0.3:
            return self._single(at_s)
        most = 40 if kind > 0.9 else 6
        raws = [self._event(at_s) for _ in range(self._rng.randint(1, most))]
        if self._rng.random() < 0.1:
            raws.append(raws[0])  # the same event twice
        if self._rng.random() < 0.1:
            raws.append({**raws[0], "event": "Another name"})  # the same row key from another table
        return self._envelope(at_s, raws, 2 if self._rng.random() < self._newer_part else 1)

    def too_large(self, at_s: float) -> Publication:
        """Publish what fits into a message and is more than Mixpanel takes as an event, with a neighbour."""
        large = {**self._event(at_s), "event": "Large", "properties": large_properties(1_010_000)}
        raws = [large, self._event(at_s)]
        publication = self._envelope(at_s, raws, 1)
        return replace(publication, events=[Expected(canonical(large)), *publication.events[1:]])

    def poison(self, at_s: float) -> Publication:
        """Publish an event that ends each process that handles it."""
        poison = {**self._event(at_s), "useragent": self._rng.choice(POISONS)}
        return self._envelope(at_s, [poison, self._event(at_s)], 1)

    def _envelope(self, at_s: float, raws: Sequence[dict[str, Any]], version: int) -> Publication:
        stamp = {"schema_version": version, "identity": self._identity, "events": raws}
        events = [expect(raw, self._identity) for raw in raws]
        return Publication(at_s, json.dumps(stamp), events)

    def _single(self, at_s: float) -> Publication:
        raw = self._event(at_s)
        stamp = {"identity": self._identity} if self._all_stamped else {}
        stamped = {**raw, **stamp}
        expected = expect(raw, stamp.get("identity", "distinct_id"))
        return Publication(at_s, json.dumps(stamped), [replace(expected, key=canonical(stamped))])

    def _event(self, at_s: float) -> dict[str, Any]:
        self._count += 1
        raw: dict[str, Any] = {
            "insert_id": f"row-{self._count}",
            "event": self._rng.choice(_NAMES),
            "user": self._rng.choice(["", "17", str(self._count), f"p:{self._count}"]),
            "time": NOW_MS + int(at_s) * 1_000 - self._rng.randint(0, 60) * 1_000,
            "data": f"GET /{PRIVATE}/{self._count}",
        }
        if self._rng.random() < 0.3:
            raw["useragent"] = _USERAGENT
        if self._rng.random() < 0.1:
            raw["prospect"] = "45"
        if self._rng.random() < 0.1:
            raw |= self._rng.choice(WRONGS)
        return raw


def expect(raw: dict[str, Any], identity: str) -> Expected:
    """Return what must become of an event that is sent in this identity mode."""
    if any(all(raw.get(name) is value for name, value in wrong.items()) for wrong in WRONGS):
        return Expected(canonical(raw))
    user = raw["user"]
    is_device = identity == "simplified" and user.startswith("p:")
    distinct_id = f"$device:p-{user.removeprefix('p:')}" if is_device else user
    return Expected(canonical(raw), (raw["event"], distinct_id, raw["time"], raw["insert_id"]))
