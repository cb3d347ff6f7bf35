"""Pure: what came of trying one thing."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What came of trying."""

    OK = "ok"
    WRONG = "wrong"
    NOT_TRIED = "could not be tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and how to mend it."""

    what: str
    state: State
    found: str
    remedy: str = ""


def not_tried(why: str, *names: str) -> list[Finding]:
    """Return that these, or all that need the queue, could not be tried."""
    return [
        Finding(name, State.NOT_TRIED, why) for name in names or ("region", "credentials", "queue", "clock")
    ]
