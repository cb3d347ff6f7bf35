"""Pure: the outcomes of refused events. A refusal is the event's fault, or the setup's."""

from whyness_events.delivery.items import Item
from whyness_events.delivery.mixpanel.answers import Verdict
from whyness_events.delivery.sending.container_state import OVERSIZED_FROM_BYTES
from whyness_events.delivery.sending.evidence import Suspicion
from whyness_events.outcomes import Outcome, Reason

# The outcome of an event that is refused alone with such a status, which means that it was not imported.
_DECLINED = {403: Reason.REJECTED, 413: Reason.OVERSIZED}


def waiting(verdict: Verdict, detail: str = "") -> Outcome:
    """Return the outcome of an event that stays in the queue: the answer is not its fault."""
    return Outcome(
        verdict.waiting_reason, detail or verdict.detail, verdict.status, verdict.retry_after_s or 0.0
    )


def rejected(detail: str, status: int) -> Outcome:
    """Return the outcome of an event that a consistent answer names."""
    return Outcome(Reason.REJECTED, detail, status)


def may_be_blamed(item: Item, verdict: Verdict) -> bool:
    """Return whether the refusal can be the event's fault: a 413 for a small event is the setup's."""
    return verdict.status != 413 or len(item.encoded) > OVERSIZED_FROM_BYTES  # noqa: PLR2004


def too_small(verdict: Verdict) -> Outcome:
    """Return the outcome of an event that is too small to be blamed."""
    return Outcome(Reason.SETUP, _alone(verdict), verdict.status)


def without_control(verdict: Verdict) -> Outcome:
    """Return the outcome of an event that was refused alone while no event was ever confirmed."""
    return Outcome(Reason.SETUP, f"{_alone(verdict)}; nothing else passed", verdict.status, soon=True)


def under_trial(suspicion: Suspicion | None) -> Outcome:
    """Return the outcome of an event with not enough evidence against it."""
    refusals, status = (suspicion.refusals, suspicion.status) if suspicion else (0, 0)
    times = f" {refusals} times while others passed" if refusals else ""
    return Outcome(Reason.RETRY, f"refused alone{times}; retried to rule out chance", status, soon=True)


def blamed(item: Item, verdict: Verdict, suspicion: Suspicion) -> Outcome:
    """Return the outcome of an event that was refused too often, while others passed, to be chance."""
    if not may_be_blamed(item, verdict):
        return too_small(verdict)
    reason = _DECLINED.get(verdict.status, Reason.REJECTED)
    detail = f"refused {suspicion.refusals} times between requests that passed; {_alone(verdict)}"
    return Outcome(reason, detail, verdict.status, may_count=verdict.status not in _DECLINED)


def _alone(verdict: Verdict) -> str:
    return f"{verdict.detail} to this event alone"
