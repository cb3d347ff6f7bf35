"""The action `status` of `mixpanel_outbox`, and bounded counts of rows."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import QuerySet

from whyness_mixpanel.last_audit import last_audit
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.lateness import oldest_pending_s
from whyness_mixpanel.tables import Outbox
from whyness_mixpanel.views import MOST_COUNTED, figures
from whyness_ops.audit.audit_line import line_text
from whyness_ops.output import printable

Write = Callable[[str], object]

_REASONS = 10


def bounded_count(rows: QuerySet[Outbox]) -> int:
    """Return the number of rows, at most MOST_COUNTED + 1: counting a million takes half a second."""
    return rows[: MOST_COUNTED + 1].count()


def in_words(count: int) -> str:
    """Return a bounded count, or a sum of them, as text."""
    return str(count) if count <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"


def one_line(text: str) -> str:
    """Return a reason or a name as one line without control characters."""
    return printable(" ".join(text.split()))


def show_status(aliases: Sequence[str], write: Write, *, as_json: bool = False, **_: Any) -> None:
    """Write the number of pending rows, the age of the oldest, the reasons of parked rows, the last audit."""
    if as_json:
        write(json.dumps({alias: figures(alias) for alias in aliases}))
        return
    for alias in aliases:
        pending, waiting = bounded_count(outbox.pending(alias)), bounded_count(outbox.parked(alias))
        age_s = oldest_pending_s(alias)
        since = "" if age_s is None else f", the oldest for {age_s} s"
        write(f"{alias}: {in_words(pending)} pending{since}; {in_words(waiting)} parked")
        if waiting > MOST_COUNTED:
            write(f"  of the oldest {MOST_COUNTED:,}:")
        oldest = outbox.parked(alias).order_by("id")[:MOST_COUNTED]
        for reason, count in Counter(oldest.values_list("reason", flat=True)).most_common(_REASONS):
            write(f"  {count} parked: {one_line(reason)}")
    audit = last_audit()
    write(f"last audit: {line_text(audit)}" if audit else "never audited")
