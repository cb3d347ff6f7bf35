"""Measure the drain of a full outbox, in this process; print a line of JSON."""

import io
import json
import sys
import time

from bench.django_site import configure, traffic
from bench.peak_memory import forget_peak_kib, peak_kib

_AT_ONCE = 1_000


def main() -> None:
    """Fill the outbox with `argv[2]` events, or drain it: `argv[1]` is `fill` or `drain`."""
    configure()
    count = int(sys.argv[2])
    if sys.argv[1] == "fill":
        _fill(count)
        return
    _drain("--limit=1")  # warm up: imports, client, connection
    before_kib, wall_s = forget_peak_kib(), time.perf_counter()
    _drain()
    wall_s = time.perf_counter() - wall_s
    over_mib = (peak_kib() - before_kib) / 1024
    if _left():
        raise SystemExit(f"{_left()} events stayed in the outbox, so the figures mean nothing.")
    print(json.dumps({"events_per_s": (count - 1) / wall_s, "peak_over_idle_mib": over_mib}))


def _fill(count: int) -> None:
    from whyness_mixpanel.models import Event  # noqa: PLC0415  (after django.setup())

    for first in range(0, count, _AT_ONCE):
        Event.send_many(Event(**traffic(number)) for number in range(first, min(count, first + _AT_ONCE)))
    if _left() != count:
        raise SystemExit(f"Only {_left()} of {count} events are in the outbox, so the figures mean nothing.")


def _drain(*options: str) -> None:
    from django.core.management import call_command  # noqa: PLC0415  (after django.setup())

    call_command("mixpanel_outbox", "drain", *options, verbosity=0, stdout=io.StringIO())


def _left() -> int:
    from whyness_mixpanel.models import Outbox  # noqa: PLC0415  (as above)

    return Outbox.objects.count()


if __name__ == "__main__":
    main()
