"""Parked rows, which wait for a person: park, release and delete them."""

import json
import logging
from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db import Error, connections, router
from django.db.models import QuerySet

from whyness_events import WhynessEventsError, encode_event, parse_event
from whyness_mixpanel import signals
from whyness_mixpanel.encoding.normalise import now_ms
from whyness_mixpanel.encoding.parked_event import is_whole
from whyness_mixpanel.privacy.suppression import column_of
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")

# The fields shown in the admin and on the command line.
FIELDS = ("state", "reason", "encoded", "identity", "created_at", "attempts", "claimed_until")
# Few, because the event of a parked row may be of any size.
ROWS_IN_MEMORY = 20

_Change = tuple[tuple[str, object], ...]
_RELEASED = ("state", Outbox.State.PENDING)


class Released(NamedTuple):
    """How many rows were released, and how many stay parked."""

    released: int
    kept: int


def ids_of(rows: QuerySet[Outbox]) -> Sequence[int]:
    """Return the ids of those of `rows` that are parked now, oldest first, as an array of 8 bytes each."""
    parked = rows.filter(state=Outbox.State.PARKED).order_by("id")
    return array("q", parked.values_list("pk", flat=True).iterator())


def release(ids: Sequence[int], alias: str) -> Released:
    """Release parked rows whose events are valid now, and update the reasons of the others.

    Each id is checked once: a row that is parked again meanwhile stays parked.
    """
    released = kept = 0
    for some in outbox.slices(ids, ROWS_IN_MEMORY):
        rows = outbox.parked(alias).filter(pk__in=some).order_by("id").values_list("pk", "encoded")
        by_change: dict[_Change, list[int]] = defaultdict(list)
        for id_, encoded in rows:
            by_change[_change(encoded)].append(id_)
        for change, same in by_change.items():
            count = outbox.parked(alias).filter(pk__in=same).update(**dict(change))
            released += count if change[0] == _RELEASED else 0
            kept += 0 if change[0] == _RELEASED else count
    return Released(released, kept)


def delete(ids: Sequence[int], alias: str) -> int:
    """Delete those rows that are still parked, without signals; return their number."""
    return sum(
        outbox.parked(alias).filter(pk__in=some)._raw_delete(alias)  # noqa: SLF001  (as for forgetting)
        for some in outbox.slices(ids)
    )


def _change(encoded: str) -> _Change:
    """Return the new values of a row: those of its release, or its current reason."""
    try:
        raw = json.loads(encoded)
        if not is_whole(raw):
            return (("state", Outbox.State.PARKED),)  # its reason says why
        fresh = encode_event(parse_event(raw, now_ms=now_ms()))
    except WhynessEventsError as error:
        return (("reason", str(error)),)
    except (ValueError, RecursionError):
        return (("reason", "its JSON cannot be read"),)
    done: _Change = (_RELEASED, ("reason", ""), ("attempts", 0), ("claimed_until", None))
    return done if fresh == encoded else (*done, ("encoded", fresh))


def keep(events: Sequence[tuple[str, str]], identity: str) -> bool:
    """Write parked rows for encoded events that will never be delivered, each with its reason.

    Returns:
        Whether they are written.
    """
    rows = [Row(encoded, identity, _user_of(encoded), reason) for encoded, reason in events]
    if not rows:
        return True
    try:
        insert(rows, connections[router.db_for_write(Outbox)])
    except Error:
        return False
    for row in rows:
        tell(1, row.reason)
    return True


def park(reasons: Mapping[int, str], claim: outbox.Claim) -> None:
    """Park rows, by their ids, that the claim still holds."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in reasons.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        rows = outbox.pending(claim.alias).filter(claimed_by=claim.id, id__in=ids)
        count = rows.update(state=Outbox.State.PARKED, reason=reason, claimed_by="", claimed_until=None)
        if count:
            tell(count, reason)


def tell(count: int, reason: str) -> None:
    """Log that events were parked, and send the signal."""
    logger.warning("Parked %d events in the outbox: %s", count, reason)
    signals.event_parked.send_robust(sender=Outbox, count=count, reason=reason)


def _user_of(encoded: str) -> str:
    raw = json.loads(encoded)
    return column_of(raw.get("user", "")) if isinstance(raw, dict) else ""
