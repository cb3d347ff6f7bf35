"""The setup breaker: while credentials or project are wrong, a container sends nothing.

Events wait in the queue meanwhile. The breaker recovers by itself: from time to time the container fetches
the credentials again and sends one event as a probe, each time from another record, because one event alone
may be what is refused.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from whyness_events.delivery.items import Item

BREAKER_S = 60.0
# One refused event may itself be the cause. Refused events of two records, with nothing confirmed in between,
# mean that the setup is wrong.
_REFUSED_RECORDS = 2


class SetupBreaker(Struct):
    """Whether a container may send.

    Args:
        open_s: seconds without requests before a probe.
        detail: why it is open, a safe sentence; `""` while it is closed.
    """

    open_s: float = BREAKER_S
    detail: str = ""
    _until_s: float = 0.0
    _probed: set[str] = field(default_factory=set)
    _refused: set[str] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether the setup seems wrong."""
        return bool(self.detail)

    def rests(self, now_s: float) -> bool:
        """Return whether it is too early for a probe."""
        return self.is_open and now_s < self._until_s

    def open(self, detail: str, now_s: float) -> None:
        """Open the breaker for `open_s`; `detail` is a safe sentence."""
        self.detail, self._until_s = detail, now_s + self.open_s

    def confirmed(self) -> None:
        """Close the breaker: Mixpanel confirmed an event."""
        self.detail = ""
        self._refused.clear()
        self._probed.clear()

    def refused(self, message_ids: Iterable[str], detail: str, now_s: float) -> None:
        """Note refused records; open the breaker if they are of at least two."""
        self._refused.update(message_ids)
        if len(self._refused) >= _REFUSED_RECORDS:
            self.open(detail, now_s)

    def choose(self, items: Sequence[Item]) -> Item:
        """Return one of `items` as the probe, if possible from a record that was not used as one."""
        fresh = [item for item in items if item.record.message_id not in self._probed]
        if not fresh:
            self._probed.clear()
        probe = (fresh or items)[0]
        self._probed.add(probe.record.message_id)
        return probe
