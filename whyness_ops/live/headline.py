"""Pure: how a stack is, in one sentence."""

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from whyness_events.outcomes import WAITING_REASONS
from whyness_ops.dead_letter_queue import Depth
from whyness_ops.watch.flow import Flow
from whyness_ops.watch.gather import Unknown

# A headline follows what was tried last: the seconds before the newest try, which is at most so old.
_NEWEST_S, _OLDEST_S = 5, 30
_IDLE_S = 60
Level = Literal["well", "warn", "ill", "unclear"]


class Headline(NamedTuple):
    """How it is, in a sentence without numbers (a screen reader is told each change), and what to do."""

    level: Level
    text: str
    do: str = ""


def judge(flow: Flow | Unknown, queue: Depth | Unknown, letters: Depth | Unknown, now_ms: int) -> Headline:
    """Return how it is: the worst of what is so."""
    if isinstance(flow, Unknown) or isinstance(queue, Unknown):
        return Headline("unclear", "AWS does not tell all of it. What is missing is below.")
    return next(_headlines(flow, queue, letters, now_ms))


def _headlines(flow: Flow, queue: Depth, letters: Depth | Unknown, now_ms: int) -> Iterator[Headline]:
    last = _newest(flow, now_ms)
    waiting = sum(last[reason] for reason in WAITING_REASONS)
    if flow.is_breaker_open:
        yield Headline("ill", "The breaker is open: Mixpanel refuses the set-up. Events wait.", "doctor")
    if waiting > last["delivered"]:
        yield Headline("ill", "Mixpanel does not take the events. They wait in the queue.", "doctor")
    if queue.visible and now_ms - (flow.last_invocation_ms or 0) > _IDLE_S * 1000:
        yield Headline("ill", "Messages wait, and the function is not called.", "status")
    if waiting:
        yield Headline("warn", "Mixpanel takes a part of the events. The others wait.", "doctor")
    if isinstance(letters, Depth) and letters.visible + letters.hidden:
        yield Headline("warn", "There are dead letters. They wait for a decision.", "dlq list")
    if last["delivered"]:
        yield Headline("well", "Events arrive at Mixpanel.")
    yield Headline("well", "Quiet: no events, and nothing waits.")


def _newest(flow: Flow, now_ms: int) -> Counter[str]:
    tried = (at_s for at_s, second in flow.seconds.items() if second.outcomes)
    newest_s = max(tried, default=0)
    if newest_s < now_ms // 1000 - _OLDEST_S:
        return Counter()
    return outcomes(flow, newest_s * 1000, _NEWEST_S)


def outcomes(flow: Flow, now_ms: int, window_s: int) -> Counter[str]:
    """Return the events of the last `window_s` by outcome."""
    first_s = now_ms // 1000 - window_s
    total = Counter[str]()
    for at_s, second in flow.seconds.items():
        if at_s >= first_s:
            total.update(second.outcomes)
    return total
