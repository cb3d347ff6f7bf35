"""Pure: one line of the probe's result."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A case, or a part of it.

    Attributes:
        case: its name.
        expected: by this project.
        says: what Mixpanel did.
        source: of the expectation.
        message: in Mixpanel's own words, not compared.
    """

    case: str
    expected: str
    says: str
    source: str
    message: str = ""

    @property
    def differs(self) -> bool:
        """Whether Mixpanel did something else."""
        return self.expected != self.says

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {**asdict(self), "differs": self.differs}
