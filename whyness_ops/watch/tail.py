"""The command `tail`: outcomes and refusals as they happen."""

import argparse
import json
import time
from datetime import UTC, datetime

from whyness_events.outcomes import Reason
from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.option_types import Number
from whyness_ops.stack_options import add_connection, connect
from whyness_ops.stop import Stop
from whyness_ops.watch.log_lines import INVOCATION, NOT_DELIVERED, Line
from whyness_ops.watch.log_poller import LogPoller

EXAMPLES = """examples:
  whyness-mixpanel tail --env prod
  whyness-mixpanel tail --env prod --since 60
  whyness-mixpanel tail --env prod --json

A line comes some seconds after it was written. Ctrl-C ends it.
"""
POLL_S = 2.0
_NOT_SHOWN = {"level", "location", "message", "timestamp", "service"}


def add_tail(group: Commands) -> None:
    """Add the command."""
    parser = add_parser(group, "tail", "show outcomes and refusals as they happen", EXAMPLES)
    parser.set_defaults(run=tail)
    what = parser.add_argument_group("selection")
    what.add_argument(
        "--since", type=Number(0, 1440), metavar="MINUTES", default=5, help="begin so long ago (default 5)"
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="one JSON object a line instead of text")
    add_connection(parser)


def tail(options: argparse.Namespace, stop: Stop) -> int:
    """Show the lines until it is stopped."""
    aws, stack = connect(options)
    since_ms = time.time_ns() // 1_000_000 - int(options.since * 60_000)
    poller = LogPoller(aws.logs, stack.need("log_group"), since_ms)
    while not stop.is_set():
        for line in poller.poll():
            text = json.dumps(shown(line)) if options.json else output.printable(line_text(line))
            print(text, flush=True)  # noqa: T201  (a command line talks)
        stop.wait(POLL_S)
    return 0


def shown(line: Line) -> dict[str, object]:
    """Return the line for programs."""
    fields = {name: value for name, value in line.fields.items() if name not in _NOT_SHOWN}
    return {"time": _moment(line), "message": line.message, **fields}


def line_text(line: Line) -> str:
    """Return the line for people: when, what, how many, and why."""
    fields = line.fields
    if line.message == INVOCATION:
        outcomes = ", ".join(f"{count} {reason}" for reason, count in sorted(line.outcomes.items()))
        lag = (
            f", lag {line.count('delivery_lag_ms') / 1000:.1f} s"
            if line.outcomes.get(str(Reason.DELIVERED))
            else ""
        )
        return f"{_moment(line)}  {outcomes or 'no events'}{lag}"
    if line.message == NOT_DELIVERED:
        ids = [*_texts(fields.get("insert_ids")), *_texts(fields.get("message_ids"))]
        where = f" [{', '.join(ids[:3])}]" if ids else ""
        return f"{_moment(line)}    {fields.get('reason', '?')}: {fields.get('detail', '')}{where}".replace(
            "\n", " "
        )
    names = ("aws_service", "operation", "code")
    what = " ".join(str(fields.get(name, "")) for name in names)
    return f"{_moment(line)}    AWS refused {what}, {line.count('count')} times".replace("\n", " ")


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _moment(line: Line) -> str:
    return (
        datetime.fromtimestamp(line.time_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
