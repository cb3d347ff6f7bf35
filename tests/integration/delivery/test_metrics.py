"""What CloudWatch reads from the function's output."""

import time
from typing import Any

import pytest

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import large_properties, make_body, make_raw, make_record
from tests.integration.delivery.function import FUNCTION_NAME, Function, Invocation, recent_event, records_of
from whyness_events.delivery.invocation_report import Report
from whyness_events.delivery.telemetry import LOG_FIELDS, METRICS, NAMESPACE, OUTCOME_METRIC, log_fields
from whyness_events.outcomes import Reason

# Each value of a dimension is billed as a metric of its own.
MOST_REASONS = 12
# Source: CloudWatch embedded metric format specification, 2026-11-23.
MOST_METRICS_PER_DOCUMENT = 100


def directives(invocation: Invocation) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each document with each of its metric directives."""
    return [(doc, directive) for doc in invocation.metrics for directive in doc["_aws"]["CloudWatchMetrics"]]


def mixed_invocation(function: Function, mixpanel: MixpanelSimulator) -> Invocation:
    """Run one invocation with an event of every outcome that one can have."""
    mixpanel.configure(max_items=2)
    oversized = make_raw(properties=large_properties(1_000_000))
    mixpanel.faults.add(status=503, body_contains="outage")
    repeated = recent_event(data="y" * 300)
    return function.invoke(
        make_record(make_body(recent_event(), repeated, repeated)),
        make_record(recent_event(properties={"plans": [1, 2, 3]})),
        make_record(make_body(oversized)),
        make_record("not JSON"),
        make_record(recent_event(data="outage"), receive_count=3),
        make_record('{"schema_version": 2}'),
    )


def test_every_metric_is_in_every_invocation(function: Function, mixpanel: MixpanelSimulator) -> None:
    """Names and units are the table's, no more and no fewer: alarms and runbook rely on them."""
    invocation = mixed_invocation(function, mixpanel)

    defined = [m for _, directive in directives(invocation) for m in directive["Metrics"]]
    found = {(m["Name"], m["Unit"]) for m in defined if m["Name"] != OUTCOME_METRIC}
    assert found == {(m.name, m.unit.value) for m in METRICS}
    assert {m["Name"] for m in defined} - {m.name for m in METRICS} == {OUTCOME_METRIC}


def test_every_field_is_in_the_line_of_every_invocation(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Saved queries and tools read these names; each is in the runbook's table."""
    invocation = mixed_invocation(function, mixpanel)

    assert [field.name for field in LOG_FIELDS if field.name not in invocation.logged] == []
    assert {field.name for field in LOG_FIELDS} == set(log_fields(Report(), "id", "v1"))


@pytest.mark.parametrize("project", ["1", "no number"])
def test_the_line_says_what_is_deployed(
    function: Function, mixpanel: MixpanelSimulator, project: str
) -> None:
    """Also where the settings are faulty, for then somebody asks what was deployed last."""
    function.set(REVISION="v1.2.0-3-g0123abc", MIXPANEL_PROJECT_ID=project)

    assert mixed_invocation(function, mixpanel).logged["revision"] == "v1.2.0-3-g0123abc"


def test_the_dimensions_are_service_and_only_on_the_outcomes_reason(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Anything else would bill a metric per value; the service is the function, another in each stack."""
    invocation = mixed_invocation(function, mixpanel)

    for document, directive in directives(invocation):
        names = {metric["Name"] for metric in directive["Metrics"]}
        [dimensions] = directive["Dimensions"]
        expected = {"service", "reason"} if names == {OUTCOME_METRIC} else {"service"}
        assert set(dimensions) == expected
        assert document["service"] == FUNCTION_NAME
        assert directive["Namespace"] == NAMESPACE


def test_reasons_are_a_closed_list(function: Function, mixpanel: MixpanelSimulator) -> None:
    """Whatever happens, `reason` is one of at most twelve outcomes."""
    invocation = mixed_invocation(function, mixpanel)

    reasons = {document["reason"] for document in invocation.metrics if "reason" in document}
    assert reasons == {"delivered", "rejected", "oversized", "unreadable", "retry", "setup"}
    assert reasons <= set(Reason)
    assert len(Reason) <= MOST_REASONS


def test_documents_are_what_cloudwatch_takes(function: Function, mixpanel: MixpanelSimulator) -> None:
    """Each names values that are there, as numbers, of now, and few enough."""
    before_ms = time.time() * 1000

    invocation = mixed_invocation(function, mixpanel)

    for document, directive in directives(invocation):
        assert before_ms - 1000 <= document["_aws"]["Timestamp"] <= time.time() * 1000 + 1000
        assert len(directive["Metrics"]) <= MOST_METRICS_PER_DOCUMENT
        for metric in directive["Metrics"]:
            value = document[metric["Name"]]
            values = value if isinstance(value, list) else [value]
            assert [v for v in values if not isinstance(v, int | float)] == []
        for dimension in directive["Dimensions"][0]:
            assert document[dimension]


def test_the_numbers_are_those_of_the_invocation(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Events by outcome add up to the events received, and the counts are true."""
    invocation = mixed_invocation(function, mixpanel)

    assert invocation.outcomes == {
        "delivered": 3,
        "rejected": 1,
        "oversized": 1,
        "unreadable": 1,
        "retry": 1,
        "setup": 1,
    }
    assert invocation.metric("EventsReceived") == sum(invocation.outcomes.values())
    assert invocation.metric("EventsDelivered") == 3
    assert invocation.logged["repeats"] == 1
    assert invocation.metric("RecordsHandedBack") == len(invocation.failed_ids) == 2
    assert invocation.metric("SetupFaults") == 1
    assert invocation.logged["strings_cut"] == 2
    assert invocation.logged["requests"] == mixpanel.stats()["requests"]
    assert invocation.logged["request_bytes"] > 0
    assert invocation.logged["slowest_answer_ms"] > 0
    assert invocation.metric("DeadLettersRefused") == 0
    assert len(aws.letters) == 3


def test_ages_are_counted_from_when_the_message_was_sent(function: Function) -> None:
    """Age of the oldest record received, and of the oldest of which something was delivered."""
    now_ms = int(time.time() * 1000)
    old = make_record("not JSON", sent_ms=now_ms - 7_200_000)
    fresh = make_record(recent_event(), sent_ms=now_ms - 60_000)

    invocation = function.invoke(old, fresh)

    assert 7_200_000 <= invocation.metric("OldestRecordAge") < 7_260_000
    assert 60_000 <= invocation.metric("DeliveryLag") < 120_000


def test_an_outage_shows_although_nothing_is_visible_in_the_queue(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Received above zero with nothing delivered is what the alarm looks at."""
    mixpanel.faults.add(status=503)

    invocation = function.invoke(*records_of(3)[1])

    assert invocation.metric("EventsReceived") == 3
    assert invocation.metric("EventsDelivered") == 0
    assert invocation.metric("RecordsHandedBack") == 3


def test_faulty_settings_show_as_a_setup_fault(function: Function) -> None:
    """The alarm for an operator works when nothing else does."""
    function.set(SENDER_THREADS="0")

    invocation = function.invoke(*records_of(3)[1])

    assert invocation.metric("SetupFaults") == 3
    assert invocation.metric("RecordsHandedBack") == 3
