"""Pure: the result of one check."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The result of a check."""

    OK = "ok"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was checked, its state, what was found, and how to fix it."""

    what: str
    state: State
    found: str
    remedy: str = ""


def skipped(why: str, *names: str) -> list[Finding]:
    """Return a finding for each of `names`, by default for all checks that need the queue."""
    return [
        Finding(name, State.SKIPPED, why) for name in names or ("region", "credentials", "queue", "clock")
    ]
