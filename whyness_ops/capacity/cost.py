"""Pure: what a month of 30 days costs, by service."""

import math
from dataclasses import dataclass

from whyness_events.limits import BATCH_ENTRIES, BILLED_BYTES
from whyness_ops.capacity.bounds import runs_per_s
from whyness_ops.capacity.load import DAY_S, POLLERS, Load
from whyness_ops.capacity.prices import Prices, measured

MONTH_DAYS = 30
# As in the template and the handler; tests hold them together.
ALARM_METRICS = 19  # what the alarms of a prod stack read: metric math is billed for each metric in it
COMPOSITE_ALARMS = 1  # an alarm that is made of others, and reads no metric
METRICS = 18  # 10, and one of 8 reasons each
LOG_DAYS = 30
ROW_DAYS = 90
_ROW_BYTES = 1_000
_ROW_WRITES = 2  # the table and its index
_POLLS_PER_S = 10  # of one poller; see docs/reference/capacity.md
_LONG_POLL_S = 20
_GB = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Costs:
    """USD a month. `polls`, `alarms` and `fixed` are what a stack costs without events.

    Args:
        sqs, lambda_, dynamodb, logs: what the events cost.
        polls: asking an empty queue.
        alarms: of a prod stack.
        fixed: metrics, dashboard, secret, and the key that encrypts alarm mails.
    """

    sqs: float
    lambda_: float
    dynamodb: float
    logs: float
    polls: float
    alarms: float
    fixed: float

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.variable + self.idle

    @property
    def idle(self) -> float:
        """Return what is billed without any event."""
        return self.polls + self.alarms + self.fixed

    @property
    def variable(self) -> float:
        """Return what depends on the events."""
        return self.sqs + self.lambda_ + self.dynamodb + self.logs


def monthly(load: Load, prices: Prices) -> Costs:
    """Return what the stacks cost in 30 days."""
    month_s = MONTH_DAYS * DAY_S
    runs = sum(runs_per_s(load, rate) * part for rate, part in _rates(load)) * month_s
    gb_s = load.memory_mb / 1024 * sum(_busy_s(load, rate) * part for rate, part in _rates(load)) * month_s
    log_gb = runs * measured().log_bytes / _GB
    return Costs(
        sqs=prices["sqs_request"] * sqs_requests(load),
        lambda_=prices["lambda_request"] * runs + prices["lambda_gb_s"] * gb_s,
        dynamodb=_rows_usd(load, prices),
        logs=log_gb * (prices["logs_gb"] + prices["logs_gb_month"] * LOG_DAYS / MONTH_DAYS),
        polls=load.projects * POLLERS / _LONG_POLL_S * month_s * prices["sqs_request"],
        alarms=load.projects * _alarms_usd(prices),
        fixed=load.projects * _fixed_usd(prices),
    )


def _alarms_usd(prices: Prices) -> float:
    return ALARM_METRICS * prices["alarm_month"] + COMPOSITE_ALARMS * prices["composite_alarm_month"]


def _fixed_usd(prices: Prices) -> float:
    own = ("dashboard_month", "secret_month", "key_month")
    return METRICS * prices["metric_month"] + sum(prices[name] for name in own)


def sqs_requests(load: Load) -> float:
    """Return the billed requests of a month's events: sends, receives, deletes, dead letters."""
    month_s = MONTH_DAYS * DAY_S
    sent = _sends_per_message(load)
    dead = load.events_per_day * MONTH_DAYS * load.dead_per_million / 1_000_000
    found = dead
    for events_per_s, part in _rates(load):
        messages_per_s = events_per_s / load.packed
        each = min(BATCH_ENTRIES, max(1.0, messages_per_s / load.projects / (POLLERS * _POLLS_PER_S)))
        received = max(1 / each, load.message_bytes / BILLED_BYTES)
        found += messages_per_s * (sent + received + 1 / each) * part * month_s
    return found


def sending_usd_per_million(load: Load, prices: Prices) -> float:
    """Return what the publisher's requests cost, by a million events."""
    return _sends_per_message(load) / load.packed * 1_000_000 * prices["sqs_request"]


def _sends_per_message(load: Load) -> int:
    return math.ceil(load.message_bytes / BILLED_BYTES)


def _rates(load: Load) -> tuple[tuple[float, float], tuple[float, float]]:
    busy = load.peak_s / DAY_S
    return (load.peak_per_s, busy), (load.rest_per_s, 1 - busy)


def _busy_s(load: Load, events_per_s: float) -> float:
    runs = runs_per_s(load, events_per_s)
    return runs * load.duration_s(events_per_s / runs)


def _rows_usd(load: Load, prices: Prices) -> float:
    rows = load.events_per_day * MONTH_DAYS * load.dead_per_million / 1_000_000
    kept_gb = rows * ROW_DAYS / MONTH_DAYS * _ROW_BYTES / _GB
    kept = prices["dynamodb_gb_month"] * _ROW_WRITES + prices["dynamodb_backup_gb_month"]
    return rows * _ROW_WRITES * prices["dynamodb_write"] + kept_gb * kept
