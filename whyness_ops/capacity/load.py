"""Pure: the load and the stack's settings, and the messages and receive batches that follow from them."""

import math
from dataclasses import dataclass

from whyness_events.limits import BILLED_BYTES, REQUEST_EVENTS, Limit
from whyness_ops.capacity.prices import measured

_WITH_SQS = "docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html, read 2026-11"
_SQS_QUOTAS = (
    "docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html, read 2026-11"
)
_LAMBDA_QUOTAS = "docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, read 2026-11"
_RATE_LIMITS = "docs.mixpanel.com/reference/rate-limits, read 2026-11"

MIXPANEL_EVENTS_PER_S = Limit(30_000, "events/s of a project", _RATE_LIMITS)
MIXPANEL_BYTES_PER_MIN = Limit(2_000_000_000, "bytes of uncompressed JSON of a project", _RATE_LIMITS)
MIXPANEL_CLIENTS = Limit(20, "concurrent clients, at most, that Mixpanel recommends", _RATE_LIMITS)
PAYLOAD_BYTES = Limit(6_000_000, "bytes of one invocation's payload", _LAMBDA_QUOTAS)
ACCOUNT_CONCURRENCY = Limit(1_000, "concurrent runs of all functions of an account", _LAMBDA_QUOTAS)
CPU_MB = Limit(1_769, "MB of memory that come with one vCPU", _LAMBDA_QUOTAS)
IN_FLIGHT = Limit(120_000, "messages of a queue, received and not deleted", _SQS_QUOTAS)
BATCH_MESSAGES = Limit(10_000, "messages of a receive batch", _WITH_SQS)
POLLERS = Limit(5, "receive batches at once, where Lambda begins", _WITH_SQS)
POLLERS_PER_MIN = Limit(300, "more of them a minute", _WITH_SQS)
PROVISIONED_MESSAGES_PER_S = Limit(100, "messages/s of one provisioned poller", _WITH_SQS)
PROVISIONED_BYTES_PER_S = Limit(1_048_576, "bytes/s of one provisioned poller", _WITH_SQS)
PROVISIONED_POLLERS = Limit(10_000, "provisioned pollers of a queue", _WITH_SQS)

# As in the template and the publisher; tests compare them.
WINDOW_S = 5
SENDER_THREADS = 4
REQUEST_BYTES = 9_500_000
MESSAGE_BYTES = BILLED_BYTES - 536
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Load:
    """The load and the stack's settings.

    Args:
        events_per_day: on an average day, spread over all projects.
        event_bytes: of an event's JSON in a message.
        events_per_message: on average, as the publisher packs them (see live_events_per_message); fewer if
            they would exceed 64 KiB.
        peak_factor: the busy hours relative to the day's mean; half of the day's events arrive in them.
        outage_hours: length of an outage of Mixpanel that starts with the busy hours.
        answer_ms: Mixpanel's time to answer a request.
        projects: of Mixpanel, each with its own stack.
        memory_mb: of the function.
        concurrency: MaximumConcurrency of the event source mapping.
        dead_per_million: events that end in the dead-letter queue.
    """

    events_per_day: float
    event_bytes: int = 450
    events_per_message: float = 100
    peak_factor: float = 2.0
    outage_hours: float = 4.0
    answer_ms: float = 300.0
    projects: int = 1
    memory_mb: int = 512
    concurrency: int = 4
    dead_per_million: float = 100.0

    @property
    def packed(self) -> float:
        """Return how many events a message has, on average."""
        return max(1, min(self.events_per_message, MESSAGE_BYTES // self.event_bytes))

    @property
    def message_bytes(self) -> float:
        """Return the size of a message's body."""
        return self.packed * self.event_bytes + measured().envelope_bytes

    @property
    def mixpanel_bytes(self) -> int:
        """Return what Mixpanel counts for one event."""
        return self.event_bytes + measured().added_bytes

    @property
    def mean_per_s(self) -> float:
        """Return the events per second of a day."""
        return self.events_per_day / DAY_S

    @property
    def peak_per_s(self) -> float:
        """Return the events per second of the busy hours."""
        return self.mean_per_s * self.peak_factor

    @property
    def peak_s(self) -> float:
        """Return how long the busy hours are together."""
        return DAY_S / (2 * self.peak_factor)

    @property
    def rest_per_s(self) -> float:
        """Return the events per second of the other hours."""
        return self.events_per_day / 2 / (DAY_S - self.peak_s)

    @property
    def full_messages(self) -> int:
        """Return how many messages fill a receive batch."""
        size_bytes = self.message_bytes * measured().escaped_part + measured().record_bytes
        return max(1, min(BATCH_MESSAGES, int(PAYLOAD_BYTES / size_bytes)))

    @property
    def full_events(self) -> int:
        """Return how many events fill a receive batch."""
        return round(self.full_messages * self.packed)

    def requests(self, events: float) -> int:
        """Return how many requests so many events take."""
        return max(1, math.ceil(max(events / REQUEST_EVENTS, events * self.mixpanel_bytes / REQUEST_BYTES)))

    @property
    def cpu_s_per_event(self) -> float:
        """Return CPU of the handler: a part of each event, and one of each message, from two measurements."""
        packed, single = measured().cpu_s_per_100k_packed, measured().cpu_s_per_100k_single
        of_message = (single - packed) / (1 - 1 / 100)
        return (single - of_message + of_message / self.packed) / 100_000

    @property
    def cpu_part(self) -> float:
        """Return the part of a vCPU that the function has; one thread does the work, so at most one."""
        return min(1.0, self.memory_mb / CPU_MB)

    def duration_s(self, events: float) -> float:
        """Return how long an invocation with so many events takes: its CPU, then answers in rounds."""
        rounds = math.ceil(self.requests(events) / SENDER_THREADS)
        return events * self.cpu_s_per_event / self.cpu_part + rounds * self.answer_ms / 1000
