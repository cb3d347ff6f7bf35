"""Pure: the result of a repair, as text and as JSON."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from whyness_ops.audit.audit_report import Report, report_text, to_json
from whyness_ops.output import title

_NAMES = {
    "parked": "refused, and parked in the outbox with the reason",
    "suppressed": "left out, for the person is suppressed or opted out",
    "too_young": "left out, for their row may still be on its way",
    "gone": "left out, for their row is gone",
}


@dataclass(slots=True)
class Repaired:
    """What a repair did, as far as it came.

    Args:
        lost: events that are missing without a trace.
        counts: what became of them, by name; none if nothing was published.
        refusal: why nothing was published, `""` if that was not refused.
        after: of the audit of their days after the repair.
    """

    lost: int
    is_dry: bool
    counts: Counter[str] = field(default_factory=Counter)
    refusal: str = ""
    after: Report | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        after = {"after": to_json(self.after)} if self.after else {}
        refusal = {"refusal": self.refusal} if self.refusal else {}
        return {"lost": self.lost, "dry_run": self.is_dry, **self.counts, **refusal, **after}


def repaired_text(done: Repaired) -> str:
    """Return what a repair did, for a terminal."""
    if not done.lost:
        return "Nothing to repair: no event is missing without a trace."
    if done.refusal:
        return f"Nothing was published. {done.refusal}"
    parts = [f"Repair of {done.lost} events that are missing without a trace:"]
    names = {**_NAMES, "published": "would be published"} if done.is_dry else _NAMES
    parts += [f"  {names.get(name, name)}: {count}" for name, count in done.counts.items() if count]
    if done.is_dry and done.counts["published"]:
        parts.append("Nothing was published. Give --publish to publish them.")
    if done.after:
        parts += ["", title("Their days, after the repair:"), report_text(done.after)]
    return "\n".join(parts)
