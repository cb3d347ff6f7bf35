"""Pure: settings that are allowed by themselves and break a promise together.

SQS must neither forget a record nor use up its receives before the function has given it up.
"""

from collections.abc import Iterator

from whyness_events.delivery.mixpanel.answers import RETRY_AFTER_CAP_S
from whyness_events.delivery.settling.exhaust import (
    EXHAUST_AFTER_S,
    LONGEST_WAIT_S,
    RECEIVES_TO_SPARE,
    UNREAD_AFTER_S,
)
from whyness_events.delivery.settling.redelivery import SOON_UNTIL, pause_range_s

# SQS's own limit.
MOST_RECEIVES = 1_000
# Receives beside those that our pauses space: the last ones, with which a record is given up; those of a
# record under trial; and those that a throttled invocation uses up, or a duplicate that SQS delivers.
SPARE_RECEIVES = RECEIVES_TO_SPARE + SOON_UNTIL + 50
# The template's; tests/infra compares them.
QUEUE_VISIBILITY_S = 725.0
# An invocation hides a suspect as long as it lasts. Source: Lambda quotas, function timeout, 2026-11-23.
_LONGEST_INVOCATION_S = 900.0


def longest_exhaust_s(redelivery_cap_s: float) -> float:
    """Return the largest EXHAUST_AFTER_S with which each record ends long before SQS forgets it."""
    _, pause_s = pause_range_s(MOST_RECEIVES, base_s=redelivery_cap_s, cap_s=redelivery_cap_s)
    longest_s = max(pause_s, RETRY_AFTER_CAP_S, QUEUE_VISIBILITY_S) + _LONGEST_INVOCATION_S
    return LONGEST_WAIT_S - UNREAD_AFTER_S - 2 * longest_s


def least_receive_count(exhaust_after_s: float, *, base_s: float, cap_s: float) -> int:
    """Return the least MAX_RECEIVE_COUNT that the shortest pauses do not use up in that time, or in 72 hours.

    A result above SQS's own limit only means that it is too large.
    """
    count, waited_s = 0, 0.0
    while waited_s < min(exhaust_after_s, EXHAUST_AFTER_S) and count < MOST_RECEIVES:
        count += 1
        waited_s += int(pause_range_s(count, base_s=base_s, cap_s=cap_s)[0] + 0.5)
    return count + SPARE_RECEIVES


def conflicts(
    *, exhaust_after_s: float, base_s: float, cap_s: float, max_receive_count: int
) -> Iterator[str]:
    """Yield what must change; `base_s` and `cap_s` are those of the redelivery."""
    if exhaust_after_s > (most_s := longest_exhaust_s(cap_s)):
        yield f"EXHAUST_AFTER_S must be 1 to {most_s:.0f} with this REDELIVERY_CAP_S, or SQS forgets events"
    least = least_receive_count(exhaust_after_s, base_s=base_s, cap_s=cap_s)
    if least > MOST_RECEIVES:
        yield (
            "REDELIVERY_BASE_S, REDELIVERY_CAP_S must be longer with this EXHAUST_AFTER_S, or 72 hours of "
            f"outage use up the {MOST_RECEIVES} receives that MAX_RECEIVE_COUNT may be"
        )
    elif max_receive_count < least:
        yield (
            f"MAX_RECEIVE_COUNT must be {least} to {MOST_RECEIVES} with this EXHAUST_AFTER_S, "
            "REDELIVERY_BASE_S and REDELIVERY_CAP_S, or 72 hours of outage use it up"
        )
