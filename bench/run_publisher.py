"""Measure the publisher's CPU per event, in this process; print a line of JSON.

The backend is `dummy`: the work ends with the message bodies.
"""

import json
import sys
import time
from typing import TYPE_CHECKING

from bench.django_site import set_up, traffic, wait_until_published

if TYPE_CHECKING:
    from collections.abc import Callable

    from whyness_mixpanel.models import Event

BATCH_EVENTS = 100
_WARM_UP_BATCHES = 10


def main() -> None:
    """Measure the way `argv[1]` (below) with `argv[2]` batches of BATCH_EVENTS."""
    set_up()
    batches = int(sys.argv[2])
    ways: dict[str, Callable[[int], object]] = {
        "pure": _pure,
        "send_many": _send_many,
        "send_many_atomic": _send_many_atomic,
        "sends_atomic": _sends_atomic,
    }
    run = ways[sys.argv[1]]
    for number in range(_WARM_UP_BATCHES):
        run(number)
    cpu_s = time.process_time()
    for number in range(batches):
        run(number)
    cpu_s = time.process_time() - cpu_s
    wait_until_published()
    print(json.dumps({"cpu_us": cpu_s / batches / BATCH_EVENTS * 1e6}))


def _events(batch: int) -> "list[Event]":
    from whyness_mixpanel.models import Event  # noqa: PLC0415  (after django.setup())

    return [Event(**traffic(batch * BATCH_EVENTS + number)) for number in range(BATCH_EVENTS)]


def _pure(batch: int) -> None:
    """Construct, normalise, scrub, validate, encode and pack, without the database and the thread."""
    from whyness_mixpanel.publishing import messages  # noqa: PLC0415  (as above)

    encoded = [event.json() for event in _events(batch)]
    messages.calls(messages.pack(encoded, identity="distinct_id"))


def _send_many(batch: int) -> None:
    from whyness_mixpanel.models import Event  # noqa: PLC0415  (as above)

    Event.send_many(_events(batch))


def _send_many_atomic(batch: int) -> None:
    from django.db import transaction  # noqa: PLC0415  (as above)

    with transaction.atomic():
        _send_many(batch)


def _sends_atomic(batch: int) -> None:
    from django.db import transaction  # noqa: PLC0415  (as above)

    with transaction.atomic():
        for event in _events(batch):
            event.send()


if __name__ == "__main__":
    main()
