"""The records of an invocation and the events in them, every one of which gets exactly one outcome."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from whyness_events.delivery.event_struct import EventStruct
from whyness_events.event import Event
from whyness_events.log_entry import LogKey, log_key
from whyness_events.outcomes import DELIVERED, Outcome, Reason

# Structs, not dataclasses: an invocation has thousands of them, and they are made several times as fast. None
# is part of a reference cycle, so the garbage collector need not track them.


class Record(Struct, frozen=True, gc=False):
    """One SQS message as Lambda received it.

    Args:
        message_id: never empty.
        body: as received.
        receive_count: from 1.
        sent_ms: when it was published, epoch milliseconds; 0 if unknown.
        receipt_handle: of this receive; `""` if unknown.
        log_key: key of the Log row of a redriven message, as received and not checked; `""` for all others.
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
        record: that holds it.
        position: in the record, from 0.
        event: None if it cannot be read, or breaks a rule.
        identity: one of `wire.IDENTITIES`.
        encoded: the event's JSON for Mixpanel; `b""` if it is not sent.
        outcome: None until it is known; it does not change afterwards.
        first: the equal event of this invocation that is sent instead, whose outcome it shares.
        refused_id: insert id of an event that breaks a rule, if at least the id is valid.
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
        """The deduplication key; `""` if the event is not valid."""
        return self.event.insert_id if self.event else ""

    @property
    def log_key(self) -> LogKey | None:
        """The key of its row in the Log table; None if the event is not valid."""
        if self.event is None:
            return None
        raw = {name: getattr(self.event, name) for name in ("insert_id", "event", "user", "time")}
        return log_key(raw, message_id=self.record.message_id, position=self.position)

    @property
    def result(self) -> Outcome:
        """The outcome, of `first` if there is one.

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
        whole: the dead letter is the body as received.
        is_delivered: Mixpanel has confirmed all events.
    """

    record: Record
    items: list[Item] = field(default_factory=list)
    whole: bool = False
    is_delivered: bool = False

    @property
    def waits_for_its_time(self) -> bool:
        """Whether all its waiting events are early: their time is in the future."""
        waiting = {item.result.reason for item in self.items if item.result.reason.is_waiting}
        return waiting == {Reason.EARLY}

    @property
    def due_ms(self) -> int:
        """When all its events could be delivered, epoch milliseconds; 0 if unknown.

        A record that is received for the first time has not been waiting for an event's time.
        """
        if self.record.receive_count == 1 or not self.record.sent_ms:
            return self.record.sent_ms
        return max(self.record.sent_ms, *(item.event.time for item in self.items if item.event), 0)

    @property
    def has_delivered(self) -> bool:
        """Whether at least one event was delivered."""
        return self.is_delivered or any(item.result.reason is Reason.DELIVERED for item in self.items)


def conclude(received: Iterable[RecordEvents]) -> None:
    """Set `is_delivered` of the records, once all items have their outcome."""
    for record_events in received:
        for item in record_events.items:
            if (item.first or item).outcome is not DELIVERED:
                break
        else:
            record_events.is_delivered = True


def to_send(received: Iterable[RecordEvents]) -> list[Sequence[Item]]:
    """Return the items that still have to be sent, grouped by record."""
    groups: list[Sequence[Item]] = []
    for record_events in received:
        for item in record_events.items:
            if item.outcome is not None or item.first is not None:
                groups.append([i for i in record_events.items if i.outcome is None and i.first is None])
                break
        else:  # nearly always: no list is made
            groups.append(record_events.items)
    return [group for group in groups if group]
