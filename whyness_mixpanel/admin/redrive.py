"""Redrives chosen dead letters, a few seconds at a time, so that no request exceeds a server's time limit."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core import signing

from whyness_mixpanel.admin import stack_clients
from whyness_mixpanel.admin.stack_reader import read_stack
from whyness_mixpanel.privacy.redrive_check import refuse_suppressed
from whyness_ops import DeadLetter, Redrive, Redriven, Selection, Snapshot, Stop

SLICE_S = 8.0
_SALT = "whyness_mixpanel.admin.redrive"


@dataclass(frozen=True, slots=True)
class Chosen(Selection):
    """The dead letters of the rows that a person has ticked.

    Args:
        keys: of the rows, as dead letters carry them.
        who: the person's id in the admin; the audit row says it beside the ARN of the site.
    """

    keys: Collection[str] = field(default_factory=frozenset)
    who: str = ""

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Whether the row of the dead letter is among them."""
        return dead_letter.log_key is not None and str(dead_letter.log_key) in self.keys

    def describe(self) -> dict[str, Any]:
        """Return what the audit row keeps."""
        return {"rows": len(self.keys), "admin_user_id": self.who}


def redrive(keys: Collection[str], *, who: str, snapshot: Snapshot, slice_s: float = SLICE_S) -> Redriven:
    """Redrive the dead letters of `keys` for about `slice_s` seconds; `stopped` means that more are left.

    Args:
        keys: of the rows.
        who: the person's id in the admin.
        snapshot: of the earlier slices, which this one extends: what they sent is not sent again.
        slice_s: how long it may take.

    Raises:
        OpsError, SettingError: a setting is missing, or AWS cannot be reached or refuses.
    """
    stop, end_s = Stop(), time.monotonic() + slice_s

    def stop_in_time(_: Redriven) -> None:
        if time.monotonic() >= end_s:
            stop.set()

    return Redrive(
        stack_clients.shared(),
        read_stack(),
        Chosen(keys=frozenset(keys), who=who),
        edit=refuse_suppressed,
        stop=stop,
        snapshot=snapshot,
        progress=stop_in_time,
    ).run()


def seal(snapshot: Snapshot, keys: Sequence[str]) -> str:
    """Return the start and the keys that were sent, signed: the form of the next slice carries it."""
    state = {"opened_ms": snapshot.opened_ms, "sent": sent_keys(snapshot, keys)}
    return signing.dumps(state, salt=_SALT, compress=True)


def unseal(text: str) -> Snapshot | None:
    """Return the snapshot that `seal` was given; None if `text` is not from `seal`."""
    try:
        state = signing.loads(text, salt=_SALT)
    except signing.BadSignature:
        return None
    return Snapshot(opened_ms=state["opened_ms"], sent=set(state["sent"]))


def sent_keys(snapshot: Snapshot, keys: Sequence[str]) -> list[str]:
    """Return the keys that were sent."""
    return [key for key in keys if key in snapshot.sent]
