"""`make demo`: drive the example site over HTTP and account for every event, at Mixpanel or in a dead letter.

The last line of output is the account as JSON. The exit status is 0 only if every event is accounted for.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

from botocore.exceptions import BotoCoreError, ClientError

from local.demo_account import DemoAccount
from local.demo_run import Demo
from local.emulator import EmulatorMissing
from local.keep import keep_running, site_environment
from local.live_page import live_url, start_live_page
from local.loopback import bypass_proxies
from local.processes import ProcessFailed, raise_if_interrupted, stop_like_ctrl_c
from local.rie import CACHE_DIR, RieUnavailable
from local.site import Site
from local.stack import LocalStack
from local.template import TemplateError
from local.traffic import TrafficError

_EVENT_COUNT = "3000"
_WINDOW_S = 1  # shorter than the template's, so that the demo waits less

_EPILOG = """examples:
  make demo                     3,000 events
  make demo DEMO_EVENTS=20000   20,000 events
  make demo KEEP=1              keep running afterwards, to try things on the pipeline
"""
_KNOWN_FAULTS = (EmulatorMissing, ProcessFailed, RieUnavailable, TemplateError, TrafficError)
_GONE = (BotoCoreError, ClientError, URLError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    CACHE_DIR.mkdir(exist_ok=True)
    work_dir = Path(tempfile.mkdtemp(prefix=f"demo-{os.getpid()}-", dir=CACHE_DIR))
    try:
        account = _run(work_dir, options.events, keep=options.keep)
    except KeyboardInterrupt:
        shutil.rmtree(work_dir)
        print("make demo: stopped", file=sys.stderr)
        return 130
    except _KNOWN_FAULTS as error:
        print(f"make demo: {error}\n{_logs_are_in(work_dir)}", file=sys.stderr)
        return 1
    except _GONE as error:
        print(f"make demo: a process stopped answering: {error}\n{_logs_are_in(work_dir)}", file=sys.stderr)
        return 1
    return _report(account, work_dir)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="make demo",
        description="Send events of a Django site through the whole pipeline, and account for each.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--events",
        type=_count,
        default=os.environ.get("DEMO_EVENTS") or _EVENT_COUNT,
        help=f"number of events (default: $DEMO_EVENTS or {_EVENT_COUNT})",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("KEEP", "") not in ("", "0"),
        help="keep running afterwards until Ctrl-C (default: $KEEP)",
    )
    return parser


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def _run(work_dir: Path, event_count: int, *, keep: bool) -> DemoAccount:
    begin = time.monotonic()

    def say(what: str) -> None:
        raise_if_interrupted()
        print(f"• {time.monotonic() - begin:5.1f} s  {what}", flush=True)

    with LocalStack(work_dir, say=say, window_s=_WINDOW_S) as stack:
        page = start_live_page(stack, work_dir)
        with page, Site(work_dir, site_environment(stack), say) as site:
            say(f"live page: {live_url(page)}")
            account = Demo(stack, site, say).run(event_count)
            if keep:
                print(_table(account), flush=True)
                keep_running(stack, site, live_url(page), CACHE_DIR / "demo.env")
        say("stopping all processes")
    say("done")
    return account


def _report(account: DemoAccount, work_dir: Path) -> int:
    print(_table(account))
    for problem in account.problems:
        print(f"FAILED: {problem}")
    if account.problems:
        print(_logs_are_in(work_dir))
    else:
        shutil.rmtree(work_dir)
    print(account.to_json(), flush=True)
    return 1 if account.problems else 0


def _logs_are_in(work_dir: Path) -> str:
    return f"The logs of all processes are in {work_dir}"


def _table(account: DemoAccount) -> str:
    rows = [
        ("logged by Django", account.logged),
        ("published, with the raw messages", account.published),
        ("delivered to Mixpanel", account.delivered),
        ("found by the audit in the export", account.audited),
        ("profiles equal to the tables", account.profiles),
        *((f"dead letters: {reason}", count) for reason, count in account.dead.items()),
        ("rows in the Log table", account.log_rows),
        ("still in the queue", account.in_flight),
        ("lost", account.lost),
        ("counted twice", account.double_counted),
    ]
    return "\n".join(["", *(f"  {name:<36}{count:>8,}" for name, count in rows), ""])


if __name__ == "__main__":
    stop_like_ctrl_c()
    bypass_proxies()
    sys.exit(main())
