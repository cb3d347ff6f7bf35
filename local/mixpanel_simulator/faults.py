"""The list of scripted faults of a simulator; the first that matches a request strikes it."""

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

    def strikes(self, body: ImportBody, now_s: float) -> bool:
        return (
            self.is_active(now_s)
            and self.fault.is_met_by(body)
            and (self.fault.probability >= 1 or self.random.random() < self.fault.probability)
        )


class Faults:
    """Usable from any thread.

    Args:
        clock: epoch seconds, the simulator's own.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()
        self._last_id = 0
        self.on_change: Callable[[], None] = _do_nothing

    def add(self, fault: Fault | None = None, **described: Any) -> int:
        """Arm a fault, given whole or by its fields; return its id.

        Raises:
            FaultError: names the field and what is allowed.
        """
        armed = Fault.from_json(described) if fault is None else fault
        with self._lock:
            self._last_id += 1
            fault_id = self._last_id
            self._armed.append(_Armed(fault_id, armed, self._clock()))
        self.on_change()
        return fault_id

    def remove(self, fault_id: int) -> bool:
        """Disarm one fault; False where there is none of that id."""
        with self._lock:
            left = [each for each in self._armed if each.fault_id != fault_id]
            found = len(left) < len(self._armed)
            self._armed = left
        self.on_change()
        return found

    def clear(self) -> None:
        """Disarm all."""
        with self._lock:
            self._armed = []
        self.on_change()

    def fired_count(self, fault_id: int) -> int:
        """How many requests (for "refuse": closings of the port) a fault struck.

        Raises:
            KeyError: no such fault.
        """
        with self._lock:
            for each in self._armed:
                if each.fault_id == fault_id:
                    return each.fired_count
        raise KeyError(fault_id)

    def listed(self) -> list[dict[str, Any]]:
        """Describe all faults: `id`, `fired`, whether `active` now, and the fields that are not defaults."""
        now_s = self._clock()
        with self._lock:
            return [
                {"id": each.fault_id, "fired": each.fired_count, "active": each.is_active(now_s)}
                | _told(each.fault)
                for each in self._armed
            ]

    def strike(self, body: ImportBody, now_s: float) -> Fault | None:
        """Find the fault that strikes a request and count it."""
        with self._lock:
            for each in self._armed:
                if each.strikes(body, now_s):
                    each.fired_count += 1
                    return each.fault
        return None

    def refuses_connections(self) -> bool:
        """Tell whether the port has to be closed now."""
        now_s = self._clock()
        with self._lock:
            return any(each.is_active(now_s) for each in self._refusals())

    def count_refusal(self) -> None:
        """Count a closing of the port for the fault that asks for it."""
        now_s = self._clock()
        with self._lock:
            for each in self._refusals():
                if each.is_active(now_s):
                    each.fired_count += 1
                    return

    def _refusals(self) -> list[_Armed]:
        return [each for each in self._armed if each.fault.connection == "refuse"]


def _told(fault: Fault) -> dict[str, Any]:
    values = {each.name: getattr(fault, each.name) for each in fields(Fault)}
    return {name: value for name, value in values.items() if value != _DEFAULTS[name]}


_DEFAULTS = {
    each.name: each.default if each.default_factory is MISSING else each.default_factory()
    for each in fields(Fault)
}


def _do_nothing() -> None:
    pass
