import json

from local.accounting import keys_in
from local.mishaps import MIXPANEL_MAX_ITEMS, make_mishaps
from whyness_events import limits

NOW_MS = 1_763_900_000_000


def test_every_way_to_die_is_among_them() -> None:
    """Unreadable, rejected by the function, rejected by Mixpanel, oversized, and nothing else."""
    fates = {(reason, mishap.by_mixpanel) for mishap in make_mishaps(NOW_MS) for reason in mishap.reasons}

    assert fates == {("unreadable", False), ("rejected", False), ("rejected", True), ("oversized", False)}


def test_messages_are_such_that_sqs_takes_them() -> None:
    """The largest is above Mixpanel's limit for an event, and below SQS's for a message."""
    sizes = [len(mishap.body.encode()) for mishap in make_mishaps(NOW_MS)]

    assert limits.EVENT_BYTES < max(sizes) < limits.MESSAGE_BYTES


def test_what_is_delivered_is_in_the_body() -> None:
    """The expected keys are those of events in the message, and no two messages share one."""
    mishaps = make_mishaps(NOW_MS)

    for mishap in mishaps:
        assert set(mishap.delivered) <= set(keys_in(mishap.body))
    delivered = [key for mishap in mishaps for key in mishap.delivered]
    assert len(delivered) == len(set(delivered)) > 3


def test_what_mixpanel_refuses_passes_our_own_rules() -> None:
    """The list is longer than the simulator allows here, and no longer than the contract does."""
    [mishap] = [mishap for mishap in make_mishaps(NOW_MS) if mishap.by_mixpanel]

    [_, bad] = json.loads(mishap.body)["events"]

    assert MIXPANEL_MAX_ITEMS < len(bad["properties"]["list"]) <= limits.ARRAY_ELEMENTS
