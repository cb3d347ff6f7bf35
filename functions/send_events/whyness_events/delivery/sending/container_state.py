"""What a container learns of the other side, and keeps from invocation to invocation."""

from dataclasses import dataclass, field

from whyness_events.delivery.items import Item, Record
from whyness_events.delivery.sending.evidence import Delivered, Evidence
from whyness_events.delivery.sending.pacing import Concurrency
from whyness_events.delivery.sending.packing import REQUEST_BYTES
from whyness_events.delivery.sending.setup_breaker import SetupBreaker

# A 413 for an event this small says nothing about the event. Design: a tenth of what Mixpanel takes.
OVERSIZED_FROM_BYTES = 100_000
# A control is sent many times: a larger one is kept only until there is one that is no larger than this.
_CONTROL_BYTES = 4_000


@dataclass(slots=True)
class RequestSize:
    """The largest body that passes; grows back by a quarter with each invocation that refuses none."""

    limit_bytes: int = REQUEST_BYTES

    def shrink(self, refused_bytes: int) -> None:
        """Learn that a body of `refused_bytes` was too large."""
        self.limit_bytes = max(OVERSIZED_FROM_BYTES, min(self.limit_bytes, refused_bytes // 2))

    def grow(self) -> None:
        """Try a little more next time."""
        self.limit_bytes = min(REQUEST_BYTES, self.limit_bytes * 5 // 4)


@dataclass(slots=True)
class ContainerState:
    """All of it.

    Args:
        concurrency: requests at once.
        breaker: whether the set-up is wrong.
        size: of a body.
        evidence: against which events something speaks.
        delivered: which events need not be sent again when their records come again.
        control: an event that Mixpanel confirmed, whose copies deduplicate; None where it confirmed nothing.
    """

    concurrency: Concurrency
    breaker: SetupBreaker = field(default_factory=SetupBreaker)
    size: RequestSize = field(default_factory=RequestSize)
    evidence: Evidence = field(default_factory=Evidence)
    delivered: Delivered = field(default_factory=Delivered)
    control: Item | None = None

    def confirmed(self, item: Item) -> None:
        """Keep an event that was confirmed as the control, without the message that it came in."""
        known = self.control
        if known is None or len(item.encoded) <= max(_CONTROL_BYTES, len(known.encoded)):
            record = Record(item.record.message_id, "")
            self.control = Item(record, item.position, item.event, item.identity, item.encoded)
