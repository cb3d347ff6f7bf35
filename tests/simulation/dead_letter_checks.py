"""What must be true of a dead letter at the moment it is sent."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.container import Container
from tests.simulation.ledger import Ledger
from tests.simulation.traffic import PRIVATE
from whyness_events.dead_letter import DeadLetterAttributes
from whyness_events.delivery.ports import DeadLetter
from whyness_events.outcomes import Reason

_SPARE_RECEIVES = 20
# Parts of values that the traffic sends, of the insert ids, and of the secret.
_NEVER_TOLD = (PRIVATE, "row-", "fixed-", "secret-", "Mozilla")
_READABLE_CHARS = 10


@dataclass(frozen=True, slots=True)
class DeadLetterChecks:
    """Looks at the dead letters of a run.

    Args:
        ledger: of the run.
        max_receive_count: of the queue.
    """

    ledger: Ledger
    max_receive_count: int

    def problems(self, dead_letter: DeadLetter, container: Container) -> Iterator[str]:
        """Yield what is wrong with a dead letter that this container sends now."""
        told = DeadLetterAttributes.decode(dead_letter.attributes)
        for key in self.ledger.keys(dead_letter.body):
            if key not in self.ledger.expected:
                yield f"a dead letter that was never published: {key[:200]}"
            elif self.ledger.is_good(key) and not self._may_be_dead(told, container):
                yield f"dead-lettered as {told.reason}, and nothing is wrong with it: {key[:200]}"
        yield from _text_problems(told.reason, told.detail)

    def _may_be_dead(self, told: DeadLetterAttributes, container: Container) -> bool:
        """Whether a good event may be in such a dead letter."""
        now_s = container.process.now_s()
        arrival = container.arrivals.get(told.source_message_id)
        if told.reason != Reason.EXHAUSTED or arrival is None:
            return False
        is_old = now_s - arrival.sent_s >= container.version.exhaust_after_s
        return is_old or arrival.receive_count >= self.max_receive_count - _SPARE_RECEIVES


def _text_problems(reason: str, detail: str) -> Iterator[str]:
    if reason not in [str(known) for known in Reason if known.is_dead]:
        yield f"a dead letter with the reason {reason!r}"
    if len(detail) < _READABLE_CHARS or not detail.isprintable():
        yield f"a dead letter with an unreadable detail: {detail!r}"
    if told := [text for text in _NEVER_TOLD if text in detail]:
        yield f"a dead letter's detail tells {told}: {detail!r}"
