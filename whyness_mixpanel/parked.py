"""Parked rows: events put aside for a person, and their release."""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import Error, connections, router

from whyness_events import WhynessEventsError, decode_message, encode_event, parse_event
from whyness_events.wire import to_sqs_json
from whyness_mixpanel import conf, signals
from whyness_mixpanel.normal import now_ms
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.tables import Outbox

logger = logging.getLogger("whyness_mixpanel")


def release(row: Outbox, alias: str) -> bool:
    """Let the drain have a parked row, if its event keeps the rules now; else note why it does not.

    Returns:
        Whether it was released.
    """
    try:
        encoded = encode_event(parse_event(json.loads(row.encoded), now_ms=now_ms()))
    except (WhynessEventsError, ValueError) as error:
        reason = str(error) if isinstance(error, WhynessEventsError) else "its JSON cannot be read"
        outbox.parked(alias).filter(pk=row.pk).update(reason=reason)
        return False
    changed = {"encoded": encoded, "state": Outbox.State.PENDING, "reason": "", "claimed_until": None}
    return bool(outbox.parked(alias).filter(pk=row.pk).update(**changed))


def keep(bodies: Sequence[str], dead: Mapping[tuple[int, int], str]) -> bool:
    """Write parked rows for the events of `bodies` that will never be delivered; see `backends.Answer`.

    Returns:
        Whether the outbox has them.
    """
    rows = [_row(bodies[index], place, reason) for (index, place), reason in dead.items()]
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
    """Put rows aside, by their ids, that are still of the claim."""
    by_reason: dict[str, list[int]] = defaultdict(list)
    for id_, reason in reasons.items():
        by_reason[reason].append(id_)
    for reason, ids in by_reason.items():
        rows = outbox.pending(claim.alias).filter(claimed_by=claim.id, id__in=ids)
        count = rows.update(state=Outbox.State.PARKED, reason=reason, claimed_by="", claimed_until=None)
        if count:
            tell(count, reason)


def tell(count: int, reason: str) -> None:
    """Log that events wait for a person, and send the signal."""
    logger.warning("%d events are parked in the outbox: %s", count, reason)
    signals.event_parked.send_robust(sender=Outbox, count=count, reason=reason)


def _row(body: str, place: int, reason: str) -> Row:
    message = decode_message(body)
    raw = message.raw_events[place]
    user = raw.get("user", "") if isinstance(raw, dict) else ""
    return Row(to_sqs_json(raw), message.identity or conf.IDENTITY.get(), str(user), reason)
