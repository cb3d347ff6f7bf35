"""The faults of a simulator. The first one that matches a request strikes it."""

import threading
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from random import Random
from typing import Any

from .body import ImportBody
from .fault import Fault


@dataclass(slots=True)
class _Armed:
    fault_id: int
    fault: Fault
    added_s: float
    fired_count: int = 0
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.fault.seed)  # noqa: S311  a repeatable script, not a secret

    def is_active(self, now_s: float) -> bool:
        age_s = now_s - self.added_s - self.fault.after_s
        in_time = age_s >= 0 and (not self.fault.for_s or age_s < self.fault.for_s)
        return in_time and not self.is_spent

    @property
    def is_spent(self) -> bool:
        return bool(self.fault.next_requests) and self.fired_count >= self.fault.next_requests

    def strikes(self, body: ImportBody, now_s: float, api: str) -> bool:
        return (
            self.fault.api == api
            and self.is_active(now_s)
            and self.fault.is_met_by(body)
            and (self.fault.probability >= 1 or self.random.random() < self.fault.probability)
        )


class Faults:
    """The active faults; usable from any thread.

    Args:
        clock: the simulator's, in epoch seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()
        self._last_id = 0
        self.on_change: Callable[[], None] = _do_nothing

    def add(self, fault: Fault | None = None, **described: Any) -> int:
        """Add a fault, given as an object or by its fields, and return its id.

        Raises:
            FaultError: names the field and what is allowed.
        """
        given = Fault.from_json(described) if fault is None else fault
        with self._lock:
            self._last_id += 1
            fault_id = self._last_id
            self._armed.append(_Armed(fault_id, given, self._clock()))
        self.on_change()
        return fault_id

    def remove(self, fault_id: int) -> bool:
        """Remove a fault; return False if there is none with that id."""
        with self._lock:
            left = [armed for armed in self._armed if armed.fault_id != fault_id]
            is_removed = len(left) < len(self._armed)
            self._armed = left
        self.on_change()
        return is_removed

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._armed = []
        self.on_change()

    def fired_count(self, fault_id: int) -> int:
        """Return how many requests a fault struck; for "refuse", how often it closed the port.

        Raises:
            KeyError: there is no such fault.
        """
        with self._lock:
            for armed in self._armed:
                if armed.fault_id == fault_id:
                    return armed.fired_count
        raise KeyError(fault_id)

    def listed(self) -> list[dict[str, Any]]:
        """Describe all faults: `id`, `fired`, whether `active` now, and the fields without default values."""
        now_s = self._clock()
        with self._lock:
            return [
                {"id": armed.fault_id, "fired": armed.fired_count, "active": armed.is_active(now_s)}
                | _described(armed.fault)
                for armed in self._armed
            ]

    def strike(self, body: ImportBody, now_s: float, api: str = "import") -> Fault | None:
        """Return the fault that strikes a request, and count it."""
        with self._lock:
            for armed in self._armed:
                if armed.strikes(body, now_s, api):
                    armed.fired_count += 1
                    return armed.fault
        return None

    def refuses_connections(self) -> bool:
        """Return whether the port must be closed now."""
        now_s = self._clock()
        with self._lock:
            return any(armed.is_active(now_s) for armed in self._refusals())

    def count_refusal(self) -> None:
        """Count a closing of the port for the fault that caused it."""
        now_s = self._clock()
        with self._lock:
            for armed in self._refusals():
                if armed.is_active(now_s):
                    armed.fired_count += 1
                    return

    def _refusals(self) -> list[_Armed]:
        return [armed for armed in self._armed if armed.fault.connection == "refuse"]


def _described(fault: Fault) -> dict[str, Any]:
    values = {item.name: getattr(fault, item.name) for item in fields(Fault)}
    return {name: value for name, value in values.items() if value != _DEFAULTS[name]}


_DEFAULTS = {
    item.name: item.default if item.default_factory is MISSING else item.default_factory()
    for item in fields(Fault)
}


def _do_nothing() -> None:
    pass
