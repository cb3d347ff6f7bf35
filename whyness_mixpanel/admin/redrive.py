"""Sending chosen letters again, some seconds at a time: no request runs into a server's time-out."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.core import signing

from whyness_mixpanel.admin import stack_clients
from whyness_mixpanel.admin.stack_reader import read_stack
from whyness_mixpanel.privacy import filters
from whyness_ops import DeadLetter, Left, Redrive, Redriven, Selection, Snapshot, Stop

SLICE_S = 8.0
_SALT = "whyness_mixpanel.admin.redrive"
# What whyness_ops says of its edit function, and what it means where that only asks who is suppressed.
_WHY = {
    f"the edit function raised {filters.Suppressed.__name__} ": "nothing may be sent about its person",
    "the edit function raised ": "nobody can tell now whether its person is suppressed (OPT_OUT, database)",
    "the edit function returned ": "its body cannot be read; the command redrive can put it right (--edit)",
}


@dataclass(frozen=True, slots=True)
class Chosen(Selection):
    """The letters of rows that a person has ticked.

    Args:
        keys: of the rows, as letters carry them.
        who: the person's id in the admin; the audit row says it beside the ARN of the site.
    """

    keys: Collection[str] = field(default_factory=frozenset)
    who: str = ""

    def matches(self, letter: DeadLetter) -> bool:
        """Whether the letter's row is among them."""
        return letter.log_key is not None and str(letter.log_key) in self.keys

    def describe(self) -> dict[str, Any]:
        """Return what the audit row keeps."""
        return {"rows": len(self.keys), "admin_user_id": self.who}


def redrive(keys: Collection[str], *, who: str, snapshot: Snapshot, slice_s: float = SLICE_S) -> Redriven:
    """Send the letters of `keys` again for about `slice_s` seconds; `stopped` means that there is more to do.

    Args:
        keys: of the rows.
        who: the person's id in the admin.
        snapshot: of the slices before, which this one adds to: what they sent is not sent again.
        slice_s: time for it.

    Raises:
        OpsError, SettingError: the stack cannot be asked, or refuses.
    """
    stop, end_s = Stop(), time.monotonic() + slice_s

    def look_at_the_clock(_: Redriven) -> None:
        if time.monotonic() >= end_s:
            stop.set()

    report = Redrive(
        stack_clients.shared(),
        read_stack(),
        Chosen(keys=frozenset(keys), who=who),
        edit=filters.refuse_suppressed,
        stop=stop,
        snapshot=snapshot,
        progress=look_at_the_clock,
    ).run()
    report.left = [in_words(left) for left in report.left]
    return report


def in_words(left: Left) -> Left:
    """Return it with a reason that speaks of events, not of functions and their files."""
    means = (text for says, text in _WHY.items() if left.why.startswith(says))
    return replace(left, why=next(means, left.why).replace("not valid after the edit", "not valid"))


def seal(snapshot: Snapshot, keys: Sequence[str]) -> str:
    """Return when it began and which of `keys` are sent, signed: the form of the next slice carries it."""
    state = {"opened_ms": snapshot.opened_ms, "sent": sent_keys(snapshot, keys)}
    return signing.dumps(state, salt=_SALT, compress=True)


def unseal(text: str) -> Snapshot | None:
    """Return what `seal` was given; None where this is not what it returned."""
    try:
        state = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    return Snapshot(opened_ms=state["opened_ms"], sent=set(state["sent"]))


def sent_keys(snapshot: Snapshot, keys: Sequence[str]) -> list[str]:
    """Return those that are sent."""
    return [key for key in keys if key in snapshot.sent]
