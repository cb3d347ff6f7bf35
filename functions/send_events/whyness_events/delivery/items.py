"""The records of an invocation and the events in them, each on its way to exactly one outcome."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from whyness_events.delivery.event_struct import EventStruct
from whyness_events.event import Event
from whyness_events.log_entry import LogKey, log_key
from whyness_events.outcomes import DELIVERED, Outcome, Reason

# Structs, not dataclasses: there are thousands of each in an invocation, made several times as fast. None is
# part of a cycle, so the garbage collector need not look at them.


class Record(Struct, frozen=True, gc=False):
    """One SQS message as Lambda received it.

    Args:
        message_id: never empty.
        body: as received.
        receive_count: from 1.
        sent_ms: when it was published, epoch milliseconds; 0 where unknown.
        receipt_handle: of this receive; `""` where unknown.
        log_key: of the row that a redriven message left in the Log table; `""` for all others.
    """

    message_id: str
    body: str
    receive_count: int = 1
    sent_ms: int = 0
    receipt_handle: str = ""
    log_key: str = ""


class Item(Struct, eq=False, gc=False):
    """One event of one record.

    Args:
        record: where it came from.
        position: its place there, from 0.
        event: None where it could not be read, or is refused.
        identity: the mode it is sent in.
        encoded: the event as Mixpanel gets it; `b""` where it is not sent.
        outcome: None until it has one; then it stays.
        first: the equal event of this invocation that is sent in its stead, whose outcome it shares.
        refused_id: the insert id of an event that is refused here, where that at least is valid.
    """

    record: Record
    position: int
    event: Event | EventStruct | None = None
    identity: str = ""
    encoded: bytes = b""
    outcome: Outcome | None = None
    first: "Item | None" = None
    refused_id: str = ""

    @property
    def insert_id(self) -> str:
        """The deduplication key; `""` where there is no valid one."""
        return self.event.insert_id if self.event else ""

    @property
    def log_key(self) -> LogKey | None:
        """The key of its row in the Log table; None where it has no valid event."""
        if self.event is None:
            return None
        raw = {name: getattr(self.event, name) for name in ("insert_id", "event", "user", "time")}
        return log_key(raw, message_id=self.record.message_id, position=self.position)

    @property
    def result(self) -> Outcome:
        """The outcome.

        Raises:
            RuntimeError: there is none yet, which is a bug.
        """
        outcome = (self.first or self).outcome
        if outcome is None:
            raise RuntimeError("an event was left without an outcome")
        return outcome


class RecordEvents(Struct, eq=False, gc=False):
    """A record and its items.

    Args:
        record: as received.
        items: at least one.
        whole: the dead letter is the body as it came.
        is_delivered: all of it is known to be at Mixpanel.
    """

    record: Record
    items: list[Item] = field(default_factory=list)
    whole: bool = False
    is_delivered: bool = False

    def conclude(self) -> None:
        """Note, when each item has its outcome, whether Mixpanel confirmed all of them, as nearly always."""
        for item in self.items:
            if (item.first or item).outcome is not DELIVERED:
                return
        self.is_delivered = True

    @property
    def waits_for_its_time(self) -> bool:
        """Whether it is handed back for nothing but events whose time has not come."""
        waiting = {item.result.reason for item in self.items if item.result.reason.is_waiting}
        return waiting == {Reason.EARLY}

    @property
    def due_ms(self) -> int:
        """When all of it could be delivered, epoch milliseconds; 0 where it is not known when it was sent.

        What comes for the first time has not been waiting for its time.
        """
        if self.record.receive_count == 1 or not self.record.sent_ms:
            return self.record.sent_ms
        return max(self.record.sent_ms, *(item.event.time for item in self.items if item.event), 0)

    @property
    def has_delivered(self) -> bool:
        """Whether some of it is."""
        return self.is_delivered or any(item.result.reason is Reason.DELIVERED for item in self.items)


def to_send(received: Iterable[RecordEvents]) -> list[Sequence[Item]]:
    """Return, record by record, the items that still need an answer from Mixpanel."""
    groups = [
        [i for i in record_events.items if i.outcome is None and i.first is None]
        for record_events in received
    ]
    return [group for group in groups if group]
