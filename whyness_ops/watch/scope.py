"""What `doctor` checks: a stack, at a moment."""

from dataclasses import dataclass
from datetime import UTC, datetime

from whyness_ops.aws import Aws
from whyness_ops.stack import Stack


@dataclass(frozen=True, slots=True)
class Scope:
    """The stack that is checked, and the moment of it."""

    aws: Aws
    stack: Stack
    now_ms: int

    @property
    def now(self) -> datetime:
        """The moment."""
        return datetime.fromtimestamp(self.now_ms / 1000, UTC)
