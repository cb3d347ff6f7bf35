"""Records that are handed back get their visibility from the real handler, over the wire."""

from local.mixpanel_simulator import MixpanelSimulator
from tests.aws_stub import AwsStub
from tests.aws_stub.errors import AwsError
from tests.aws_stub.stub import DELAY, always
from tests.integration.delivery.function import Function, records_of


def test_records_handed_back_come_again_after_their_pause(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """Only they are delayed, by receipt handle, each by its own jittered pause."""
    mixpanel.faults.add(status=429, headers={"Retry-After": "600"})
    _, records = records_of(25)

    invocation = function.invoke(*records)

    assert len(invocation.failed_ids) == 25
    assert set(aws.delays) == {f"handle-{record.message_id}" for record in records}
    assert set(aws.delays.values()) == {600}


def test_delivered_records_are_not_delayed(function: Function, aws: AwsStub) -> None:
    """The happy path asks nothing of the source queue."""
    _, records = records_of(3)

    function.invoke(*records)

    assert aws.call_count(DELAY) == 0


def test_queue_that_refuses_delays_changes_nothing_else(
    function: Function, mixpanel: MixpanelSimulator, aws: AwsStub
) -> None:
    """The records come back after the queue's own timeout."""
    mixpanel.faults.add(status=404)
    aws.scripts[DELAY] = always(AwsError("InternalError"))
    _, records = records_of(2)

    invocation = function.invoke(*records)

    assert invocation.failed_ids == [record.message_id for record in records]
