"""Raw messages that fail in each possible way, most of them with a valid event beside the bad one. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from local.accounting import Key
from whyness_events.outcomes import Reason

# The limit that the simulator is set to; the contract allows longer arrays. An array between the two limits
# passes the function's own checks, and Mixpanel rejects it.
MIXPANEL_MAX_ITEMS = 50
_EVENT = "Raw message"
_USER = "2"


@dataclass(frozen=True, slots=True)
class Mishap:
    """A message body and what must become of its events.

    Args:
        what: a title for people.
        reasons: of its dead letters, in order.
        by_mixpanel: whether Mixpanel refuses them, and not the function.
        delivered: its events that arrive.
        copies: how often the message is sent.
    """

    what: str
    body: str
    reasons: tuple[str, ...] = ()
    by_mixpanel: bool = False
    delivered: tuple[Key, ...] = ()
    copies: int = 1


def make_mishaps(now_ms: int) -> list[Mishap]:
    """Return a message of every kind, with events at `now_ms`."""
    return [
        Mishap("text that is not JSON", "User click 123", (Reason.UNREADABLE,)),
        Mishap("an array", "[1, 2, 3]", (Reason.UNREADABLE,)),
        Mishap("an envelope without events", '{"schema_version": 1, "events": []}', (Reason.UNREADABLE,)),
        _beside_a_good_one("an event without its id", now_ms, "1", Reason.UNREADABLE, insert_id=None),
        _beside_a_good_one("a time in 1969", now_ms, "2", Reason.REJECTED, time=-86_400_000),
        _beside_a_good_one("a placeholder for an id", now_ms, "3", Reason.REJECTED, insert_id="undefined"),
        _beside_a_good_one(
            "values nested too deeply", now_ms, "4", Reason.REJECTED, data={"a": {"b": {"c": {"d": 1}}}}
        ),
        _beside_a_good_one(
            "a list that Mixpanel refuses",
            now_ms,
            "5",
            Reason.REJECTED,
            by_mixpanel=True,
            properties={"list": list(range(MIXPANEL_MAX_ITEMS + 10))},
        ),
        Mishap(
            "an event above 1 MB",
            json.dumps(_event("oversized", now_ms, properties=_too_many_texts())),
            (Reason.OVERSIZED,),
        ),
        Mishap(
            "the same event three times",
            json.dumps(_event("three-times", now_ms)),
            delivered=(_key("three-times", now_ms),),
            copies=3,
        ),
    ]


def _beside_a_good_one(
    what: str, now_ms: int, name: str, reason: str, *, by_mixpanel: bool = False, **changes: Any
) -> Mishap:
    good = _event(f"good-{name}", now_ms)
    bad = {
        field: value
        for field, value in {**_event(f"bad-{name}", now_ms), **changes}.items()
        if value is not None
    }
    body = json.dumps({"schema_version": 1, "identity": "distinct_id", "events": [good, bad]})
    return Mishap(what, body, (reason,), by_mixpanel, (_key(f"good-{name}", now_ms),))


def _event(name: str, time_ms: int, **more: Any) -> dict[str, Any]:
    return {"insert_id": f"raw-{name}", "event": _EVENT, "user": _USER, "time": time_ms, **more}


def _too_many_texts() -> dict[str, Any]:
    """Return more than 1 MB of short texts in short arrays, which are not cut."""
    return {f"texts-{n}": ["x" * 250] * 30 for n in range(132)}


def _key(name: str, time_ms: int) -> Key:
    return Key(_EVENT, _USER, time_ms, f"raw-{name}")
