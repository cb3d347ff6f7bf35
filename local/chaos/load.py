"""The events of a row and the messages that carry them: mostly packed, some alone. Pure."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from local.accounting import DELIVERED, Expected, Key
from local.mishaps import MIXPANEL_MAX_ITEMS
from whyness_events.outcomes import CRASHED, Reason

_SINGLE_SHARE = 0.1
_LONGEST_MESSAGE = 100  # events
_MESSAGES_AT_LEAST = 15
_HOUR_MS = 3_600_000
_NAMES = ("Video watched", "Audio upload", "User click", "Prospect click", "Profile viewed")
_AGENT = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1.1 Safari/604"
)


class Bad(StrEnum):
    """What can be wrong with an event."""

    HERE = "here"  # the function itself refuses it
    AT_MIXPANEL = "at Mixpanel"  # only Mixpanel refuses it: an array above the simulator's limit


@dataclass(frozen=True, slots=True)
class Mix:
    """What a load consists of.

    Args:
        bad_share: of the events; above 0 there is at least one bad event of each kind.
        kinds: of bad events.
        fate: of the bad events, a reason or DELIVERED.
        poison: whether there is one more message, with the event of `poison_id` and two others.
    """

    bad_share: float = 0.0
    kinds: Sequence[Bad] = (Bad.HERE, Bad.AT_MIXPANEL)
    fate: str = Reason.REJECTED
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Message bodies and what must become of their events, whose insert ids begin with `prefix`."""

    prefix: str
    bodies: Sequence[str]
    expected: Expected


def poison_id(prefix: str) -> str:
    """Return the insert id of the event that kills the process."""
    return f"{prefix}-poison-0"


def make_load(prefix: str, count: int, mix: Mix, *, now_ms: int, seed: int = 1) -> Load:
    """Return `count` events with different insert ids, which begin with `prefix`."""
    chance = random.Random(seed)  # noqa: S311  (a load, not a secret)
    bad = _bad_positions(count, mix)
    events: list[dict[str, Any]] = []
    fates: dict[Key, str] = {}
    for position in range(count):
        event = _event(f"{prefix}-{position}", now_ms, chance)
        if kind := bad.get(position):
            _spoil(event, kind)
        fates[_key(event)] = mix.fate if kind else DELIVERED
        events.append(event)
    bodies = [_body(part) for part in _parts(events)]
    if mix.poison:
        killers = [_event(f"{prefix}-poison-{number}", now_ms, chance) for number in range(3)]
        fates |= dict.fromkeys(map(_key, killers), CRASHED)
        bodies.append(_body(killers))
    chance.shuffle(bodies)
    return Load(f"{prefix}-", bodies, Expected(fates))


def _bad_positions(count: int, mix: Mix) -> dict[int, Bad]:
    if not mix.bad_share:
        return {}
    wanted = max(len(mix.kinds), round(count * mix.bad_share))
    step = count // wanted
    return {number * step: mix.kinds[number % len(mix.kinds)] for number in range(wanted)}


def _spoil(event: dict[str, Any], kind: Bad) -> None:
    if kind is Bad.HERE:
        event["data"] = {"a": {"b": {"c": {"d": 1}}}}
    else:
        event["properties"] = {"list": list(range(MIXPANEL_MAX_ITEMS + 10))}


def _event(insert_id: str, now_ms: int, chance: random.Random) -> dict[str, Any]:
    return {
        "insert_id": insert_id,
        "event": chance.choice(_NAMES),
        "user": str(chance.randrange(1, 100_000)),
        "time": now_ms - chance.randrange(1, _HOUR_MS),
        "ip": f"81.2.69.{chance.randrange(1, 255)}",
        "useragent": _AGENT,
        "data": chance.choice(("GET", "POST")),
    }


def _key(event: Mapping[str, Any]) -> Key:
    return Key(event["event"], event["user"], event["time"], event["insert_id"])


def _parts(events: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    alone = round(len(events) * _SINGLE_SHARE)
    yield from ([event] for event in events[:alone])
    size = max(1, min(_LONGEST_MESSAGE, len(events) // _MESSAGES_AT_LEAST))
    for start in range(alone, len(events), size):
        yield events[start : start + size]


def _body(events: Sequence[dict[str, Any]]) -> str:
    if len(events) == 1:
        return json.dumps(events[0], separators=(",", ":"))
    envelope = {"schema_version": 1, "identity": "distinct_id", "events": events}
    return json.dumps(envelope, separators=(",", ":"))
