"""Pure: whom a refusal blames, the event or the set-up."""

from collections.abc import Callable, Sequence

from whyness_events.delivery.answers import Reaction, Verdict
from whyness_events.delivery.items import Item
from whyness_events.delivery.learned import OVERSIZED_FROM_BYTES
from whyness_events.outcomes import DELIVERED, Outcome, Reason

# Sends one event and returns what came back; None where nothing can be sent any more.
Ask = Callable[[Item], Verdict | None]

_DECLINED = {403: Reason.REJECTED, 413: Reason.OVERSIZED}
_WAITING = {Reaction.RETRY: Reason.RETRY, Reaction.THROTTLED: Reason.THROTTLED}


def waiting(verdict: Verdict, detail: str = "") -> Outcome:
    """Return the outcome of an event that is not its own fault: it stays in the queue."""
    reason = _WAITING.get(verdict.reaction, Reason.SETUP)
    return Outcome(reason, detail or verdict.detail, verdict.status, verdict.retry_after_s or 0.0)


def rejected(detail: str, status: int) -> Outcome:
    """Return the outcome of an event that an answer which adds up names."""
    return Outcome(Reason.REJECTED, detail, status)


def judge_isolated(isolated: Sequence[tuple[Item, Verdict]], control: Item | None, ask: Ask) -> None:
    """Give each event that was refused alone its outcome.

    Blamed is who is refused once more between two requests that pass: everything may have been refused
    when it was isolated, and let pass before or after.

    Args:
        isolated: events, each with the answer to it alone.
        control: another event that was confirmed, whose copies deduplicate; None where nothing was.
        ask: sends one event.
    """
    if control is None:
        for item, verdict in isolated:
            item.outcome = waiting(verdict, f"{verdict.detail} to this event alone; nothing else passed")
        return
    if not isolated:
        return
    before = ask(control)
    passes = before is not None and before.reaction is Reaction.CONFIRMED
    again = [(item, ask(item) if passes else None) for item, _ in isolated]
    after = ask(control) if passes else before
    for item, repeated in again:
        item.outcome = _outcome(item, repeated, after)


def _outcome(item: Item, again: Verdict | None, control: Verdict | None) -> Outcome:
    if again is not None and again.reaction is Reaction.CONFIRMED:
        return rejected(again.named[0], again.status) if again.named else DELIVERED
    if again is not None and again.reaction is not Reaction.SPLIT:
        return waiting(again)
    if control is not None and control.reaction is not Reaction.CONFIRMED:
        return waiting(control, f"refused alone; then another event did not pass either: {control.detail}")
    if again is None or control is None:
        return Outcome(
            Reason.RETRY, "refused alone; it could not be tried again to make sure that it is the event"
        )
    reason = _DECLINED.get(again.status, Reason.REJECTED)
    is_small = reason is Reason.OVERSIZED and len(item.encoded) <= OVERSIZED_FROM_BYTES
    detail = f"{again.detail} to this event alone"
    return Outcome(
        Reason.SETUP if is_small else reason, detail, again.status, may_count=again.status not in _DECLINED
    )
