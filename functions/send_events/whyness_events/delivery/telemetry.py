"""Edge: what an invocation tells CloudWatch. The runbook's tables are METRICS and LOG_FIELDS.

A metric is billed by the month and exists only where an alarm or the dashboard reads it. All else is a field
of the log line `invocation`, which costs its bytes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from aws_lambda_powertools import Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from whyness_events.delivery.invocation_report import Report
from whyness_events.outcomes import Reason

NAMESPACE = "Whyness"
# The one counter with the dimension `reason`, a closed list: each of its values is a billed metric.
OUTCOME_METRIC = "Events"


class Metric(NamedTuple):
    """One metric: name, unit, meaning."""

    name: str
    unit: MetricUnit
    meaning: str


METRICS = (
    Metric("EventsReceived", MetricUnit.Count, "events in the invocation, repeats included"),
    Metric("EventsDelivered", MetricUnit.Count, "events that Mixpanel confirmed"),
    Metric("RecordsHandedBack", MetricUnit.Count, "records that stay in the queue, but for `early` alone"),
    Metric(
        "SetupFaults", MetricUnit.Count, "events that wait for an operator: credentials, project, settings"
    ),
    Metric("BreakerOpen", MetricUnit.Count, "1 while the container sends nothing, for its set-up is refused"),
    Metric("InternalFaults", MetricUnit.Count, "records that met a bug; they stay in the queue"),
    Metric("DeadLettersRefused", MetricUnit.Count, "dead letters that the queue did not confirm"),
    Metric("LogWritesLost", MetricUnit.Count, "rows that the Log table did not take"),
    Metric("OldestRecordAge", MetricUnit.Milliseconds, "age of the oldest record received, since it was due"),
    Metric("DeliveryLag", MetricUnit.Milliseconds, "age of the oldest record delivered, since it was due"),
)


class LogField(NamedTuple):
    """One field of the log line `invocation`: an interface, for saved queries and tools read it."""

    name: str
    meaning: str


LOG_FIELDS = (
    LogField("request_id", "of the invocation"),
    LogField("revision", "what is deployed, as git describes it"),
    LogField("outcomes", "events by outcome, an object of counts"),
    LogField("events_received_first", "events of records that were received for the first time"),
    LogField("handed_back", "records that stay in the queue"),
    LogField("requests", "requests to Mixpanel"),
    LogField("request_bytes", "their bodies before compression"),
    LogField("slowest_answer_ms", "the slowest answer to them"),
    LogField("oldest_record_ms", "age of the oldest record received, since it was due"),
    LogField("delivery_lag_ms", "age of the oldest record delivered, since it was due"),
    LogField("is_breaker_open", "whether the container sends nothing, because its set-up is refused"),
    LogField("repeats", "events equal to another one of the invocation, sent once"),
    LogField("strings_cut", "strings over 255 bytes, at any depth, cut as Mixpanel would"),
    LogField("suspect_records", "records received so often that they were handled last"),
    LogField("rows_delivered", "rows of redriven events moved to the state delivered"),
    LogField("delays_lost", "records handed back that keep the queue's own timeout"),
    LogField("deletes_lost", "settled records that the queue did not confirm to have deleted"),
)


def log_fields(report: Report, request_id: str, revision: str) -> Mapping[str, Any]:
    """Return a value for each of LOG_FIELDS."""
    return {
        "request_id": request_id,
        "revision": revision,
        "outcomes": {str(reason): count for reason, count in report.outcomes.items()},
        "events_received_first": report.events_received_first,
        "handed_back": len(report.settled.failed_message_ids),
        "requests": report.sending.requests,
        "request_bytes": report.sending.body_bytes,
        "slowest_answer_ms": round(max(report.sending.latency_ms, default=0)),
        "oldest_record_ms": report.oldest_record_ms,
        "delivery_lag_ms": report.delivery_lag_ms,
        "is_breaker_open": report.is_breaker_open,
        "repeats": report.repeats,
        "strings_cut": report.strings_cut,
        "suspect_records": report.suspects,
        "rows_delivered": report.settled.rows_delivered,
        "delays_lost": report.delays_lost,
        "deletes_lost": report.deletes_lost,
    }


def values(report: Report) -> Mapping[str, float]:
    """Return a value for each of METRICS."""
    return {
        "EventsReceived": report.event_count,
        "EventsDelivered": report.outcomes[Reason.DELIVERED],
        "RecordsHandedBack": report.settled.troubled_count,
        "SetupFaults": report.outcomes[Reason.SETUP],
        "BreakerOpen": int(report.is_breaker_open),
        "InternalFaults": report.internal_faults.total(),
        "DeadLettersRefused": report.settled.dead_letters_refused,
        "LogWritesLost": report.settled.log_writes_lost,
        "OldestRecordAge": report.oldest_record_ms,
        "DeliveryLag": report.delivery_lag_ms,
    }


def emit(report: Report, service: str) -> None:
    """Print the metrics of one invocation; `service` is the function's name, another one in each stack."""
    metrics = Metrics(namespace=NAMESPACE, service=service)
    metric_values = values(report)
    for name, unit, _ in METRICS:
        metrics.add_metric(name, unit, metric_values[name])
    metrics.flush_metrics()
    for reason, count in sorted(report.outcomes.items()):
        with single_metric(OUTCOME_METRIC, MetricUnit.Count, count, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", service)
            metric.add_dimension("reason", str(reason))
