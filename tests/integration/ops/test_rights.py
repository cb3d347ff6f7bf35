"""Each command calls no more than the policy of the person who runs it allows."""

from typing import Any

import pytest
from botocore import xform_name
from botocore.client import BaseClient

from tests.builders import make_event
from tests.integration.ops.conftest import Desk
from tests.rights import OPERATOR, VIEWER
from tests.unit.ops.watch.fake_aws import REQUESTS, STACK, WELL
from whyness_ops.cli import main
from whyness_ops.stack import NAMES


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """As `calls`, where AWS's answers are those of a stack that is well: the emulator lacks services."""
    found: set[str] = set()
    outputs = [{"OutputKey": output, "OutputValue": getattr(STACK, field)} for field, output, _ in NAMES]
    described = {"Stacks": [{**WELL["deployment"]["Stacks"][0], "Outputs": outputs}]}
    answers = {operation: WELL[name] for name, (_, operation) in REQUESTS.items()}

    def answer(_: Any, operation: str, arguments: Any) -> Any:
        name = xform_name(operation)
        found.add(name)
        is_dead = str(arguments.get("QueueUrl", "")).endswith("dead-letters")
        return described if name == "describe_stacks" else WELL["dead"] if is_dead else answers[name]

    monkeypatch.setattr(BaseClient, "_make_api_call", answer)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    return found


def test_who_looks_needs_the_viewers_rights(desk: Desk, calls: set[str]) -> None:
    """Commands that show something run with ViewerPolicy."""
    desk.bury(make_event(insert_id="wanted"))
    calls.clear()

    for command in ("dlq list --days 1", "dlq show --insert-id wanted", "log list --days 1"):
        desk.ask(*command.split())

    assert {"receive_message", "query"} < calls <= VIEWER.keys()


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        ("status", set[str]()),
        (
            "doctor --drift",
            {
                "detect_stack_drift",
                "describe_stack_drift_detection_status",
                "describe_stack_resource_drifts",
            },
        ),
    ],
)
def test_who_asks_whether_all_is_well_needs_the_viewers_rights(
    answered: set[str], command: str, drift: set[str]
) -> None:
    """Each question is one that ViewerPolicy allows; what was changed by hand is for operators."""
    assert main([*command.split(), "--stack", "s", "--region", "eu-west-1"]) in (0, 1)

    assert "get_event_source_mapping" in answered
    assert answered - drift <= VIEWER.keys()
    assert drift <= answered & OPERATOR.keys()


def test_who_acts_needs_the_operators_rights(desk: Desk, calls: set[str]) -> None:
    """Commands that change something run with OperatorPolicy, which has what each of them needs."""
    desk.bury(make_event(insert_id="one"))
    desk.bury(make_event(insert_id="another"))
    calls.clear()

    for command in ("log rebuild", "redrive --insert-id one", "redrive --all"):
        desk.run(*command.split())

    moving = {
        "start_message_move_task",
        "send_message_batch",
        "delete_message_batch",
        "update_item",
        "put_item",
    }
    assert moving < calls <= VIEWER.keys() | OPERATOR.keys()
