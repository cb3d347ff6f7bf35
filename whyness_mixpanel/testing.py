"""For a site's tests, with the backend locmem: the events sent and those published."""

import json
from typing import Any

from whyness_mixpanel.backends import locmem


def sent_events() -> list[dict[str, Any]]:
    """Return the events passed to `send()`, as in messages, whether committed or not."""
    return [json.loads(encoded) for encoded in locmem.sent]


def published_events() -> list[dict[str, Any]]:
    """Return the published events: those whose transaction has committed, or that had none."""
    return [event for body in locmem.messages for event in json.loads(body)["events"]]


def clear() -> None:
    """Forget all of them."""
    locmem.sent.clear()
    locmem.messages.clear()
