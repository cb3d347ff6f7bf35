"""What a container learns about Mixpanel, and keeps between invocations."""

from msgspec import Struct, field

from whyness_events.delivery.items import Item, Record
from whyness_events.delivery.sending.evidence import Delivered, Evidence
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.sending.setup_breaker import SetupBreaker

# A 413 for an event up to this size is not the event's fault. Chosen: a tenth of Mixpanel's limit.
OVERSIZED_FROM_BYTES = 100_000
# A control is sent many times, so a larger one is replaced by the first that is not larger than this.
_CONTROL_BYTES = 4_000


class RequestSize(Struct):
    """The largest body to send, in bytes; it grows by a quarter after each invocation without a 413."""

    limit_bytes: int = REQUEST_BYTES

    def shrink(self, refused_bytes: int) -> None:
        """Note that a body of `refused_bytes` was too large."""
        self.limit_bytes = max(OVERSIZED_FROM_BYTES, min(self.limit_bytes, refused_bytes // 2))

    def grow(self) -> None:
        """Allow a larger body, up to REQUEST_BYTES."""
        self.limit_bytes = min(REQUEST_BYTES, self.limit_bytes * 5 // 4)


class ContainerState(Struct):
    """All that a container has learned.

    Args:
        concurrency: how many requests to send at once.
        breaker: whether the setup seems wrong.
        size: how large a body may be.
        evidence: the events that were refused alone, and how often.
        delivered: events that need not be sent again when their records return.
        control: an event that Mixpanel confirmed, and deduplicates when it is sent again; None if there is
            none.
    """

    concurrency: Concurrency
    breaker: SetupBreaker = field(default_factory=SetupBreaker)
    size: RequestSize = field(default_factory=RequestSize)
    evidence: Evidence = field(default_factory=Evidence)
    delivered: Delivered = field(default_factory=Delivered)
    control: Item | None = None

    def confirmed(self, item: Item) -> None:
        """Keep a confirmed event as the control, without its record's body."""
        known = self.control
        if known is None or len(item.encoded) <= max(_CONTROL_BYTES, len(known.encoded)):
            record = Record(item.record.message_id, "")
            self.control = Item(record, item.position, item.event, item.identity, item.encoded)
