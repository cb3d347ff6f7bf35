"""What counts as the same event, all the way to Mixpanel's count."""

import json

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.builders import make_body, make_record
from tests.integration.delivery.function import Function, counted, recent_event, sent
from whyness_events import Event


def test_an_event_twice_in_one_invocation_is_sent_once(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Whether in one record or in two, and whatever order its fields have on the wire."""
    event = recent_event(properties={"plan": "gold"})
    reordered = json.dumps(dict(reversed(event.to_wire().items())))

    invocation = function.invoke(
        make_record(make_body(event, event)), make_record(event), make_record(reordered)
    )

    assert invocation.failed_ids == []
    assert invocation.outcomes == {"delivered": 4}
    assert invocation.logged["repeats"] == 3
    assert len(mixpanel.raw_events()) == 1
    assert counted(mixpanel) == sent([event])


def test_an_event_again_in_a_later_invocation_counts_once(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """SQS delivers at least once: the copy is sent, and Mixpanel counts one."""
    event = recent_event()

    for receive_count in (1, 2, 3, 7):
        function.invoke(make_record(event, receive_count=receive_count))

    assert len(mixpanel.raw_events()) == 4
    assert counted(mixpanel) == sent([event])


def test_the_same_four_fields_with_other_content_are_both_sent(
    function: Function, mixpanel: MixpanelSimulator
) -> None:
    """Which of the two is shown is Mixpanel's to say; it counts one."""
    first = recent_event(data="GET")
    second = Event(**{**first.to_wire(), "data": "POST"})

    invocation = function.invoke(make_record(first), make_record(second))

    assert invocation.failed_ids == []
    assert [event["properties"]["data"] for event in mixpanel.raw_events()] == ["GET", "POST"]
    assert counted(mixpanel) == sent([first])


def test_one_row_key_of_two_tables_is_two_events(function: Function, mixpanel: MixpanelSimulator) -> None:
    """Bare keys are safe because the names differ."""
    moment_ms = recent_event().time
    names = ("Audio upload", "User click")
    events = [recent_event(insert_id="45", event=name, time=moment_ms) for name in names]

    invocation = function.invoke(*map(make_record, events))

    assert invocation.outcomes == {"delivered": 2}
    assert counted(mixpanel) == sent(events)


def test_repeats_of_a_dead_event_share_its_dead_letter(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Two records with the same event that Mixpanel refuses: one dead letter, and both are acknowledged."""
    mixpanel.configure(max_items=2)
    event = recent_event(properties={"plans": [1, 2, 3]})

    invocation = function.invoke(make_record(event), make_record(event))

    assert invocation.failed_ids == []
    assert aws.reasons == ["rejected"]
    assert len(aws.rows) == 1


def test_repeats_of_a_dead_event_are_handed_back_together(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Where the one dead letter is refused, neither record is safe."""
    mixpanel.configure(max_items=2)
    event = recent_event(properties={"plans": [1, 2, 3]})
    records = [make_record(event), make_record(event)]
    aws.refuse_entry = lambda _: True

    invocation = function.invoke(*records)

    assert invocation.failed_ids == [record.message_id for record in records]
