"""The command `send`: events from a file to the queue, all of them valid, or none is sent."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, Any

from whyness_events import IDENTITIES, Event, encode_message
from whyness_events.outcomes import State
from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.errors import UsageFault
from whyness_ops.event_files import EventLine, WrongLine, pack, read_lines
from whyness_ops.following import Follower, may_send, publish
from whyness_ops.option_types import Number, text
from whyness_ops.progress import Progress
from whyness_ops.stack_options import add_connection, connect
from whyness_ops.stop import Stop

EXAMPLES = """examples:
  whyness-mixpanel send events.jsonl --env dev
  cat events.jsonl | whyness-mixpanel send - --env dev
  whyness-mixpanel send event.json --probe --env dev

A line is an event as JSON, as in docs/reference/message.md: {"event": "Drill", "user": "123"}. A missing
"time" is now. A missing "insert_id" is made from the line: a line with a time counts once, however often
it is sent.
Events cannot be taken back from Mixpanel: for production give --yes.
"""
_MOST_SHOWN = 10


def add_send(group: Commands) -> None:
    """Add the command."""
    parser = add_parser(group, "send", "send events from a file of JSON lines", EXAMPLES)
    parser.set_defaults(run=send)
    parser.add_argument("file", type=text, metavar="FILE", help="JSON lines; - for standard input")
    how = parser.add_argument_group("sending")
    how.add_argument(
        "--identity",
        choices=IDENTITIES,
        default=IDENTITIES[0],
        help="how they name people: %(choices)s (default %(default)s)",
        metavar="MODE",
    )
    how.add_argument(
        "--probe", action="store_true", help="follow the one event to Mixpanel, or to its reason"
    )
    how.add_argument(
        "--within",
        type=Number(1, 3600),
        default=120,
        metavar="SECONDS",
        help="how long to follow it (default 120)",
    )
    how.add_argument("--yes", action="store_true", help="send to production, too")
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_connection(parser)


def send(options: argparse.Namespace, stop: Stop) -> int:
    """Check every line, then send; return 0 where all were sent (with --probe: delivered)."""
    aws, stack = connect(options)
    may_send(stack, is_confirmed=options.yes)
    now_ms = time.time_ns() // 1_000_000
    with _opened(options.file) as file:
        count = _check(read_lines(file, now_ms=now_ms), options.file)
        if options.probe and count != 1:
            raise UsageFault(f"--probe follows one event, and {options.file} has {count}.")
        file.seek(0)
        events = (line for line in read_lines(file, now_ms=now_ms) if isinstance(line, EventLine))
        if options.probe:
            return probe(options, stop, next(events).event)
        sent = 0
        with Progress() as progress:
            for some in pack(events):
                if stop.is_set():
                    break
                publish(aws, stack, encode_message([line.event for line in some], identity=options.identity))
                sent += len(some)
                progress(sent, count, "events sent")
    output.emit({"sent": sent, "of": count}, "Sent {sent} of {of} events.".format_map, as_json=options.json)
    return 0 if sent == count else 1


def probe(options: argparse.Namespace, stop: Stop, event: Event) -> int:
    """Send one event and say where it got to; return 0 where Mixpanel confirmed it."""
    aws, stack = connect(options)

    def say(what: str) -> None:
        print(output.printable(what), file=sys.stderr, flush=True)  # noqa: T201  (a command line talks)

    followed = Follower(aws, stack, stop, options.within, say).follow(event, options.identity)
    found = {"insert_id": event.insert_id, **asdict(followed)}
    output.emit(found, followed_text, as_json=options.json)
    return 0 if followed.state == State.DELIVERED else 1


def followed_text(found: dict[str, Any]) -> str:
    """Return where an event got to, for people."""
    took = f"after {found['took_s']:.0f} s"
    id_ = found["insert_id"]
    why = f"{found['reason']}: {found['detail']}" if found["reason"] else "not tried yet"
    texts = {
        State.DELIVERED: f"Delivered {took}. In Mixpanel, search for $insert_id {id_}.",
        State.DEAD: f"Dead {took}: {why}. Inspect it: whyness-mixpanel dlq show --insert-id {id_}",
        State.WAITING: f"Still in the queue {took}: {why}. It will be tried again.",
    }
    return texts[found["state"]]


def _check(lines: Iterator[EventLine | WrongLine], name: str) -> int:
    """Return how many events there are.

    Raises:
        UsageFault: a line is not an event; the first of them are named.
    """
    count, wrong = 0, list[str]()
    for line in lines:
        count += 1
        if isinstance(line, WrongLine):
            wrong.append(str(line))
    if wrong:
        shown = "\n".join(islice(wrong, _MOST_SHOWN))
        raise UsageFault(f"{name}: {len(wrong)} of {count} lines are not events. Nothing was sent.\n{shown}")
    if not count:
        raise UsageFault(f"{name} has no line. Nothing was sent.")
    return count


@contextmanager
def _opened(name: str) -> Iterator[IO[str]]:
    """Give the file, which can be read twice.

    Raises:
        UsageFault: it cannot be read.
    """
    try:
        if name != "-":
            with Path(name).open(encoding="utf-8") as file:
                yield file
            return
        with tempfile.TemporaryFile("w+", encoding="utf-8") as copy:
            copy.writelines(sys.stdin)
            copy.seek(0)
            yield copy
    except OSError as error:
        raise UsageFault(f"Cannot read {name}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageFault(f"{name} is not UTF-8 text.") from error
