"""For the tests of a site, with the backend locmem: what was sent, and what has left."""

import json
from typing import Any

from whyness_mixpanel.backends import locmem


def sent_events() -> list[dict[str, Any]]:
    """Return the events that `send()` was called with, as they are on the wire, committed or not."""
    return [json.loads(encoded) for encoded in locmem.sent]


def published_events() -> list[dict[str, Any]]:
    """Return the events that have left: of transactions that have committed, or outside of any."""
    return [event for body in locmem.messages for event in json.loads(body)["events"]]


def clear() -> None:
    """Forget all of them."""
    locmem.sent.clear()
    locmem.messages.clear()
