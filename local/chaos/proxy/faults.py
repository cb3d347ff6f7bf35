"""Faults of calls to AWS as data, and which calls they strike."""

import random
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class Effect(StrEnum):
    """What a fault does to a call."""

    THROTTLE = "throttle"  # the service's own throttling error; the call is not forwarded
    UNAVAILABLE = "unavailable"  # 503; the call is not forwarded
    DROP_BEFORE = "drop_before"  # the connection ends; the call is not forwarded
    DROP_AFTER = "drop_after"  # the call is forwarded, its answer is not
    PARTIAL = "partial"  # some entries of a batch are reported as failed and not forwarded


# The operations that can fail in part; `partial` knows where their entries are.
BATCHES = (
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "BatchWriteItem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsFault:
    """A fault, which strikes until it is removed.

    Args:
        effect: one of `Effect`.
        probability: above 0, to 1; drawn for each call, or with PARTIAL for each entry.
        operations: such as `SendMessageBatch`; empty for all.
        seed: of the draws.

    Raises:
        ValueError: a value is invalid.
    """

    effect: Effect
    probability: float = 1.0
    operations: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError("probability must be above 0 and at most 1")
        if self.effect is Effect.PARTIAL and not (self.operations and set(self.operations) <= set(BATCHES)):
            raise ValueError(f"partial needs operations; use some of {', '.join(BATCHES)}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build a fault from a decoded JSON object.

        Raises:
            ValueError: the effect is unknown, or a value is invalid.
            TypeError: a field is unknown.
        """
        given = dict(value)
        given["effect"] = Effect(given.get("effect", ""))
        given["operations"] = tuple(given.get("operations", ()))
        return cls(**given)


@dataclass(slots=True)
class _Armed:
    fault: AwsFault
    chance: random.Random = field(init=False)
    fired: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.fault.seed)  # noqa: S311  (a repeatable script, not a secret)

    def draws(self) -> bool:
        return self.chance.random() < self.fault.probability


@dataclass(slots=True)
class Struck:
    """What a fault does to one call: `effect`, and with PARTIAL the positions of the `entries` that fail."""

    effect: Effect | None = None
    entries: frozenset[int] = frozenset()


class AwsFaults:
    """The active faults; usable from any thread."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()

    def add(self, fault: AwsFault) -> None:
        """Switch a fault on."""
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Switch all off."""
        with self._lock:
            self._armed = []

    def listed(self) -> list[dict[str, Any]]:
        """Describe the faults; `fired` is how many calls each struck."""
        with self._lock:
            return [{**asdict(armed.fault), "fired": armed.fired} for armed in self._armed]

    def strike(self, operation: str, entry_count: int) -> Struck:
        """Return what happens to a call: the first fault that strikes it decides."""
        with self._lock:
            for armed in self._armed:
                if armed.fault.operations and operation not in armed.fault.operations:
                    continue
                struck = _strike(armed, entry_count)
                if struck.effect is not None:
                    armed.fired += 1
                    return struck
        return Struck()


def _strike(armed: _Armed, entry_count: int) -> Struck:
    effect = armed.fault.effect
    if effect is not Effect.PARTIAL:
        return Struck(effect if armed.draws() else None)
    entries = frozenset(position for position in range(entry_count) if armed.draws())
    return Struck(effect if entries else None, entries)
