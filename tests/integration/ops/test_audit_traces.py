"""The audit traces missing events in an emulated stack, with the viewer's rights, and leaves it as it was."""

from pathlib import Path

from local.mixpanel_simulator import MixpanelSimulator
from tests.builders import make_body
from tests.integration.ops.conftest import Desk
from tests.integration.ops.test_audit_simulator import EVENTS, quick, run, send, simulator  # noqa: F401  (fixtures)
from tests.rights import VIEWER
from whyness_events import encode_message


def test_each_missing_event_is_found_where_it_is(
    desk: Desk,
    simulator: MixpanelSimulator,  # noqa: F811
    tmp_path: Path,
    calls: set[str],
) -> None:
    """Dead with a row, moved by SQS without one, and nowhere: undecided if the queue has a message."""
    dead, crashed, lost, *there = EVENTS
    send(simulator, there)
    desk.bury(dead, reason="exhausted")
    desk.send_dead(encode_message([crashed], identity="simplified"))
    calls.clear()

    code, found, findings = run(simulator, tmp_path)

    assert (code, found["traced"]) == (1, {"dead: exhausted": 1, "dead: unknown": 1, "no trace": 1})
    assert findings == {("missing", event.insert_id) for event in (dead, crashed, lost)}
    assert {"query", "receive_message", "get_queue_attributes"} < calls <= VIEWER.keys()
    desk.sqs.send_message(QueueUrl=desk.resources.queue_url, MessageBody=make_body(lost))
    code, found, findings = run(simulator, tmp_path)
    assert (code, found["traced"]["queue not empty"]) == (1, 1)
    assert ("undecided", lost.insert_id) in findings
    assert (len(desk.dead()), len(desk.queued())) == (2, 1)


def test_a_healthy_audit_asks_aws_nothing(
    desk: Desk,  # noqa: ARG001  (it sets the environment)
    simulator: MixpanelSimulator,  # noqa: F811
    tmp_path: Path,
    calls: set[str],
) -> None:
    """However many events there are."""
    send(simulator, EVENTS)

    assert run(simulator, tmp_path)[0] == 0
    assert calls == set()
