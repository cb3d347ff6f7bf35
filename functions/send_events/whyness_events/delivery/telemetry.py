"""Edge: metrics in CloudWatch's embedded format; METRICS says what each means (the runbook's table)."""

from collections.abc import Mapping
from typing import NamedTuple

from aws_lambda_powertools import Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from whyness_events.delivery.report import Report
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
    Metric("Repeats", MetricUnit.Count, "events equal to another one of the invocation, sent once"),
    Metric("RecordsHandedBack", MetricUnit.Count, "records that stay in the queue"),
    Metric(
        "SetupFaults", MetricUnit.Count, "events that wait for an operator: credentials, project, settings"
    ),
    Metric("BreakerOpen", MetricUnit.Count, "1 while the container sends nothing, for its set-up is refused"),
    Metric("SuspectRecords", MetricUnit.Count, "records received so often that they were handled last"),
    Metric("InternalFaults", MetricUnit.Count, "records that met a bug; they stay in the queue"),
    Metric("DeadLettersRefused", MetricUnit.Count, "dead letters that the queue did not confirm"),
    Metric("DelaysLost", MetricUnit.Count, "records handed back that keep the queue's own timeout"),
    Metric("DeletesLost", MetricUnit.Count, "settled records that the queue did not confirm to have deleted"),
    Metric("RowsDelivered", MetricUnit.Count, "rows of redriven events moved to the state delivered"),
    Metric("LogWritesLost", MetricUnit.Count, "rows that the Log table did not take"),
    Metric("StringsCut", MetricUnit.Count, "strings over 255 bytes, at any depth, cut as Mixpanel would"),
    Metric("Requests", MetricUnit.Count, "requests to Mixpanel"),
    Metric("RequestBytes", MetricUnit.Bytes, "their bodies before compression"),
    Metric("AnswerTime", MetricUnit.Milliseconds, "the slowest answer of the invocation"),
    Metric("OldestRecordAge", MetricUnit.Milliseconds, "age of the oldest record received"),
    Metric("DeliveryLag", MetricUnit.Milliseconds, "age of the oldest record delivered"),
)


def values(report: Report) -> Mapping[str, float]:
    """Return a value for each of METRICS."""
    return {
        "EventsReceived": report.event_count,
        "EventsDelivered": report.outcomes[Reason.DELIVERED],
        "Repeats": report.repeats,
        "RecordsHandedBack": len(report.settled.failed_message_ids),
        "SetupFaults": report.outcomes[Reason.SETUP],
        "BreakerOpen": int(report.is_breaker_open),
        "SuspectRecords": report.suspects,
        "InternalFaults": report.internal_faults.total(),
        "DeadLettersRefused": report.settled.letters_refused,
        "DelaysLost": report.delays_lost,
        "DeletesLost": report.deletes_lost,
        "RowsDelivered": report.settled.rows_delivered,
        "LogWritesLost": report.settled.log_writes_lost,
        "StringsCut": report.strings_cut,
        "Requests": report.sending.requests,
        "RequestBytes": report.sending.body_bytes,
        "AnswerTime": max(report.sending.latency_ms, default=0),
        "OldestRecordAge": report.oldest_record_ms,
        "DeliveryLag": report.delivery_lag_ms,
    }


def emit(report: Report, service: str) -> None:
    """Print the metrics of one invocation; `service` is the function's name, another one in each stack."""
    metrics = Metrics(namespace=NAMESPACE, service=service)
    found = values(report)
    for name, unit, _ in METRICS:
        metrics.add_metric(name, unit, found[name])
    metrics.flush_metrics()
    for reason, count in sorted(report.outcomes.items()):
        with single_metric(OUTCOME_METRIC, MetricUnit.Count, count, namespace=NAMESPACE) as metric:
            metric.add_dimension("service", service)
            metric.add_dimension("reason", str(reason))
