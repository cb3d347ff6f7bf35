"""Parked rows: events put aside for a person, and their release."""

import json

from whyness_events import WhynessEventsError, encode_event, parse_event
from whyness_mixpanel import outbox
from whyness_mixpanel.normal import now_ms
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
