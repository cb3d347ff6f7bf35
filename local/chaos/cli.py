"""The command line of `make chaos`: run rows, print a table, then one line of JSON."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

from botocore.exceptions import BotoCoreError, ClientError

from local.chaos.lane import Lane
from local.chaos.pace import Pace
from local.chaos.rows import ROWS
from local.chaos.running import Result, run_rows
from local.emulator import EmulatorMissing
from local.processes import ProcessFailed
from local.rie import CACHE_DIR, RieUnavailable
from local.template import TemplateError

_LANES = 3
_KNOWN_FAULTS = (EmulatorMissing, ProcessFailed, RieUnavailable, TemplateError)
_GONE = (BotoCoreError, ClientError, URLError)
_EPILOG = """examples:
  make chaos                 200,000 events, all faults; up to 25 minutes
  make chaos SCALE=0.02      4,000 events and shorter faults; about two minutes
  .venv/bin/python -m local.chaos --scale 0.02 --row poison --row outage
  .venv/bin/python -m local.chaos --list
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(f"{row.name:<20}{row.what}" for row in ROWS))
        return 0
    CACHE_DIR.mkdir(exist_ok=True)
    work_dir = Path(tempfile.mkdtemp(prefix=f"chaos-{os.getpid()}-", dir=CACHE_DIR))
    try:
        return _run(options, work_dir)
    except KeyboardInterrupt:
        shutil.rmtree(work_dir)
        print("make chaos: stopped", file=sys.stderr)
        return 130
    except _KNOWN_FAULTS as error:
        print(f"make chaos: {error}\n{_logs_are_in(work_dir)}", file=sys.stderr)
    except _GONE as error:
        what = f"a process stopped answering: {error}"
        print(f"make chaos: {what}\n{_logs_are_in(work_dir)}", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, work_dir: Path) -> int:
    began = time.monotonic()
    rows = [row for row in ROWS if not options.row or row.name in options.row]
    pace = Pace.at(options.scale, len(ROWS))
    lane_count = min(_LANES, len(rows))
    print(
        f"{len(rows)} faults with {pace.events:,} events each, on {lane_count} pipelines in parallel",
        flush=True,
    )
    results: dict[str, Result] = {}

    def tick(lanes: Sequence[Lane]) -> None:
        if sys.stderr.isatty():
            arrived = sum(lane.mixpanel.event_count() for lane in lanes)
            line = (
                f"{len(results)} of {len(rows)} faults done; {arrived:,} events of the current ones arrived"
            )
            print(f"\r\033[K{time.monotonic() - began:6.1f} s  {line}", end="", file=sys.stderr, flush=True)

    for result in run_rows(rows, pace, lane_count=lane_count, work_dir=work_dir, on_tick=tick):
        results[result.row.name] = result
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        print(f"{clear}{time.monotonic() - began:6.1f} s  {_line(result)}", flush=True)
    return _report([results[row.name] for row in rows], options.scale, time.monotonic() - began, work_dir)


def _report(results: Sequence[Result], scale: float, seconds: float, work_dir: Path) -> int:
    bad = [result for result in results if result.problems]
    print(_table(results))
    for result in bad:
        print(f"FAILED: {result.row.name}: {', '.join(result.problems)}")
    if bad:
        print(_logs_are_in(work_dir))
    else:
        shutil.rmtree(work_dir)
    account = {"ok": not bad, "scale": scale, "seconds": round(seconds, 1)}
    print(json.dumps({**account, "rows": [result.to_json() for result in results]}), flush=True)
    return 1 if bad else 0


def _line(result: Result) -> str:
    end = f"drained in {result.drain_s:.1f} s; " + (", ".join(result.problems) or "all accounted for")
    return (
        f"{result.row.name:<20}{result.account.delivered:>7,} delivered, {result.account.dead:,} dead, {end}"
    )


def _table(results: Sequence[Result]) -> str:
    head = ("offered", "delivered", "audited", "dead", "lost", "twice", "unexpl.", "drain s", "struck")
    lines = ["", f"  {'fault':<50}" + "".join(f"{name:>10}" for name in head)]
    for result in results:
        counts = result.account
        figures = (counts.offered, counts.delivered, result.audited, counts.dead, counts.lost)
        texts = [f"{figure:,}" for figure in (*figures, counts.double_counted, counts.unexplained)]
        texts += [f"{result.drain_s:.1f}", f"{result.struck:,}"]
        lines.append(f"  {result.row.what:<50}" + "".join(f"{text:>10}" for text in texts))
    return "\n".join([*lines, ""])


def _logs_are_in(work_dir: Path) -> str:
    return f"The logs of all processes are in {work_dir}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="make chaos",
        description="Run the local pipeline under each fault it must survive; account for every event.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scale = os.environ.get("SCALE") or "1"
    parser.add_argument(
        "--scale",
        type=_scale,
        default=scale,
        help="multiplies the number of events and the length of the faults (default: $SCALE or 1)",
    )
    parser.add_argument(
        "--row",
        action="append",
        choices=[row.name for row in ROWS],
        metavar="NAME",
        help="run only this fault; may be repeated",
    )
    parser.add_argument("--list", action="store_true", help="list the names of the faults and exit")
    return parser


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0.001 <= scale <= 10:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.001 to 10")
    return scale
