"""The commands `pause` and `resume`: the event source mapping off and on, and until when events are kept."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.aws import Aws, explained
from whyness_ops.dead_letter_queue import Depth, depth
from whyness_ops.errors import Refused
from whyness_ops.stack import Stack
from whyness_ops.stack_options import add_connection, connect
from whyness_ops.stop import Stop
from whyness_ops.watch.facts import oldest_message

PAUSE_EXAMPLES = """examples:
  whyness-mixpanel pause --env prod
  whyness-mixpanel resume --env prod

Events wait in the queue meanwhile; SQS deletes a message 14 days after it was published.
"""
RESUME_EXAMPLES = """examples:
  whyness-mixpanel resume --env prod
"""
_LOOK_AGAIN_S, _LOOKS = 2.0, 60


def add_pausing(group: Commands) -> None:
    """Add both commands."""
    for name, help_, examples, is_on in (
        ("pause", "stop sending; events wait in the queue", PAUSE_EXAMPLES, False),
        ("resume", "send again", RESUME_EXAMPLES, True),
    ):
        parser = add_parser(group, name, help_, examples)
        parser.set_defaults(run=switch, is_on=is_on)
        out = parser.add_argument_group("output")
        out.add_argument("--json", action="store_true", help="one JSON object instead of text")
        add_connection(parser)


def switch(options: argparse.Namespace, stop: Stop) -> int:
    """Switch the mapping; return 0 once Lambda says that it is done."""
    aws, stack = connect(options)
    if stack.is_local:
        raise Refused("The demo has no event source mapping. End the demo to stop it.")
    state = set_mapping(aws, stack, is_on=options.is_on, stop=stop)
    waiting = depth(aws.sqs, stack.need("queue_url"))
    found = {
        "state": state,
        "visible": waiting.visible,
        "hidden": waiting.hidden,
        "kept_until": None if options.is_on else kept_until(aws, stack, datetime.now(UTC), waiting),
    }
    output.emit(found, switched_text, as_json=options.json)
    return 0 if state == ("Enabled" if options.is_on else "Disabled") else 1


def set_mapping(aws: Aws, stack: Stack, *, is_on: bool, stop: Stop) -> str:
    """Switch the mapping on or off, wait for Lambda, and return its last state.

    Raises:
        SetupFault: AWS refuses or cannot be reached.
    """
    uuid = stack.need("mapping_id")
    with explained("the event source mapping"):
        state = str(aws.functions.update_event_source_mapping(UUID=uuid, Enabled=is_on)["State"])
        for _ in range(_LOOKS):
            if state in ("Enabled", "Disabled") or stop.is_set():
                break
            stop.wait(_LOOK_AGAIN_S)
            state = str(aws.functions.get_event_source_mapping(UUID=uuid)["State"])
    return state


def kept_until(aws: Aws, stack: Stack, now: datetime, waiting: Depth) -> str:
    """Return until when SQS keeps the oldest message, as ISO 8601 in UTC.

    By CloudWatch's age, which leaves out what was received more than three times. Where it has none, the time
    is that of what is published now.
    """
    names = ["MessageRetentionPeriod"]
    with explained(f"queue {stack.queue_url}"):
        answer = aws.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=names)
    retention = timedelta(seconds=int(answer["Attributes"][names[0]]))
    age = _oldest(aws, stack, now) if waiting.visible or waiting.hidden else timedelta()
    return (now + retention - age).isoformat(timespec="minutes")


def switched_text(found: Mapping[str, Any]) -> str:
    """Return the result for people."""
    counts = f"{found['visible']} waiting, {found['hidden']} hidden"
    lines = [f"The event source mapping is {found['state'].lower()}. In the queue: {counts}."]
    if found["kept_until"]:
        lines.append(f"SQS keeps the oldest of them until {found['kept_until']}. Resume before that.")
    return "\n".join(lines)


def _oldest(aws: Aws, stack: Stack, now: datetime) -> timedelta:
    with explained("CloudWatch's metrics"):
        answer = aws.cloudwatch.get_metric_data(
            MetricDataQueries=[oldest_message("oldest", stack.queue_url)],
            StartTime=now - timedelta(minutes=15),
            EndTime=now,
        )
    return timedelta(seconds=max((v for r in answer["MetricDataResults"] for v in r["Values"]), default=0.0))
