"""The command `whyness-mixpanel capacity`: its options, and what it prints."""

import argparse
import math

from whyness_events.limits import EVENT_BYTES
from whyness_ops import output
from whyness_ops.capacity.live import live_events_per_message
from whyness_ops.capacity.load import DAY_S, Load
from whyness_ops.capacity.prices import measured, read_prices
from whyness_ops.capacity.report import report
from whyness_ops.capacity.text import report_text
from whyness_ops.option_types import Number, Whole, path, wrong
from whyness_ops.stop import Stop

EXAMPLES = """examples:
  whyness-mixpanel capacity --events-per-day 5m
  whyness-mixpanel capacity --events-per-day 1bn --bytes 800 --memory-mb 1769 --outage-hours 8
  whyness-mixpanel capacity --events-per-day 10bn --projects 8 --memory-mb 1769 --json
  whyness-mixpanel capacity --events-per-day 5m --events-per-message 1 --prices mine.toml

It asks nobody: prices and measurements are data of the package. mine.toml has lines such as
  sqs_request = 0.0000005
docs/capacity.md says what the model knows and what not.
"""
_SCALES = {"k": 1e3, "m": 1e6, "bn": 1e9}
_MOST_EVENTS = 1e12


def add_capacity(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    help_ = "what it costs and what it can carry, for a number of events a day"
    parser = groups.add_parser(
        "capacity",
        help=help_,
        description=help_.capitalize() + ".",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=capacity)
    parser.add_argument(
        "--events-per-day", type=events, required=True, metavar="N", help="10000, 10k, 5m, 1bn"
    )
    for option, (least, most), default, what in (
        ("--bytes", (1, int(EVENT_BYTES)), 450, "of an event's JSON as published (default 450)"),
        ("--events-per-message", (1, 10_000), None, "default: as the app's relay packs live traffic"),
        ("--projects", (1, 1_000), 1, "of Mixpanel, each with a stack of its own (default 1)"),
        ("--memory-mb", (128, 10_240), 512, "MemorySize of the function (default 512)"),
        ("--concurrency", (2, 1_000), 4, "MaximumConcurrency of a stack (default 4)"),
    ):
        parser.add_argument(option, type=Whole(least, most), default=default, metavar="N", help=what)
    for option, name, (least, most), default, what in (
        ("--outage-hours", "H", (0, 336), 4, "Mixpanel answers nothing for so long (default 4)"),
        ("--peak-factor", "F", (1, 100), 2, "the busy hours over the day's mean (default 2)"),
        ("--answer-ms", "MS", (1, 30_000), 300, "Mixpanel's time for a request (default 300)"),
    ):
        parser.add_argument(option, type=Number(least, most), default=default, metavar=name, help=what)
    parser.add_argument("--prices", type=path, metavar="FILE", help="TOML or JSON, over the package's own")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")


def capacity(options: argparse.Namespace, _: Stop) -> int:
    """Print what the model says."""
    prices = read_prices(options.prices)
    live = live_events_per_message(options.events_per_day / options.projects / DAY_S)
    load = Load(
        events_per_day=options.events_per_day,
        event_bytes=options.bytes,
        events_per_message=options.events_per_message or live,
        peak_factor=options.peak_factor,
        outage_hours=options.outage_hours,
        answer_ms=options.answer_ms,
        projects=options.projects,
        memory_mb=options.memory_mb,
        concurrency=options.concurrency,
    )
    found = report(load, prices)
    if options.json:
        about = {"region": prices.region, "measured": f"{measured().command}, {measured().date}"}
        output.emit(found.to_json() | about, str, as_json=True)
    else:
        output.emit(found, lambda report: report_text(report, prices), as_json=False)
    return 0


def events(text: str) -> float:
    """Return 10000 for 10000, 10k, 0.01m.

    Raises:
        argparse.ArgumentTypeError: it is no number of events.
    """
    number = text.lower().replace(",", "").replace("_", "")
    unit = next((unit for unit in ("bn", "k", "m") if number.endswith(unit)), "")
    try:
        found = float(number.removesuffix(unit)) * _SCALES.get(unit, 1)
    except ValueError:
        found = math.nan
    if not 1 <= found <= _MOST_EVENTS:
        raise wrong(text, "number such as 10000, 10k, 5m or 1bn, from 1 to 1000bn")
    return found
