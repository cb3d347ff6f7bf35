"""The commands `status` and `doctor`: their options, and what they print."""

import argparse
import os
import sys
import time
import uuid
from dataclasses import asdict

from whyness_events import IDENTITIES, Event
from whyness_events.outcomes import State
from whyness_ops import output
from whyness_ops.argument_parser import Commands, add_parser
from whyness_ops.following import Follower, may_send
from whyness_ops.option_types import Number, text, wrong
from whyness_ops.stack_options import add_connection, connect
from whyness_ops.stop import Stop
from whyness_ops.watch import facts
from whyness_ops.watch.doctor import examine, is_well
from whyness_ops.watch.scope import Scope
from whyness_ops.watch.status import Row, assess, rows_text, status_text

STATUS_EXAMPLES = """examples:
  whyness-mixpanel status --env prod
  whyness-mixpanel status --env prod --watch
  whyness-mixpanel status --stack whyness-mixpanel-prod --json
  whyness-mixpanel status --env prod --health https://example.com/mixpanel/health/

Exit code 0 if all is well, 1 if not. What this machine cannot know says "not here" (the demo has no alarms).
"""
DOCTOR_EXAMPLES = """examples:
  whyness-mixpanel doctor --env prod
  whyness-mixpanel doctor --env prod --drift
  whyness-mixpanel doctor --stack whyness-mixpanel-prod --json

Exit code 0 if every check passes, 1 if not. It reads no secret and no event, and changes nothing.
--probe sends one event, which cannot be taken back from Mixpanel.
"""
_HEALTH_VARIABLE = "WHYNESS_MIXPANEL_HEALTH_URLS"
_PROBE_S = 120.0
_CLEAR = "\x1b[2J\x1b[H"


def add_status(group: Commands) -> None:
    """Add the command."""
    parser = add_parser(group, "status", "say whether all is well, on one screen", STATUS_EXAMPLES)
    parser.set_defaults(run=status)
    what = parser.add_argument_group("selection")
    what.add_argument(
        "--health",
        type=http_url,
        metavar="URL",
        action="append",
        help="health view of a site, for its outbox and its last audit; repeat it for more sites "
        f"(or {_HEALTH_VARIABLE}, with commas)",
    )
    what.add_argument(
        "--watch",
        type=Number(1, 3600),
        nargs="?",
        const=5.0,
        metavar="SECONDS",
        help="show it again and again, until Ctrl-C (default every 5 seconds)",
    )
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_connection(parser)


def add_doctor(group: Commands) -> None:
    """Add the command."""
    parser = add_parser(group, "doctor", "check the set-up, and say what fixes it", DOCTOR_EXAMPLES)
    parser.set_defaults(run=doctor)
    what = parser.add_argument_group("selection")
    what.add_argument(
        "--drift", action="store_true", help="find what was changed by hand in the stack, too (takes minutes)"
    )
    what.add_argument(
        "--probe", action="store_true", help='send one event "Whyness doctor", and follow it to Mixpanel'
    )
    what.add_argument("--yes", action="store_true", help="send the probe to production, too")
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="one JSON object instead of text")
    add_connection(parser)


def http_url(given: str) -> str:
    """Return the URL of a web page."""
    if not given.startswith(("http://", "https://")):
        raise wrong(given, "a URL that begins with https:// or http://")
    return text(given)


def status(options: argparse.Namespace, stop: Stop) -> int:
    """Show it, once or again and again; return 0 where all was well the last time."""
    aws, stack = connect(options)
    urls = options.health or [url for url in os.environ.get(_HEALTH_VARIABLE, "").split(",") if url]
    while True:
        now_ms = time.time_ns() // 1_000_000
        found = assess(stack, facts.ask(aws, stack, urls, now_ms), now_ms)
        if options.watch and not options.json and sys.stdout.isatty():
            sys.stdout.write(_CLEAR)
        output.emit(found.to_json(), status_text, as_json=options.json)
        if options.watch:
            stop.wait(options.watch)
        if stop.is_set() or not options.watch:
            return 0 if found.is_well else 1


def doctor(options: argparse.Namespace, stop: Stop) -> int:
    """Check the stack; return 0 where nothing is wrong."""
    aws, stack = connect(options)
    if options.probe:
        may_send(stack, is_confirmed=options.yes)
    rows = examine(Scope(aws, stack, time.time_ns() // 1_000_000), with_drift=options.drift)
    if options.probe:
        rows.append(_probe(Follower(aws, stack, stop, _PROBE_S)))
    output.emit([asdict(row) for row in rows], rows_text, as_json=options.json)
    return 0 if is_well(rows) else 1


def _probe(follower: Follower) -> Row:
    now_ms = time.time_ns() // 1_000_000
    event = Event(insert_id=str(uuid.uuid4()), event="Whyness doctor", user="", time=now_ms)
    followed = follower.follow(event, IDENTITIES[0])
    if followed.state == State.DELIVERED:
        return Row("probe", "well", f"delivered after {followed.took_s:.0f} s")
    why = f"{followed.reason}: {followed.detail}" if followed.reason else "not tried yet"
    return Row(
        "probe", "ill", f"{followed.state} after {followed.took_s:.0f} s; {why}", "docs/runbook.md#reasons"
    )
