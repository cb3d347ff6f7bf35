"""The setup breaker: where credentials or project are wrong, a container stops knocking for a while.

Whatever it cannot send waits in the queue. It recovers by itself: after a while one real event is sent with
the secret fetched afresh, another record's each time, for one event may be what is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from whyness_events.delivery.items import Item

BREAKER_S = 60.0
# A lone event refused may be the event's own fault, or a proxy's that dislikes one string. Two of them, from
# different records, with nothing confirmed in between, are the set-up's.
_REFUSED_RECORDS = 2


@dataclass(slots=True)
class SetupBreaker:
    """What a container knows of its set-up.

    Args:
        open_s: how long it sends nothing before it probes.
        detail: what was refused, a safe sentence; `""` while it is closed.
    """

    open_s: float = BREAKER_S
    detail: str = ""
    _until_s: float = 0.0
    _probed: set[str] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether the set-up is believed to be wrong."""
        return bool(self.detail)

    def rests(self, now_s: float) -> bool:
        """Whether nothing may be sent yet."""
        return self.is_open and now_s < self._until_s

    def open(self, detail: str, now_s: float) -> None:
        """Send nothing for a while."""
        self.detail, self._until_s = detail, now_s + self.open_s

    def confirmed(self) -> None:
        """Learn that Mixpanel took an event."""
        self.detail = ""
        self._refused.clear()
        self._probed.clear()

    def refused(self, message_ids: Iterable[str], detail: str, now_s: float) -> None:
        """Learn of records refused although nothing is known to be wrong with them."""
        self._refused.update(message_ids)
        if len(self._refused) >= _REFUSED_RECORDS:
            self.open(detail, now_s)

    def choose(self, items: Sequence[Item]) -> Item:
        """Return one of `items` to probe with: of a record that was not probed with, if there is one."""
        fresh = [item for item in items if item.record.message_id not in self._probed]
        if not fresh:
            self._probed.clear()
        probe = (fresh or items)[0]
        self._probed.add(probe.record.message_id)
        return probe
