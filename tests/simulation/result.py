"""What a run found."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Result:
    """Broken promises, what happened together, and what happened at all.

    Args:
        seed: of the run.
        violations: broken promises; the first is usually the cause of the others.
        pairs: how often an event had this outcome in an invocation whose messages had met this fault.
        history: what happened, and when, epoch seconds.
        invocations: how many.
        events: that were published.
    """

    seed: int
    violations: list[str] = field(default_factory=list)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    history: list[tuple[float, str]] = field(default_factory=list)
    invocations: int = 0
    events: int = 0
