"""Parked rows: events put aside for a person, and their release."""

import json
from collections.abc import Mapping, Sequence

from django.db import Error, connections, router

from whyness_events import WhynessEventsError, decode_message, encode_event, parse_event
from whyness_events.wire import to_sqs_json
from whyness_mixpanel import conf
from whyness_mixpanel.normal import now_ms
from whyness_mixpanel.publishing import outbox
from whyness_mixpanel.publishing.insert import Row, insert
from whyness_mixpanel.tables import Outbox


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
        outbox.tell_parked(1, row.reason)
    return True


def _row(body: str, place: int, reason: str) -> Row:
    message = decode_message(body)
    raw = message.raw_events[place]
    user = raw.get("user", "") if isinstance(raw, dict) else ""
    return Row(to_sqs_json(raw), message.identity or conf.IDENTITY.get(), str(user), reason)
