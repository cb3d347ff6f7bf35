"""Pure: alternatives for the same events: EventBridge API destinations, a Celery worker."""

import math
from dataclasses import dataclass

from whyness_events.limits import BATCH_ENTRIES, BILLED_BYTES
from whyness_ops.capacity.cost import MONTH_DAYS
from whyness_ops.capacity.load import DAY_S, Load
from whyness_ops.capacity.prices import Prices

# docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html; AWS can raise it. To be checked.
DESTINATION_CALLS_PER_S = 300
CELERY_PROCESSES = 8  # on 2 GB of memory
_DISK_GB = 20
_HOURS = MONTH_DAYS * 24


@dataclass(frozen=True, slots=True)
class Alternative:
    """An alternative: USD a month, and the destinations or instances that the busy hours need."""

    name: str
    usd_per_month: float
    count: int


def api_destinations(load: Load, prices: Prices) -> Alternative:
    """Return EventBridge: each event on a bus, and one request to Mixpanel for each."""
    events = load.events_per_day * MONTH_DAYS
    chunks = math.ceil(load.event_bytes / BILLED_BYTES)
    usd = events * chunks * (prices["eventbridge_event"] + prices["api_destination_call"])
    return Alternative("EventBridge API destinations", usd, _count(load, DESTINATION_CALLS_PER_S))


def celery(load: Load, prices: Prices) -> Alternative:
    """Return Celery with SQS as its broker: a task and a request to Mixpanel for each event."""
    instances = _count(load, CELERY_PROCESSES / (load.answer_ms / 1000 + load.cpu_s_per_event))
    machine = (prices["ec2_hour"] + prices["ipv4_hour"]) * _HOURS + prices["ebs_gb_month"] * _DISK_GB
    requests = load.events_per_day * MONTH_DAYS * (2 + 1 / BATCH_ENTRIES)
    return Alternative("Celery worker", instances * machine + requests * prices["sqs_request"], instances)


def _count(load: Load, events_per_s: float) -> int:
    return max(1, math.ceil(load.events_per_day / DAY_S * load.peak_factor / events_per_s))
